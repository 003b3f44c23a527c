"""Every rule has statements that it leaves alone and statements that it finds fault with, in fixtures/rules/."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from checkout import FIXTURES

from sqlagent.core.analyze import judge, parse
from sqlagent.core.nouns.analysis import Access, Basis, EngineOpinion, Kind, Risk, Size, Verb
from sqlagent.core.nouns.effect import Effect, Touched
from sqlagent.core.nouns.rule import Tried
from sqlagent.core.rules import catalogue

RULES = FIXTURES / "rules"
RELAXABLE = {
    "outside-database",
    "transaction-control",
    "unsafe-pragma",
    "marker-table",
    "session-change",
    "executable-comment",
    "hidden-characters",
}


def _cases(outcome: str) -> list[Any]:
    cases = []
    for path in sorted(RULES.glob("*.toml")):
        fixture = tomllib.loads(path.read_text("utf-8"))
        cases += [
            pytest.param(path.stem, fixture["dialect"], case, id=f"{path.stem}-{number}")
            for number, case in enumerate(fixture[outcome], 1)
        ]
    return cases


def _engine(case: dict[str, Any], kind: Kind) -> EngineOpinion | None:
    if not case.keys() & {"accesses", "columns", "plan", "quoted"}:
        return None
    accesses = [Access(Verb(verb), table, via=via) for verb, table, via in case.get("accesses", [])]
    accesses += [Access(Verb.READ, table, column) for table, column in case.get("columns", [])]
    readonly = case.get("readonly", "columns" in case)
    return EngineOpinion(
        case["sql"],
        Kind(case.get("kind", kind)),
        readonly=readonly,
        risk=Risk.READ if readonly else Risk.WRITE,
        accesses=tuple(accesses) or (Access(Verb.DELETE, "t"),),
        plan=tuple(case.get("plan", ())),
        quoted_as_text=tuple(case.get("quoted", ())),
    )


def _found(dialect: str, case: dict[str, Any]) -> set[str]:
    (syntax,) = parse(case["sql"], dialect)
    size = Size(case.get("rows"), case.get("of"), Basis.COUNTED)
    return {f.rule for f in judge(1, syntax, _engine(case, syntax.kind), size, _tried(case)).findings}


def _tried(case: dict[str, Any]) -> Tried:
    touched = tuple(Touched(table, Verb(verb), rows, via=via) for table, verb, rows, via in case.get("touched", []))
    effect = Effect(Basis.EXACT, touched) if touched else None
    return Tried(effect, case.get("unmeasured", ""), case.get("matches"), case.get("matched"))


@pytest.mark.parametrize(("rule", "dialect", "case"), _cases("fails"))
def test_the_rule_finds_fault(rule: str, dialect: str, case: dict[str, Any]) -> None:
    assert rule in _found(dialect, case)


@pytest.mark.parametrize(("rule", "dialect", "case"), _cases("passes"))
def test_the_rule_leaves_it_alone(rule: str, dialect: str, case: dict[str, Any]) -> None:
    assert rule not in _found(dialect, case)


def test_every_rule_has_fixtures_and_every_fixture_a_rule() -> None:
    assert sorted(r.id for r in catalogue()) == sorted(p.stem for p in RULES.glob("*.toml"))


@pytest.mark.parametrize("rule", catalogue(), ids=lambda r: r.id)
def test_every_rule_is_a_manual_page_with_why_example_and_what_to_do(rule: Any) -> None:
    assert rule.title.endswith(".")
    assert [word for word in ("Why:", "Example:", "What to do:") if word not in rule.text] == []


def test_ordinary_queries_give_no_findings() -> None:
    script = """
        SELECT c.name, sum(o.total) AS revenue FROM orders o JOIN customers c ON c.id = o.customer_id
         WHERE o.status = 'paid' AND o.created_at >= date('now', '-1 year') GROUP BY c.id ORDER BY revenue DESC LIMIT 3;
        WITH m AS (SELECT strftime('%Y-%m', created_at) AS month, total FROM orders)
        SELECT month, avg(total) FROM m GROUP BY 1;
        SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY created_at DESC) AS n FROM orders;
        UPDATE orders SET status = 'sent', sent_at = CURRENT_TIMESTAMP WHERE id = 4711;
        INSERT INTO orders(customer_id, total) VALUES (1, 9.5), (2, 3);
        DELETE FROM sessions WHERE expires_at < datetime('now');
    """
    assert [judge(i, o, None, Size()).findings for i, o in enumerate(parse(script, "sqlite"), 1)] == [()] * 6


def test_every_denial_is_a_rule_with_a_page() -> None:
    assert {r.id for r in catalogue()} >= RELAXABLE
