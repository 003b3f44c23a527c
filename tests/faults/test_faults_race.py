"""Thirty people at once: one of them decides and it runs once, and each of the others is told who that was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from aftermath import AFTER, How, at_once, content, kept_shop
from shops import Shop, audited, once_each

from sqlagent.core.errors import Finished
from sqlagent.core.nouns.session import Report, Status

PEOPLE = [f"person-{n}" for n in range(30)]


def resuming_and_approving(shop: Shop, asked: Report, by: str) -> Callable[[], Report]:
    assert asked.proposal is not None
    digest = asked.proposal.digest

    def act() -> Report:
        with shop.agent(by=by) as agent:
            with suppress(Finished):  # it was over by then, and is approved all the same
                agent.resume(asked.thread)
            return agent.approve(asked.thread, digest)

    return act


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.long)])
@pytest.mark.parametrize("how", How, ids=lambda how: how.value)
def test_of_thirty_who_resume_and_approve_at_once_one_runs_it_and_the_others_are_told_who(how: How, times: int) -> None:
    answers: Counter[str] = Counter()
    with kept_shop(how) as (shop, asked, kept):
        for _ in range(times):
            shop.restore(kept)
            told = at_once(shop.folder.parent, [resuming_and_approving(shop, asked, by) for by in PEOPLE])
            assert content(shop) == AFTER
            report = shop.report(asked.thread)
            assert report.status is Status.EXECUTED
            by_name = dict(zip(PEOPLE, told, strict=True))
            winner = by_name.pop(report.decided_by)
            assert (winner.status, winner.message, winner.decided_by) == (Status.EXECUTED, "", report.decided_by)
            in_time, too_late = (
                f"{report.decided_by} decided first: approve",
                f"approved by {report.decided_by} (library)",
            )
            for each in by_name.values():
                is_late = each.error == Finished.__name__ and f"is finished, executed: {too_late} at " in each.message
                assert is_late or (each.error, each.message) == ("", in_time), each
                answers["came too late" if is_late else "was second"] += 1
            refused = {
                e.who: str(msgspec.json.decode(e.detail)["because"]) for e in audited(shop) if e.what == "refused"
            }
            assert refused.keys() == by_name.keys()
            assert all(report.decided_by in because for because in refused.values()), refused
            once_each(shop)
    print(f"\n{len(PEOPLE)} at once, {times} times, {how.value}: {dict(answers)}")
