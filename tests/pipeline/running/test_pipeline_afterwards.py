"""A run whose end is found out later comes to the figures that it was held to, and says so."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from shops import SELL, Shop, a_shop, approved, in_child, unkept, waiting

from sqlagent.core.nouns.session import Report, Result, Status
from sqlagent.pipeline.thread.driver import Driver  # imported once, so that no child has to
from sqlagent.service import Agent
from sqlagent.ui.listing import receipt

assert Driver is not None
SCRIPT = f"{SELL}; SELECT * FROM stock; DELETE FROM stock WHERE id > 1; DROP TABLE sales"


def killed(shop: Shop, asked: Report, point: str) -> Report:
    """Approved by a process that dies at a point, and resumed by another."""

    def approve() -> None:
        os.environ["SQLAGENT_CRASH_AT"] = point
        with shop.agent() as agent:
            approved(agent, asked)

    assert in_child(approve) == -signal.SIGKILL
    assert in_child(lambda: resumed(shop, asked.thread)) == 0
    report = shop.report(asked.thread)
    assert report.status is Status.EXECUTED
    return report


def resumed(shop: Shop, thread: str) -> Report:
    with shop.agent(by="ben") as agent:
        return agent.resume(thread)


def became(report: Report) -> str:
    return "".join(span.text for line in receipt(report, columns=200).lines[:1] for span in line).partition(";")[0]


@pytest.mark.parametrize("wal", [True, False])
@pytest.mark.parametrize("point", ["committed", "journal: before the commit of a run's end"])
def test_a_run_that_was_committed_unseen_has_its_figures(tmp_path: Path, wal: bool, point: str) -> None:
    shop = a_shop(tmp_path / "shop", wal=wal, marker_table=wal)
    report = killed(shop, waiting(shop, SCRIPT), point)
    assert report.outcome is not None
    assert (report.outcome.results, report.outcome.seen_later) == ((Result(1, 1), Result(3, 2), Result(4, 0)), True)
    assert became(report) == f"{report.thread} ran: 4 rows changed: 3 stock, 1 sales, its end was seen afterwards"


def test_they_are_the_figures_of_a_run_that_was_seen(tmp_path: Path) -> None:
    seen, unseen = a_shop(tmp_path / "seen"), a_shop(tmp_path / "unseen")
    with seen.agent() as agent:
        live = approved(agent, waiting(seen, SELL))
    later = killed(unseen, waiting(unseen, SELL), "committed")
    assert live.outcome is not None
    assert later.outcome is not None
    assert (later.outcome.results, live.outcome.seen_later) == (live.outcome.results, False)


@pytest.mark.parametrize("wal", [True, False])
def test_an_undo_that_was_committed_unseen_has_its_figures(tmp_path: Path, wal: bool) -> None:
    shop = a_shop(tmp_path / "shop", wal=wal, marker_table=wal)
    with shop.agent() as agent:
        asked = undo_of_a_drop(agent, shop)
    report = killed(shop, asked, "committed")
    assert report.outcome is not None
    assert (report.outcome.results, report.undoable) == ((Result(1, 3),), True)
    assert became(report) == (
        f"{report.thread} ran: 3 rows put back, stock, sold as before, its end was seen afterwards"
    )
    assert shop.sold == 0


def undo_of_a_drop(agent: Agent, shop: Shop) -> Report:
    return agent.undo(approved(agent, waiting(shop, "DROP TABLE stock")).thread)


def test_what_was_not_known_exactly_has_no_figures(tmp_path: Path) -> None:
    shop = a_shop(tmp_path / "shop")
    report = killed(shop, unkept(shop), "committed")
    assert report.outcome is not None
    assert report.outcome.results == ()
    assert became(report) == f"{report.thread} ran: its end was seen afterwards"
