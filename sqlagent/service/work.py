"""Runs what people have approved elsewhere: each proposal once, whoever else works too, on databases of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlagent.core.errors import Busy, SqlagentError
from sqlagent.core.nouns.session import Report, Status, Thread
from sqlagent.service.agent import Agent


@dataclass(slots=True)
class Worker:
    """Goes on with threads that somebody has decided on.

    A thread names its database by a URL that its requester wrote, so only those that this one's own settings name are
    opened.
    """

    agent: Agent
    _failed: set[tuple[str, str, int]] = field(default_factory=set)
    """What went wrong here, at the decision that it stood at: not tried again until something changes."""

    def ready(self) -> tuple[Thread, ...]:
        """The threads that wait for no person any more, the oldest first."""
        own = {chosen.url for chosen in self.agent.settings.databases.values()} | self._chosen()
        waiting = self.agent.journal.threads(statuses=(Status.PENDING,), limit=-1)
        mine = [t for t in reversed(waiting) if t.url in own and self._key(t) not in self._failed]
        return tuple(t for t in mine if self._is_decided(t))

    def run(self) -> Iterator[Report | SqlagentError]:
        """Go on with all of them; what went wrong is answered, and the others go on."""
        for thread in self.ready():
            try:
                if self._is_decided(self.agent.journal.thread(thread.id)):  # another worker may have been first
                    yield self.agent.resume(thread.id)
            except Busy:
                continue
            except SqlagentError as e:
                self._failed.add(self._key(thread))
                e.thread = e.thread or thread.id
                yield e

    def _chosen(self) -> set[str]:
        try:
            return {self.agent.settings.database.url}
        except SqlagentError:
            return set()

    @staticmethod
    def _key(thread: Thread) -> tuple[str, str, int]:
        return thread.id, thread.proposal, thread.stage

    def _is_decided(self, thread: Thread) -> bool:
        if thread.status is not Status.PENDING or not thread.proposal:
            return False
        last = self.agent.journal.proposal(thread.proposal)
        said = self.agent.journal.decision(last.id, last.stage)
        return said is not None and not said.retry  # to ask a model again is for whoever asked it
