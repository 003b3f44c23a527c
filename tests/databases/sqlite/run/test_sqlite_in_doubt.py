"""After a crash the rows tell whether a run was committed, or it is said that they do not."""

from __future__ import annotations

import random
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlite_files import LIMITS, Kept, ask, make, nothing

from sqlagent.databases.base import Verdict
from sqlagent.databases.open import open_database

CROWD = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b TEXT); CREATE TABLE k (a, b);
WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 30)
INSERT INTO t SELECT x, x % 4, 'b' || x FROM n;
INSERT INTO k SELECT a, b FROM t WHERE id < 12;
"""


def crash_and_drift(folder: Path, seed: int) -> tuple[Verdict, bool, bool]:
    """A run that was committed or not, then edits by others: the verdict, the truth, and whether the edits met it."""
    source = random.Random(seed)
    path = make(folder / f"{seed}.db", CROWD)
    db = open_database(str(path), name="crowd")
    group = source.randrange(4)
    sql = source.choice(
        (f"UPDATE t SET a = a + 10 WHERE a = {group}", f"DELETE FROM t WHERE a = {group}",
         f"INSERT INTO t (a, b) SELECT a, 'new' FROM t WHERE a = {group}", f"DELETE FROM k WHERE a = {group}",
         f"UPDATE k SET b = b || '!' WHERE a <> {group}",
         f"REPLACE INTO t SELECT id, a, 'new' FROM t WHERE id > {group + 20}")
    )  # fmt: skip
    kept: list[bytes] = []
    committed = source.random() < 0.5

    def reached(point: str) -> None:
        if point == "kept" and not committed:
            raise KeyboardInterrupt

    try:
        db.apply([sql], sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=reached, keep=kept.append)
    except KeyboardInterrupt:
        assert not committed
    edits = source.randrange(3)
    for _ in range(edits):
        row = source.randrange(1, 40)
        ask(path, source.choice((f"UPDATE t SET b = 'x' WHERE id = {row}", f"DELETE FROM t WHERE id = {row}",
                                 f"UPDATE t SET a = 3 WHERE id = {row}",
                                 f"INSERT OR IGNORE INTO t VALUES ({row}, 1, 'z')",
                                 f"DELETE FROM k WHERE rowid = {row}")))  # fmt: skip
    verdict = db.decided(kept[0])
    db.close()
    return verdict, committed, edits > 0


def judge(folder: Path, seeds: range) -> tuple[int, int, int]:
    right = wrong = open_ = 0
    for seed in seeds:
        verdict, committed, drifted = crash_and_drift(folder, seed)
        truth = Verdict.APPLIED if committed else Verdict.NOT_APPLIED
        assert drifted or verdict is truth
        right, wrong = right + (verdict is truth), wrong + (verdict not in (truth, Verdict.CANNOT_TELL))
        open_ += verdict is Verdict.CANNOT_TELL
    return right, wrong, open_


def test_the_rows_tell_whether_a_run_was_committed(tmp_path: Path) -> None:
    right, wrong, open_ = judge(tmp_path, range(120))
    assert wrong == 0
    assert right > 100
    print(right, open_)


@pytest.mark.long
def test_the_rows_tell_in_a_long_run(tmp_path: Path) -> None:
    right, wrong, open_ = judge(tmp_path, range(1000, 4000))
    assert wrong == 0
    assert open_ <= 6, f"{right} right"


FEW = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b TEXT); INSERT INTO t VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 2, 'z');
CREATE TABLE s (id INTEGER PRIMARY KEY AUTOINCREMENT, a); INSERT INTO s (a) VALUES (0);
CREATE TABLE w (word TEXT PRIMARY KEY NOT NULL, a);
"""
ADD = "INSERT INTO {} (a) VALUES (7), (8), (9)"
WORDS = "INSERT INTO w VALUES ('a', 1), ('b', 2), ('c', 3)"
YES, NO, OPEN = Verdict.APPLIED, Verdict.NOT_APPLIED, Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    ("script", "committed", "since", "verdict"),
    [
        # a whole row that was to be deleted stands: another one was deleted by somebody else
        ("DELETE FROM t WHERE a = 1", False, "DELETE FROM t WHERE id = 1", NO),
        ("DELETE FROM t WHERE a = 1", False, "DELETE FROM t WHERE a = 1", YES),
        ("DELETE FROM t WHERE a = 1", True, "INSERT INTO t VALUES (1, 1, 'other')", YES),
        # what is not there of another table says nothing about this one
        ("DELETE FROM t WHERE a = 1; DELETE FROM s", True, "INSERT INTO s VALUES (1, 0)", OPEN),
        ("DELETE FROM t WHERE a = 1; UPDATE t SET a = 3 WHERE id = 3", True, "UPDATE t SET a = 2 WHERE id = 3", OPEN),
        # one that was inserted later stands, and got its number after those that are not there
        (ADD.format("t"), True, "DELETE FROM t WHERE id = 5", YES),
        (ADD.format("t"), True, "DELETE FROM t WHERE id = 6", OPEN),
        (ADD.format("t"), False, "INSERT INTO t (a) VALUES (7)", OPEN),
        (ADD.format("t"), False, "INSERT INTO t (a) VALUES (77)", NO),
        # AUTOINCREMENT remembers what it gave out
        (ADD.format("s"), True, "DELETE FROM s WHERE id = 4", YES),
        (ADD.format("s"), True, "DELETE FROM s WHERE id > 1", OPEN),
        (ADD.format("s"), False, "INSERT INTO s (a) VALUES (77)", NO),
        (ADD.format("s"), False, "DELETE FROM s", NO),
        # a key that people choose may be chosen again
        (WORDS, True, "DELETE FROM w WHERE word = 'b'", OPEN),
        (WORDS, False, "INSERT INTO w VALUES ('b', 2)", OPEN),
        (WORDS, True, "UPDATE w SET a = 9 WHERE word = 'b'", YES),
        # rows that contradict each other, however many
        ("UPDATE t SET a = a + 1", True, "UPDATE t SET a = 1 WHERE id = 1", OPEN),
        ("UPDATE t SET a = a + 1", True, "UPDATE t SET b = '' ; UPDATE t SET a = 77 WHERE id < 3", YES),
        # a table that is made anew has no row that could tell
        ("INSERT INTO w VALUES ('a', 1); DROP TABLE w; CREATE TABLE w (word TEXT PRIMARY KEY NOT NULL, a)", True, "",
         OPEN),
        ("UPDATE t SET a = 5; DROP TABLE w; CREATE TABLE w (word TEXT PRIMARY KEY NOT NULL, a)", True, "", YES),
    ],
)  # fmt: skip
def test_a_row_that_stands_tells_more_than_one_that_does_not(
    tmp_path: Path, script: str, committed: bool, since: str, verdict: Verdict
) -> None:
    path = make(tmp_path / "few.db", FEW)
    db = open_database(str(path), name="few")
    kept: list[bytes] = []

    def reached(point: str) -> None:
        if point == "kept" and not committed:
            raise KeyboardInterrupt

    with nullcontext() if committed else pytest.raises(KeyboardInterrupt):
        db.apply(script.split("; "), sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=reached,
                 keep=kept.append)  # fmt: skip
    ask(path, since)
    assert db.decided(kept[0]) is verdict
    db.close()
