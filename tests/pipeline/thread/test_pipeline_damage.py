"""Files damaged, lost, full or out of reach: the target's state is said right, and nothing runs twice."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from shops import SCRATCH, SELL, Shop, a_shop, approved, audited, in_child, once_each, waiting

from sqlagent.core.errors import Finished, OutcomeUnknown, SqlagentError, StoreError, UnknownThread
from sqlagent.core.nouns.session import Report, Status
from sqlagent.pipeline.thread.driver import Driver  # imported once, so that no child has to
from sqlagent.store.journal import RunState

assert Driver is not None


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sqlagent-damage-", dir=SCRATCH))
    yield made
    shutil.rmtree(made)


def approves(shop: Shop, asked: Report) -> None:
    with shop.agent() as agent:
        approved(agent, asked)


def killed_at(point: str, shop: Shop, asked: Report) -> None:
    def act() -> None:
        os.environ["SQLAGENT_CRASH_AT"] = point
        approves(shop, asked)

    assert in_child(act) == -signal.SIGKILL


def tried(shop: Shop, asked: Report) -> None:
    """Whoever comes next approves, resumes and looks: each works or is an error of ours, and never a traceback."""

    assert in_child(lambda: tries(shop, asked)) == 0


def tries(shop: Shop, asked: Report) -> None:
    for step in (approves, resumes, looks):
        with suppress(SqlagentError):
            step(shop, asked)


def resumes(shop: Shop, asked: Report) -> None:
    with shop.agent(by="ben") as agent:
        agent.resume(asked.thread)


def looks(shop: Shop, asked: Report) -> None:
    """What is said of it is true, where anything can be said."""
    with shop.agent() as agent:
        agent.pending()
        agent.sessions()
        list(agent.journal.audit())
        status = agent.show(asked.thread).status
    assert status is not Status.EXECUTED or shop.sold == 1


# ---- bytes that changed --------------------------------------------------------------------------------------------

SCENES = [("asked", False), ("kept", False), ("committed", False), ("kept", True), ("committed", True)]
"""Where the process was when it died, and whether the target is in WAL."""


def a_dead_shop(folder: Path, point: str, *, wal: bool, marker_table: bool = False) -> tuple[Shop, Report]:
    shop = a_shop(folder / "shop", wal=wal, marker_table=marker_table)
    asked = waiting(shop)
    if point != "asked":
        killed_at(point, shop, asked)
    shop.keep(folder / "kept")
    return shop, asked


def flipped(file: Path, position: int, bit: int) -> None:
    with file.open("r+b") as f:
        f.seek(position)
        (byte,) = f.read(1)
        f.seek(position)
        f.write(bytes([byte ^ (1 << bit)]))


def written_places(file: Path) -> list[int]:
    """Where something is written: most of a page is not."""
    return [place for place, byte in enumerate(file.read_bytes()) if byte]


def survives_flips(folder: Path, point: str, *, wal: bool, name: str, times: int, piece: int = 0) -> None:
    """One process meets all of them: a start for each would take most of the time."""
    shop, asked = a_dead_shop(folder, point, wal=wal)
    chance = random.Random(f"{point} {wal} {name} {piece}")
    places = written_places(shop.state / name)
    flips = [(chance.choice(places), chance.randrange(8)) for _ in range(times)]
    at = folder / "at"

    def meets_each() -> None:
        for place, bit in flips:
            at.write_text(f"bit {bit} of byte {place}")
            shop.restore(folder / "kept")
            flipped(shop.state / name, place, bit)
            tries(shop, asked)
            assert shop.sold <= 1

    assert in_child(meets_each) == 0, at.read_text()


@pytest.mark.parametrize("name", ["journal.db", "checkpoints.db"])
@pytest.mark.parametrize(("point", "wal"), SCENES)
def test_a_flipped_bit_runs_nothing_twice_and_is_never_a_traceback(
    folder: Path, point: str, wal: bool, name: str
) -> None:
    survives_flips(folder, point, wal=wal, name=name, times=8)


@pytest.mark.long
@pytest.mark.parametrize("piece", range(1, 5), ids=lambda piece: f"piece{piece}")
@pytest.mark.parametrize("name", ["journal.db", "checkpoints.db"])
@pytest.mark.parametrize(("point", "wal"), SCENES)
def test_many_flipped_bits_run_nothing_twice(folder: Path, point: str, wal: bool, name: str, piece: int) -> None:
    """400 a scene; a quarter of them with `-k piece1`."""
    survives_flips(folder, point, wal=wal, name=name, times=100, piece=piece)


@pytest.mark.parametrize("name", ["journal.db", "checkpoints.db"])
@pytest.mark.parametrize(("point", "wal"), [("asked", False), ("committed", False), ("committed", True)])
def test_a_file_cut_short_runs_nothing_twice_and_is_never_a_traceback(
    folder: Path, point: str, wal: bool, name: str
) -> None:
    shop, asked = a_dead_shop(folder, point, wal=wal)
    sold = 0 if point == "asked" else 1
    whole = (shop.state / name).stat().st_size
    for size in (0, 1, 99, 100, 512, 4096, 4097, whole // 2, whole - 4096, whole - 1):
        shop.restore(folder / "kept")
        os.truncate(shop.state / name, size)
        tried(shop, asked)
        assert shop.sold in (sold, 1), size
        if name == "journal.db" and size < whole // 2:
            assert shop.sold == sold, size


@pytest.mark.parametrize("column", ["document", "status", "state", "choice", "changeset", "detail", "outcome"])
def test_a_value_that_nobody_wrote_is_named_as_damage(folder: Path, column: str) -> None:
    shop, asked = a_dead_shop(folder, "committed", wal=True)
    table = {"document": "proposals", "status": "threads", "state": "runs", "choice": "decisions",
             "changeset": "changes", "detail": "audit", "outcome": "runs"}[column]  # fmt: skip
    db = shop.journal()
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute("DROP TRIGGER audit_keeps_what_was_written")
    value = "x'c1'" if column == "changeset" else "CAST(x'ff7b' AS TEXT)"
    db.execute(f"UPDATE {table} SET {column} = {value}")
    db.close()
    tried(shop, asked)
    assert shop.sold == 1


def test_a_version_in_a_checkpoint_that_is_no_number_is_named_as_damage(folder: Path) -> None:
    shop, asked = a_dead_shop(folder, "asked", wal=False)
    db = shop.checkpoints()
    for row, checkpoint in db.execute("SELECT rowid, checkpoint FROM checkpoints").fetchall():
        changed = bytes(checkpoint).replace(b"0" * 31, b"0p" + b"0" * 29)
        assert changed != checkpoint
        db.execute("UPDATE checkpoints SET checkpoint = ? WHERE rowid = ?", (changed, row))
    db.close()
    with shop.agent() as agent, pytest.raises(StoreError, match="are damaged: a checkpoint cannot be read"):
        approved(agent, asked)
    assert shop.sold == 0


def test_an_interrupt_that_is_none_is_rebuilt_to_the_same_proposal(folder: Path) -> None:
    shop, asked = a_dead_shop(folder, "asked", wal=False)
    db = shop.checkpoints()
    db.execute("UPDATE writes SET value = x'91c0' WHERE channel = '__interrupt__'")  # a list of None
    db.close()
    with shop.agent() as agent:
        again = agent.resume(asked.thread)
        assert again.proposal is not None
        assert asked.proposal is not None
        assert (again.status, again.proposal.digest) == (Status.PENDING, asked.proposal.digest)
        assert approved(agent, again).status is Status.EXECUTED
    assert shop.sold == 1
    once_each(shop)


FRAME = 24 + 4096
"""Of a WAL: a header, and a page."""


@pytest.mark.parametrize("cut", [0, 10, 32, 56, 4000, 4200, 32 + 2 * FRAME - 1])
def test_a_wal_that_was_cut_off_is_asked_about_where_nothing_was_marked(folder: Path, cut: int) -> None:
    """The rows are as they were before it, which the cut did, or somebody else."""
    shop, asked = a_dead_shop(folder, "committed", wal=True)
    assert Path(f"{shop.db}-wal").stat().st_size == 32 + 2 * FRAME
    cut_off(shop, cut)
    tried(shop, asked)
    assert (shop.report(asked.thread).status, shop.sold) == (Status.UNKNOWN, 0)
    settled(shop, asked, RunState.SETTLED_NOT_APPLIED)
    assert shop.report(asked.thread).status is Status.FAILED


@pytest.mark.parametrize("lost", [1, 4000, FRAME, FRAME + 1])
def test_a_wal_that_was_cut_off_is_run_again_where_its_mark_says_begun(folder: Path, lost: int) -> None:
    """The commit was in what the cut took, and the mark of before it was not."""
    shop, asked = a_dead_shop(folder, "committed", wal=True, marker_table=True)
    cut_off(shop, Path(f"{shop.db}-wal").stat().st_size - lost)
    tried(shop, asked)
    assert (shop.report(asked.thread).status, shop.sold) == (Status.EXECUTED, 1)
    once_each(shop)


@pytest.mark.parametrize("cut", [0, 32, 56, FRAME])
def test_a_wal_that_was_cut_off_with_every_mark_is_asked_about(folder: Path, cut: int) -> None:
    shop, asked = a_dead_shop(folder, "committed", wal=True, marker_table=True)
    cut_off(shop, cut)
    tried(shop, asked)
    assert (shop.report(asked.thread).status, shop.sold) == (Status.UNKNOWN, 0)
    settled(shop, asked, RunState.SETTLED_NOT_APPLIED)


def cut_off(shop: Shop, size: int) -> None:
    os.truncate(f"{shop.db}-wal", size)
    Path(f"{shop.db}-shm").unlink(missing_ok=True)


def settled(shop: Shop, asked: Report, state: RunState) -> None:
    """A person looked."""
    with shop.agent(by="ben") as agent:
        agent.settle(asked.thread, state)
    once_each(shop)


# ---- what is gone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wal", [False, True])
@pytest.mark.parametrize("point", ["kept", "committed"])
def test_a_journal_that_is_gone_runs_nothing_and_the_next_question_is_a_fresh_one(
    folder: Path, point: str, wal: bool
) -> None:
    shop, asked = a_dead_shop(folder, point, wal=wal)
    (shop.state / "journal.db").unlink()
    sold = 1 if point == "committed" else 0
    with shop.agent() as agent:
        with pytest.raises(UnknownThread, match=asked.thread):
            agent.resume(asked.thread)
        with pytest.raises(UnknownThread, match=asked.thread):
            approved(agent, asked)
        assert shop.sold == sold
        again = agent.run("UPDATE stock SET left = 0 WHERE id = 2")
        assert approved(agent, again).status is Status.EXECUTED
    assert shop.sold == sold
    once_each(shop)


def test_a_new_thread_of_an_old_name_is_not_mistaken_for_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is gone, and chance gives the new thread the id of one whose checkpoints are still there."""
    shop, asked = a_dead_shop(folder, "asked", wal=False)
    (shop.state / "journal.db").unlink()
    monkeypatch.setattr("sqlagent.service.admitting.new_id", lambda _taken: asked.thread)
    with shop.agent() as agent, pytest.raises(StoreError, match=f"disagree about {asked.thread}"):
        agent.run("UPDATE stock SET left = 0 WHERE id = 3")
    assert shop.rows("SELECT left FROM stock") == [(10,), (10,), (10,)]


