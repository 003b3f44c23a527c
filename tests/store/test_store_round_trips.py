"""What a command costs in calls to a shared store, as the table of `sqlagent help store` has it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_shop import SHOP
from shared_store import Store

from sqlagent import Agent
from sqlagent.cli.store_help import STORE
from sqlagent.core.errors import Altered
from sqlagent.pipeline.thread.shared_checkpoints import SharedSaver
from sqlagent.store.shared.connection import Session

WRITE = "UPDATE orders SET total = 0 WHERE id = 1"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call to the server, as it is made."""
    made: list[str] = []
    for kind, name in ((Session, "again"), (SharedSaver, "attempt")):
        whole: Any = getattr(kind, name)

        def counted(self: Any, work: Any, whole: Any = whole, kind: str = kind.__name__) -> Any:
            made.append(kind)
            return whole(self, work)

        monkeypatch.setattr(kind, name, counted)
    return made


@pytest.fixture
def ana(store: Store, tmp_path: Path) -> Any:
    shop = tmp_path / "shop.db"
    with sqlite3.connect(shop) as db:
        db.executescript(SHOP)
    db.close()
    with Agent.open(str(shop), store=store.url_of("ana"), state_dir=str(tmp_path / "s")) as agent:
        agent.pending()
        yield agent


def cost(calls: list[str], work: Callable[[], Any]) -> tuple[int, Any]:
    calls.clear()
    answer = work()
    return len(calls), answer


def test_the_table_of_the_help_page_is_what_commands_cost(ana: Agent, calls: list[str]) -> None:
    told = dict(re.findall(r"^ +(\w+) +(\d+) calls?\b", STORE, re.M))
    asked, waits = cost(calls, lambda: ana.run(WRITE))
    pending, threads = cost(calls, ana.pending)
    yours, _ = cost(calls, lambda: ana.answerable(threads))
    show, _ = cost(calls, lambda: ana.show(waits.thread))
    resume, report = cost(calls, lambda: ana.approve(waits.thread, waits.proposal.digest))
    assert report.outcome is not None
    measured = {"ask": asked, "pending": pending + yours, "show": show, "resume": resume}
    assert measured.keys() == told.keys()
    for name, count in measured.items():  # the table may be a little behind what became cheaper, and never below
        assert 0.85 * int(told[name]) <= count <= int(told[name]), (name, count)


def test_a_list_costs_the_same_however_much_waits(ana: Agent, calls: list[str]) -> None:
    ana.run(WRITE)
    few, threads = cost(calls, ana.pending)
    few += cost(calls, lambda: ana.answerable(threads))[0]
    for n in range(4):
        ana.run(f"{WRITE} AND {n} = {n}")
    many, threads = cost(calls, ana.pending)
    assert len(threads) == 5
    assert many + cost(calls, lambda: ana.answerable(threads))[0] == few


def test_a_long_record_of_a_session_is_still_shown_by_one_call(ana: Agent, calls: list[str]) -> None:
    waits = ana.run(WRITE)
    assert waits.proposal is not None
    for _ in range(20):
        ana.shown(waits.proposal)
    assert cost(calls, lambda: ana.show(waits.thread))[0] == 1


def test_the_bytes_that_a_run_keeps_do_not_travel_to_be_sealed(ana: Agent, store: Store, calls: list[str]) -> None:
    waits = ana.run(WRITE)
    assert waits.proposal is not None
    ana.approve(waits.thread, waits.proposal.digest)
    with ana.journal.reading() as db:
        told = db.execute("SELECT run, changeset, kept_at FROM changes").fetchone()
    assert re.fullmatch(r"[0-9a-f]{64}", told[1])
    store.owner("UPDATE sqlagent.changes SET changeset = changeset || '\\x00'")
    with pytest.raises(Altered, match=r"changes .* was changed behind the log"):
        ana.show(waits.thread)
