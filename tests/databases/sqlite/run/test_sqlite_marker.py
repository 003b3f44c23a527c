"""A run's mark in the database itself: written with its changes, seen by nobody who measures, changed by no SQL."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_files import MARK, ask, dump, make, opinion, run

from sqlagent.core.errors import ConnectError, QueryError, Stale
from sqlagent.databases.base import Mark, MeasureBudget, Verdict
from sqlagent.databases.open import open_database
from sqlagent.databases.sqlite.connection.marker_table import RULE, TABLE

NEXT = replace(MARK, run="k7f3.2")
ROW = (MARK.run, MARK.digest, MARK.at)


@pytest.fixture(params=["delete", "wal"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return make(
        tmp_path / "shop.db", f"PRAGMA journal_mode = {request.param}; CREATE TABLE t (a); CREATE VIEW v AS SELECT 1"
    )


@pytest.fixture
def mark(path: Path, tmp_path: Path) -> Mark:
    """As a run is given it: in a file of its own too where that is changed in the same COMMIT."""
    return MARK if ask(path, "PRAGMA journal_mode") == [("wal",)] else replace(MARK, beside=tmp_path / "mark.db")


def next_of(mark: Mark) -> Mark:
    return replace(mark, run=NEXT.run)


def data(path: Path) -> dict[str, object]:
    """All that is there but the table of marks."""
    found = dump(path)
    return {**found, "": [row for row in found[""] if row[1] != TABLE], TABLE: None}


def marks(path: Path) -> list[tuple[object, ...]]:
    return ask(path, f"SELECT * FROM {TABLE} ORDER BY id")


def test_a_run_leaves_its_mark_with_its_changes(path: Path, mark: Mark) -> None:
    db = open_database(str(path), name="d", marker_table=True)
    assert db.marks_in_itself()
    assert db.marked(MARK) is Verdict.CANNOT_TELL
    run(db, "INSERT INTO t VALUES (1)", mark=mark)
    run(db, "INSERT INTO t VALUES (2)", mark=next_of(mark))
    assert (db.marked(MARK), db.marked(NEXT)) == (Verdict.APPLIED, Verdict.APPLIED)
    assert db.marked(replace(MARK, run="k7f3.3")) is Verdict.CANNOT_TELL, "a row may have been deleted"
    assert marks(path) == [ROW, ("k7f3.2", *ROW[1:])]


def test_nothing_is_made_where_it_is_not_allowed(path: Path, mark: Mark) -> None:
    db = open_database(str(path), name="d")
    assert not db.marks_in_itself()
    run(db, "INSERT INTO t VALUES (1)", mark=mark)
    assert (db.marked(MARK), ask(path, "SELECT name FROM sqlite_schema ORDER BY 1")) == (
        Verdict.CANNOT_TELL,
        [("t",), ("v",)],
    )


def test_a_run_that_fails_leaves_the_word_that_it_was_begun(path: Path, mark: Mark) -> None:
    """And so it is told from one whose mark was deleted."""
    db = open_database(str(path), name="d", marker_table=True)
    with pytest.raises(QueryError):
        run(db, "INSERT INTO t VALUES (1, 2)", mark=mark)
    assert (ask(path, "SELECT * FROM t"), marks(path)) == ([], [(MARK.run, MARK.digest, "")])
    assert db.marked(MARK) is Verdict.NOT_APPLIED
    run(db, "INSERT INTO t VALUES (1)", mark=mark)
    assert db.marked(MARK) is Verdict.APPLIED
    ask(path, "DELETE FROM sqlagent_runs")
    assert db.marked(MARK) is Verdict.CANNOT_TELL


def test_the_table_is_sound_for_the_sqlite_that_python_has(path: Path, mark: Mark) -> None:
    """3.40 finds NULLs in a table whose key does not come first; it is asked in a process of its own."""
    db = open_database(str(path), name="d", marker_table=True)
    older = "id TEXT NOT NULL, at TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (id, digest)"
    ask(path, f"CREATE TABLE sqlagent_runs ({older}) WITHOUT ROWID; INSERT INTO sqlagent_runs VALUES ('o.1', 'x', 'd')")
    run(db, "INSERT INTO t VALUES (1)", mark=mark)
    run(db, "INSERT INTO t VALUES (2)", mark=next_of(mark))
    script = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchall())"
    said = subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True, text=True).stdout
    assert said == "[('ok',)]\n"
    assert marks(path) == [ROW, ("k7f3.2", *ROW[1:]), ("o.1", "d", "x")]


def test_a_mark_of_another_claim_is_not_taken_for_its_own(path: Path, mark: Mark) -> None:
    """Another journal may have a run of the same name, and even of the same content."""
    db = open_database(str(path), name="d", marker_table=True)
    run(db, "INSERT INTO t VALUES (1)", mark=mark)
    assert db.marked(replace(MARK, digest="d2")) is Verdict.CANNOT_TELL
    assert db.marked(replace(MARK, at="2026-03-30T10:05:00.000+00:00")) is Verdict.CANNOT_TELL


def test_what_was_applied_already_is_not_applied_again(path: Path, mark: Mark) -> None:
    db = open_database(str(path), name="d", marker_table=True)
    run(db, "INSERT INTO t VALUES (1)", mark=mark)
    again = replace(mark, at="2026-04-01T09:00:00.000+00:00")
    with pytest.raises(Stale, match=r"k7f3\.1 was applied already, at 2026-03-30T10:04"):
        run(db, "INSERT INTO t VALUES (1)", mark=again)
    assert ask(path, "SELECT count(*) FROM t") == [(1,)]


def test_the_table_is_no_part_of_the_schema_that_anybody_sees_or_compares(path: Path, mark: Mark) -> None:
    db = open_database(str(path), name="d", marker_table=True)
    before = db.fingerprint(), db.schema(examples=3)
    run(db, "INSERT INTO t VALUES (1)", mark=mark)
    run(db, "DELETE FROM t", mark=next_of(mark))
    after = db.fingerprint(), db.schema(examples=3)
    assert after == before


@pytest.mark.parametrize("sql", ["INSERT INTO t VALUES (1)", "CREATE TABLE u (b)", "DROP TABLE t", "ANALYZE"])
def test_what_a_change_would_do_is_the_same_with_and_without_it(path: Path, mark: Mark, sql: str) -> None:
    db = open_database(str(path), name="d", marker_table=True)
    before = db.measure([sql], budget=MeasureBudget(), heard=None)
    run(db, "INSERT INTO t VALUES (1)", "DELETE FROM t", mark=mark)
    after = db.measure([sql], budget=MeasureBudget(), heard=None)
    assert replace(after, seconds=0) == replace(before, seconds=0)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO sqlagent_runs VALUES ('k7f3.9', 'x', 'y')",
        "UPDATE SQLAGENT_RUNS SET at = 1",
        "DELETE FROM main.sqlagent_runs",
        "REPLACE INTO sqlagent_runs VALUES ('a', 'b', 'c')",
        "DROP TABLE sqlagent_runs",
        "ALTER TABLE sqlagent_runs RENAME TO mine",
        "ALTER TABLE sqlagent_runs ADD COLUMN x",
        "CREATE INDEX i ON sqlagent_runs (at)",
        "CREATE TRIGGER g AFTER INSERT ON sqlagent_runs BEGIN DELETE FROM t; END",
        "CREATE TABLE sqlagent_runs (a)",
        "CREATE TEMP TABLE sqlagent_runs (a)",
        "CREATE VIEW sqlagent_runs AS SELECT 1",
        "CREATE VIRTUAL TABLE sqlagent_runs USING fts5 (a)",
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_no_sql_changes_the_table_or_makes_one_of_its_name(path: Path, mark: Mark, sql: str, there: bool) -> None:
    db = open_database(str(path), name="d", marker_table=True)
    if there:
        run(db, "DELETE FROM t", mark=mark)
        mark = next_of(mark)
    said = opinion(path, sql)
    assert said.denied == RULE or said.error
    before = data(path)
    with pytest.raises(QueryError):
        run(db, sql, mark=mark)
    assert data(path) == before
    assert marks(path)[0] == (ROW if there else (MARK.run, MARK.digest, ""))


def test_a_trigger_that_writes_to_it_is_denied_too(path: Path, mark: Mark) -> None:
    db = open_database(str(path), name="d", marker_table=True)
    run(db, "DELETE FROM t", mark=mark)
    ask(path, "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM sqlagent_runs; END")
    assert opinion(path, "INSERT INTO t VALUES (1)").denied == RULE
    with pytest.raises(QueryError, match=r"delete sqlagent_runs is not allowed  \[marker-table\]"):
        run(db, "INSERT INTO t VALUES (1)", mark=next_of(mark))
    assert marks(path) == [ROW, ("k7f3.2", MARK.digest, "")]


def test_it_may_be_read(path: Path, mark: Mark) -> None:
    run(open_database(str(path), name="d", marker_table=True), "DELETE FROM t", mark=mark)
    assert opinion(path, "SELECT count(*) FROM sqlagent_runs").denied == ""


def test_a_table_renamed_to_its_name_is_taken_back(path: Path, mark: Mark) -> None:
    """No authorizer is told the new name of a RENAME; but the table is there before the first statement."""
    before = data(path)
    db = open_database(str(path), name="d", marker_table=True)
    with pytest.raises(QueryError, match="already another table or index with this name"):
        run(db, "CREATE TABLE x (id, at, digest)", "ALTER TABLE x RENAME TO sqlagent_runs", mark=mark)
    assert data(path) == before


def test_what_somebody_hung_on_it_does_not_fire(path: Path, mark: Mark) -> None:
    db = open_database(str(path), name="d", marker_table=True)
    run(db, "DELETE FROM t", mark=mark)
    ask(path, "CREATE TRIGGER g AFTER INSERT ON sqlagent_runs BEGIN INSERT INTO t VALUES ('unmeasured'); END")
    run(db, "INSERT INTO t VALUES (1)", mark=next_of(mark))
    assert ask(path, "SELECT a FROM t") == [(1,)]
    assert len(marks(path)) == 2


@pytest.mark.parametrize("made", ["CREATE TABLE sqlagent_runs (a)", "CREATE VIEW sqlagent_runs AS SELECT 1 AS id"])
def test_something_else_of_its_name_stops_the_run_with_a_word_on_what_to_do(path: Path, mark: Mark, made: str) -> None:
    ask(path, made)
    before = data(path)
    db = open_database(str(path), name="d", marker_table=True)
    with pytest.raises(ConnectError, match="sqlagent_runs is there and is not the table of marks") as caught:
        run(db, "INSERT INTO t VALUES (1)", mark=mark)
    assert "marker_table = false" in caught.value.hint
    with pytest.raises(ConnectError):
        db.marked(MARK)
    assert data(path) == before


def test_sqlite_of_2015_can_still_open_the_file(path: Path, mark: Mark) -> None:
    """A STRICT table anywhere in a file keeps SQLite before 3.37 from reading any of it."""
    run(open_database(str(path), name="d", marker_table=True), "DELETE FROM t", mark=mark)
    assert ask(path, "SELECT strict FROM pragma_table_list('sqlagent_runs')") == [(0,)]
