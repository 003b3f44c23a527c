"""A real target, journal and checkpoints in one folder, and processes that come to work on them and may die there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any

import apsw
import msgspec
import pytest

from sqlagent import config
from sqlagent.core.errors import Finished, OutcomeUnknown
from sqlagent.core.nouns.session import Report, Status
from sqlagent.pipeline.thread.checkpoints import open_saver
from sqlagent.pipeline.thread.graph import Graph, build
from sqlagent.service import Agent, Listener
from sqlagent.store.audit import Entry
from sqlagent.store.journal import Journal

SELL = "UPDATE stock SET left = left - 1 WHERE id = 1"
"""Run once it leaves 9 of the 10, run twice 8."""
SCHEMA = """
CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT NOT NULL, left INTEGER NOT NULL);
CREATE TABLE sales (id INTEGER PRIMARY KEY, stock_id INTEGER NOT NULL, was INTEGER NOT NULL);
CREATE TRIGGER sold AFTER UPDATE ON stock BEGIN INSERT INTO sales (stock_id, was) VALUES (OLD.id, OLD.left); END;
INSERT INTO stock VALUES (1, 'apple', 10), (2, 'pear', 10), (3, 'fig', 10);
"""
FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
ENDLESS_READ = FOREVER + "SELECT count(*) FROM n"
ENDLESS_WRITE = "INSERT INTO sales (stock_id, was) " + FOREVER + "SELECT i, i FROM n"
UNKEPT = "UPDATE counters SET hits = hits + 1"
"""A table that nothing can be kept of: it has no key, and hides its row numbers."""
SCRATCH = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
"""Memory where there is some: what is killed here is a process, not a disk."""


@dataclass(frozen=True, slots=True)
class Shop:
    folder: Path

    @property
    def db(self) -> Path:
        return self.folder / "shop.db"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def config(self) -> Path:
        """The user's own settings, where there are any."""
        return self.folder / "config.toml"

    def agent(
        self, *, by: str = "ana", now: Callable[[], datetime] = lambda: datetime.now(UTC),
        listener: Listener | None = None, env: dict[str, str] | None = None, **settings: Any,
    ) -> Agent:  # fmt: skip
        """Somebody's door to it: close it, or use it in a `with`."""
        own = {"config": str(self.config)} if self.config.exists() else {}
        flags = {"database": str(self.db), "state_dir": str(self.state), **own, **settings}
        agent = Agent(config.load(flags, os.environ | (env or {}), self.folder), now=now, listener=listener)
        agent.by = by
        return agent

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """On a connection of the test's own; the process of a run that was killed may take a moment to let go."""
        db = apsw.Connection(str(self.db))
        db.set_busy_timeout(20_000)
        try:
            for _ in range(200):  # a change of the journal mode does not wait by itself
                with suppress(apsw.BusyError):
                    return list(db.execute(sql).fetchall())
                sleep(0.05)
            return list(db.execute(sql).fetchall())
        finally:
            db.close()

    @property
    def sold(self) -> int:
        """How many times SELL was applied, by the row and by the trigger."""
        ((left,),) = self.rows("SELECT left FROM stock WHERE id = 1")
        ((sales,),) = self.rows("SELECT count(*) FROM sales WHERE stock_id = 1")
        assert 10 - left == sales
        return int(sales)

    def report(self, thread: str) -> Report:
        with self.agent() as agent:
            return agent.show(thread)

    def checkpoints(self) -> sqlite3.Connection:
        return sqlite3.connect(self.state / "checkpoints.db", isolation_level=None)

    def journal(self) -> apsw.Connection:
        """Its file, as anybody with SQLite can have it."""
        return apsw.Connection(str(self.state / "journal.db"))

    @contextmanager
    def graph(self, thread: str) -> Iterator[tuple[Graph, Any]]:
        """LangGraph itself on these checkpoints, as anybody with the library can have it."""
        saver = open_saver(self.state / "checkpoints.db")
        try:
            yield build(saver), {"configurable": {"thread_id": thread}}
        finally:
            saver.conn.close()

    def keep(self, copy: Path) -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy)

    def restore(self, copy: Path) -> None:
        """As it was when it was kept, under the same name: the name is what a database is known by."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(copy, self.folder)


def a_shop(folder: Path, schema: str = SCHEMA, *, wal: bool = False, marker_table: bool = False) -> Shop:
    folder.mkdir(parents=True, exist_ok=True)
    shop = Shop(folder)
    if marker_table:
        shop.config.write_text(f"[databases.shop]\nurl = '''{shop.db}'''\nmarker_table = true\n")
    db = apsw.Connection(str(shop.db))
    if wal:
        db.pragma("journal_mode", "wal")
    db.execute(schema)
    db.close()
    return shop


@contextmanager
def in_this_process() -> Iterator[None]:
    """Runs do without a process of their own: what a test does to SQLite is done to the one that runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "sqlagent.databases.sqlite.isolated.Isolated", lambda make, busy_seconds: make(busy_seconds=busy_seconds)
        )
        yield


