"""What a preview says: causes, samples, objects, what breaks, clocks and chance, and what cannot be measured."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from sqlite_files import SHOP, ask, make

from sqlagent.core.nouns.effect import Effect, Measurement, ObjectChange, Undoable
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.databases.base import Database, MeasureBudget
from sqlagent.databases.open import open_database

MORE = """
CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP, token BLOB);
INSERT INTO notes VALUES (1, 'x', '2020-01-01', x'00'), (2, 'y', '2020-01-01', NULL);
CREATE VIEW open_orders AS SELECT total FROM orders;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "shop.db", SHOP + MORE)


@pytest.fixture
def shop(path: Path) -> Iterator[Database]:
    db = open_database(str(path), name="shop", busy_seconds=0.05)
    yield db
    db.close()


def measure(db: Database, *statements: str, budget: MeasureBudget | None = None) -> Measurement:
    return db.measure(statements, budget=budget or MeasureBudget(), heard=None)


def effect(db: Database, sql: str) -> Effect:
    return measure(db, sql).effects[0]


def lines(found: Effect) -> list[str]:
    return [f"{t.verb} {t.rows} of {t.of} {t.table} {t.via}".strip() for t in found.touched]


def test_every_row_has_its_cause(shop: Database) -> None:
    assert lines(effect(shop, "DELETE FROM customers WHERE id = 1")) == [
        "delete 1 of 3 customers",
        "delete 2 of 3 orders foreign key of customers",
        "update 2 of 3 shipments foreign key of orders",
    ]
    assert lines(effect(shop, "UPDATE orders SET status = 'cancelled' WHERE id < 3")) == [
        "update 2 of 3 orders",
        "insert 2 of 0 audit_log trigger trg_cancel",
        "delete 2 of 3 shipments trigger trg_cancel",
    ]
    assert lines(effect(shop, "UPDATE german SET name = 'x'")) == ["update 2 of 3 customers trigger german_edit"]


def test_several_causes_are_joined(tmp_path: Path) -> None:
    script = """CREATE TABLE t (a); CREATE TABLE log (a); INSERT INTO t VALUES (1);
        CREATE TRIGGER one AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (1); END;
        CREATE TRIGGER two AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (2); END"""
    db = open_database(str(make(tmp_path / "t.db", script)), name="t")
    found = effect(db, "UPDATE t SET a = 2").touched[1]
    assert (found.rows, set(found.via.split(", "))) == (2, {"trigger one", "trigger two"})


def test_a_replaced_row_is_an_update_and_the_row_in_its_way_a_delete(shop: Database) -> None:
    assert lines(effect(shop, "REPLACE INTO audit_log VALUES (1, 'new')")) == ["insert 1 of 0 audit_log"]
    assert lines(effect(shop, "REPLACE INTO shipments VALUES (1, 3)")) == ["update 1 of 3 shipments"]
    assert lines(effect(shop, "UPDATE OR REPLACE shipments SET id = 2 WHERE id = 1")) == [
        "update 1 of 3 shipments",
        "delete 1 of 3 shipments",
    ]


def test_a_sample_shows_the_key_and_what_changes(shop: Database) -> None:
    found = effect(shop, "UPDATE orders SET total = total + 1, status = status").samples
    assert [s.key for s in found] == [(("id", 1),), (("id", 2),), (("id", 3),)]
    assert [(c.column, c.before, c.after) for c in found[0].cells] == [("total", 10, 11)]
    (deleted,) = effect(shop, "DELETE FROM notes WHERE id = 1").samples
    assert [(c.column, c.before, c.after) for c in deleted.cells] == [
        ("id", 1, None),
        ("body", "x", None),
        ("at", "2020-01-01", None),
        ("token", {"$blob": "00"}, None),
    ]


def test_long_values_are_cut_with_a_note_and_hostile_ones_are_exact(shop: Database) -> None:
    sql = "INSERT INTO notes (body, token) VALUES (replace(hex(zeroblob(300)), '00', 'a'), randomblob(99))"
    cells = {c.column: c.after or "" for c in effect(shop, sql).samples[0].cells}
    assert cells["body"] == "a" * 200 + "… (300 characters)"
    token = cells["token"]
    assert isinstance(token, dict)
    assert (len(token["$blob"]), token["$bytes"]) == (64, "99")
    hostile = "[red]\x1b[31m\u202e\n"
    (sample,) = effect(shop, f"UPDATE notes SET body = '{hostile}' WHERE id = 2").samples
    assert sample.cells[0].after == hostile


