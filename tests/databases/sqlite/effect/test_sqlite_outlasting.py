"""One call of a function inside a step of the engine may last for ever: what measures, checks and reads does not."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_files import SHOP, Kept, ask, beside, make, nothing, read

from sqlagent.core.errors import OutcomeUnknown, QueryError, TimedOut
from sqlagent.core.nouns.analysis import Size
from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases.base import Database, Limits, MeasureBudget, OnConflict
from sqlagent.databases.changes.budget import Budget
from sqlagent.databases.open import open_database

LONG = "printf('%.*c', 4000000, 'a')"
NEEDLE = "printf('%.*c', 2000000, 'a') || 'b'"
ENDLESS = {
    "LIKE": f"{LONG} LIKE '%' || replace(printf('%.*c', 20000, 'x'), 'x', 'a') || 'b'",
    "GLOB": f"{LONG} GLOB '*' || printf('%.*c', 40000, 'a') || 'b'",
    "instr": f"instr({LONG}, {NEEDLE})",
    "replace": f"length(replace({LONG}, {NEEDLE}, 'x'))",
    "trim": f"length(trim({LONG}, printf('%.*c', 20000, 'b') || 'a'))",
    "ltrim of a blob": f"length(ltrim({LONG}, hex(zeroblob(40000)) || 'a'))",
}
"""Each one call, of minutes or more."""
FILLS = "INSERT INTO audit_log (what) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000)"
FILLS += " SELECT hex(zeroblob(500)) FROM n"
"""More than SQLite holds back in memory: some of it is in the file before the COMMIT, and the rest in a journal."""
PAST = 60
"""Seconds within which a call of some tenths of a second must have ended on a loaded machine."""
SHORT = MeasureBudget(seconds=0.3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "shop.db", SHOP)


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    db = open_database(str(path), name="shop", busy_seconds=0.05)
    yield db
    db.close()


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """What does not end would keep the whole suite: it dies of this instead."""
    signal.alarm(4 * PAST)
    yield
    signal.alarm(0)


def ends(do: Callable[[], object]) -> None:
    begun = time.monotonic()
    do()
    assert time.monotonic() - begun < PAST


@pytest.mark.parametrize("expression", ENDLESS.values(), ids=ENDLESS)
def test_a_read_ends_at_its_time_limit(db: Database, expression: str) -> None:
    def read() -> None:
        with pytest.raises(TimedOut, match=r"after 0\.2 s, inside one step"):
            db.read(f"SELECT {expression}", sink=Kept(), limits=Limits(seconds=0.2))

    ends(read)


def test_a_preview_a_count_and_the_preview_of_an_undo_end(db: Database) -> None:
    def preview() -> None:
        found = db.measure([f"UPDATE orders SET status = {ENDLESS['instr']}"], budget=SHORT, heard=None)
        assert (found.undo, found.is_exact) == (Undoable.NONE, False)
        assert found.how == found.effects[0].why
        assert found.how in ("past 0.3 s", "past 1.8 s"), "of work, or of the clock where the machine is busy"

    ends(preview)

    def count() -> None:
        assert db.count(f"SELECT count(*) FROM orders WHERE {ENDLESS['trim']}", seconds=0.1) == Size()

    ends(count)


def test_a_trigger_and_a_view_of_the_file_end_too(db: Database, path: Path) -> None:
    slow = f"UPDATE orders SET status = {ENDLESS['replace']}"
    ask(path, f"CREATE TRIGGER slow AFTER DELETE ON shipments BEGIN {slow}; END")
    ask(path, f"CREATE VIEW g AS SELECT {ENDLESS['instr']} AS b")

    def measure() -> None:
        for sql in ("DELETE FROM shipments", "INSERT INTO audit_log (what) SELECT b FROM g"):
            assert not db.measure([sql], budget=SHORT, heard=None).is_exact

    ends(measure)


def test_a_run_ends_at_its_time_limit_and_nothing_is_left_of_it(db: Database, path: Path) -> None:
    def run() -> None:
        with pytest.raises(TimedOut, match="inside one step"):
            db.apply(
                ["DELETE FROM shipments", FILLS, f"UPDATE orders SET status = {ENDLESS['instr']}"], sink=Kept(),
                limits=Limits(seconds=2.0), mark=None, verify=nothing, reached=nothing,
            )  # fmt: skip

    ends(run)
    assert not list(path.parent.glob("*-journal"))
    assert read(db, "SELECT count(*) FROM shipments") == [(3,)]
    assert ask(path, "BEGIN IMMEDIATE; PRAGMA integrity_check") == [("ok",)]  # and nobody holds a lock


@pytest.mark.parametrize("what", ["read", "preview", "run"])
def test_ctrl_c_is_heard_inside_a_step(db: Database, path: Path, what: str) -> None:
    sql = f"SELECT {ENDLESS['instr']}" if what == "read" else f"UPDATE orders SET status = {ENDLESS['instr']}"
    works: dict[str, Callable[[], object]] = {
        "read": lambda: db.read(sql, sink=Kept(), limits=Limits(seconds=None)),
        "preview": lambda: db.measure([sql], budget=MeasureBudget(seconds=60), heard=None),
        "run": lambda: db.apply(
            [sql], sink=Kept(), limits=Limits(seconds=None), mark=None, verify=nothing, reached=nothing
        ),
    }
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    def pressed() -> None:
        with pytest.raises(KeyboardInterrupt):
            works[what]()

    try:
        ends(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ask(path, "BEGIN IMMEDIATE; SELECT count(*) FROM orders") == [(3,)]


MEMORY = {
    "group_concat": "SELECT length(group_concat(hex(zeroblob(50000000)))) FROM orders, orders AS more, orders AS most",
    "json_group_array": "SELECT length(json_group_array(hex(zeroblob(60000000)))) FROM orders, orders AS more",
    "many at once": f"SELECT {', '.join(['hex(zeroblob(90000000))'] * 12)}",
}


@pytest.mark.parametrize("sql", MEMORY.values(), ids=MEMORY)
def test_what_a_statement_takes_is_bounded(db: Database, sql: str) -> None:
    """By SQLite's own limit, past which it answers that there is no more, or by the largest value that there may be."""
    try:
        db.read(sql, sink=Kept(), limits=Limits(seconds=20.0))
    except (QueryError, TimedOut) as e:
        assert e.message  # noqa: PT017 - any of the bounds will do, and the process is whole
    assert peak_of_children() < 2_000_000


