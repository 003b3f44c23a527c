"""Why a statement is denied, asked or allowed: every rule, whether it fires, and the condition that settled it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlagent.core.nouns.analysis import Analysis, Statement
from sqlagent.core.nouns.policy import Allow, Ask, Deny, Facts, Policy, Rule, Verdict
from sqlagent.core.policy.conditions import Answer
from sqlagent.core.policy.decision import builtin_denial, of, strictest, verdicts, word_of
from sqlagent.core.policy.rulebook import counts, least, match_of
from sqlagent.core.policy.seen import SEEN, Sight, shown, sights


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule, held against one statement."""

    rule: str
    where: str
    then: str
    """`allow`, `deny`, `ask`."""
    fires: bool
    answer: Answer
    """Of all its conditions together."""
    by: str = ""
    """The condition that kept it from firing, or that was not known and let it; empty where all hold."""
    because: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """One statement, and what the policy makes of it."""

    statement: Statement
    verdict: Verdict
    rules: tuple[Considered, ...]
    """Every rule of the files, in their order."""
    seen: dict[str, str]
    """What the rules saw of it, in words, by the name that a condition has for it."""
    because: str
    """What decided, in a few words."""


def explain(analysis: Analysis, policy: Policy, facts: Facts) -> tuple[Explained, ...]:
    """The verdict on every statement and how it came about; `decide` has the one on all of them together."""
    return explain_seen(sights(analysis, of(policy, facts)), policy)


def explain_seen(seen: Sequence[Sight], policy: Policy) -> tuple[Explained, ...]:
    """The same for statements whose facts came from elsewhere, such as a case's file."""
    return tuple(_explained(sight, said, policy) for sight, said in zip(seen, verdicts(seen, policy), strict=True))


def _explained(sight: Sight, said: Sequence[Verdict], policy: Policy) -> Explained:
    denial = builtin_denial(Analysis((sight.statement,)), policy)
    verdict = denial or strictest(said)
    considered = tuple(consider(rule, sight) for rule in policy.rules)
    seen = {name: shown(look(sight)) for name, look in SEEN.items()}
    return Explained(sight.statement, verdict, considered, seen, _because(verdict, considered))


def consider(rule: Rule, sight: Sight) -> Considered:
    """One rule, condition by condition."""
    match = match_of(rule)
    answers = {name: condition.answer(SEEN[name](sight), match) for name, condition in rule.when.items()}
    answer = min(answers.values(), default=Answer.YES)
    fires = answer >= least(rule)
    settled = least(rule) if not fires else Answer.YES
    by = next((name for name, each in answers.items() if each < settled), "")
    because = _why(rule, by, answers[by], sight) if by else "every condition holds" if rule.when else "no condition"
    if fires and not counts(rule):
        fires, because = False, "a project's file may not allow"
    return Considered(rule.id, rule.where, word_of(rule.then), fires, answer, by, because)


def _why(rule: Rule, by: str, answer: Answer, sight: Sight) -> str:
    wanted, seen = f"{by} = {rule.when[by].text}", shown(SEEN[by](sight))
    if answer is Answer.NO:
        return f"{wanted} does not hold: {seen}"
    tail = "" if seen == "not known" else f": {seen}"
    return f"{wanted} is not known to hold{tail}"


def _because(verdict: Verdict, considered: Sequence[Considered]) -> str:
    fired = {c.rule: c for c in considered if c.fires}
    decided = [fired[rule] for rule in verdict.rule.split(", ") if rule in fired]
    if decided:
        return "; ".join(dict.fromkeys(c.because for c in decided))
    match verdict:
        case Ask("confidence"):
            return "it would be allowed, and drafts of the model disagree"
        case Ask():
            return "no rule speaks of it"
        case Allow():
            return "a proven read, and reads = allow"
        case Deny():
            return verdict.why
