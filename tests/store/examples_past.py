"""A journal with a past, for tests of examples: people asked, decided and ran, a minute apart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from journal_builders import a_decision, a_proposal, a_thread

from sqlagent.core.nouns.session import Choice, Outcome, Proposal, Result, Source, Status
from sqlagent.store.examples import Examples, Lesson
from sqlagent.store.journal import Journal, Marked

SHOP, OTHER = "sqlite:/srv/shop.db", "sqlite:/srv/other.db"


class Past:
    """A journal in which people asked and decided, a minute apart by a folder's clock."""

    def __init__(self, of: Callable[[Callable[[], datetime]], Journal]) -> None:
        self.now = datetime(2026, 3, 30, 10, 0, tzinfo=UTC)
        self.journal = of(lambda: self.now)
        self.examples = Examples(self.journal)
        self._threads = 0

    def asked(self, question: str, *, target: str = SHOP, source: Source = Source.MODEL, thread: str = "") -> str:
        """A thread of that question; or another turn of `thread`."""
        self.now += timedelta(minutes=1)
        if thread:
            turn = self.journal.thread(thread).turn
            assert self.journal.ask_again(
                thread, expected_turn=turn, source=source, question=question, sql="", by="ana"
            )
            return thread
        self._threads += 1
        name = f"t{self._threads}"
        assert self.journal.admit(a_thread(id=name, question=question, target=target, source=source))
        return name

    def drafted(self, thread: str, sql: str, **changes: Any) -> Proposal:
        row = self.journal.thread(thread)
        number = self.journal.last_number(thread) + 1
        proposal = a_proposal(number, sql=sql, thread=thread, target=row.target, **changes)
        return self.journal.propose(proposal, number=number, turn=row.turn)

    def decided(self, proposal: Proposal, choice: Choice, **changes: Any) -> None:
        self.journal.decide(proposal, a_decision(proposal, choice, **changes))

    def ran(self, thread: str) -> None:
        """What its newest proposal has an approval for is carried out."""
        newest = self.journal.proposal(self.journal.thread(thread).proposal)
        if self.journal.claim(newest, by="ana", marked=Marked.BESIDE) is None:
            self.journal.done(newest.id, Outcome((Result(1, changed=1),)))

    def ended(self, thread: str, status: Status = Status.EXECUTED) -> None:
        if status is Status.EXECUTED:
            self.ran(thread)
        self.journal.finish(thread, self.journal.thread(thread).turn, status, learn=True)

    def approved(self, question: str, sql: str, **where: Any) -> str:
        """Asked, drafted, approved and run."""
        thread = self.asked(question, **where)
        self.decided(self.drafted(thread, sql), Choice.APPROVE)
        self.ended(thread)
        return thread

    @property
    def kept(self) -> list[tuple[str, str]]:
        return [(lesson.question, lesson.final) for lesson in self.examples.all()]

    @property
    def only(self) -> Lesson:
        (lesson,) = self.examples.all()
        return lesson

    def like(self, question: str, **more: Any) -> list[str]:
        return [example.sql for example in self.examples.like(question, **({"target": SHOP} | more))]
