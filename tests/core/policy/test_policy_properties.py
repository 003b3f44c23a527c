"""What holds of every policy: more rules never make it laxer, their order does not matter, and doubt never allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_builders import NOON, ROLES, a_measurement, a_policy, a_rule, a_statement

from sqlagent.core.nouns.analysis import Analysis, Kind, Risk
from sqlagent.core.nouns.effect import Measurement, Undoable
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.core.policy import (
    Allow,
    Ask,
    Deny,
    Facts,
    OnTimeout,
    Origin,
    Policy,
    Reads,
    Rule,
    Stage,
    Verdict,
    decide,
    explain,
)
from sqlagent.core.policy.conditions import Match
from sqlagent.core.policy.rulebook import Rulebook, counts, least
from sqlagent.core.policy.seen import SEEN, sights
from sqlagent.core.policy.stages import merge

TABLES = ("orders", "customers", "tmp_x", "audit_log")
PATTERNS = (*TABLES, "tmp_*", "*", "secrets")
COLUMNS = ("orders.total", "customers.iban", "customers.*", "tmp_x.?")

CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "database": st.sampled_from(["prod", "dev", "p*"]),
    "kind": st.sampled_from(["select", "update", "delete"]),
    "verb": st.sampled_from(["read", "update", "delete", ["update", "insert"]]),
    "table": st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
    "columns": st.sampled_from(["*.iban", "customers.*", "orders.total"]),
    "risk": st.sampled_from(["read", "write", ">=write", ">=severe"]),
    "rows": st.sampled_from(["<=10", ">10", "=0"]),
    "effect": st.sampled_from([{"orders": ">0"}, {"audit*": "=0"}, {"*": {"delete": ">10"}}]),
    "hidden": st.booleans(),
    "undo": st.sampled_from([True, False, "partial"]),
    "confidence": st.sampled_from(["<0.8", ">=0.8"]),
    "requester": st.sampled_from(["ana", "role:dba", "kim"]),
    "time": st.sampled_from(["22:00-06:00", "08:00-18:00"]),
    "days": st.sampled_from([["sat", "sun"], "tue"]),
    "environment": st.sampled_from(["ci", "terminal"]),
}
whens = st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: CONDITIONS[name] for name in names})
)

plain_stages = st.builds(Stage, people=st.integers(1, 4))
stages = st.builds(
    Stage,
    name=st.sampled_from(["", "technical"]),
    role=st.sampled_from(["", "dba"]),
    people=st.integers(1, 3),
    not_requester=st.booleans(),
    expires=st.sampled_from([None, 60.0, 3600.0]),
).map(lambda s: replace(s, who=ROLES[s.role] if s.role else None))


@st.composite
def several_stages(draw: st.DrawFn) -> tuple[Stage, ...]:
    """As a file may have them: all but the last may escalate, and no two are alike."""
    found = draw(st.lists(plain_stages | stages, min_size=1, max_size=3, unique_by=lambda s: (s.name, s.role)))
    escalating = [
        replace(s, on_timeout=OnTimeout.ESCALATE if s.expires and draw(st.booleans()) else OnTimeout.REJECT)
        for s in found[:-1]
    ]
    return (*escalating, found[-1])


@st.composite
def a_rule_of(draw: st.DrawFn, *thens: str, origin: Origin = Origin.USER) -> Rule:
    then = draw(st.sampled_from(thens))
    rule = a_rule(then, f"r{draw(st.integers(0, 10**9))}", origin=origin, **draw(whens))
    if isinstance(rule.then, Ask):
        return replace(rule, then=replace(rule.then, stages=draw(several_stages())))
    return rule


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Analysis, Facts]:
    """A script of up to three statements, and the circumstances."""
    statements = [
        a_statement(
            draw(st.sampled_from([Kind.SELECT, Kind.UPDATE, Kind.DELETE, Kind.OTHER])),
            draw(st.sampled_from(TABLES)),
            risk=draw(st.sampled_from([None, Risk.SEVERE, Risk.UNKNOWN])),
            hidden=draw(st.lists(st.tuples(st.sampled_from([Verb.INSERT, Verb.DELETE]), st.sampled_from(TABLES)))),
            columns=draw(st.lists(st.sampled_from(COLUMNS), max_size=2)),
            heard=draw(st.booleans()),
            index=index,
        )
        for index in range(1, draw(st.integers(1, 3)) + 1)
    ]
    facts = Facts(
        database=draw(st.sampled_from(["prod", "dev", ""])),
        requester=draw(st.sampled_from(["ana", "kim", ""])),
        now=NOON + timedelta(hours=draw(st.integers(0, 167))),
        environment=draw(st.sampled_from(["ci", "terminal"])),
        measurement=draw(st.none() | measurements(len(statements))),
        confidence=draw(st.sampled_from([None, 0.5, 0.9, 1.0])),
    )
    return Analysis(tuple(statements)), facts


@st.composite
def measurements(draw: st.DrawFn, statements: int) -> Measurement:
    touched = draw(st.lists(st.tuples(st.sampled_from(TABLES), st.sampled_from([Verb.UPDATE, Verb.DELETE]),
                                      st.integers(0, 20)), max_size=3))  # fmt: skip
    basis, undo = draw(st.sampled_from([Basis.EXACT, Basis.COUNTED])), draw(st.sampled_from(Undoable))
    return a_measurement(*touched, basis=basis, undo=undo, statements=statements)


policies = st.builds(
    lambda rules, reads: Policy(reads=reads, rules=tuple(rules), roles=ROLES),
    st.lists(a_rule_of("deny", "ask", "allow"), max_size=5),
    st.sampled_from(Reads),
)


def strictness(verdict: Verdict) -> int:
    match verdict:
        case Allow():
            return 0
        case Ask():
            return 1
        case Deny():
            return 2


def certain(stages: tuple[Stage, ...]) -> int:
    """People who are needed even where every stage that escalates is passed over."""
    return sum(s.people for s in stages if s.on_timeout is OnTimeout.REJECT)


def assert_no_laxer(before: Verdict, after: Verdict) -> None:
    assert strictness(after) >= strictness(before)
    if not isinstance(before, Ask) or not isinstance(after, Ask):
        return
    assert len(after.seats) >= len(before.seats)
    assert certain(after.stages) >= certain(before.stages)
    for stage in before.stages:
        if stage.name or stage.role:
            (same,) = [s for s in after.stages if (s.name, s.role, s.who) == (stage.name, stage.role, stage.who)]
            assert same.people >= stage.people
            assert same.not_requester >= stage.not_requester
            if stage.on_timeout is OnTimeout.REJECT:
                assert same.on_timeout is OnTimeout.REJECT
                assert stage.expires is None or (same.expires is not None and same.expires <= stage.expires)
            elif same.on_timeout is OnTimeout.ESCALATE:
                assert same.expires is not None
                assert stage.expires is not None
                assert same.expires >= stage.expires


@given(policies, a_rule_of("deny", "ask"), st.integers(0, 5), worlds())
def test_a_rule_that_denies_or_asks_never_makes_anything_laxer(
    policy: Policy, rule: Rule, place: int, world: tuple[Analysis, Facts]
) -> None:
    rules = (*policy.rules[:place], rule, *policy.rules[place:])
    assert_no_laxer(decide(*world_of(world, policy)), decide(*world_of(world, replace(policy, rules=rules))))


def world_of(world: tuple[Analysis, Facts], policy: Policy) -> tuple[Analysis, Policy, Facts]:
    return world[0], policy, world[1]


project_rules = st.lists(a_rule_of("deny", "ask", "allow", origin=Origin.PROJECT), max_size=4)


@given(policies, project_rules, worlds())
def test_a_projects_file_never_loosens(policy: Policy, more: list[Rule], world: tuple[Analysis, Facts]) -> None:
    with_project = replace(policy, rules=(*policy.rules, *more))
    assert_no_laxer(decide(*world_of(world, policy)), decide(*world_of(world, with_project)))


@given(policies, st.randoms(use_true_random=False), worlds())
def test_the_order_of_rules_does_not_matter(policy: Policy, random: Any, world: tuple[Analysis, Facts]) -> None:
    shuffled = list(policy.rules)
    random.shuffle(shuffled)
    before, after = decide(*world_of(world, policy)), decide(*world_of(world, replace(policy, rules=tuple(shuffled))))
    assert strictness(before) == strictness(after)
    if isinstance(before, Ask) and isinstance(after, Ask):
        assert set(before.rule.split(", ")) == set(after.rule.split(", "))
        assert len(before.seats) == len(after.seats)
        plainly = [{s for s in ask.stages if s.name or s.role} for ask in (before, after)]
        assert {replace(s, on_timeout=OnTimeout.REJECT) for s in plainly[0]} == {
            replace(s, on_timeout=OnTimeout.REJECT) for s in plainly[1]
        }


@given(st.lists(a_rule_of("allow"), max_size=6), worlds())
def test_unknown_facts_never_allow(rules: list[Rule], world: tuple[Analysis, Facts]) -> None:
    analysis, facts = world
    unknown = replace(facts, measurement=None, confidence=None, database="", requester="")
    conditional = [
        r for r in rules if r.when.keys() & {"rows", "effect", "undo", "confidence", "database", "requester"}
    ]
    writes = Analysis(tuple(s for s in analysis.statements if s.risk is not Risk.READ))
    if writes.statements:
        assert isinstance(decide(writes, a_policy(*conditional), unknown), Ask)


@given(st.lists(a_rule_of("allow"), max_size=6), worlds())
def test_what_nobody_understood_is_allowed_by_no_rule_about_what_it_does(
    rules: list[Rule], world: tuple[Analysis, Facts]
) -> None:
    analysis, facts = world
    lost = Analysis(tuple(replace(s, risk=Risk.UNKNOWN, operations=()) for s in analysis.statements))
    about = [r for r in rules if r.when.keys() & {"kind", "verb", "table", "columns", "risk"}]
    assert isinstance(decide(lost, a_policy(*about), facts), Ask)


@given(policies, worlds())
def test_the_index_of_rules_agrees_with_one_rule_at_a_time(policy: Policy, world: tuple[Analysis, Facts]) -> None:
    seen = sights(*world)
    for sight, fired in zip(seen, Rulebook(policy).firing(seen), strict=True):
        alone = tuple(
            rule
            for rule in policy.rules
            if counts(rule)
            and all(
                condition.answer(SEEN[name](sight), match) >= least(rule)
                for name, condition in rule.when.items()
                for match in [_match(rule)]
            )
        )
        assert fired == alone


def _match(rule: Rule) -> Any:
    return Match.ALL if isinstance(rule.then, Allow) else Match.ANY


@given(policies, worlds())
def test_an_explanation_names_the_rules_that_decided(policy: Policy, world: tuple[Analysis, Facts]) -> None:
    analysis, facts = world
    verdict = decide(analysis, policy, facts)
    explained = explain(analysis, policy, facts)
    assert max(strictness(e.verdict) for e in explained) == strictness(verdict)
    fired = {c.rule for e in explained for c in e.rules if c.fires} | {"", "reads", "confidence"}
    assert set(verdict.rule.split(", ")) <= fired
    for each in explained:
        assert [c.rule for c in each.rules] == [r.id for r in policy.rules]
        assert each.because
        assert all(c.because for c in each.rules)


@given(st.lists(several_stages(), min_size=1, max_size=4))
def test_nobody_is_left_to_escalate_to_and_no_stage_is_empty(asked: list[tuple[Stage, ...]]) -> None:
    merged = merge(asked)
    assert merged[-1].on_timeout is OnTimeout.REJECT
    assert all(s.people > 0 for s in merged)
    assert sum(s.people for s in merged) >= max(sum(s.people for s in each) for each in asked)
    assert certain(merged) >= max(certain(each) for each in asked)


@settings(max_examples=300)
@given(st.lists(several_stages(), min_size=1, max_size=2), several_stages())
def test_one_more_question_never_makes_the_stages_laxer(
    asked: list[tuple[Stage, ...]], more: tuple[Stage, ...]
) -> None:
    assert_no_laxer(Ask(stages=merge(asked)), Ask(stages=merge([*asked, more])))
