"""How a turn begins: the question or SQL is put on record before anything else is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from sqlagent.core.errors import NeedsApproval, UsageError
from sqlagent.core.nouns.session import Source, Status, Thread
from sqlagent.service.endings import doubt
from sqlagent.store.ids import new_id

if TYPE_CHECKING:
    from sqlagent.config import DatabaseSettings
    from sqlagent.service.parts import Parts

LONGEST_QUESTION = 20_000
"""Characters; what is longer is a file, not a question."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody asks, or SQL that they bring."""

    source: Source
    question: str
    sql: str
    by: str

    @classmethod
    def begun(cls, *, ask: str | None, run: str | None, title: str, by: str) -> Self:
        """With exactly one of a question and SQL; raises UsageError."""
        if (ask is None) == (run is None):
            raise UsageError("a turn begins with a question or with SQL", hint='{"ask": "..."} or {"run": "..."}')
        if ask is not None:
            return cls(Source.MODEL, _question(ask), "", by)
        sql = run or ""
        if not sql.strip():
            raise UsageError("there is no SQL in it", hint="sqlagent run FILE, or sqlagent run --sql TEXT")
        return cls(Source.PERSON, title or "SQL from a program", sql, by)


def admitted(parts: Parts, turn: Turn, *, database: DatabaseSettings | None = None) -> Thread:
    """A new thread, of the database that the settings name or of another one."""
    parts.prune()
    settings = parts.settings
    chosen = database or settings.database
    parts.policy(chosen)  # a file of rules that cannot be read is said before there is a thread
    target = parts.database(chosen).identity()
    now = parts.journal.time()
    row = Thread(
        id="", status=Status.NEW, database=chosen.name, url=chosen.url, target=target, source=turn.source,
        question=turn.question, requested_by=turn.by, created_at=now, updated_at=now, sql=turn.sql,
        model=settings.model if turn.source is Source.MODEL else "",
    )  # fmt: skip
    taken = 0
    while not parts.journal.admit(row := replace(row, id=new_id(taken))):
        taken += 1
    return row


def continued(parts: Parts, thread: str, turn: Turn) -> Thread:
    """The next turn of a thread whose last one has ended."""
    row = parts.journal.thread(thread)
    match row.status:
        case Status.PENDING | Status.STALE:
            raise NeedsApproval(f"{thread} waits for a decision on its last question", hint=f"sqlagent resume {thread}")
        case Status.NEW:
            raise NeedsApproval(f"{thread} has not answered its last question yet", hint=f"sqlagent resume {thread}")
        case Status.UNKNOWN:
            raise doubt(row)
        case _:
            parts.database_of(row)
    if not parts.journal.ask_again(
        thread, expected_turn=row.turn, source=turn.source, question=turn.question, sql=turn.sql, by=turn.by
    ):
        raise NeedsApproval(f"somebody else asked {thread} first", hint=f"sqlagent show {thread}")
    return parts.journal.thread(thread)


def _question(text: str) -> str:
    asked = text.strip()
    if not asked:
        raise UsageError("the question is empty", hint='sqlagent ask "how many customers are there?"')
    if len(asked) > LONGEST_QUESTION:
        raise UsageError(
            f"the question has {len(asked):,} characters, and {LONGEST_QUESTION:,} is the most",
            hint="SQL in a file goes through: sqlagent run FILE",
        )
    return asked
