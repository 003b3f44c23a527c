from __future__ import annotations

from typing import Any

import pytest

from sqlagent.core.analyze import judge, parse
from sqlagent.core.nouns.analysis import (
    Access,
    Basis,
    EngineOpinion,
    Kind,
    Operation,
    Risk,
    Severity,
    Size,
    Statement,
    Verb,
)
from sqlagent.core.nouns.effect import Effect, Touched
from sqlagent.core.nouns.rule import Tried

UNCOUNTED = Size()
READ_T = (Access(Verb.READ, "t", "a"),)


def engine(sql: str, **changes: Any) -> EngineOpinion:
    facts: dict[str, Any] = {"kind": Kind.SELECT, "readonly": True, "risk": Risk.READ, "accesses": READ_T}
    return EngineOpinion(sql, **(facts | changes))


def verdict(sql: str, said: EngineOpinion | None = None, size: Size = UNCOUNTED, dialect: str = "sqlite") -> Statement:
    (syntax,) = parse(sql, dialect)
    return judge(1, syntax, said, size)


def test_two_opinions_that_agree_on_a_read_make_a_read() -> None:
    found = verdict("SELECT a FROM t", engine("SELECT a FROM t"))
    assert (found.risk, found.opinions) == (Risk.READ, {"syntax": "READ", "engine": "READ"})
    assert found.operations == (Operation(Verb.READ, "t"),)


@pytest.mark.parametrize(
    "said",
    [
        {"risk": Risk.WRITE, "readonly": False},
        {"kind": Kind.DELETE},
        {"accesses": (*READ_T, Access(Verb.DELETE, "t"))},
        {"accesses": (*READ_T, Access(Verb.READ, "hidden"))},
        {"risk": Risk.UNKNOWN, "why": "function x"},
        {"error": "no such table: t", "risk": Risk.UNKNOWN},
    ],
)
def test_a_read_that_the_database_does_not_confirm_is_not_a_read(said: dict[str, Any]) -> None:
    assert verdict("SELECT a FROM t", engine("", **said)).risk is Risk.UNKNOWN


def test_a_difference_shows_both_opinions() -> None:
    found = verdict("SELECT a FROM t", engine("", kind=Kind.DELETE))
    (shown,) = [f for f in found.findings if f.rule == "opinions-differ"]
    assert (shown.message, shown.severity) == ("the text says select, the database delete", Severity.DANGER)


def test_what_the_database_calls_a_read_stays_unknown_where_the_text_calls_an_unknown_function() -> None:
    sql = "SELECT optimize_it(a) FROM t"
    assert verdict(sql, engine(sql)).risk is Risk.UNKNOWN


def test_a_full_text_table_searched_like_a_function_is_cleared_by_the_database() -> None:
    sql = "SELECT a FROM docs('words')"
    assert verdict(sql).risk is Risk.UNKNOWN
    assert verdict(sql, engine(sql, accesses=(Access(Verb.READ, "docs", "a"),))).risk is Risk.READ


def test_text_that_the_parser_cannot_read_gets_the_facts_of_the_database() -> None:
    sql = "SELECT a FROM cross"
    found = verdict(sql, engine(sql, accesses=(Access(Verb.READ, "cross", "a"),)))
    assert (found.risk, found.kind, found.reads) == (Risk.READ, Kind.SELECT, ("cross",))


@pytest.mark.parametrize("sql", ["SELECT " + "(" * 300 + "1" + ")" * 300, "SELECT 1 /* \u202e */"])
def test_text_that_we_would_not_parse_is_cleared_by_nobody(sql: str) -> None:
    assert verdict(sql, engine(sql, accesses=())).risk is Risk.UNKNOWN


def test_a_write_names_its_operations_with_causes_and_the_size_of_its_own() -> None:
    sql = "UPDATE orders SET status = 'x' WHERE id < 9"
    said = engine(
        sql,
        kind=Kind.UPDATE,
        readonly=False,
        risk=Risk.WRITE,
        accesses=(
            Access(Verb.READ, "orders", "id"),
            Access(Verb.INSERT, "audit_log", via="trigger trg"),
            Access(Verb.UPDATE, "orders", "status"),
            Access(Verb.DELETE, "shipments", via="trigger trg"),
        ),
    )
    size = Size(8, 1000, Basis.COUNTED)
    found = verdict(sql, said, size)
    assert found.operations == (
        Operation(Verb.UPDATE, "orders", size=size),
        Operation(Verb.INSERT, "audit_log", "trigger trg"),
        Operation(Verb.DELETE, "shipments", "trigger trg"),
    )
    assert (found.risk, found.object, found.reads) == (Risk.SEVERE, "orders", ("orders",))
    assert [f.rule for f in found.findings] == ["hidden-write", "audit-append"]


