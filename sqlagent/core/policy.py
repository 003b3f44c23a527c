"""What a person decided once: which statements run alone, which are asked, which nobody may approve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from sqlagent.core.model import Analysis, Risk


@dataclass(frozen=True, slots=True)
class Allow:
    """It may run unasked."""

    rule: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A person decides."""

    rule: str = ""
    stages: int = 1


@dataclass(frozen=True, slots=True)
class Deny:
    """Nobody may approve it."""

    rule: str
    why: str


Verdict = Allow | Ask | Deny


class Reads(StrEnum):
    """What happens to a proven read."""

    ASK = "ask"
    ALLOW = "allow"


class Writes(StrEnum):
    """What happens to all that is not a proven read."""

    ASK = "ask"
    DENY = "deny"
    """The database is configured `read_only`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Defaults are the strictest: everything is asked, and what reaches outside the database is denied."""

    reads: Reads = Reads.ASK
    relaxed: frozenset[str] = frozenset()
    """Rules that ask instead of denying; only the user's own settings name them."""
    writes: Writes = Writes.ASK


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


def decide(analysis: Analysis, policy: Policy) -> Verdict:
    """The policy's word on a whole script: its strictest on any statement of it."""
    if analysis.denied:
        rule = analysis.denied[0]
        return Deny(rule, _WHY.get(rule, "a rule of the analysis forbids it"))
    if analysis.risk is not Risk.READ and policy.writes is Writes.DENY:
        return Deny("read-only", "this database is configured read_only")
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
            return f"ask [{rule}]" if rule else "ask"
