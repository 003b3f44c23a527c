"""An undo that is called exact was tried: of data that broke rules before we came, and of what no session records."""

from __future__ import annotations

from pathlib import Path

import pytest
from dirty_schemas import everything, opened
from sqlite_files import LIMITS, Kept, nothing

from sqlagent.core.errors import QueryError, Stale
from sqlagent.core.nouns.effect import Measurement, Undoable
from sqlagent.databases.base import Database, MeasureBudget, OnConflict
from sqlagent.databases.open import open_database

BUDGETS = {"private copy": MeasureBudget(), "rolled back": MeasureBudget(copy_bytes=0)}


def dirty(path: Path, script: str) -> Path:
    db = opened(path)
    db.execute(script).fetchall()
    db.close()
    return path


def ran(db: Database, folder: Path, measured: Measurement, statements: list[str]) -> tuple[list[bytes], Path | None]:
    kept: list[bytes] = []
    copy = folder / "copy.db" if measured.needs_copy else None
    db.apply(
        statements, sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing, expected=measured,
        keep=kept.append, copy_to=copy,
    )  # fmt: skip
    return kept, copy


def undone(db: Database, kept: bytes, copy: Path | None, folder: Path, number: int = 2) -> tuple[bytes, Path | None]:
    plan = db.preview_undo(kept, copy=copy, budget=MeasureBudget(), heard=None)
    assert (plan.refused, plan.conflicts) == ("", ())
    again: list[bytes] = []
    new = folder / f"copy{number}.db" if plan.measurement.needs_copy else None
    db.apply_undo(
        kept, copy=copy, on_conflict=OnConflict.REFUSE, limits=LIMITS, mark=None, verify=nothing, reached=nothing,
        expected=plan.measurement, keep=again.append, copy_to=new,
    )  # fmt: skip
    return again[0], new


SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT REFERENCES customers, x);
INSERT INTO customers VALUES (1, 'a'); INSERT INTO orders VALUES (1, 1, 'x'), (2, 99, 'y'), (3, 98, 'z');"""
NOT_UNIQUE = """
CREATE TABLE p (a, b); CREATE TABLE c (id INTEGER PRIMARY KEY, r REFERENCES p (a), x);
INSERT INTO p VALUES (1, 2); INSERT INTO c VALUES (1, 1, 5), (2, 7, 8);"""
NOWHERE = """
CREATE TABLE c (id INTEGER PRIMARY KEY, r REFERENCES nowhere (a), x); INSERT INTO c VALUES (1, 1, 5), (2, 7, 8);"""
TWO_COLUMNS = """
CREATE TABLE p (a TEXT, b INT, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE TABLE c (k TEXT PRIMARY KEY, q, r, FOREIGN KEY (r, q) REFERENCES p);
INSERT INTO p VALUES ('a', 1); INSERT INTO c VALUES ('x', 'a', 1), ('y', 'b', 2), ('z', NULL, 9);"""
CHECKED = """
CREATE TABLE t (id INTEGER PRIMARY KEY, x CHECK (x > 0), y); INSERT INTO t VALUES (1, -5, 'a'), (2, 3, 'b');"""
COUNTING = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x); INSERT INTO t (x) VALUES (1), (2);"
STATISTICS = f"{COUNTING} CREATE INDEX i ON t (x); ANALYZE; INSERT INTO t (x) VALUES (3), (4);"
INDEX = """
CREATE TABLE a (id INTEGER PRIMARY KEY, x); CREATE VIRTUAL TABLE f USING fts5(x, content = 'a', content_rowid = 'id');
INSERT INTO a VALUES (1, 'hello'), (2, 'world'); INSERT INTO f (rowid, x) SELECT id, x FROM a;"""
BROKEN_TEXT = """
CREATE TABLE t (id INTEGER PRIMARY KEY, b, n);
INSERT INTO t VALUES (1, x'63e9ff', 1), (2, 'ok', 2), (3, CAST(x'e9' AS TEXT), 3);"""

COMES_BACK = {
    "rows that refer to nothing, deleted": (
        SHOP, ["DELETE FROM orders WHERE customer_id NOT IN (SELECT id FROM customers)"],
    ),
    "a row that refers to nothing, changed": (SHOP, ["UPDATE orders SET customer_id = 1 WHERE id = 2"]),
    "what was referred to, made": (SHOP, ["INSERT INTO customers VALUES (99, 'late')"]),
    "a table with rows that refer to nothing, dropped": (SHOP, ["DROP TABLE orders"]),
    "such a table, altered": (SHOP, ["ALTER TABLE orders ADD COLUMN y", "DELETE FROM orders"]),
    "two columns that refer to nothing": (TWO_COLUMNS, ["DELETE FROM c"]),
    "two columns that refer to nothing, dropped": (TWO_COLUMNS, ["DROP TABLE c"]),
    "a key to what is not unique": (NOT_UNIQUE, ["UPDATE c SET x = 9"]),
    "a key to what is not unique, dropped": (NOT_UNIQUE, ["DROP TABLE c"]),
    "a key to a table that is missing": (NOWHERE, ["UPDATE c SET x = 9"]),
    "a broken CHECK, deleted": (CHECKED, ["DELETE FROM t"]),
    "a broken CHECK, mended": (CHECKED, ["UPDATE t SET x = 1 WHERE x < 0"]),
    "a broken CHECK, dropped": (CHECKED, ["ALTER TABLE t DROP COLUMN y"]),
    "a counter": (COUNTING, ["UPDATE sqlite_sequence SET seq = 50"]),
    "a counter, deleted": (COUNTING, ["DELETE FROM t", "DELETE FROM sqlite_sequence"]),
    "a counter, before rows": (COUNTING, ["UPDATE sqlite_sequence SET seq = 90", "INSERT INTO t (x) VALUES (7)"]),
    "a counter, after rows": (COUNTING, ["INSERT INTO t (x) VALUES (7)", "UPDATE sqlite_sequence SET seq = 0"]),
    "a counter moved on": (COUNTING, ["INSERT INTO t (x) VALUES (7)"]),
    "a counter that begins": (COUNTING.split(";")[0], ["INSERT INTO t (x) VALUES (7)"]),
    "statistics, written": (STATISTICS, ["UPDATE sqlite_stat1 SET stat = '9 9'"]),
    "statistics, deleted": (STATISTICS, ["DELETE FROM sqlite_stat1"]),
    "statistics, taken": (STATISTICS, ["ANALYZE"]),
    "statistics, taken for the first time": (f"{COUNTING} CREATE INDEX i ON t (x);", ["ANALYZE t"]),
    "statistics of a table that is dropped": (STATISTICS, ["DROP TABLE t"]),
    "statistics of a table that is altered": (STATISTICS, ["ALTER TABLE t ADD COLUMN y", "ALTER TABLE t RENAME TO s"]),
    "statistics of an index that is dropped": (STATISTICS, ["DROP INDEX i"]),
    "a setting of an index": (INDEX, ["INSERT INTO f (f, rank) VALUES ('pgsz', 64)"]),
    "another setting of an index": (INDEX, ["INSERT INTO f (f, rank) VALUES ('rank', 'bm25(10.0)')"]),
    "an index, emptied": (INDEX, ["INSERT INTO f (f) VALUES ('delete-all')"]),
    "an index, built anew": (f"{INDEX} INSERT INTO a VALUES (3, 'late')", ["INSERT INTO f (f) VALUES ('rebuild')"]),
    "an index without one row": (INDEX, ["INSERT INTO f (f, rowid, x) VALUES ('delete', 1, 'hello')"]),
    "an index of FTS4, optimized": (
        "CREATE VIRTUAL TABLE f USING fts4(x); INSERT INTO f VALUES ('a'); INSERT INTO f VALUES ('b')",
        ["INSERT INTO f (f) VALUES ('optimize')"],
    ),
    "a blob made text": (BROKEN_TEXT, ["UPDATE t SET b = b || 'x'"]),
    "text that is none, deleted": (BROKEN_TEXT, ["DELETE FROM t"]),
    "text that is none, beside": (BROKEN_TEXT, ["UPDATE t SET n = n + 1"]),
    "text that is none, a key": (
        "CREATE TABLE t (k TEXT PRIMARY KEY, n); INSERT INTO t VALUES (CAST(x'e9' AS TEXT), 3), ('a', 1)",
        ["UPDATE t SET n = 9", "DELETE FROM t WHERE n > 3"],
    ),
    "a thousand columns": (
        f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(1000))}); INSERT INTO t (c0) VALUES (1)", ["DROP TABLE t"],
    ),
    "a box": ("CREATE VIRTUAL TABLE r USING rtree(id, a, b); INSERT INTO r VALUES (1, 1, 2)", ["DELETE FROM r"]),
}  # fmt: skip


@pytest.mark.parametrize("how", BUDGETS)
@pytest.mark.parametrize("name", COMES_BACK)
def test_what_comes_back_whole_is_exact(tmp_path: Path, name: str, how: str) -> None:
    script, statements = COMES_BACK[name]
    path = dirty(tmp_path / "t.db", script)
    before = everything(path)
    db = open_database(str(path), name="t")
    measured = db.measure(statements, budget=BUDGETS[how], heard=None)
    assert (measured.how, measured.undo, measured.undo_why) == (how, Undoable.EXACT, "")
    assert everything(path) == before
    kept, copy = ran(db, tmp_path, measured, statements)
    after = everything(path)
    again, copy = undone(db, kept[0], copy, tmp_path)
    assert everything(path) == before
    undone(db, again, copy, tmp_path, 3)
    assert everything(path) == after
    db.close()


IN_NO_ORDER = "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT{}, y); INSERT INTO t VALUES (1, 'a', 1); {}"
DOES_NOT = {
    "a column in an order that only the program knows": (
        IN_NO_ORDER.format(" COLLATE LOCALIZED", ""), "DROP TABLE t", "no such collation sequence: LOCALIZED",
    ),
    "an index in such an order": (
        IN_NO_ORDER.format("", "CREATE INDEX i ON t (x COLLATE LOCALIZED)"), "DROP TABLE t",
        "no such collation sequence: LOCALIZED",
    ),
    "an index alone": (
        IN_NO_ORDER.format("", "CREATE INDEX i ON t (x COLLATE LOCALIZED)"), "DROP INDEX i",
        "no such collation sequence: LOCALIZED",
    ),
    "rows under such an index": (
        IN_NO_ORDER.format("", "CREATE INDEX i ON t (x COLLATE LOCALIZED)"), "UPDATE t SET y = 2", "SQL logic error",
    ),
    "rows of a thousand columns": (
        f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(1000))}); INSERT INTO t (c0) VALUES (1)",
        "UPDATE t SET c1 = 3", "SQL logic error",
    ),
    "more columns than a copy can have": (
        f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(2000))}); INSERT INTO t (c0) VALUES (1)",
        "DROP TABLE t", "t cannot be copied: too many columns",
    ),
    "settings of an index that is dropped": (
        f"{INDEX} INSERT INTO f (f, rank) VALUES ('pgsz', 64)", "DROP TABLE f", "f_config would not be as before",
    ),
    "a counter of a row that did not stay": (
        COUNTING, "INSERT INTO t (x) VALUES (7); DELETE FROM t WHERE x = 7",
        "sqlite_sequence would not be as before",
    ),
    "text that is none, dropped": (BROKEN_TEXT, "DROP TABLE t", "a text among the rows is not valid UTF-8"),
    "half a character in UTF-16": (
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (id INTEGER PRIMARY KEY, b);"
        " INSERT INTO t VALUES (1, CAST(x'00d8' AS TEXT))", "UPDATE t SET b = b || 'x'", "would not come back",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", BUDGETS)
@pytest.mark.parametrize("name", DOES_NOT)
def test_what_would_not_come_back_is_said_before(tmp_path: Path, name: str, how: str) -> None:
    script, statements, why = DOES_NOT[name]
    path = dirty(tmp_path / "t.db", script)
    before = path.read_bytes()
    db = open_database(str(path), name="t")
    measured = db.measure(statements.split("; "), budget=BUDGETS[how], heard=None)
    assert (measured.undo, measured.needs_copy, measured.is_exact) == (Undoable.NONE, False, True)
    assert why in measured.undo_why
    assert path.read_bytes() == before
    db.close()


def test_columns_that_no_session_can_record_are_not_measured_and_run_unrecorded(tmp_path: Path) -> None:
    columns = ", ".join(f"c{n}" for n in range(2000))
    path = dirty(tmp_path / "t.db", f"CREATE TABLE t ({columns}); INSERT INTO t (c0) VALUES (1)")
    db = open_database(str(path), name="t")
    measured = db.measure(["UPDATE t SET c1 = 3"], budget=MeasureBudget(), heard=None)
    assert (measured.undo, measured.how) == (Undoable.NONE, "what it changes cannot be read out: SQL logic error")
    assert ran(db, tmp_path, measured, ["UPDATE t SET c1 = 3"]) == ([], None)


def test_what_is_too_large_to_try_is_expected_to_come_back(tmp_path: Path) -> None:
    numbers = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 60000)"
    path = dirty(tmp_path / "t.db", f"CREATE TABLE t (x, y); INSERT INTO t {numbers}"
                 " SELECT x, printf('%.100c', 'x') FROM n")  # fmt: skip
    before = everything(path)
    db = open_database(str(path), name="t")
    measured = db.measure(["DROP TABLE t"], budget=MeasureBudget(), heard=None)
    assert (measured.undo, measured.undo_why) == (Undoable.EXPECTED, "it is too large")
    kept, copy = ran(db, tmp_path, measured, ["DROP TABLE t"])
    undone(db, kept[0], copy, tmp_path)
    assert everything(path) == before


def test_a_table_too_large_to_try_whose_shape_cannot_come_back_is_known(tmp_path: Path) -> None:
    numbers = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 60000)"
    path = dirty(tmp_path / "t.db", f"CREATE TABLE t (x COLLATE LOCALIZED, y); INSERT INTO t {numbers}"
                 " SELECT x, printf('%.100c', 'x') FROM n")  # fmt: skip
    db = open_database(str(path), name="t")
    measured = db.measure(["DROP TABLE t"], budget=MeasureBudget(), heard=None)
    assert (measured.undo, "LOCALIZED" in measured.undo_why) == (Undoable.NONE, True)


# ---- what was not so before ------------------------------------------------------------------------------------------


BROKEN_SINCE: dict[str, tuple[str, str, str]] = {
    "what it refers to went": (
        "DELETE FROM orders WHERE id < 3", "DELETE FROM customers", "refer to rows of customers",
    ),
    "somebody refers to it": (
        "INSERT INTO customers VALUES (99, 'late')", "INSERT INTO orders VALUES (7, 99, 'new')",
        "1 row, of orders first",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_SINCE)
def test_rows_that_began_to_refer_to_nothing_since_are_in_the_way(tmp_path: Path, name: str) -> None:
    """Beside others that did before."""
    sql, since, words = BROKEN_SINCE[name]
    path = dirty(tmp_path / "t.db", SHOP)
    db = open_database(str(path), name="t")
    measured = db.measure([sql], budget=MeasureBudget(), heard=None)
    assert measured.broken_keys == ("orders",)
    kept, copy = ran(db, tmp_path, measured, [sql])
    dirty(path, since)
    before = everything(path)
    assert words in db.preview_undo(kept[0], copy=copy, budget=MeasureBudget(), heard=None).refused
    with pytest.raises(Stale, match=words):
        undone_whatever(db, kept[0], copy)
    assert everything(path) == before


def undone_whatever(db: Database, kept: bytes, copy: Path | None) -> None:
    db.apply_undo(kept, copy=copy, on_conflict=OnConflict.LEAVE_ALONE, limits=LIMITS, mark=None, verify=nothing,
                  reached=nothing)  # fmt: skip


def test_a_check_that_was_made_since_holds_for_what_comes_back(tmp_path: Path) -> None:
    path = dirty(tmp_path / "t.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES (1, -5), (2, 3)")
    db = open_database(str(path), name="t")
    measured = db.measure(["UPDATE t SET x = 4"], budget=MeasureBudget(), heard=None)
    kept, _ = ran(db, tmp_path, measured, ["UPDATE t SET x = 4"])
    dirty(path, "DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, x CHECK (x > 0)); INSERT INTO t SELECT 1, 4")
    plan = db.preview_undo(kept[0], copy=None, budget=MeasureBudget(), heard=None)
    assert {c.why for c in plan.conflicts} == {"a constraint forbids what it was", "it was deleted since"}


def test_a_counter_that_has_moved_on_since_is_left_alone(tmp_path: Path) -> None:
    path = dirty(tmp_path / "t.db", COUNTING)
    db = open_database(str(path), name="t")
    measured = db.measure(["INSERT INTO t (x) VALUES (7)"], budget=MeasureBudget(), heard=None)
    kept, _ = ran(db, tmp_path, measured, ["INSERT INTO t (x) VALUES (7)"])
    dirty(path, "INSERT INTO t (x) VALUES (8)")
    undone(db, kept[0], None, tmp_path)
    assert str(everything(path)["t"]).count("integer") == 6
    assert "'integer', '34'" in str(everything(path)["sqlite_sequence"])  # 4 was given out, and stays so


def test_what_changes_under_an_approval_of_its_own_tables_is_not_run(tmp_path: Path) -> None:
    path = dirty(tmp_path / "t.db", COUNTING)
    db = open_database(str(path), name="t")
    measured = db.measure(["UPDATE sqlite_sequence SET seq = 50"], budget=MeasureBudget(), heard=None)
    assert [(t.table, t.rows) for t in measured.effects[0].touched] == [("sqlite_sequence", 1)]
    dirty(path, "INSERT INTO t (x) VALUES (8)")
    with pytest.raises(Stale, match="other rows or to other values"):
        ran(db, tmp_path, measured, ["UPDATE sqlite_sequence SET seq = 50"])


def test_a_refusal_of_the_engine_to_take_it_back_is_in_words(tmp_path: Path) -> None:
    script, sql, _ = DOES_NOT["rows under such an index"]
    db = open_database(str(dirty(tmp_path / "t.db", script)), name="t")
    measured = db.measure([sql], budget=MeasureBudget(), heard=None)
    kept, _ = ran(db, tmp_path, measured, [sql])
    with pytest.raises(QueryError, match="the database refused to take it back"):
        undone_whatever(db, kept[0], None)
