"""Whoever comes too late is told who decided, who ran it, and when."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from shops import SELL, Shop, a_shop, approved, in_child

from sqlagent.core.errors import Finished
from sqlagent.core.nouns.session import Choice, Decision, Report

TEN = datetime(2026, 3, 30, 10, 4).astimezone()
"""Where the person is."""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return a_shop(tmp_path / "shop")


def asked_in(shop: Shop, sql: str = SELL) -> Report:
    with shop.agent(now=lambda: TEN) as agent:
        return agent.run(sql)


def decided(shop: Shop, asked: Report, choice: Choice, by: str = "ana") -> None:
    assert asked.proposal is not None
    with shop.agent(by=by, now=lambda: TEN) as agent:
        agent.decide(asked.thread, Decision(choice, asked.proposal.digest, by, "typed"))


def told(shop: Shop, asked: Report, *, later: timedelta = timedelta(minutes=5)) -> str:
    """What somebody who comes later and approves is told, without the thread's name."""
    with shop.agent(by="eve", now=lambda: TEN + later) as agent, pytest.raises(Finished) as late:
        approved(agent, asked)
    with shop.agent() as agent:
        (refused,) = [e for e in agent.journal.audit() if e.what == "refused" and e.who == "eve"]
    assert late.value.message in refused.detail
    return late.value.message.removeprefix(f"{asked.thread} is finished, ")


def test_who_approved_it_and_when(shop: Shop) -> None:
    asked = asked_in(shop)
    decided(shop, asked, Choice.APPROVE)
    assert told(shop, asked) == "executed: approved by ana (typed) at 10:04"


def test_on_another_day_the_day_is_said(shop: Shop) -> None:
    asked = asked_in(shop)
    decided(shop, asked, Choice.APPROVE)
    assert told(shop, asked, later=timedelta(days=1)) == "executed: approved by ana (typed) at 2026-03-30 10:04"


def test_a_time_that_is_damaged_is_said_as_it_stands(shop: Shop) -> None:
    """Found by flipping bits: it must not keep anybody from being told who it was."""
    asked = asked_in(shop)
    decided(shop, asked, Choice.APPROVE)
    db = shop.journal()
    db.execute("UPDATE decisions SET decided_at = replace(decided_at, '2026-', '2026=')")
    db.close()
    assert told(shop, asked).startswith("executed: approved by ana (typed) at 2026=03-30T")


def test_who_rejected_it(shop: Shop) -> None:
    asked = asked_in(shop)
    decided(shop, asked, Choice.REJECT)
    assert told(shop, asked).startswith("rejected: rejected by ana (typed) at 10:04")


def test_who_ran_what_another_one_approved(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_in(shop)
    monkeypatch.setenv("SQLAGENT_CRASH_AT", "execute: before the claim")
    assert in_child(lambda: decided(shop, asked, Choice.APPROVE)) < 0
    monkeypatch.delenv("SQLAGENT_CRASH_AT")
    with shop.agent(by="ben", now=lambda: TEN) as agent:
        agent.resume(asked.thread)
    assert told(shop, asked) == "executed: approved by ana (typed) at 10:04, run by ben"


def test_who_ran_what_nobody_had_to_approve(shop: Shop) -> None:
    with shop.agent(now=lambda: TEN, reads="allow") as agent:
        asked = agent.run("SELECT 1")
    assert told(shop, asked) == "executed: approved by policy at 10:04, run by ana"


def test_why_it_failed_after_who_approved_it(shop: Shop) -> None:
    asked = asked_in(shop)
    with shop.agent(now=lambda: TEN) as agent:
        agent._parts.__dict__["reached"] = interrupted
        approved(agent, asked)
    assert told(shop, asked) == "failed: approved by ana (library) at 10:04; cancelled; nothing was changed"


def interrupted(point: str) -> None:
    if point == "ran 1":
        raise KeyboardInterrupt
