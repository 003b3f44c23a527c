"""Thirty people at once: one of them runs it, and the others are told who."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from aftermath import AFTER, at_once, content, kept_shop
from shops import Shop, once_each

from sqlagent.core.errors import Finished
from sqlagent.core.session import Report, Status

PEOPLE = 30


def resuming_and_approving(shop: Shop, asked: Report, by: str) -> Callable[[], Report]:
    assert asked.proposal is not None
    digest = asked.proposal.digest

    def act() -> Report:
        with shop.agent(by=by) as agent:
            try:
                agent.resume(asked.thread)
                return agent.approve(asked.thread, digest)
            except Finished as e:  # it was over by then, and its hint is to look
                report = agent.show(asked.thread)
                return replace(report, message=f"{report.decided_by} was first: {e.message}")

    return act


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.long)])
@pytest.mark.parametrize("wal", [False, True], ids=["rollback", "wal"])
def test_of_thirty_who_resume_and_approve_at_once_one_runs_it_and_the_others_are_told_who(
    wal: bool, times: int
) -> None:
    answers: Counter[str] = Counter()
    with kept_shop(wal=wal) as (shop, asked, kept):
        for _ in range(times):
            shop.restore(kept)
            works = [resuming_and_approving(shop, asked, f"person-{n}") for n in range(PEOPLE)]
            told = at_once(shop.folder.parent, works)
            assert content(shop) == AFTER
            report = shop.report(asked.thread)
            assert report.status is Status.EXECUTED
            ran = [t for t in told if t.status == Status.EXECUTED and not t.message]
            assert [t.decided_by for t in ran] == [report.decided_by]
            others = [t for t in told if t not in ran]
            assert len(others) == PEOPLE - 1
            for each in others:
                assert each.error == "", each
                assert "locked" not in each.message, each
                assert each.message.startswith(f"{report.decided_by} "), each
            once_each(shop)
            answers.update(t.message.partition(" ")[2].partition(":")[0] or "ran it" for t in told)
    print(f"\n{PEOPLE} at once, {times} times, {'wal' if wal else 'rollback'}: {dict(answers)}")
