"""The policy's word on a script."""

from __future__ import annotations

from dataclasses import replace

from sqlagent.core.model import Analysis, Risk
from sqlagent.core.policy.model import Allow, Ask, Deny, Facts, Policy, Reads, Verdict, Writes

RELAXABLE = ("hidden-characters", "executable-comment")
"""What a user may relax.  The other denials stand: no adapter carries out what reaches outside the database, ends its
own transaction or changes settings, so there is nothing that a person could approve."""

_WHY = {
    "outside-database": "it reaches outside the database: a file, a program, an extension or another database",
    "transaction-control": "it begins, ends or names a transaction, and sqlagent runs each proposal in one of its own",
    "unsafe-pragma": "it changes a setting of the connection or of the file, not data",
    "hidden-characters": "its text has characters that a screen does not show as they are",
    "executable-comment": "it has a comment that some engines run as SQL",
}


def relax(analysis: Analysis, policy: Policy) -> Analysis:
    """The analysis with what the user's own policy relaxes no longer denied; it stays UNKNOWN, and is asked."""
    return Analysis(
        tuple(
            replace(s, denied="", risk=max(s.risk, Risk.SEVERE)) if s.denied in policy.relaxed else s
            for s in analysis.statements
        )
    )


def builtin_denial(analysis: Analysis, policy: Policy) -> Deny | None:
    """What no file of the user's can lift; a script that it denies is not even measured."""
    if analysis.denied:
        rule = analysis.denied[0]
        return Deny(rule, _WHY.get(rule, "a rule of the analysis forbids it"))
    if analysis.risk is not Risk.READ and policy.writes is Writes.DENY:
        return Deny("read-only", "this database is configured read_only")
    return None


def decide(analysis: Analysis, policy: Policy, facts: Facts) -> Verdict:  # noqa: ARG001 - rules will look at them
    """The policy's word on a whole script: its strictest on any statement of it."""
    if denial := builtin_denial(analysis, policy):
        return denial
    if analysis.risk is Risk.READ and policy.reads is Reads.ALLOW:
        return Allow("reads")
    return Ask()


def words(verdict: Verdict) -> str:
    """As the screen and the record say it: `ask`, `allow [reads]`, `deny [outside-database]`."""
    match verdict:
        case Allow(rule):
            return f"allow [{rule}]"
        case Deny(rule):
            return f"deny [{rule}]"
        case Ask(rule):
            people = len(verdict.seats)
            return "ask" + (f", {people} people" if people > 1 else "") + (f" [{rule}]" if rule else "")
