"""A team on a shared store, one of whose processes, connections or servers fails in the middle of what it does."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cli_shop import SHOP
from shared_store import Store
from shops import in_child

from sqlagent import Agent
from sqlagent.core.errors import Finished
from sqlagent.core.nouns.session import Status
from sqlagent.pipeline.thread import shared_checkpoints  # imported once, so that no child has to

assert shared_checkpoints is not None
ADD = "UPDATE orders SET total = total + 1 WHERE id = 1"


class Scene:
    """`ana` asks for a change that must not be made twice, and `ben` approves it from elsewhere."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.shop = store, folder / "shop.db"
        with sqlite3.connect(self.shop) as db:
            db.executescript(SHOP)
        db.close()
        self.runs = 0

    def agent(self, who: str) -> Agent:
        here = self.shop.parent / f"state-{who}"
        return Agent.open(str(self.shop), store=self.store.url_of(who), state_dir=str(here))

    def asked(self) -> tuple[str, str]:
        with self.agent("ana") as ana:
            waits = ana.run(ADD)
        assert waits.proposal is not None
        return waits.thread, waits.proposal.digest

    def approved(self) -> str:
        thread, digest = self.asked()
        with self.agent("ben") as ben:
            ben.approve(thread, digest, run=False)
        return thread

    def killed(self, at: str, act: Callable[[], object]) -> None:
        def acting() -> None:
            os.environ["SQLAGENT_CRASH_AT"] = at
            act()

        assert in_child(acting) == -signal.SIGKILL, f"{at} was not reached"

    def points(self, act: Callable[[], object]) -> list[str]:
        listing = self.shop.with_suffix(".points")
        listing.unlink(missing_ok=True)

        def acting() -> None:
            os.environ["SQLAGENT_CRASH_LIST"] = str(listing)
            act()

        assert in_child(acting) == 0
        return listing.read_text().splitlines()

    def resumes(self, thread: str) -> None:
        with self.agent("ana") as ana, suppress(Finished):  # the one that was killed had come to the end
            ana.resume(thread)

    def once(self, thread: str, at: str) -> None:
        """What was approved is run by whoever goes on with it, once in all."""
        self.resumes(thread)
        self.runs += 1
        db = sqlite3.connect(self.shop)
        assert db.execute("SELECT total FROM orders WHERE id = 1").fetchone() == (10 + self.runs,), at
        db.close()
        with self.agent("cyd") as cyd:
            assert cyd.show(thread).status is Status.EXECUTED, at
            assert [e.what for e in cyd.journal.audit(thread=thread)].count("committed") == 1, at
            assert cyd.journal.verified().problem == "", at