def peak_of_children() -> int:
    """Kilobytes of the largest process that was waited for."""
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def test_a_busy_machine_makes_no_change_one_that_cannot_be_measured(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock runs on while others work; the budget counts the work that is done."""
    times = iter(range(0, 10**9, 100))
    clock: Any = Budget.__init__
    monkeypatch.setitem(clock.__kwdefaults__, "clock", lambda: float(next(times)))
    assert db.measure(["DELETE FROM orders"], budget=MeasureBudget(), heard=None).is_exact


def test_rows_are_not_waited_for_once_enough_were_seen(db: Database) -> None:
    class One:
        def write(self, _columns: object, rows: Iterator[tuple[object, ...]]) -> int:
            return 1 if next(rows) == (1,) else 0

    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
    ends(lambda: db.read(endless, sink=One(), limits=Limits(None, None)))


@pytest.mark.parametrize(("point", "error"), [("ran 1", QueryError), ("marked", QueryError)])
def test_a_process_that_is_killed_before_its_commit_changed_nothing(
    db: Database, path: Path, point: str, error: type[Exception]
) -> None:
    def reached(name: str) -> None:
        if name == point:
            kill_the_child()

    with pytest.raises(error, match="did not come to its end"):
        db.apply(
            ["DELETE FROM shipments"], sink=Kept(), limits=Limits(), mark=beside(path.parent), verify=nothing,
            reached=reached,
        )  # fmt: skip
    assert ask(path, "SELECT count(*) FROM shipments") == [(3,)]


def children() -> list[int]:
    """Of this process: what other tests keep running is among them, and the newest is the last."""
    return [int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def kill_the_child() -> None:
    os.kill(children()[-1], signal.SIGKILL)


def test_a_process_that_is_killed_after_it_asked_to_commit_is_looked_up(
    db: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reached(name: str) -> None:
        if name == "committed":
            kill_the_child()

    with pytest.raises(OutcomeUnknown, match="while it was committed"):
        db.apply(["DELETE FROM shipments"], sink=Kept(), limits=Limits(), mark=None, verify=nothing, reached=reached)
    assert ask(path, "SELECT count(*) FROM shipments") == [(0,)]


def test_the_largest_export_goes_through_as_it_is(db: Database) -> None:
    sink = Kept()
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000)"
    db.read(f"{numbers} SELECT x, x / 2.0, 'é' || x, zeroblob(3), NULL FROM n", sink=sink, limits=Limits(None, None))
    assert len(sink.rows) == 5000
    assert sink.rows[-1] == (5000, 2500.0, "é5000", b"\0\0\0", None)


def test_an_undo_is_taken_back_in_its_process_too(db: Database, path: Path) -> None:
    kept: list[bytes] = []
    db.apply(
        ["DELETE FROM shipments"], sink=Kept(), limits=Limits(), mark=None, verify=nothing, reached=nothing,
        keep=kept.append,
    )  # fmt: skip
    plan = db.preview_undo(kept[0], copy=None, budget=MeasureBudget(), heard=None)
    db.apply_undo(
        kept[0], copy=None, on_conflict=OnConflict.REFUSE, limits=Limits(), mark=None, verify=nothing, reached=nothing,
        expected=plan.measurement,
    )  # fmt: skip
    assert ask(path, "SELECT count(*) FROM shipments") == [(3,)]


def test_no_process_and_no_pipe_is_left(db: Database) -> None:
    before, open_before = children(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        db.read("SELECT 1", sink=Kept(), limits=Limits())
        with pytest.raises(QueryError):
            db.read("SELECT nothing", sink=Kept(), limits=Limits())
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    assert children() == before
