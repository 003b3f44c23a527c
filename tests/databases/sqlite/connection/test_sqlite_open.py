"""Opening a database: what a person types, and what they are told when it cannot be opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from sqlite_files import LIMITS, Kept, ask, make, nothing, read, run
from strangers import as_a_stranger, open_to_strangers

from sqlagent.core.errors import ConnectError
from sqlagent.databases.open import open_database


def refusal(text: str, **options: float) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        open_database(text, name="x", busy_seconds=options.get("busy_seconds", 0.05))
    return caught.value


def test_a_missing_file_is_not_created_and_the_nearest_name_is_told(tmp_path: Path) -> None:
    make(tmp_path / "shop.db")
    error = refusal(str(tmp_path / "shpo.db"))
    assert error.message == f"no such file: {tmp_path / 'shpo.db'}"
    assert error.hint == f"did you mean {tmp_path / 'shop.db'}?"
    assert [p.name for p in tmp_path.iterdir()] == ["shop.db"]


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    assert refusal(str(tmp_path / "no" / "shop.db")).hint == f"there is no directory {tmp_path / 'no'}"


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    make(tmp_path / "shop.db")
    error = refusal(str(tmp_path))
    assert "is a directory" in error.message
    assert str(tmp_path / "shop.db") in error.hint


def test_a_text_file_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("to do: everything\n" * 50)
    assert "is not a SQLite database, or it is encrypted" in refusal(str(path)).message


def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db")
    bytes_ = bytearray(path.read_bytes())
    bytes_[100:200] = b"\xff" * 100
    path.write_bytes(bytes_)
    assert "is damaged" in refusal(str(path)).message


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://db.example/shop", "needs the adapter for MySQL, which is not there yet"),
        ("oracle://db.example/shop", "no adapter for oracle://"),
        ("sqlite://", "no such file: //"),
        ("", "no file was named"),
        ("sqlite:", "no file was named"),
        (":memory:", "no file was named"),
        ("shop\x00.db", "a path cannot hold a NUL character"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_with_a_hint(url: str, words: str) -> None:
    error = refusal(url)
    assert words in error.message or (url == "sqlite://" and "directory" in error.message)
    assert error.hint


def test_a_path_too_long_for_the_system_is_an_error_not_a_traceback() -> None:
    assert "cannot be read" in refusal("/" + "x" * 5000).message


@pytest.mark.parametrize("spell", ["{}", "sqlite:{}", "sqlite:///{}"])
def test_every_way_to_name_a_file_opens_the_same_database(tmp_path: Path, spell: str) -> None:
    path = make(tmp_path / "shop.db")
    assert open_database(spell.format(path), name="x").identity() == f"sqlite:{path.resolve()}"


@pytest.mark.parametrize(
    "name", ["a b.db", "50%.db", "a?mode=rwc.db", "a#b.db", "Größe 店.db", "a'b\"c.db", "%41.db", "a&b=c.db"]
)
def test_odd_characters_in_a_file_name_are_only_characters(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name)
    db = open_database(str(path), name="x")
    run(db, "DELETE FROM audit_log", "UPDATE customers SET name = 'Zoe' WHERE id = 1")
    assert read(db, "SELECT name FROM customers WHERE id = 1") == [("Zoe",)]
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_link_and_its_target_are_one_database(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db")
    (tmp_path / "link.db").symlink_to(path)
    there, here = open_database(str(tmp_path / "link.db"), name="a"), open_database(str(path), name="b")
    assert there.identity() == here.identity()
    assert there.name == "a"


def test_a_locked_database_is_told_after_the_time_that_was_given(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db")
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN EXCLUSIVE")
    assert refusal(str(path)).message == f"{path} is locked by another process"
    holder.execute("ROLLBACK")
    holder.close()


def test_a_write_that_meets_a_lock_changes_nothing(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db")
    db = open_database(str(path), name="x", busy_seconds=0.05)
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(ConnectError, match="is locked by another process"):
        run(db, "DELETE FROM audit_log")
    holder.close()


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db")
    path.chmod(0)
    with as_a_stranger():
        assert refusal(str(path)).message == f"{path} cannot be read: permission denied"


def test_a_file_that_may_not_be_written_is_read_and_its_change_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db")
    open_to_strangers(path)
    path.chmod(0o444)
    with as_a_stranger():
        db = open_database(str(path), name="x")
        assert read(db, "SELECT count(*) FROM orders") == [(3,)]
        with pytest.raises(ConnectError, match="cannot be written: permission denied"):
            run(db, "DELETE FROM audit_log")


def test_a_directory_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db")
    open_to_strangers(path)
    path.parent.chmod(0o555)
    path.chmod(0o666)
    with as_a_stranger(), pytest.raises(ConnectError, match="the directory of the database cannot be written"):
        run(open_database(str(path), name="x"), "DELETE FROM orders")


def crash_half_written(path: Path) -> None:
    """A process that dies with its changes in the file and its journal beside it."""
    script = (
        f"import apsw, os; c = apsw.Connection({str(path)!r}); c.execute('BEGIN IMMEDIATE');"
        "c.execute('DELETE FROM customers'); c.cache_flush(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    assert path.with_name(path.name + "-journal").exists()


def test_what_a_crash_of_our_own_left_half_written_is_undone_before_reading(tmp_path: Path) -> None:
    path = make(
        tmp_path / "shop.db", "PRAGMA user_version = 1; CREATE TABLE customers (id); INSERT INTO customers VALUES (1)"
    )
    crash_half_written(path)
    db = open_database(str(path), name="x", may_recover=lambda: True)
    assert read(db, "SELECT id FROM customers") == [(1,)]


def test_a_crash_of_our_own_while_it_is_open_is_undone_too(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db", "CREATE TABLE customers (id); INSERT INTO customers VALUES (1)")
    db = open_database(str(path), name="x", may_recover=lambda: True)
    crash_half_written(path)
    assert db.schema(examples=0).tables[0].name == "customers"
    crash_half_written(path)
    assert read(db, "SELECT id FROM customers") == [(1,)]


def test_a_database_in_wal_mode_is_read_and_written(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db", "PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    db = open_database(str(path), name="x")
    assert not db.marks_atomically()
    assert read(db, "SELECT a FROM t") == [(1,)]
    assert not run(db, "UPDATE t SET a = 2").settled
    assert read(db, "SELECT a FROM t") == [(2,)]


def test_wal_mode_in_a_directory_that_may_not_be_written_is_explained(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db", "PRAGMA journal_mode = wal; CREATE TABLE t (a)")
    open_to_strangers(path)
    path.parent.chmod(0o555)
    with as_a_stranger():
        error = refusal(str(path))
    assert "cannot be opened" in error.message
    assert "a database in WAL mode needs write permission on" in error.hint


def test_a_lock_taken_while_it_is_open_is_told_and_let_go_of_later(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db")
    db = open_database(str(path), name="x", busy_seconds=0.05)
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN EXCLUSIVE")
    for call in (
        lambda: read(db, "SELECT 1 FROM orders"),
        lambda: db.inspect(["SELECT 1 FROM orders"]),
        lambda: db.schema(examples=3),
        db.fingerprint,
        lambda: run(db, "DELETE FROM orders"),
    ):
        with pytest.raises(ConnectError, match="is locked by another process"):
            call()
    holder.close(force=True)
    assert read(db, "SELECT 1 FROM orders LIMIT 1") == [(1,)]


def test_a_file_put_in_its_place_is_noticed(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db", "CREATE TABLE old (a)")
    db = open_database(str(path), name="x")
    before = db.fingerprint()
    make(tmp_path / "other.db", "CREATE TABLE new (a)").rename(path)
    assert db.fingerprint() != before
    assert [t.name for t in db.schema(examples=0).tables] == ["new"]


def test_a_database_that_is_gone_is_told(tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db")
    db = open_database(str(path), name="x")
    path.unlink()
    with pytest.raises(ConnectError, match="no such file"):
        read(db, "SELECT 1")
    with pytest.raises(ConnectError, match="no such file"):
        db.apply(["SELECT 1"], sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing)
    assert not path.exists()


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "new.db").touch()
    db = open_database(str(tmp_path / "new.db"), name="x")
    assert db.schema(examples=3).tables == ()
    run(db, "CREATE TABLE t (a)")
    assert ask(tmp_path / "new.db", "SELECT count(*) FROM t") == [(0,)]


def test_opening_by_path_does_not_import_the_adapter_before_it_is_needed() -> None:
    script = "import sys, sqlagent.databases.open; assert 'apsw' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
