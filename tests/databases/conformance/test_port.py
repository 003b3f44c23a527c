"""The port, by one set of tests for every engine: what is said here is what `databases/base.py` means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from data_files import fill
from postgres_server import Pg, made_on
from sqlite_files import Kept, ask, make, nothing, read

from sqlagent.core.errors import ConnectError, QueryError, Stale, TimedOut
from sqlagent.core.nouns.analysis import Basis, Kind, Risk, Size
from sqlagent.core.nouns.effect import Measurement, Undoable
from sqlagent.core.nouns.verbs import Verb
from sqlagent.databases.base import Database, EffectDiffers, Limits, MeasureBudget, OnConflict, Verdict
from sqlagent.databases.open import open_database
from sqlagent.databases.postgres.throwaway.server import ThrowawayServer

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, country VARCHAR(40));
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  state VARCHAR(10) CHECK (state IN ('new', 'paid')), total NUMERIC(10, 2));
CREATE TABLE audit (what VARCHAR(40), order_id INTEGER);
CREATE VIEW german AS SELECT id, name FROM customers WHERE country = 'Germany';
INSERT INTO customers VALUES (1, 'Ana', 'Germany'), (2, 'Ben', 'France'), (3, 'Eva', 'Germany');
INSERT INTO orders VALUES (1, 1, 'new', 10), (2, 1, 'paid', 20), (3, 2, 'new', 5);
"""
TRIGGERS = {
    "sqlite": """
CREATE TRIGGER paid AFTER UPDATE OF state ON orders BEGIN INSERT INTO audit VALUES (NEW.state, NEW.id); END;
""",
    "postgres": """
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO audit VALUES (NEW.state, NEW.id); RETURN NULL; END$$;
CREATE TRIGGER paid AFTER UPDATE OF state ON orders FOR EACH ROW EXECUTE FUNCTION tell();
""",
}
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
BUDGET = MeasureBudget(seconds=60)


@dataclass(frozen=True)
class Engine:
    """A database of one engine, and the same as somebody else sees it."""

    db: Database
    url: str
    rows: Callable[[str], list[tuple[Any, ...]]]
    write: Callable[[str], None]

    def state(self) -> list[list[tuple[Any, ...]]]:
        tables = ("customers ORDER BY id", "orders ORDER BY id", "audit ORDER BY order_id, what")
        return [self.rows(f"SELECT * FROM {table}") for table in tables]


DEBIAN = Path("/usr/lib/postgresql/15/bin")
"""An older PostgreSQL, where there is one."""


@pytest.fixture(scope="session")
def older_server() -> Iterator[ThrowawayServer]:
    if not DEBIAN.is_dir():
        pytest.skip("there is no PostgreSQL 15 here")
    server = ThrowawayServer(addresses="127.0.0.1", programs=DEBIAN)
    yield server
    server.close()


CHANGING = ("sqlite", "postgres", "postgres-15", pytest.param("pgbouncer", marks=pytest.mark.long))


