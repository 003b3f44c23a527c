"""Waiting for other people: until somebody has decided, and through it to the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from sqlagent.core.errors import Busy, Finished, StoreAway, TimedOut
from sqlagent.core.nouns.session import Report, Status

if TYPE_CHECKING:
    from sqlagent.service.agent import Agent

_AT_ONCE = 5.0  # seconds between looks, also where nobody tells of a change
_SOON = 0.1  # seconds, where another clock decides that time is up
_AWAY = 1.0  # seconds between attempts to reach a store that does not answer
_OPEN = (Status.NEW, Status.PENDING)


@dataclass(slots=True)
class Waiting:
    """One wait for a decision: when to look again, and when it has lasted too long."""

    thread: str
    timeout: float | None
    _since: float = field(default_factory=monotonic)
    _is_away: bool = False

    def goes_on(self, report: Report) -> bool:
        """Whether nobody has decided yet; raises TimedOut where it has lasted too long."""
        if report.status not in _OPEN or report.decided_by:
            return False
        if self.timeout is not None and self.seconds <= 0:
            raise TimedOut(
                f"nobody has decided {self.thread} within {self.timeout:g} s", hint=f"sqlagent show {self.thread}"
            )
        return True

    @property
    def seconds(self) -> float:
        """How long until it is to be looked at again."""
        left = _AT_ONCE if self.timeout is None else self._since + self.timeout - monotonic()
        return min(left, _AT_ONCE)

    def seconds_of(self, report: Report) -> float:
        """The same, and no longer than until its time is up."""
        until = report.proposal.expires_at if report.proposal is not None else ""
        left = (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds() if until else _AT_ONCE
        return min(self.seconds, max(left, _SOON))

    @contextmanager
    def patience(self, agent: Agent) -> Iterator[None]:
        """A store that is away meanwhile is waited for too; it is said once, and once that it is back."""
        try:
            yield
        except StoreAway as e:
            if not self._is_away:
                agent.note(f"{e.message}; trying again")
            self._is_away = True
            time.sleep(max(min(self.seconds, _AWAY), 0.0))
        else:
            if self._is_away:
                agent.note("the store is back")
            self._is_away = False


def looked_at(agent: Agent, thread: str) -> Report:
    """Where a thread stands, once time has been heard: what is past its time has expired by then."""
    row = agent.journal.thread(thread)
    if row.status is Status.PENDING and row.proposal and row.expires_at and agent.journal.expire(row.proposal):
        return agent.resume(thread)
    return agent.show(thread)


def waited(agent: Agent, thread: str, timeout: float | None) -> Report:
    """Until somebody has decided, or it has ended."""
    waiting = Waiting(thread, timeout)
    report = looked_at(agent, thread)
    while waiting.goes_on(report):
        with waiting.patience(agent):
            agent.journal.wait(waiting.seconds_of(report), thread)
            report = looked_at(agent, thread)
    return report


def seen_through(agent: Agent, report: Report) -> Report:
    """Wait until people have decided, wherever they are, and go on: what they approve is run here.

    Where this machine does not reach the database, or a worker is faster, until it has run there.  PENDING in the
    answer: what came of it has to be decided anew.
    """
    thread = report.thread
    waiting = Waiting(thread, None)
    while True:
        with waiting.patience(agent):
            if not waiting.goes_on(report):
                report = _gone_on_with(agent, report)
                if report.status is not Status.PENDING or not report.decided_by:
                    return report
            agent.journal.wait(waiting.seconds_of(report), thread)
            report = looked_at(agent, thread)


def _gone_on_with(agent: Agent, report: Report) -> Report:
    if report.status is not Status.PENDING:
        return report
    with suppress(Busy, Finished):  # somebody else goes on with it, or has
        return agent.resume(report.thread)
    return agent.show(report.thread)


class Watch:
    """Whether somebody else decides while a person looks at a proposal."""

    def __init__(self, agent: Agent, thread: str) -> None:
        self._agent = agent
        self._thread = thread
        self.seconds = 0.0
        """How long until it is to be looked at again, where nothing was told by then."""
        self.has_ended()

    def descriptors(self) -> list[int]:
        """What can be read once there may be news."""
        told = self._agent.journal.told_by()
        return [] if told is None else [told]

    def has_ended(self) -> bool:
        """Whether it is decided, or nothing waits any more; a store that is away says neither."""
        with suppress(StoreAway):
            self._agent.journal.wait(0.0, self._thread)  # hears what was told, and begins to listen
            report = looked_at(self._agent, self._thread)
            waiting = Waiting(self._thread, None)
            self.seconds = waiting.seconds_of(report)
            return not waiting.goes_on(report)
        self.seconds = _AT_ONCE
        return False