def test_statements_see_what_those_before_them_did(shop: Database) -> None:
    found = measure(shop, "DELETE FROM audit_log", "INSERT INTO audit_log (what) VALUES ('a'), ('b')",
                    "DELETE FROM audit_log WHERE what = 'a'", "SELECT 1")  # fmt: skip
    assert [lines(e) for e in found.effects] == [[], ["insert 2 of 0 audit_log"], ["delete 1 of 2 audit_log"], []]
    assert found.changes == 3


def test_a_statement_taken_out_changes_the_fingerprints_of_those_that_depend_on_it_alone(shop: Database) -> None:
    first = "UPDATE orders SET total = total + 1 WHERE id = 1"
    others = ("DELETE FROM shipments WHERE id = 3", "UPDATE orders SET total = total * 2 WHERE id = 1",
              "INSERT INTO audit_log (what) VALUES ('a')", "INSERT INTO audit_log (what) VALUES ('b')")  # fmt: skip
    whole = [e.fingerprint for e in measure(shop, first, *others).effects]
    without_first = [e.fingerprint for e in measure(shop, *others).effects]
    assert [a == b for a, b in zip(whole[1:], without_first, strict=True)] == [True, False, True, True]
    without_insert = [e.fingerprint for e in measure(shop, first, *others[:2], others[3]).effects]
    assert without_insert == [*whole[:3], whole[4]]
    assert len(set(whole)) == len(whole)


def test_a_statement_alone_has_the_fingerprint_of_the_whole_and_what_is_not_exact_has_none(shop: Database) -> None:
    alone = measure(shop, "DELETE FROM shipments WHERE id = 3")
    assert alone.effects[0].fingerprint == alone.fingerprint != ""
    unknown = measure(shop, "DELETE FROM shipments", "DELETE FROM nowhere")
    assert [e.fingerprint for e in unknown.effects] == ["", ""]


def test_what_adds_up_to_nothing_has_the_fingerprint_of_nothing(shop: Database) -> None:
    there_and_back = measure(
        shop, "UPDATE notes SET body = 'z'", "UPDATE notes SET body = CASE id WHEN 1 THEN 'x' ELSE 'y' END"
    )
    assert there_and_back.fingerprint == measure(shop, "SELECT 1").fingerprint
    assert there_and_back.is_exact


# ---- the shape of the database ---------------------------------------------------------------------------------------


def test_a_drop_says_how_many_rows_go_along_and_what_breaks(shop: Database) -> None:
    found = effect(shop, "DROP TABLE orders")
    assert found.objects == (
        ObjectChange(Verb.DROP, "table", "orders", 3),
        ObjectChange(Verb.DROP, "trigger", "trg_cancel"),
    )
    assert found.breaks == (
        "foreign key of shipments: no such table: orders",
        "view open_orders: no such table: main.orders",
    )
    assert lines(found) == ["update 3 of 3 shipments foreign key of orders"]


def test_a_dropped_column_breaks_the_trigger_that_reads_it(tmp_path: Path) -> None:
    script = """CREATE TABLE t (a, b); CREATE TABLE log (a, b); INSERT INTO log VALUES (1, 2);
        CREATE TRIGGER good AFTER INSERT ON t BEGIN SELECT 1; END;
        CREATE TRIGGER bad AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.a, NEW.b); END"""
    db = open_database(str(make(tmp_path / "t.db", script)), name="t")
    found = effect(db, "DROP TABLE log")
    assert found.objects == (ObjectChange(Verb.DROP, "table", "log", 1),)
    assert found.breaks == ("trigger bad: no such table: main.log",)


def test_what_is_created_and_altered_is_named(shop: Database) -> None:
    assert effect(shop, "CREATE TABLE x AS SELECT * FROM orders").objects == (
        ObjectChange(Verb.CREATE, "table", "x", 3),
    )
    assert effect(shop, "CREATE INDEX i ON orders (total)").objects == (ObjectChange(Verb.CREATE, "index", "i"),)
    assert effect(shop, "ALTER TABLE notes ADD COLUMN z").objects == (ObjectChange(Verb.ALTER, "table", "notes", 2),)
    renamed = effect(shop, "ALTER TABLE notes RENAME TO remarks")
    assert renamed.objects == (ObjectChange(Verb.ALTER, "table", "notes -> remarks", 2),)
    assert renamed.breaks == ()