def in_child(work: Callable[[], object]) -> int:
    """Do it in a process of its own, which has every import already; its exit code, or minus the signal it died of."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def waiting(shop: Shop, sql: str = SELL) -> Report:
    """A thread that another process asked, and that waits for a decision."""
    with shop.agent() as agent:
        return agent.run(sql, title="sell an apple")


def unkept(shop: Shop) -> Report:
    """A thread that waits with a change that was counted, and that no run can keep."""
    shop.rows("CREATE TABLE counters (_rowid_ TEXT, hits INTEGER NOT NULL); INSERT INTO counters VALUES ('front', 0)")
    asked = waiting(shop, UNKEPT)
    assert asked.proposal is not None
    assert asked.proposal.measurement is not None
    assert not asked.proposal.measurement.is_exact
    return asked


def approved(agent: Agent, asked: Report) -> Report:
    assert asked.proposal is not None
    return agent.approve(asked.thread, asked.proposal.digest)


# ---- the audit log -------------------------------------------------------------------------------------------------


def in_order(shop: Shop, thread: str, *what: str) -> None:
    """The chain holds, and the thread's entries are these."""
    assert [entry.what for entry in audited(shop) if entry.thread == thread] == list(what)


def audited(shop: Shop) -> list[Entry]:
    """Every entry of the log, whose chain holds, and which everything that it tells of is as it tells."""
    with shop.agent() as agent:
        entries = list(agent.journal.audit())
        checked = agent.journal.verified(agent.journal.head())
    assert (checked.problem, checked.entries) == ("", len(entries))
    return entries


def intact(shop: Shop, point: str) -> None:
    """A death is no tampering: whatever it left can be shown, and the whole record is as its log has it."""
    journal = Journal(shop.state / "journal.db")
    try:
        for thread in journal.threads(limit=-1):
            journal.require_sealed(thread.id)
        assert journal.verified().problem == "", point
    finally:
        journal.close()


def once_each(shop: Shop, point: str = "") -> None:
    """Of each proposal one approval at most; of each run as many claims as are not given back, and one end."""
    entries = audited(shop)
    counts = Counter((entry.what, str(msgspec.json.decode(entry.detail).get("run", ""))) for entry in entries)
    decided = Counter(
        str(msgspec.json.decode(e.detail)["proposal"]) for e in entries if e.what in ("approved", "edited", "rejected")
    )
    assert set(decided.values()) <= {1}, point
    db = shop.journal()
    states = {str(run): str(state) for run, state in db.execute("SELECT id, state FROM runs")}
    db.close()
    claimed = {run for what, run in counts if what == "claimed"}
    assert set(states) <= claimed, point
    for run in claimed:
        assert counts["claimed", run] - counts["released", run] - counts["stale", run] == (run in states), point
        for what, state in (("committed", "done"), ("rolled back", "failed")):
            assert counts[what, run] == (states.get(run) == state), point
        assert decided[run] == 1, point


def ending(shop: Shop, thread: str) -> tuple[Status, int]:
    """After whoever comes next has gone on with it."""
    with shop.agent(by="ben") as agent:
        with suppress(Finished, OutcomeUnknown):
            agent.resume(thread)
        status = agent.show(thread).status
    once_each(shop)
    return status, shop.sold


def approve(shop: Shop, asked: Report) -> Report:
    """As whoever comes with the digest and an agent of their own."""
    with shop.agent() as agent:
        return approved(agent, asked)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return a_shop(tmp_path)


@pytest.fixture
def asked(shop: Shop) -> Report:
    """A thread with SELL that waits."""
    return waiting(shop)
