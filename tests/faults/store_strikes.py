"""Ways to strike a process that works on a shared store, and what the database and the record say afterwards."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from postgres_proxy import Proxy
from shops import in_child
from store_scene import ADD, Scene

from sqlagent import Agent
from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.session import Status

Act = Callable[[Agent], object]
DOINGS = ("ask", "approve", "resume")
_CUTS = 31
"""Of each kind, each way: with the named points that makes more than five hundred."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One point: what is done meanwhile, by what it is struck, and where."""

    doing: str
    by: str
    """`kill`, `terminate`, `restart`, or `cut` and `cut for good` on the way `to server` or `to client`."""
    at: str
    """A named point with its number, or a number of bytes."""


@dataclass
class Struck:
    """A scene whose connections all go through a proxy, and the ledger of what became of each strike."""

    scene: Scene
    ledger: Counter[str] = field(default_factory=Counter)
    wrong: list[Strike] = field(default_factory=list)

    def __post_init__(self) -> None:
        port = int(psycopg.conninfo.conninfo_to_dict(self.scene.store.url)["port"] or 0)
        self.proxy = Proxy(port)
        self.scene.store.url = self.scene.store.url.replace(f":{port}/", f":{self.proxy.port}/")

    # ---- the points ------------------------------------------------------------------------------------------------

    def act(self, doing: str, thread: str, digest: str) -> tuple[str, Act]:
        """Who does it, and what."""
        match doing:
            case "ask":
                return "ana", lambda agent: agent.run(ADD)
            case "approve":
                return "ben", lambda agent: agent.approve(thread, digest, run=False)
            case _:
                return "ana", lambda agent: agent.resume(thread)

    def prepared(self, doing: str) -> tuple[str, str]:
        if doing == "ask":
            return "", ""
        if doing == "approve":
            return self.scene.asked()
        return self.scene.approved(), ""

    def done(self, doing: str) -> Callable[[], object]:
        who, act = self.act(doing, *self.prepared(doing))

        def do() -> None:
            with self.scene.agent(who) as agent:
                act(agent)

        return do

    def strikes(self, chance: random.Random) -> Iterator[Strike]:
        """Every named point by a kill and by a lost backend, some by a restart, and cuts at bytes by chance."""
        for doing in DOINGS:
            names = self.scene.points(self.done(doing))
            yield from (Strike(doing, by, name) for name in names for by in ("kill", "terminate"))
            yield from (Strike(doing, "restart", name) for name in chance.sample(names, min(10, len(names))))
            self.proxy.arm()
            self.done(doing)()
            passed = dict(self.proxy.passed)
            for way, count in passed.items():
                for by in ("cut", "cut for good"):
                    yield from (Strike(doing, f"{by} {way}", str(chance.randrange(count))) for _ in range(_CUTS))
        self.settle_all()

    # ---- striking ------------------------------------------------------------------------------------------------

    def strike(self, strike: Strike) -> None:
        """Strike, go on as whoever comes next does, and write down how it ended."""
        before = self.total
        thread, digest = self.prepared(strike.doing)
        who, act = self.act(strike.doing, thread, digest)
        self._struck(strike, who, act)
        self.proxy.arm()
        for name in [thread] if thread else self.waiting():
            self._see_through(name)
            self._tell(strike, name, before)

    def _struck(self, strike: Strike, who: str, act: Act) -> None:
        if strike.by == "kill":
            ended = in_child(lambda: self._die(strike.at, who, act))
            assert ended == -signal.SIGKILL, f"{strike} was not reached"
            return
        if strike.by.startswith("cut"):
            way = "to_server" if strike.by.endswith("to server") else "to_client"
            arm = self.proxy.arm if "for good" in strike.by else self.proxy.arm_once
            arm(**{way: int(strike.at)})
            with suppress(SqlagentError), self.scene.agent(who) as agent:
                act(agent)
            return
        with suppress(SqlagentError), self.scene.agent(who) as agent:
            agent._parts.__dict__["reached"] = self._at(strike, who)
            act(agent)

    def _die(self, at: str, who: str, act: Act) -> None:
        os.environ["SQLAGENT_CRASH_AT"] = at
        with self.scene.agent(who) as agent:
            act(agent)

    def _at(self, strike: Strike, who: str) -> Callable[[str], None]:
        name, _, times = strike.at.partition("#")
        seen: Counter[str] = Counter()

        def reached(point: str) -> None:
            seen[point] += 1
            if point != name or seen[point] != int(times):
                return
            if strike.by == "restart":
                self.scene.store.server.stop("immediate")
                self.scene.store.server.start()
            else:
                self.scene.store.owner("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", who)

        return reached

    # ---- what it came to -----------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        db = sqlite3.connect(self.scene.shop)
        try:
            return int(db.execute("SELECT total FROM orders WHERE id = 1").fetchone()[0])
        finally:
            db.close()

    def waiting(self) -> list[str]:
        with self.scene.agent("ana") as ana:
            return [t.id for t in ana.pending()]

    def settle_all(self) -> None:
        """What was asked to find the points is rejected, so that no strike meets it."""
        while threads := self.waiting():  # one that was approved is stale by now, and waits once more
            for thread in threads:
                with self.scene.agent("ben") as ben:
                    found = ben.show(thread)
                    assert found.proposal is not None
                    ben.reject(thread, found.proposal.digest)

    def _see_through(self, thread: str) -> None:
        with self.scene.agent("ana") as ana, suppress(SqlagentError):
            if ana.show(thread).proposal is None:
                ana.resume(thread)
        with self.scene.agent("ben") as ben:
            found = ben.show(thread)
            if found.status is Status.PENDING and not found.decided_by and found.proposal is not None:
                ben.approve(thread, found.proposal.digest, run=False)
        self.scene.resumes(thread)

    def _tell(self, strike: Strike, thread: str, before: int) -> None:
        with self.scene.agent("cyd") as cyd:
            status = cyd.show(thread).status
            committed = [e.what for e in cyd.journal.audit(thread=thread)].count("committed")
        ran = self.total - before
        kept = (status, ran, committed) == (Status.EXECUTED, 1, 1)
        name = "kept" if kept else "cannot tell" if status is Status.UNKNOWN else "double" if ran > 1 else "split"
        name = "lost" if status is Status.EXECUTED and not ran else name
        self.ledger[name] += 1
        if name != "kept":
            self.wrong.append(strike)
