"""Time limits, locks and files that cannot be written: the thread says what happened and can be gone on with."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from shops import (
    ENDLESS_WRITE,
    FOREVER,
    SELL,
    Shop,
    a_shop,
    approved,
    ending,
    in_child,
    in_order,
    shop,
    unkept,
    waiting,
)

from sqlagent.core.errors import Busy, ConnectError, Finished, SqlagentError, StoreError
from sqlagent.core.nouns.session import Choice, Decision, Status
from sqlagent.databases import open as databases
from sqlagent.pipeline import thread_lock
from sqlagent.pipeline.thread import alone
from sqlagent.service import Agent
from sqlagent.store.journal import Marked, RunState

__all__ = ["shop"]


# ---- time limits and locks -----------------------------------------------------------------------------------------


def test_a_change_past_its_time_limit_fails_and_nothing_is_left_of_it(shop: Shop) -> None:
    asked = waiting(shop, ENDLESS_WRITE)
    with shop.agent(timeout="100ms") as agent:
        report = approved(agent, asked)
    assert (report.status, report.failure) == (Status.FAILED, "TimedOut")
    assert shop.rows("SELECT count(*) FROM sales") == [(0,)]


@pytest.fixture
def locked(shop: Shop) -> Iterator[apsw.Connection]:
    """Another program is in the midst of a change."""
    other = apsw.Connection(str(shop.db))
    yield other
    other.close()


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_locked_database_keeps_the_approval_and_runs_it_when_it_is_free(
    shop: Shop, locked: apsw.Connection, lock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = waiting(shop)
    with quick_agent(shop, monkeypatch) as agent:
        agent.database.fingerprint()
        locked.execute(lock)
        with pytest.raises(ConnectError, match="locked by another process") as raised:
            approved(agent, asked)
        assert raised.value.thread == asked.thread
        assert asked.proposal is not None
        assert agent.journal.decision(asked.proposal.id) is not None
        assert agent.journal.run(asked.proposal.id) is None
        assert agent.show(asked.thread).status is Status.PENDING
        locked.execute("ROLLBACK")
        report = agent.resume(asked.thread)
    assert (report.status, report.decided_by, shop.sold) == (Status.EXECUTED, "ana", 1)


def quick_agent(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """One that does not wait its five seconds for a lock."""
    opens = databases._ADAPTERS["sqlite"]
    monkeypatch.setitem(
        databases._ADAPTERS, "sqlite", lambda path, wanted: opens(path, replace(wanted, busy_seconds=0.05))
    )
    return shop.agent()


def test_a_reader_that_keeps_the_commit_out_keeps_the_approval_too(
    shop: Shop, locked: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = waiting(shop)
    with quick_agent(shop, monkeypatch) as agent:
        locked.execute("BEGIN; SELECT * FROM stock").fetchone()
        with pytest.raises(ConnectError):
            approved(agent, asked)
        assert shop.sold == 0
        locked.execute("ROLLBACK")
        assert agent.resume(asked.thread).status is Status.EXECUTED
    assert shop.sold == 1


def test_two_agents_of_one_thread_say_who_is_busy(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = waiting(shop)
    with thread_lock.thread_lock(shop.state / "locks", asked.thread):
        monkeypatch.setattr(alone, "thread_lock", partial(thread_lock.thread_lock, wait=0.05))
        with shop.agent() as agent, pytest.raises(Busy, match=asked.thread):
            agent.resume(asked.thread)


# ---- what cannot be written ----------------------------------------------------------------------------------------

NOBODY = 65534


def as_nobody(shop: Shop, work: Callable[[], object]) -> None:
    """Root may write anything: so where the tests run as root, this is done by a user who may not."""

    def do() -> None:
        if os.getuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        os.environ.update(dict.fromkeys(("HOME", "XDG_CONFIG_HOME"), str(shop.folder)))
        work()

    assert in_child(do) == 0


@pytest.fixture
def public() -> Iterator[Shop]:
    """A shop in a folder that any user may get to, with its state."""
    folder = Path(tempfile.mkdtemp(prefix="sqlagent-public-"))
    folder.chmod(0o755)
    shop = a_shop(folder / "shop")
    shop.state.mkdir(mode=0o700)
    yield shop
    for each in [folder, *folder.rglob("*")]:
        each.chmod(0o755)
    shutil.rmtree(folder)


def given_away(shop: Shop) -> None:
    belongs_to(shop, NOBODY)


def belongs_to(shop: Shop, user: int) -> None:
    if os.getuid() == 0:
        for each in [shop.folder, *shop.folder.rglob("*")]:
            os.chown(each, user, user)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_target_that_cannot_be_written_keeps_the_approval(public: Shop, what: str) -> None:
    asked = waiting(public)
    given_away(public)
    guarded = public.db if what == "file" else public.folder
    guarded.chmod(0o444 if what == "file" else 0o555)

    def refused() -> None:
        with public.agent() as agent, pytest.raises(ConnectError):
            approved(agent, asked)

    as_nobody(public, refused)
    belongs_to(public, os.getuid())  # a state folder is read by its owner alone
    assert (public.report(asked.thread).status, public.sold) == (Status.PENDING, 0)
    guarded.chmod(0o755)
    given_away(public)

    def runs() -> None:
        with public.agent() as agent:
            assert agent.resume(asked.thread).status is Status.EXECUTED

    as_nobody(public, runs)
    assert public.sold == 1


def test_a_state_folder_that_cannot_be_written_says_so_before_anything_is_asked(public: Shop) -> None:
    given_away(public)
    public.state.chmod(0o500)

    def refused() -> None:
        with public.agent() as agent, pytest.raises(StoreError, match=r"cannot be (written|used)") as raised:
            agent.run(SELL)
        assert "state-dir" in raised.value.hint

    as_nobody(public, refused)


def test_a_full_disk_under_the_target_changes_nothing_and_is_said(shop: Shop) -> None:
    asked = waiting(shop, f"INSERT INTO stock {FOREVER} SELECT i + 100, hex(zeroblob(500)), 1 FROM n LIMIT 4000")

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        with shop.agent() as agent:
            report = approved(agent, asked)
            assert (report.status, report.failure) == (Status.FAILED, "QueryError")

    assert in_child(limited) == 0
    assert shop.rows("SELECT count(*) FROM stock") == [(3,)]
    assert shop.rows("PRAGMA integrity_check") == [("ok",)]


# ---- the checkpoints fail after the run ----------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["committed", "execute: settled", "finish: after the journal"])
def test_what_ran_is_said_to_have_run_though_the_checkpoints_fail(shop: Shop, point: str) -> None:
    asked = waiting(shop)

    def drop(name: str) -> None:
        if name == point:
            shop.checkpoints().executescript("ALTER TABLE writes RENAME TO w; ALTER TABLE checkpoints RENAME TO c")

    with shop.agent() as agent:
        agent._parts.__dict__["reached"] = drop
        report = approved(agent, asked)
        assert (report.status, shop.sold) == (Status.EXECUTED, 1)
        shop.checkpoints().executescript("ALTER TABLE w RENAME TO writes; ALTER TABLE c RENAME TO checkpoints")
        with pytest.raises(Finished):
            agent.resume(asked.thread)
        follow_up = agent.run("SELECT 1", thread=asked.thread)
    assert (follow_up.status, shop.sold) == (Status.PENDING, 1)


@pytest.mark.parametrize("wal", [False, True])
def test_a_journal_that_fails_after_a_commit_says_that_it_ran_and_the_next_one_sees_it(
    tmp_path: Path, wal: bool
) -> None:
    """Its own transaction tells; in WAL nothing does, and a person is asked."""
    shop = a_shop(tmp_path, wal=wal)
    asked = waiting(shop)
    with shop.agent() as agent:
        agent._parts.__dict__["reached"] = lambda name: raise_at_done(agent) if name == "committed" else None
        with pytest.raises(StoreError, match="it was run, and that could not be recorded") as raised:
            approved(agent, asked)
        assert "do not run it again" in raised.value.hint
    assert ending(shop, asked.thread) == (Status.UNKNOWN if wal else Status.EXECUTED, 1)
    in_order(shop, asked.thread, "asked", "analyzed", "approved", "claimed", "unknown" if wal else "committed")


def raise_at_done(agent: Agent) -> None:
    """The disk fills up at the worst moment."""

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("the disk is full", hint="free some space")

    agent.journal.done = full  # type: ignore[method-assign]


class _Closed:
    """A sink whose reader has gone: `| head -1`."""

    def write(self, columns: Any, rows: Any) -> int:
        next(rows)
        raise BrokenPipeError(32, "Broken pipe")


def test_a_reader_that_has_seen_enough_is_no_fault_of_the_checkpoints(shop: Shop) -> None:
    asked = waiting(shop, "SELECT name FROM stock")
    with shop.agent() as agent:
        agent._sink = _Closed()
        with pytest.raises(BrokenPipeError):
            approved(agent, asked)
    with shop.agent() as agent:
        assert agent.resume(asked.thread).status is Status.EXECUTED


def test_an_error_knows_its_thread(shop: Shop) -> None:
    asked = waiting(shop)
    shop.checkpoints().execute("UPDATE checkpoints SET checkpoint = x'00'")
    with shop.agent() as agent, pytest.raises(SqlagentError) as raised:
        approved(agent, asked)
    assert raised.value.thread == asked.thread


def test_a_settled_run_cannot_be_settled_otherwise(tmp_path: Path) -> None:
    shop = a_shop(tmp_path, wal=True)
    asked = unkept(shop)
    assert asked.proposal is not None
    with shop.agent() as agent:
        agent.journal.decide(asked.proposal, Decision(Choice.APPROVE, asked.proposal.digest, "ana", "key"))
        agent.journal.claim(asked.proposal, by="ana", marked=Marked.NOWHERE)
        agent.journal.keep(asked.proposal.id, b"")
        assert agent.resume(asked.thread).status is Status.UNKNOWN
        assert agent.settle(asked.thread, RunState.SETTLED_NOT_APPLIED).status is Status.FAILED
        with pytest.raises(Finished):
            agent.settle(asked.thread, RunState.SETTLED_APPLIED)
    assert shop.sold == 0
    in_order(shop, asked.thread, "asked", "analyzed", "approved", "claimed", "unknown", "settled", "failed")
