"""A process that is killed at a point of its work in a shop, and those who come after it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from shops import Shop, in_child, intact, once_each

from sqlagent.core.errors import Finished, OutcomeUnknown
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.store.journal import RunState
from sqlagent.ui.diagnostics import exit_code_of


@dataclass(frozen=True, slots=True)
class Scene:
    """A shop at rest, and what a process that will be killed does in it."""

    shop: Shop
    kept: Path
    act: Callable[[Shop], object]

    def points(self) -> list[str]:
        """Every point that it passes, each time it does: found by going there, so a new one is killed at as well."""
        self.shop.restore(self.kept)
        listing = self.kept.with_suffix(".points")
        listing.unlink(missing_ok=True)
        assert in_child(lambda: self._acting({"SQLAGENT_CRASH_LIST": str(listing)})) == 0
        return listing.read_text().splitlines()

    def killed_at(self, point: str) -> None:
        self.shop.restore(self.kept)
        died_of = in_child(lambda: self._acting({"SQLAGENT_CRASH_AT": point}))
        assert died_of == -signal.SIGKILL, f"{point} was not reached"
        intact(self.shop, point)

    def _acting(self, environment: dict[str, str]) -> None:
        os.environ.update(environment)
        self.act(self.shop)


def a_scene(shop: Shop, act: Callable[[Shop], object]) -> Scene:
    kept = shop.folder.with_name("kept")
    shop.keep(kept)
    return Scene(shop, kept, act)


def decides(thread: str, decision: Decision) -> Callable[[Shop], object]:
    def act(shop: Shop) -> object:
        with shop.agent() as agent:
            return agent.decide(thread, decision)

    return act


def approves(asked: Report) -> Callable[[Shop], object]:
    assert asked.proposal is not None
    return decides(asked.thread, Decision(Choice.APPROVE, asked.proposal.digest, "ana", "library"))


def gone_on(shop: Shop, thread: str) -> None:
    """What the next person does: resume, in a process of its own."""

    def resume() -> None:
        with shop.agent(by="ben") as agent:
            try:
                agent.resume(thread)
            except (Finished, OutcomeUnknown):
                return

    assert in_child(resume) == 0


def decided(shop: Shop, proposal: str) -> Decision | None:
    with shop.agent() as agent:
        return agent.journal.decision(proposal)


def ran(shop: Shop, proposal: str) -> RunState:
    with shop.agent() as agent:
        run = agent.journal.run(proposal)
    assert run is not None
    return run.state


def seen_through(shop: Shop, asked: Report, point: str) -> None:
    """The approval is carried out by whoever comes next; only where it was never recorded is it given again."""
    assert asked.proposal is not None
    approval = decided(shop, asked.proposal.id)
    gone_on(shop, asked.thread)
    if approval is None:
        assert shop.report(asked.thread).status is Status.PENDING, point
        assert shop.sold == 0, point
        assert in_child(lambda: approves(asked)(shop)) == 0, point
    report = shop.report(asked.thread)
    assert (report.status, report.decided_by, shop.sold) == (Status.EXECUTED, "ana", 1), point
    assert report.proposal == asked.proposal, point
    assert ran(shop, asked.proposal.id) is RunState.DONE, point
    once_each(shop, point)


def hit(shop: Shop) -> int:
    """How many times UNKEPT was applied."""
    ((hits,),) = shop.rows("SELECT hits FROM counters")
    return int(hits)


def settles_as_it_is(shop: Shop, thread: str, *, applied: bool) -> None:
    """Resume refuses to guess; a person looks and says; then it is finished."""
    assert exit_code_of(Status.UNKNOWN) == 9
    with shop.agent(by="ben") as agent:
        with pytest.raises(OutcomeUnknown, match="its end was not seen"):
            agent.resume(thread)
        report = agent.settle(thread, RunState.SETTLED_APPLIED if applied else RunState.SETTLED_NOT_APPLIED)
        assert report.status is (Status.EXECUTED if applied else Status.FAILED)
        with pytest.raises(Finished):
            agent.resume(thread)
    once_each(shop)


def gone_on_here(shop: Shop, thread: str) -> None:
    with shop.agent(by="ben") as agent:
        agent.resume(thread)
