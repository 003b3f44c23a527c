"""A process that dies at any moment of a run: the target is changed exactly when the journal says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from sqlite_files import MARK, Kept, ask, beside, make, nothing, read, says

from sqlagent.databases.base import Limits, Mark, Verdict
from sqlagent.databases.open import open_database

SCRIPT = ["UPDATE t SET a = a + 1", "INSERT INTO t SELECT x FROM big", "DELETE FROM big WHERE x % 3 = 0"]
DIED = 9


def files(folder: Path) -> tuple[Path, Mark]:
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 500) SELECT x FROM n"
    path = make(folder / "target.db", f"CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE TABLE big AS {numbers}")
    return path, beside(folder)


def run_in_a_child(path: Path, mark: Mark, reached: Callable[[str], None], before: Callable[[], object]) -> int:
    """Its exit code; it opens everything itself, for a connection must not cross a fork."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            kept = before()  # a VFS lives as long as its object
            db = open_database(str(path), name="target", marker_table=mark.beside is None)
            assert db.marks_atomically() != db.marks_in_itself()
            db.apply(SCRIPT, sink=Kept(), limits=Limits(), mark=mark, verify=nothing, reached=reached)
            code = 0
            del kept
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def is_changed(path: Path) -> bool:
    """Whether the target was changed; never by half."""
    (a, rows), (left,) = ask(path, "SELECT min(a), count(*) FROM t")[0], ask(path, "SELECT count(*) FROM big")[0]
    assert (a, rows, left) in ((1, 1, 500), (1, 501, 334)), "half a run"
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]
    return bool(rows == 501)


@pytest.mark.parametrize(
    ("point", "applied"),
    [("begun", False), ("ran 1", False), ("ran 2", False), ("ran 3", False), ("marked", False), ("committed", True)],
)
def test_a_process_that_dies_at_a_named_point_leaves_all_or_nothing(tmp_path: Path, point: str, applied: bool) -> None:
    path, mark = files(tmp_path)

    def die(name: str) -> None:
        if name == point:
            os._exit(DIED)

    assert run_in_a_child(path, mark, die, nothing) == DIED
    assert read(open_database(str(path), name="again"), "SELECT count(*) FROM t") == [(501 if applied else 1,)]
    assert (is_changed(path), says(mark)) == (applied, "done" if applied else "begun")


class DyingFile(apsw.VFSFile):
    """Dies before its process's nth change of the disk."""

    def xWrite(self, *args: Any) -> None:
        count_down()
        super().xWrite(*args)

    def xSync(self, *args: Any) -> None:
        count_down()
        super().xSync(*args)

    def xTruncate(self, *args: Any) -> None:
        count_down()
        super().xTruncate(*args)


class DyingDisk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("dying", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return DyingFile("unix", name, flags)

    def xDelete(self, *args: Any) -> None:
        count_down()
        super().xDelete(*args)


def verdict(path: Path, mark: Mark) -> Verdict:
    db = open_database(str(path), name="again", may_recover=lambda: True)  # the run that died was our own
    try:
        return db.marked(mark)
    finally:
        db.close()


def possible(changed: bool) -> tuple[Verdict, ...]:
    """What a mark may say: where nothing was changed, there may be none yet."""
    return (Verdict.APPLIED,) if changed else (Verdict.NOT_APPLIED, Verdict.CANNOT_TELL)


left = [0]


def count_down() -> None:
    left[0] -= 1
    if left[0] < 0:
        os._exit(DIED)


@pytest.mark.parametrize("mark_first", [False, True])
def test_a_process_that_dies_at_any_change_of_the_disk_leaves_all_or_nothing(tmp_path: Path, mark_first: bool) -> None:
    """Also inside COMMIT, between the two files; whichever of them is looked at first afterwards."""
    seen = []
    for allowed in range(200):
        folder = tmp_path / str(allowed)
        folder.mkdir()
        path, mark = files(folder)
        left[0] = allowed
        code = run_in_a_child(path, mark, nothing, DyingDisk)
        if mark_first:
            told = verdict(path, mark)
        changed = is_changed(path)
        if not mark_first:
            told = verdict(path, mark)
        assert told in possible(changed), f"after {allowed} changes of the disk"
        seen.append(changed)
        if code == 0:
            break
    assert code == 0
    assert seen.index(True) > 10  # it died often before the commit
    assert seen == sorted(seen)  # and once committed, it stays so
    assert seen.count(True) > 1  # it also died after the commit, before the end


def test_in_wal_the_mark_in_the_database_is_there_exactly_if_its_changes_are(tmp_path: Path) -> None:
    """Where two files are not changed as one, one file is."""
    seen = []
    for allowed in range(200):
        folder = tmp_path / str(allowed)
        folder.mkdir()
        path, _ = files(folder)
        assert ask(path, "PRAGMA journal_mode = wal") == [("wal",)]
        left[0] = allowed
        code = run_in_a_child(path, MARK, nothing, DyingDisk)
        told, changed = verdict(path, MARK), is_changed(path)
        assert told in possible(changed), f"after {allowed} changes of the disk"
        seen.append(changed)
        if code == 0:
            break
    assert code == 0
    assert seen == sorted(seen)
    assert seen.index(True) > 5
    assert seen.count(True) > 1