# ---- what is full or may not be written ----------------------------------------------------------------------------


@pytest.mark.parametrize("wal", [False, True])
def test_a_disk_that_fills_up_at_any_byte_is_said_and_it_runs_once_when_there_is_room(folder: Path, wal: bool) -> None:
    """No file may grow past a limit, which is moved up until nothing meets it."""
    shop, asked = a_dead_shop(folder, "asked", wal=wal)
    enough = max(f.stat().st_size for f in shop.state.glob("*.db")) + 65_536
    met = 0
    for limit in range(512, enough, 12_288):
        shop.restore(folder / "kept")

        def limited(limit: int = limit) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            approves(shop, asked)

        met += refused(limited)
        seen_through(shop, asked)
    assert met >= 5


def refused(work: Callable[[], object]) -> int:
    """1 where it ended in an error of ours, 0 where it went through."""

    def act() -> None:
        try:
            work()
        except SqlagentError:
            os._exit(42)

    code = in_child(act)
    assert code in (0, 42)
    return int(code == 42)


def seen_through(shop: Shop, asked: Report) -> None:
    """What went wrong is over: it is gone on with, and approved where that was not recorded."""
    with shop.agent() as agent:
        with suppress(Finished, OutcomeUnknown):
            agent.resume(asked.thread)
        with suppress(Finished, OutcomeUnknown):
            approved(agent, asked)
        status = agent.show(asked.thread).status
    assert (status, shop.sold) in {(Status.EXECUTED, 1), (Status.FAILED, 0)}
    once_each(shop)