@pytest.fixture(params=[*CHANGING, "duckdb"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Every engine there is, for what every one can do."""
    engine = _made(request, tmp_path)
    yield engine
    engine.db.close()


@pytest.fixture(params=CHANGING)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Every engine whose capabilities have `writes`."""
    engine = _made(request, tmp_path)
    assert engine.db.capabilities.writes
    yield engine
    engine.db.close()


def _made(request: pytest.FixtureRequest, folder: Path) -> Engine:
    match request.param:
        case "sqlite":
            path = make(folder / "shop.db", SHOP + TRIGGERS["sqlite"])
            db = open_database(str(path), name="shop")
            return Engine(db, str(path), lambda sql: ask(path, sql), lambda sql: _ignored(ask(path, sql)))
        case "duckdb":
            url = f"duckdb:{fill(folder / 'shop')}"
            db = open_database(url, name="shop")
            return Engine(db, url, lambda sql: read(db, sql), pytest.fail)
        case "postgres-15":
            pg: Pg = made_on(request.getfixturevalue("older_server"), SHOP + TRIGGERS["postgres"])
        case _:
            pg = request.getfixturevalue("pg_of")(SHOP + TRIGGERS["postgres"])
    url = request.getfixturevalue("pooler").url(pg.name) if request.param == "pgbouncer" else pg.url
    return Engine(open_database(url, name="shop"), url, pg.rows, pg.run)


def _ignored(_: object) -> None: ...


def measured(db: Database, *statements: str) -> Measurement:
    return db.measure(statements, budget=BUDGET, heard=None)


def run(db: Database, *statements: str, expected: Measurement | None = None, sink: Kept | None = None) -> bytes:
    """Run and answer what was kept of it."""
    kept: list[bytes] = []
    db.apply(
        statements, sink=sink or Kept(), limits=Limits(), mark=None, verify=nothing, reached=nothing, expected=expected,
        keep=kept.append,
    )  # fmt: skip
    return kept[0] if kept else b""


def test_it_says_what_it_is(reader: Engine) -> None:
    again = open_database(reader.url, name="other")

    assert reader.db.name == "shop"
    assert reader.db.identity() == again.identity()
    assert reader.db.fingerprint() == again.fingerprint()
    assert reader.db.capabilities.second_opinion
    again.close()


def test_the_fingerprint_is_of_the_schema_alone(engine: Engine) -> None:
    before = engine.db.fingerprint()
    engine.write("INSERT INTO audit VALUES ('x', 9)")
    assert engine.db.fingerprint() == before
    engine.write("CREATE INDEX by_total ON orders (total)")
    assert engine.db.fingerprint() != before


def test_the_schema_has_tables_views_keys_and_triggers(engine: Engine) -> None:
    tables = {table.name: table for table in engine.db.schema(examples=2).tables}

    assert list(tables) == ["customers", "orders", "audit", "german"]
    assert [c.name for c in tables["customers"].columns if c.primary_key] == ["id"]
    assert {c.name: c.references for c in tables["orders"].columns if c.references} == {"customer_id": "customers.id"}
    assert tables["orders"].triggers == ("paid",)
    assert tables["german"].is_view
    assert [c.examples for c in tables["customers"].columns if c.name == "country"] == [("Germany", "France")]
    assert any("IN ('new', 'paid')" in check for check in tables["orders"].checks)


def test_a_view_says_by_which_keys_its_rows_belong_to_others(engine: Engine) -> None:
    for made in (
        "revenue AS SELECT c.id AS customer, name, sum(total) AS id FROM customers c, orders o GROUP BY c.id, name",
        "late AS SELECT id + 0 AS id, customer_id AS who, (SELECT max(c.id) FROM customers c) AS most FROM orders",
        "again AS SELECT r.customer AS c, l.who, o.id FROM revenue r, late l, (SELECT id FROM orders) o",
    ):
        engine.write(f"CREATE VIEW {made}")
    for told in (engine.db.schema(examples=0), engine.db.outline()):
        found = {
            f"{t.name}.{c.name}": c.references for t in told.tables if t.is_view for c in t.columns if c.references
        }
        assert found == {
            "german.id": "customers.id", "revenue.customer": "customers.id", "late.who": "customers.id",
            "again.c": "customers.id", "again.who": "customers.id", "again.id": "orders.id",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "kind", "risk"),
    [
        ("UPDATE orders SET total = 1 WHERE id = 1", Kind.UPDATE, Risk.WRITE),
        ("DELETE FROM orders WHERE id = 1", Kind.DELETE, Risk.WRITE),
        ("INSERT INTO audit (what) SELECT name FROM customers", Kind.INSERT, Risk.WRITE),
        ("CREATE TABLE t (a INTEGER)", Kind.CREATE, Risk.WRITE),
    ],
)
def test_an_opinion_is_given_and_nothing_is_run(engine: Engine, sql: str, kind: Kind, risk: Risk) -> None:
    before = engine.state()
    (opinion,) = engine.db.inspect([sql])

    assert (opinion.kind, opinion.risk, opinion.readonly, opinion.error) == (kind, risk, False, "")
    assert engine.state() == before


@pytest.mark.parametrize("sql", ["SELECT name FROM customers", "SELECT name FROM german", "SELECT count(*) FROM audit"])
def test_a_read_is_known_as_one(reader: Engine, sql: str) -> None:
    (opinion,) = reader.db.inspect([sql])

    assert (opinion.kind, opinion.risk, opinion.readonly, opinion.error) == (Kind.SELECT, Risk.READ, True, "")
    assert {access.verb for access in opinion.accesses} == {Verb.READ}


@pytest.mark.parametrize("sql", ["UPDATE orders SET total = 1", "DELETE FROM orders", "CREATE TABLE t (a INTEGER)"])
def test_a_change_is_never_known_as_a_read(reader: Engine, sql: str) -> None:
    before = reader.state()
    (opinion,) = reader.db.inspect([sql])

    assert (opinion.risk is Risk.READ, opinion.readonly) == (False, False)
    assert bool(opinion.denied) != reader.db.capabilities.writes
    assert reader.state() == before


def test_an_opinion_names_tables_columns_and_what_they_are_reached_by(engine: Engine) -> None:
    view, update = engine.db.inspect(["SELECT name FROM german", "UPDATE orders SET total = 1 WHERE id = 1"])

    assert (Verb.READ, "customers", "country", "view german") in {
        (a.verb, a.table, a.column, a.via) for a in view.accesses
    }
    assert (Verb.UPDATE, "orders", "total", "") in {(a.verb, a.table, a.column, a.via) for a in update.accesses}


def test_what_it_will_not_take_is_an_opinion_with_an_error(reader: Engine) -> None:
    first, second, third = reader.db.inspect(["SELECT totl FROM orders", "SELECT 1", "SELEC 1"])
    assert first.error
    assert "totl" in first.error
    assert (second.error, bool(third.error)) == ("", True)


def test_a_read_gives_its_rows_up_to_the_limit(reader: Engine) -> None:
    sink = Kept()
    outcome = reader.db.read("SELECT id, name FROM customers ORDER BY id", sink=sink, limits=Limits(rows=2))

    assert (sink.columns, sink.rows) == ([("id", "name")], [(1, "Ana"), (2, "Ben")])
    assert outcome.results[0].truncated
    assert read(reader.db, "SELECT 1 WHERE 1 = 0") == []


@pytest.mark.parametrize("sql", ["DELETE FROM orders", "CREATE TABLE t (a INTEGER)", "SELECT nothing", "COMMIT"])
def test_nothing_but_a_read_runs_where_reads_run(reader: Engine, sql: str) -> None:
    before = reader.state()
    with pytest.raises(QueryError):
        read(reader.db, sql)
    assert reader.state() == before


def test_a_read_ends_when_its_time_is_up(reader: Engine) -> None:
    with pytest.raises(TimedOut):
        read(reader.db, ENDLESS, limits=Limits(seconds=0.3))
    assert read(reader.db, "SELECT 1") == [(1,)]


def test_a_count_is_a_number_or_nothing(reader: Engine) -> None:
    assert reader.db.count("SELECT count(*) FROM orders", seconds=5) == Size(3, None, Basis.COUNTED)
    assert reader.db.count(ENDLESS, seconds=0.3) == Size()
    assert reader.db.count("DELETE FROM orders", seconds=5) == Size()


def test_a_change_is_measured_with_its_triggers_and_cascades_and_leaves_no_trace(engine: Engine) -> None:
    before = engine.state()
    found = measured(
        engine.db, "UPDATE orders SET state = 'paid' WHERE state = 'new'", "DELETE FROM customers WHERE id = 1"
    )
    told = [{(t.table, t.verb.value, t.rows) for t in effect.touched} for effect in found.effects]

    assert told == [
        {("orders", "update", 2), ("audit", "insert", 2)},
        {("customers", "delete", 1), ("orders", "delete", 2)},
    ]
    assert found.is_exact
    assert found.undo is Undoable.EXACT
    assert engine.state() == before
    assert measured(engine.db, "UPDATE orders SET total = 7").fingerprint != found.fingerprint


def test_the_same_change_has_the_same_fingerprint(engine: Engine) -> None:
    sql = "UPDATE orders SET total = total + 1"
    first = measured(engine.db, sql)
    assert measured(engine.db, sql).fingerprint == first.fingerprint
    engine.write("UPDATE orders SET total = 99 WHERE id = 1")
    assert measured(engine.db, sql).fingerprint != first.fingerprint


def test_what_fails_is_measured_as_unknown(engine: Engine) -> None:
    found = measured(engine.db, "INSERT INTO customers VALUES (1, 'again', NULL)")
    assert (found.is_exact, found.effects[0].basis) == (False, Basis.UNKNOWN)
    assert found.effects[0].why


def test_a_run_does_what_was_measured_and_is_told_by_what_it_kept(engine: Engine) -> None:
    sql = "UPDATE orders SET state = 'paid' WHERE state = 'new'"
    expected = measured(engine.db, sql)
    kept = run(engine.db, sql, expected=expected)

    assert engine.rows("SELECT count(*) FROM orders WHERE state = 'paid'") == [(3,)]
    assert engine.db.decided(kept) is Verdict.APPLIED


def test_a_run_that_would_do_something_else_is_rolled_back(engine: Engine) -> None:
    sql = "UPDATE orders SET total = 0 WHERE state = 'new'"
    expected = measured(engine.db, sql)
    engine.write("UPDATE orders SET state = 'new' WHERE id = 2")
    before = engine.state()

    with pytest.raises(EffectDiffers):
        run(engine.db, sql, expected=expected)
    assert engine.state() == before


def test_all_statements_run_or_none(engine: Engine) -> None:
    before = engine.state()
    with pytest.raises(QueryError):
        run(engine.db, "DELETE FROM audit", "DELETE FROM orders", "INSERT INTO customers VALUES (1, 'again', NULL)")
    assert engine.state() == before


def test_what_verify_refuses_never_runs(engine: Engine) -> None:
    before = engine.state()

    def refuse() -> None:
        raise Stale("not now")

    with pytest.raises(Stale, match="not now"):
        engine.db.apply(["DELETE FROM orders"], sink=Kept(), limits=Limits(), mark=None, verify=refuse, reached=nothing)
    assert engine.state() == before


def test_an_undo_puts_back_every_row_and_fires_no_trigger(engine: Engine) -> None:
    before = engine.state()
    script = ("UPDATE orders SET state = 'paid', total = 1 WHERE id IN (1, 3)", "DELETE FROM customers WHERE id = 2")
    kept = run(engine.db, *script, expected=measured(engine.db, *script))
    assert engine.state() != before
    plan = engine.db.preview_undo(kept, copy=None, budget=BUDGET, heard=None)

    assert (plan.refused, plan.conflicting) == ("", 0)
    engine.db.apply_undo(
        kept, copy=None, on_conflict=OnConflict.REFUSE, limits=Limits(), mark=None, verify=nothing, reached=nothing,
        expected=plan.measurement, keep=_ignored,
    )  # fmt: skip
    assert engine.state() == before


def test_a_row_that_was_changed_since_is_a_conflict(engine: Engine) -> None:
    sql = "UPDATE orders SET total = 1"
    kept = run(engine.db, sql, expected=measured(engine.db, sql))
    engine.write("UPDATE orders SET total = 2 WHERE id = 3")
    plan = engine.db.preview_undo(kept, copy=None, budget=BUDGET, heard=None)

    assert [(c.table, c.key) for c in plan.conflicts] == [("orders", (("id", "3"),))]
    with pytest.raises(Stale):
        engine.db.apply_undo(
            kept, copy=None, on_conflict=OnConflict.REFUSE, limits=Limits(), mark=None, verify=nothing,
            reached=nothing, keep=_ignored,
        )  # fmt: skip


def test_it_has_no_concern_that_it_cannot_put_into_words(reader: Engine) -> None:
    assert all(concern.what and concern.fix for concern in reader.db.concerns())


@pytest.mark.parametrize("url", ["{folder}/none.db", "postgresql://ana@127.0.0.1:1/none", "duckdb:{folder}/none.csv"])
def test_what_is_not_there_is_never_made(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConnectError) as refused:
        open_database(url.format(folder=tmp_path), name="x")
    assert refused.value.hint
    assert list(tmp_path.iterdir()) == []
