"""Changes: every statement of the script or none, in one transaction, marked done in it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
from sqlite_files import MARK, Kept, ask, beside, dump, make, nothing, read, run, says

from sqlagent.core.errors import ConnectError, QueryError, SqlagentError, Stale, StoreError, TimedOut
from sqlagent.databases.base import Database, Limits, Mark, Verdict
from sqlagent.databases.open import open_database

ENDLESS = "INSERT INTO audit_log (what) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "shop.db")


@pytest.fixture
def shop(path: Path) -> Iterator[Database]:
    db = open_database(str(path), name="shop", busy_seconds=0.05)
    yield db
    db.close()


@pytest.fixture
def mark(tmp_path: Path) -> Mark:
    return beside(tmp_path)


def test_a_script_runs_in_order_and_counts_what_each_statement_changed_itself(shop: Database, path: Path) -> None:
    sink = Kept()
    outcome = run(
        shop,
        "UPDATE orders SET status = 'cancelled' WHERE status = 'pending'",
        "INSERT INTO audit_log (what) VALUES ('x'), ('y') RETURNING what",
        "SELECT count(*) FROM shipments",
        "CREATE TABLE tags (a)",
        "INSERT INTO tags SELECT 1 WHERE 0",
        "DELETE FROM customers WHERE id = 1",
        sink=sink,
    )
    assert [r.changed for r in outcome.results] == [2, 2, None, 0, 0, 1]
    assert [r.returned for r in outcome.results] == [0, 2, 1, 0, 0, 0]
    assert [r.index for r in outcome.results] == [1, 2, 3, 4, 5, 6]
    assert sink.columns == [("what",), ("count(*)",)]
    assert sink.rows == [("x",), ("y",), (1,)]
    assert ask(path, "SELECT id FROM orders") == [(3,)]


def test_one_failure_takes_everything_back_and_says_where(shop: Database, path: Path, mark: Mark) -> None:
    before = dump(path)
    with pytest.raises(QueryError) as caught:
        run(shop, "DELETE FROM shipments", "INSERT INTO customers (id,\n name)\n VALUES (1, 'x')", mark=mark)
    assert caught.value.message == "the database refused statement 2 of 2: UNIQUE constraint failed: customers.id"
    assert caught.value.hint == "nothing was changed"
    assert dump(path) == before
    assert says(mark) == "begun"


def test_a_mistake_names_its_line(shop: Database) -> None:
    with pytest.raises(QueryError, match=r"no such column: totl \(line 2 of it\)"):
        run(shop, "UPDATE orders\n   SET total = totl")


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("COMMIT", "transaction COMMIT is not allowed  [transaction-control]"),
        ("END", "[transaction-control]"),
        ("ROLLBACK", "[transaction-control]"),
        ("SAVEPOINT s", "[transaction-control]"),
        ("ATTACH 'x.db' AS x", "[outside-database]"),
        ("DETACH main", "[outside-database]"),
        ("PRAGMA foreign_keys = off", "[unsafe-pragma]"),
        ("PRAGMA journal_mode = wal", "[unsafe-pragma]"),
        ("PRAGMA writable_schema = on", "[unsafe-pragma]"),
        ("SELECT load_extension('x')", "[outside-database]"),
        ("UPDATE sqlagent_mark.sqlagent_runs SET state = 'done'", "no such table: sqlagent_mark.sqlagent_runs"),
        ("UPDATE sqlite_master SET sql = ''", "may not be modified"),
        ("VACUUM", "cannot VACUUM from within a transaction"),
        ("VACUUM INTO 'copy.db'", "cannot VACUUM from within a transaction"),
        ("DELETE FROM orders; DELETE FROM customers", "there is more than one statement in it"),
        ("-- nothing", "there is no statement in it"),
        ("DELETE FROM orders WHERE id = ?", "it has a parameter"),
        ("INSERT OR ROLLBACK INTO customers (id, name) VALUES (1, 'x')", "UNIQUE constraint failed"),
    ],
)
def test_what_would_leave_the_transaction_or_the_database_is_refused_and_all_is_taken_back(
    shop: Database, path: Path, mark: Mark, sql: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    before = dump(path)
    files = sorted([*(p.name for p in path.parent.iterdir()), "mark.db"])
    with pytest.raises(QueryError) as caught:
        run(shop, "DELETE FROM shipments", sql, mark=mark)
    assert words in caught.value.message
    assert dump(path) == before
    assert says(mark) == "begun"
    assert sorted(p.name for p in path.parent.iterdir()) == files


def test_a_trigger_that_rolls_back_ends_the_run(tmp_path: Path) -> None:
    path = make(
        tmp_path / "t.db",
        "CREATE TABLE t (a); CREATE TRIGGER no AFTER INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'not today'); END",
    )
    with pytest.raises(QueryError, match="not today"):
        run(open_database(str(path), name="t"), "CREATE TABLE u (a)", "INSERT INTO t VALUES (1)")
    assert ask(path, "SELECT name FROM sqlite_schema WHERE name = 'u'") == []


def test_a_deferred_key_is_found_out_at_commit_and_all_is_taken_back(tmp_path: Path, mark: Mark) -> None:
    script = "CREATE TABLE p (id PRIMARY KEY); CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)"
    path = make(tmp_path / "d.db", script)
    with pytest.raises(QueryError, match="the database refused to commit: FOREIGN KEY constraint failed") as caught:
        run(open_database(str(path), name="d"), "INSERT INTO c VALUES (1)", mark=mark)
    assert caught.value.hint == "nothing was changed"
    assert ask(path, "SELECT * FROM c") == []
    assert says(mark) == "begun"


@pytest.mark.parametrize(("foreign_keys", "orders"), [(True, 1), (False, 3)])
def test_foreign_keys_are_as_configured(path: Path, foreign_keys: bool, orders: int) -> None:
    run(open_database(str(path), name="x", foreign_keys=foreign_keys), "DELETE FROM customers WHERE id = 1")
    assert ask(path, "SELECT count(*) FROM orders") == [(orders,)]


def test_the_mark_is_set_with_the_changes(shop: Database, path: Path, mark: Mark) -> None:
    assert shop.marks_atomically()
    assert run(shop, "DELETE FROM audit_log", mark=mark).settled
    assert says(mark) == "done"


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be", "UTF-8"])
def test_a_database_of_any_encoding_is_marked_with_its_changes(tmp_path: Path, encoding: str) -> None:
    """SQLite attaches no file of another encoding."""
    path, mark = make(tmp_path / "t.db", f"PRAGMA encoding = '{encoding}'; CREATE TABLE t (a TEXT)"), beside(tmp_path)
    db = open_database(str(path), name="t")
    assert run(db, "INSERT INTO t VALUES ('żółw')", mark=mark).settled
    assert (ask(path, "SELECT a FROM t"), db.marked(mark)) == ([("żółw",)], Verdict.APPLIED)


def test_a_mark_that_cannot_be_left_changes_nothing(shop: Database, path: Path, tmp_path: Path) -> None:
    before = dump(path)
    with pytest.raises(StoreError, match="could not be marked"):
        run(shop, "DELETE FROM orders", mark=replace(MARK, beside=tmp_path / "no folder" / "mark.db"))
    assert dump(path) == before


@pytest.mark.parametrize("meanwhile", ["DELETE FROM sqlagent_runs", "UPDATE sqlagent_runs SET at = 'x'"])
def test_a_mark_that_somebody_changed_meanwhile_changes_nothing(
    shop: Database, path: Path, mark: Mark, meanwhile: str
) -> None:
    before = dump(path)

    def reached(point: str) -> None:
        if point == "begun":
            assert mark.beside is not None
            ask(mark.beside, meanwhile)

    with pytest.raises(QueryError, match="is not as it was begun"):
        shop.apply(["DELETE FROM orders"], sink=Kept(), limits=Limits(), mark=mark, verify=nothing, reached=reached)
    assert dump(path) == before
    assert shop.marked(mark) is Verdict.CANNOT_TELL


@pytest.mark.parametrize("damage", [b"", b"no database", None])
def test_a_mark_that_is_gone_or_damaged_tells_nothing(
    shop: Database, path: Path, mark: Mark, damage: bytes | None
) -> None:
    run(shop, "DELETE FROM audit_log", mark=mark)
    assert mark.beside is not None
    assert shop.marked(mark) is Verdict.APPLIED
    mark.beside.unlink()
    if damage is not None:
        mark.beside.write_bytes(damage)
    assert shop.marked(mark) is Verdict.CANNOT_TELL


def test_a_database_in_wal_mode_is_changed_without_the_mark(tmp_path: Path) -> None:
    path = make(tmp_path / "w.db", "PRAGMA journal_mode = wal; CREATE TABLE t (a)")
    db = open_database(str(path), name="w")
    assert not db.marks_atomically()
    assert not run(db, "INSERT INTO t VALUES (1)", mark=MARK).settled
    assert read(db, "SELECT a FROM t") == [(1,)]
    assert db.marked(MARK) is Verdict.CANNOT_TELL


def test_a_promised_mark_is_kept_or_nothing_runs(shop: Database, path: Path, mark: Mark) -> None:
    assert shop.marks_atomically()
    ask(path, "PRAGMA journal_mode = wal")
    with pytest.raises(Stale, match="changed its journal mode"):
        run(shop, "DELETE FROM orders", mark=mark)
    assert ask(path, "SELECT count(*) FROM orders") == [(3,)]


def locked_for_another_process(path: Path) -> bool:
    """A lock in the same process proves nothing: closing any file handle of one's own drops it for all others."""
    script = f"import apsw; apsw.Connection({str(path)!r}).execute('BEGIN IMMEDIATE')"
    return b"BusyError" in subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).stderr