# ---- clocks and chance ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("INSERT INTO notes (body) VALUES ('a')", ("notes.at",)),
        ("UPDATE notes SET at = datetime('now')", ("notes.at",)),
        ("UPDATE notes SET at = date('now', '-1 year')", ("notes.at",)),
        ("UPDATE notes SET body = strftime('%Y', 'now') || id", ("notes.body",)),
        ("UPDATE notes SET body = strftime('%Y', at)", ()),
        ("UPDATE notes SET token = randomblob(16), body = hex(id)", ("notes.token",)),
        ("UPDATE notes SET body = 'old' WHERE at < date('now', '-1 day')", ()),
        ("UPDATE notes SET at = time('now') WHERE at < date('now', '-300 days')", ("notes.at",)),
        ("INSERT INTO notes (id, body) VALUES (random(), 'x')", ("notes.at", "notes.id")),
    ],
)
def test_what_comes_from_a_clock_or_from_chance_is_left_out_of_the_fingerprint(
    shop: Database, sql: str, columns: tuple[str, ...]
) -> None:
    first, second = measure(shop, sql), measure(shop, sql)
    assert first.is_exact
    assert first.volatile == columns
    assert first.fingerprint == second.fingerprint


def test_a_trigger_with_a_clock_counts_too(tmp_path: Path) -> None:
    script = """CREATE TABLE t (id INTEGER PRIMARY KEY, a, at); INSERT INTO t (a) VALUES (1), (2);
        CREATE TRIGGER touch AFTER UPDATE OF a ON t BEGIN UPDATE t SET at = julianday() WHERE id = NEW.id; END"""
    db = open_database(str(make(tmp_path / "t.db", script)), name="t")
    assert measure(db, "UPDATE t SET a = 5").volatile == ("t.at",)


def test_rows_that_chance_picks_are_an_estimate(tmp_path: Path) -> None:
    rows = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000) SELECT x FROM n"
    db = open_database(str(make(tmp_path / "t.db", f"CREATE TABLE t AS {rows}")), name="t")
    found = measure(db, "DELETE FROM t WHERE random() % 2")
    assert not found.is_exact
    assert found.effects[0].basis is Basis.ESTIMATED
    assert 800 < found.effects[0].touched[0].rows < 1200
    assert found.undo is Undoable.EXPECTED


def test_chance_that_picks_among_a_few_rows_is_found_out(shop: Database) -> None:
    found = [measure(shop, "UPDATE orders SET total = 1 WHERE random() % 2") for _ in range(10)]
    assert [m.is_exact for m in found] == [False] * 10


# ---- what cannot be measured ----------------------------------------------------------------------------------------


ENDLESS = "INSERT INTO audit_log (what) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"