@pytest.mark.parametrize(
    ("size", "risk"),
    [(Size(4, 100), Risk.WRITE), (Size(50, 100), Risk.SEVERE), (Size(8, 8), Risk.WRITE), (Size(), Risk.WRITE)],
)
def test_most_of_a_table_is_severe(size: Size, risk: Risk) -> None:
    assert verdict("DELETE FROM t WHERE a = 1", size=size).risk is risk


@pytest.mark.parametrize(
    ("sql", "risk"),
    [
        ("INSERT INTO t VALUES (1)", Risk.WRITE),
        ("UPDATE t SET a = 1 WHERE b = 2", Risk.WRITE),
        ("DELETE FROM t", Risk.SEVERE),
        ("DROP TABLE t", Risk.SEVERE),
        ("ALTER TABLE t ADD COLUMN b", Risk.SEVERE),
        ("CREATE TABLE t(a)", Risk.WRITE),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", Risk.SEVERE),
        ("COMMIT", Risk.UNKNOWN),
        ("FROBNICATE t", Risk.UNKNOWN),
    ],
)
def test_the_text_alone_says_how_bad_a_statement_is(sql: str, risk: Risk) -> None:
    assert verdict(sql).risk is risk


def test_a_denial_of_either_side_is_a_denial() -> None:
    assert verdict("ATTACH 'x' AS y").denied == "outside-database"
    sql = "SELECT a FROM t"
    assert verdict(sql, engine(sql, denied="unsafe-pragma", risk=Risk.UNKNOWN)).denied == "unsafe-pragma"


def test_a_view_may_hide_the_tables_that_the_database_reads() -> None:
    sql = "SELECT a FROM v"
    assert verdict(sql, engine(sql)).risk is Risk.READ


def test_the_schema_that_the_database_adds_is_no_difference() -> None:
    sql = "SELECT a FROM T"
    assert verdict(sql, engine(sql, accesses=(Access(Verb.READ, "temp.t", "a"),))).risk is Risk.READ


def test_an_unknown_statement_says_why() -> None:
    (finding,) = verdict("SELECT refresh_totals()").findings
    assert (finding.rule, finding.message) == ("not-understood", "refresh_totals() is on no list of functions")


def test_what_the_database_refuses_says_so() -> None:
    found = verdict("SELECT a FROM t", engine("", error="no such table: t", risk=Risk.UNKNOWN))
    assert [f.message for f in found.findings] == ["the database would not prepare it: no such table: t"]


def measured_with(sql: str, *touched: Touched, basis: Basis = Basis.EXACT) -> Statement:
    """The verdict where the engine's opinion says nothing of triggers, as PostgreSQL's, and it was measured."""
    (syntax,) = parse(sql, "postgres")
    own = engine(sql, kind=Kind.UPDATE, readonly=False, risk=Risk.WRITE, accesses=(Access(Verb.UPDATE, "orders"),))
    return judge(1, syntax, own, Size(8, 1000, Basis.EXACT), Tried(effect=Effect(basis, touched)))


OWN = Touched("orders", Verb.UPDATE, 8, 1000)
RECORD = Touched("audit_log", Verb.INSERT, 8, 0, "trigger trg")


@pytest.mark.parametrize(
    ("touched", "rules"),
    [
        ((OWN, Touched("shipments", Verb.DELETE, 3, 9, "trigger trg")), ["hidden-write"]),
        ((OWN, Touched("lines", Verb.DELETE, 3, 9, "foreign key of orders")), ["hidden-write"]),
        ((OWN, RECORD), ["audit-append"]),
        ((OWN, RECORD, Touched("audit_log", Verb.UPDATE, 1, 9, "trigger trg")), ["hidden-write"]),
        ((OWN, Touched("orders", Verb.UPDATE, 2, 1000, "trigger trg")), []),
        ((OWN, Touched("shipments", Verb.DELETE, 0, 9, "trigger trg")), []),
        ((OWN,), []),
    ],
)
def test_what_the_measurement_alone_shows_is_a_hidden_write_too(touched: tuple[Touched, ...], rules: list[str]) -> None:
    found = measured_with("UPDATE orders SET status = 'x' WHERE id < 9", *touched)
    assert list(dict.fromkeys(f.rule for f in found.findings if f.rule in ("hidden-write", "audit-append"))) == rules
    assert found.risk is (Risk.SEVERE if "hidden-write" in rules else Risk.WRITE)