def test_the_check_before_the_first_statement_can_stop_it_under_the_lock(shop: Database, path: Path) -> None:
    def verify() -> None:
        assert shop.fingerprint()
        assert shop.marks_atomically()
        assert open_database(str(path), name="another").identity() == shop.identity()
        assert locked_for_another_process(path)
        raise Stale("the schema changed")

    with pytest.raises(Stale, match="the schema changed"):
        shop.apply(["DELETE FROM orders"], sink=Kept(), limits=Limits(), mark=None, verify=verify, reached=nothing)
    assert ask(path, "SELECT count(*) FROM orders") == [(3,)]
    assert not locked_for_another_process(path)


def test_every_point_is_reached_in_order(shop: Database, mark: Mark) -> None:
    points: list[str] = []
    shop.apply(
        ["DELETE FROM audit_log", "SELECT 1"],
        sink=Kept(),
        limits=Limits(),
        mark=mark,
        verify=lambda: points.append("(verify)"),
        reached=points.append,
    )
    assert points == ["begun", "(verify)", "ran 1", "ran 2", "marked", "committed"]


def test_a_run_past_its_time_is_taken_back(shop: Database, path: Path, mark: Mark) -> None:
    with pytest.raises(TimedOut, match=r"cancelled after 0\.05 s"):
        run(shop, "DELETE FROM shipments", ENDLESS, limits=Limits(seconds=0.05), mark=mark)
    assert ask(path, "SELECT count(*) FROM shipments") == [(3,)]
    assert says(mark) == "begun"


