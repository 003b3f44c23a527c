"""Files of somebody else's: to look at them changes nothing, waits for nothing and deletes nothing."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from sqlagent.core.errors import ConnectError, StoreError
from sqlagent.databases.base import HotJournal
from sqlagent.databases.open import open_database, recover
from sqlagent.pipeline.thread.checkpoints import open_saver
from sqlagent.store.journal import Journal

_MAGIC = bytes.fromhex("d9d505f920a163d7")
_CUT_OFF = """
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA journal_mode = " + sys.argv[2])
c.execute("CREATE TABLE t (a, b)")
c.executemany("INSERT INTO t VALUES (?, ?)", [(i, "x" * 500) for i in range(300)])
c.execute("PRAGMA cache_size = 5")
c.execute("BEGIN")
c.execute("UPDATE t SET b = 'changed'")
os._exit(0)
"""


def cut_off(path: Path, *, names: Path | None = None, mode: str = "delete") -> None:
    """A database whose writer died; `names` is a file that its journal calls the one above it."""
    subprocess.run([sys.executable, "-c", _CUT_OFF, str(path), mode], check=True)
    if names is not None:
        name = os.fsencode(names)
        lock_page = 0x40000000 // 4096 + 1
        checksum = sum(byte if byte < 128 else byte - 256 for byte in name) & 0xFFFFFFFF
        with path.with_name(path.name + "-journal").open("ab") as journal:
            journal.write(struct.pack(">I", lock_page) + name + struct.pack(">II", len(name), checksum) + _MAGIC)


def _is_kept(path: Path) -> bool:
    return path.is_file() and not path.name.endswith("-shm")  # an index of the log, which every reader shares


def contents(folder: Path) -> dict[str, str]:
    return {p.name: sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if _is_kept(p)}


def test_a_hot_journal_is_told_and_nothing_is_touched(tmp_path: Path) -> None:
    victim = tmp_path / "precious.txt"
    victim.write_text("years of work")
    path = tmp_path / "shop.db"
    cut_off(path, names=victim)
    before = contents(tmp_path)
    with pytest.raises(HotJournal, match="hot journal: another program was cut off") as told:
        open_database(str(path), name="x")
    assert f"sqlagent doctor --recover --db {path}" in told.value.hint
    assert contents(tmp_path) == before


def test_a_journal_that_becomes_hot_while_it_is_open_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    cut_off(path)
    recover(str(path))
    db = open_database(str(path), name="x")
    subprocess.run([sys.executable, "-c", _CUT_OFF.replace("CREATE TABLE t", "CREATE TABLE t2"), path, "delete"])
    before = contents(tmp_path)
    with pytest.raises(HotJournal):
        db.schema(examples=0)
    assert contents(tmp_path) == before


def test_to_recover_deletes_no_file_that_a_journal_names(tmp_path: Path) -> None:
    victim = tmp_path / "precious.txt"
    victim.write_text("years of work")
    path = tmp_path / "shop.db"
    cut_off(path, names=victim)
    assert recover(str(path))
    assert victim.read_text() == "years of work"
    assert not recover(str(path))
    assert open_database(str(path), name="x").schema(examples=0).tables[0].name == "t"


def test_a_log_that_was_cut_off_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    cut_off(path, mode="wal")
    before = contents(tmp_path)
    db = open_database(str(path), name="x")
    assert db.count("SELECT count(*) FROM t", seconds=5).rows == 300
    db.close()
    assert contents(tmp_path) == before


def odd(path: Path, kind: str) -> Path:
    """Something that is no file, under this name."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as s:
            os.chdir(path.parent)  # a socket's name is short
            s.bind(path.name)
    else:
        path.symlink_to(kind)
    return path


@pytest.mark.parametrize("kind", ["fifo", "socket", "/dev/zero", "/dev/null"])
def test_what_is_no_file_is_no_database(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConnectError, match=r"is a (FIFO|socket|device), not a file"):
        open_database(str(odd(tmp_path / "shop.db", kind)), name="x")


@pytest.mark.parametrize("kind", ["fifo", "socket", "/dev/zero", "precious.txt"])
@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm"])
def test_what_lies_beside_a_database_is_looked_at_first(
    kind: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious.txt").write_text("years of work")
    path = tmp_path / "shop.db"
    cut_off(path)
    path.with_name("shop.db-journal").unlink()
    odd(tmp_path / f"shop.db{ending}", kind)
    with pytest.raises(ConnectError, match=f"has shop.db{ending} beside it, which is a"):
        open_database(str(path), name="x")
    assert (tmp_path / "precious.txt").read_text() == "years of work"


def test_a_journal_beside_the_checkpoints_is_not_rolled_back_by_pythons_sqlite(tmp_path: Path) -> None:
    victim = tmp_path / "precious.txt"
    victim.write_text("years of work")
    cut_off(tmp_path / "checkpoints.db", names=victim)
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="have a hot journal"):
        open_saver(tmp_path / "checkpoints.db")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["journal.db", "journal.db-journal"])
def test_the_journal_is_a_plain_file(name: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    os.mkfifo(tmp_path / name)
    with pytest.raises(StoreError, match="FIFO"):
        Journal(tmp_path / "journal.db").threads()


@pytest.mark.parametrize("name", ["checkpoints.db", "checkpoints.db-wal"])
def test_the_checkpoints_are_a_plain_file(name: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    os.mkfifo(tmp_path / name)
    with pytest.raises(StoreError, match="FIFO"):
        open_saver(tmp_path / "checkpoints.db")