@pytest.mark.parametrize("name", ["journal.db", "checkpoints.db"])
def test_a_state_that_cannot_be_written_any_more_keeps_what_waits(folder: Path, name: str) -> None:
    shop, asked = a_dead_shop(folder, "asked", wal=False)
    folder.chmod(0o755)
    belongs_to(shop, 65534)
    for file in (shop.state / name, shop.state):
        file.chmod(0o400 if file.is_file() else 0o500)

    def as_nobody() -> None:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        os.environ.update(dict.fromkeys(("HOME", "XDG_CONFIG_HOME"), str(shop.folder)))
        with shop.agent() as agent, pytest.raises(StoreError, match="cannot be"):
            approved(agent, asked)

    assert in_child(as_nobody) == 0
    assert shop.sold == 0
    for file in (shop.state, shop.state / name):
        file.chmod(0o700)
    belongs_to(shop, 0)
    seen_through(shop, asked)
    assert shop.sold == 1


def belongs_to(shop: Shop, user: int) -> None:
    """Root writes where nobody may: it does so as somebody else."""
    for each in (shop.folder, *shop.folder.rglob("*")):
        if os.getuid() == 0:
            os.chown(each, user, user)


# ---- names and clocks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wal", [False, True])  # in WAL with its mark in the database, which proves it there
@pytest.mark.parametrize(
    "name", ["Ordner mit Leerzeichen", "données ☃ 数据", "what? 100% #1 'quoted' \"twice\" & a=b;c"]
)
def test_a_folder_of_any_name_is_run_in_killed_in_and_gone_on_in(folder: Path, name: str, wal: bool) -> None:
    shop = a_shop(folder / name, wal=wal, marker_table=wal)
    asked = waiting(shop)
    killed_at("committed" if wal else "marked", shop, asked)
    resumes(shop, asked)
    assert (shop.report(asked.thread).status, shop.sold) == (Status.EXECUTED, 1)
    once_each(shop)


@pytest.mark.parametrize("step", [timedelta(days=-400), timedelta(seconds=-5), timedelta(days=400)])
def test_a_clock_that_steps_changes_neither_what_runs_nor_the_order_of_the_record(
    folder: Path, step: timedelta
) -> None:
    shop = a_shop(folder / "shop", wal=True)
    then = datetime(2026, 3, 30, 10, tzinfo=UTC)
    with shop.agent(now=lambda: then) as agent:
        asked = agent.run(SELL)
    with shop.agent(now=lambda: then + step) as agent:
        assert approved(agent, asked).status is Status.EXECUTED
    with shop.agent(now=lambda: then) as agent:
        again = agent.run(SELL, thread=asked.thread)
        assert approved(agent, again).status is Status.EXECUTED
    assert shop.sold == 2
    assert [e.number for e in audited(shop)] == list(range(1, len(audited(shop)) + 1))
    once_each(shop)