@pytest.mark.parametrize("copy_bytes", [0, 200_000_000])
def test_past_the_time_it_says_so_and_leaves_nothing(
    shop: Database, path: Path, copy_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sqlagent.databases.sqlite.isolated._CLOCK", 1_000)  # the work is counted, however busy it is
    before = path.read_bytes()
    found = measure(shop, "DELETE FROM notes", ENDLESS, budget=MeasureBudget(seconds=0.2, copy_bytes=copy_bytes))
    assert found.how == "past 0.2 s"
    assert [e.basis for e in found.effects] == [Basis.EXACT, Basis.UNKNOWN]
    assert (found.effects[1].why, found.is_exact, found.undo) == ("past 0.2 s", False, Undoable.EXPECTED)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["shop.db"]


def test_past_the_size_of_the_changes_it_says_so(shop: Database) -> None:
    assert (
        measure(shop, ENDLESS, budget=MeasureBudget(seconds=60, changes_bytes=100_000)).how == "past 0.1 MB of changes"
    )


def test_a_statement_that_would_fail_says_how(shop: Database) -> None:
    found = measure(shop, "INSERT INTO customers VALUES (1, 'x', '', '')")
    assert found.effects[0].why == "it would fail: UNIQUE constraint failed: customers.id"
    assert found.effects[0].basis is Basis.UNKNOWN


def test_a_busy_database_says_so_and_is_not_waited_for(shop: Database, path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("BEGIN EXCLUSIVE").fetchall()
    assert "locked" in measure(shop, "DELETE FROM notes").how or "busy" in measure(shop, "DELETE FROM notes").how
    other.execute("ROLLBACK; BEGIN IMMEDIATE").fetchall()
    assert measure(shop, "DELETE FROM notes").is_exact  # a copy can be made beside a writer that has not committed
    assert measure(shop, "DELETE FROM notes", budget=MeasureBudget(copy_bytes=0)).how == "the database is busy"
    other.close()


def test_what_sessions_and_looks_cannot_tell_is_said(tmp_path: Path) -> None:
    script = """CREATE VIRTUAL TABLE f USING fts5(a, content = ''); CREATE TABLE k (_rowid_, b);
        INSERT INTO k VALUES (1, 2); CREATE VIRTUAL TABLE t USING fts5(a);
        INSERT INTO t VALUES (CAST(x'ff' AS TEXT))"""
    db = open_database(str(make(tmp_path / "t.db", script)), name="t")
    assert measure(db, "INSERT INTO f (a) VALUES ('x')").how == "f keeps an index and no rows to look at"
    assert measure(db, "DELETE FROM k").how == "k has no key, and a column that is called _rowid_"
    assert measure(db, "DELETE FROM t").how == "a text among the rows is not valid UTF-8"


def test_foreign_keys_are_measured_as_configured(path: Path) -> None:
    db = open_database(str(path), name="shop", foreign_keys=False)
    assert lines(effect(db, "DELETE FROM customers WHERE id = 1")) == ["delete 1 of 3 customers"]


def test_a_preview_in_wal_mode_sees_what_is_in_the_wal(path: Path, shop: Database) -> None:
    ask(path, "PRAGMA journal_mode = wal")
    writer = apsw.Connection(str(path))
    writer.execute("INSERT INTO notes VALUES (3, 'z', '', NULL)").fetchall()
    assert lines(effect(shop, "DELETE FROM notes")) == ["delete 3 of 3 notes"]
    assert measure(shop, "DELETE FROM notes", budget=MeasureBudget(copy_bytes=0)).how == "rolled back"
    writer.close()


@pytest.mark.parametrize("copy_bytes", [0, 200_000_000])
def test_a_ctrl_c_stops_a_preview_and_the_database_stays_as_it_was(shop: Database, path: Path, copy_bytes: int) -> None:
    before = path.read_bytes()

    def heard(_: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        shop.measure([ENDLESS], budget=MeasureBudget(seconds=60, copy_bytes=copy_bytes), heard=heard)
    assert path.read_bytes() == before
    assert measure(shop, "DELETE FROM notes").is_exact
    ask(path, "INSERT INTO audit_log (what) VALUES ('nothing is locked')")


def test_progress_is_told_in_words(shop: Database) -> None:
    words: list[str] = []
    shop.measure(["DELETE FROM notes", ENDLESS], budget=MeasureBudget(seconds=0.6), heard=words.append)
    assert words[0].startswith("measuring statement 2 of 2, ")
    assert " MB of changes, 0." in words[0]


def test_a_table_without_a_key_is_counted_right_however_large(tmp_path: Path) -> None:
    """The session extension reports one row of it twice each time its own table doubles."""
    rows = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) SELECT x AS a, 0 AS b FROM n"
    db = open_database(str(make(tmp_path / "t.db", f"CREATE TABLE t AS {rows}")), name="t")
    assert lines(effect(db, "UPDATE t SET b = 1")) == ["update 5000 of 5000 t"]
    assert lines(effect(db, "UPDATE t SET b = a % 2")) == ["update 2500 of 5000 t"]


def test_a_key_that_is_replaced_by_its_equal_is_not_measured_wrong(tmp_path: Path) -> None:
    script = "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, x); INSERT INTO t VALUES ('A', 1), ('b', 2)"
    db = open_database(str(make(tmp_path / "t.db", script)), name="t")
    assert measure(db, "UPDATE t SET k = lower(k)").how == "a key of t is replaced by one that is equal to it"
    assert lines(effect(db, "UPDATE t SET x = 5")) == ["update 2 of 2 t"]


@pytest.mark.parametrize("copy_bytes", [200_000_000, 0])
def test_a_statement_that_fails_half_way_says_how_wherever_it_is_measured(
    shop: Database, path: Path, copy_bytes: int
) -> None:
    before = path.read_bytes()
    budget = MeasureBudget(copy_bytes=copy_bytes)
    for _ in range(2):
        found = shop.measure(["UPDATE customers SET id = 7 - id / 2"], budget=budget, heard=None)
        assert not found.is_exact
        assert found.effects[0].why == "it would fail: UNIQUE constraint failed: customers.id"
    assert path.read_bytes() == before