def test_another_thread_can_cancel_a_run(shop: Database, path: Path) -> None:
    def reached(point: str) -> None:
        if point == "ran 1":
            threading.Thread(target=cancel_until_done).start()

    done = threading.Event()

    def cancel_until_done() -> None:
        while not done.wait(0.01):
            shop.interrupt()

    script = ["DELETE FROM shipments", ENDLESS]
    with pytest.raises(QueryError, match="the statement was cancelled"):
        shop.apply(script, sink=Kept(), limits=Limits(seconds=None), mark=None, verify=nothing, reached=reached)
    done.set()
    assert ask(path, "SELECT count(*) FROM shipments") == [(3,)]


@pytest.mark.parametrize("point", ["begun", "ran 1", "marked"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_interrupts_it_before_the_commit_takes_everything_back(
    shop: Database, path: Path, mark: Mark, point: str, error: type[BaseException]
) -> None:
    def reached(name: str) -> None:
        if name == point:
            raise error

    with pytest.raises(error):
        shop.apply(["DELETE FROM orders"], sink=Kept(), limits=Limits(), mark=mark, verify=nothing, reached=reached)
    assert ask(path, "SELECT count(*) FROM orders") == [(3,)]
    assert says(mark) == "begun"


def test_rows_that_cannot_be_written_do_not_make_a_committed_run_look_failed(shop: Database, path: Path) -> None:
    class Full:
        def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
            raise OSError(28, "No space left on device")

    script = ["DELETE FROM shipments RETURNING id"]
    outcome = shop.apply(script, sink=Full(), limits=Limits(), mark=None, verify=nothing, reached=nothing)
    assert "No space left" in outcome.unwritten
    assert ask(path, "SELECT count(*) FROM shipments") == [(0,)]


def test_returned_rows_stop_at_the_limit_and_the_change_does_not(shop: Database, path: Path) -> None:
    sink = Kept()
    result = run(shop, "DELETE FROM shipments RETURNING id", sink=sink, limits=Limits(rows=1)).results[0]
    assert (sink.rows, result.returned, result.truncated, result.changed) == ([(1,)], 1, True, 3)
    assert ask(path, "SELECT count(*) FROM shipments") == [(0,)]


def test_a_reader_that_stays_makes_the_commit_wait_and_then_give_up(shop: Database, path: Path) -> None:
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN; SELECT * FROM orders").fetchall()
    with pytest.raises(ConnectError, match="is being read by another process"):
        run(shop, "DELETE FROM orders")
    reader.close()
    assert ask(path, "SELECT count(*) FROM orders") == [(3,)]


def test_a_full_disk_takes_everything_back(tmp_path: Path, mark: Mark) -> None:
    path = make(tmp_path / "f.db", "CREATE TABLE t (a); PRAGMA user_version = 7")
    db = open_database(str(path), name="f")
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(SqlagentError) as caught:
            run(db, "INSERT INTO t VALUES (1)", "INSERT INTO t SELECT zeroblob(3000000)", mark=mark)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "nothing was changed" in caught.value.hint
    assert ask(path, "SELECT count(*) FROM t") == [(0,)]
    assert says(mark) == "begun"


def test_temporary_tables_help_within_a_script(shop: Database, path: Path) -> None:
    run(
        shop,
        "CREATE TEMP TABLE chosen AS SELECT id FROM orders WHERE status = 'pending'",
        "DELETE FROM orders WHERE id IN (SELECT id FROM chosen)",
    )
    assert ask(path, "SELECT id FROM orders") == [(2,)]
