"""Test cases of a policy: SQL and the facts around it, stated by hand so that no database is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlagent.core.analyze import judge
from sqlagent.core.nouns.analysis import Analysis, Operation, Risk, Size, Statement, SyntaxOpinion
from sqlagent.core.nouns.policy import Ask, Facts, Policy, Verdict
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.core.policy.conditions import Changed
from sqlagent.core.policy.decision import builtin_denial, relax, strictest, verdicts, word_of
from sqlagent.core.policy.seen import GIVEN, Sight, sights
from sqlagent.core.text.counted import counted


@dataclass(frozen=True, slots=True)
class Given:
    """The circumstances that a case states; those that it does not state are unknown to the rules."""

    now: datetime
    database: str = ""
    requester: str = ""
    environment: str = "terminal"
    confidence: float | None = None
    rows: int | None = None
    effect: tuple[Changed, ...] | None = None
    hidden: tuple[tuple[Verb, str], ...] | None = None
    """What triggers and foreign keys do beside the text; empty for nothing, None for nobody knows."""
    columns: tuple[str, ...] | None = None
    undo: str = ""

    @property
    def facts(self) -> Facts:
        """The same, as a policy is asked."""
        return Facts(self.database, self.requester, self.now, self.environment, confidence=self.confidence)


@dataclass(frozen=True, slots=True)
class Expected:
    """The verdict that a case wants; None where it does not care."""

    verdict: str
    """`allow`, `ask` or `deny`."""
    rules: frozenset[str] | None = None
    people: int | None = None

    def words(self) -> str:
        """`deny [no-drops]`, as a verdict reads."""
        people = f", {counted(self.people, 'person', 'people')}" if self.people is not None else ""
        rules = "" if self.rules is None else f" [{', '.join(sorted(self.rules)) or 'by no rule'}]"
        return f"{self.verdict}{people}{rules}"

    def met_by(self, verdict: Verdict) -> bool:
        """Whether this is the verdict, by exactly these rules and from so many people, where the case names them."""
        cited = frozenset(verdict.rule.split(", ")) if verdict.rule else frozenset()
        people = len(verdict.seats) if isinstance(verdict, Ask) else 0
        return (
            word_of(verdict) == self.verdict
            and self.rules in (None, cited)
            and (self.people is None or self.people == people)
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One `[[case]]`."""

    name: str
    where: str
    """`cases.toml:12`."""
    sql: str
    given: Given
    expected: Expected
    stated: frozenset[str] = frozenset()
    """Facts that the case states itself; against a real database only these replace what is true there."""


def ruled(seen: Sequence[Sight], policy: Policy) -> Verdict:
    """The policy's verdict on all that is seen, built-in denials first."""
    denial = builtin_denial(Analysis(tuple(sight.statement for sight in seen)), policy)
    return denial or strictest([verdict for said in verdicts(seen, policy) for verdict in said])


def sights_given(opinions: Sequence[SyntaxOpinion], given: Given, policy: Policy) -> tuple[Sight, ...]:
    """A script by its text alone, with the facts that are given for what a database would tell."""
    first = next((i for i, o in enumerate(opinions, 1) if o.risk is not Risk.READ), 0)
    exact = Size() if given.rows is None else Size(given.rows, None, Basis.EXACT)
    judged = (judge(i, o, None, exact if i == first else Size()) for i, o in enumerate(opinions, 1))
    analysis = relax(Analysis(tuple(_with(s, given, first) for s in judged)), policy)
    plain = sights(analysis, given.facts)
    if analysis.risk is Risk.READ or not plain:
        return plain
    changed = given.effect if given.effect is not None else _changed(analysis, given)
    rows = given.rows
    if rows is None and given.effect is not None:
        rows = sum(c.rows or 0 for c in given.effect)
    whole = replace(plain[0].whole, changed=changed, rows=rows, undo=given.undo)
    return tuple(replace(sight, whole=whole) for sight in plain)


def _with(statement: Statement, given: Given, first: int) -> Statement:
    """The statement as if a database had said what is given."""
    if given.columns is not None:
        said = {**statement.opinions, "columns": GIVEN}
        statement = replace(statement, columns=given.columns, opinions=said)
    if given.hidden is None:
        return statement
    causes = given.hidden if statement.index == first else ()
    more = tuple(Operation(verb, table, "trigger") for verb, table in causes)
    return replace(
        statement,
        operations=(*statement.operations, *more),
        writes=tuple(dict.fromkeys((*statement.writes, *(table for _, table in causes)))),
        opinions={**statement.opinions, "engine": GIVEN},
    )


def _changed(analysis: Analysis, given: Given) -> tuple[Changed, ...] | None:
    """All rows are of the one table that is written, where nothing else is."""
    own = [o for s in analysis.statements for o in s.operations if o.verb is not Verb.READ]
    if given.rows is None or given.hidden != () or len(own) != 1:
        return None
    verb = Verb.DELETE if own[0].verb is Verb.DROP else own[0].verb
    return (Changed(own[0].target, verb.value, given.rows),)
