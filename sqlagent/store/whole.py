"""A thread whole: all that `show` tells of it, read at one moment, and in one round trip from a server."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from sqlagent.core.approval.seats import Decided, standing
from sqlagent.core.nouns.draft import Attempt, Clarification
from sqlagent.core.nouns.session import Proposal, Thread
from sqlagent.store.journal_file import altered
from sqlagent.store.reader import Query, Reader, Rows, together
from sqlagent.store.rows import (
    CLARIFICATIONS,
    DECISIONS,
    PROPOSALS,
    RUNS,
    THREADS,
    UNDOABLE,
    UNDONE,
    Run,
    clarifications_of,
    decisions_of,
    proposal_of,
    run_of,
    thread_of,
    undone_by_in,
)
from sqlagent.store.seals import problem_told, told_of_thread

_NEWEST = "(SELECT proposal FROM threads WHERE id = ?1)"
_TURN = "(SELECT turn FROM threads WHERE id = ?1)"


@dataclass(frozen=True, slots=True)
class Whole:
    """A thread with its newest proposal, and what became of that."""

    row: Thread
    proposal: Proposal | None
    """At the seat that is asked now."""
    decided: tuple[Decided, ...]
    run: Run | None
    undoable: bool
    asked: tuple[Clarification, ...]
    """The questions back of its present turn."""
    attempts: tuple[Attempt, ...]


def whole_in(db: Reader, thread: str) -> Whole | None:
    """None where there is no such thread; raises `Altered` before anything is read of one that was changed."""
    row, first, said, run, kept, undos, asked, attempts, *sealed = together(db, *_queries(thread))
    found = row.fetchone()
    if found is None:
        return None
    if problem := problem_told(sealed):
        raise altered(thread, problem)
    proposal, decided = proposal_of(first), decisions_of(said)
    return Whole(
        row=thread_of(found),
        proposal=standing(proposal, decided) if proposal is not None else None, decided=decided, run=run_of(run),
        undoable=kept.get is not None and not any(_stands(db, undo) for undo in undos),
        asked=clarifications_of(asked), attempts=_attempts(attempts),
    )  # fmt: skip


def _queries(thread: str) -> list[Query]:
    texts = (
        f"{THREADS} WHERE t.id = ?1",
        f"{PROPOSALS}{_NEWEST}",
        f"{DECISIONS}{_NEWEST} ORDER BY stage",
        f"{RUNS}{_NEWEST}",
        f"{UNDOABLE}{_NEWEST}",
        f"{UNDONE}{_NEWEST}",
        f"{CLARIFICATIONS}{_TURN} ORDER BY number",
        f"SELECT attempts FROM turns WHERE thread = ?1 AND turn = {_TURN}",  # noqa: S608 - all of it is ours
    )
    return [*((text, (thread,)) for text in texts), *told_of_thread(thread)]


def _stands(db: Reader, undo: tuple[str, str]) -> bool:
    """Whether an undo was not taken back in its turn."""
    return not undone_by_in(db, undo[0])


def _attempts(answer: Rows) -> tuple[Attempt, ...]:
    found = answer.get
    return msgspec.json.decode(found, type=tuple[Attempt, ...]) if found else ()
