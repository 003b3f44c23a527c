"""Rows of the journal's tables, read as nouns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from sqlagent.core.approval.seats import Decided, standing
from sqlagent.core.nouns.draft import Clarification
from sqlagent.core.nouns.session import Choice, Decision, Outcome, Proposal, Source, Status, Thread
from sqlagent.store.reader import Reader, Rows, together


class Marked(IntEnum):
    """Where a run's mark is: which file or table is changed in one transaction with the database."""

    NOWHERE = 0
    """Then nobody can tell about a run that came to its COMMIT and whose end was not seen: a person is asked."""
    BESIDE = 1
    """In a file of its own, beside the journal."""
    TARGET = 2
    """In the table of marks of the database itself."""


class RunState(StrEnum):
    """How a run stands: begun, ended, or settled by a person who looked."""

    STARTED = "started"
    """Claimed; its end was not seen yet."""
    DONE = "done"
    FAILED = "failed"
    """Rolled back: nothing was changed."""
    SETTLED_APPLIED = "settled-applied"
    SETTLED_NOT_APPLIED = "settled-not-applied"


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one proposal; its id is the proposal's, so there can be only one."""

    id: str
    state: RunState
    marked: Marked
    run_by: str
    started_at: str
    ended_at: str = ""
    outcome: Outcome | None = None
    error: str = ""
    audit_head: str = ""
    """The head of the audit log when it ended, as the receipt prints it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run changed, kept so that it can be undone."""

    run: str
    database: str
    question: str
    size: int
    """Bytes."""
    kept_at: str
    run_by: str
    ran_at: str
    undone_by: str = ""
    """The thread that has taken it back, unless that was taken back in turn."""

    @property
    def thread(self) -> str:
        """The thread that ran it: `k7f3` of the run `k7f3.2`."""
        return self.run.partition(".")[0]


class Refusal(StrEnum):
    """Why a claim was not given, when nobody else has run it either."""

    NOT_APPROVED = "not approved"
    SUPERSEDED = "a later proposal of the thread has taken its place"


THREADS = """
SELECT t.id, t.status, t.database, t.url, t.target, u.source, u.question, u.asked_by, t.created_at, t.updated_at,
       t.turn, u.sql, t.model, t.proposal, coalesce(p.digest, ''), coalesce(p.risk, ''), coalesce(p.stage, 1),
       coalesce(p.stages, 1), t.message, t.hint, t.expires_at, t.asks
  FROM threads t
  JOIN turns u ON u.thread = t.id AND u.turn = t.turn
  LEFT JOIN proposals p ON p.id = t.proposal
"""
"""What `thread_of` reads, for a WHERE of the caller's."""


def thread_of(row: Sequence[Any]) -> Thread:
    """A thread from a row of `threads`, in the order of its columns."""
    values = list(row)
    values[1], values[5] = Status(values[1]), Source(values[5])
    return Thread(*values)


PROPOSALS = "SELECT document FROM proposals WHERE id = "
_DECIDED = "stage, choice, digest, decided_by, how, sql, reason, retry, keep, signed, decided_at"
DECISIONS = f"SELECT {_DECIDED} FROM decisions WHERE proposal = "  # noqa: S608 - all of it is ours
CLARIFICATIONS = "SELECT question, choices, answer FROM clarifications WHERE thread = ?1 AND turn = "
RUNS = "SELECT id, state, marked, run_by, started_at, ended_at, outcome, error, audit_head FROM runs WHERE id = "
"""Each is read by the function below that is named after it, for the key that the caller adds."""


def proposal_of(answer: Rows) -> Proposal | None:
    """As it was first written down."""
    found = answer.get
    return None if found is None else msgspec.json.decode(found, type=Proposal)


def proposed_in(db: Reader, proposal: str) -> Proposal | None:
    """The proposal as it was first written down."""
    return proposal_of(db.execute(f"{PROPOSALS}?", (proposal,)))


def proposed_and_decided_in(db: Reader, proposal: str) -> tuple[Proposal | None, tuple[Decided, ...]]:
    """The proposal as it was first written down, and every decision on it."""
    first, decided = together(db, (f"{PROPOSALS}?", (proposal,)), (f"{DECISIONS}? ORDER BY stage", (proposal,)))
    return proposal_of(first), decisions_of(decided)


def proposals_in(db: Reader, ids: Sequence[str]) -> tuple[Proposal, ...]:
    """Each that is there, at the seat that is asked now, in the order of the ids."""
    keys = ", ".join("?" * len(ids))
    first, decided = together(
        db,
        (f"SELECT id, document FROM proposals WHERE id IN ({keys})", ids),  # noqa: S608 - question marks alone
        (f"SELECT proposal, {_DECIDED} FROM decisions WHERE proposal IN ({keys}) ORDER BY stage", ids),  # noqa: S608
    )
    documents = {str(name): msgspec.json.decode(document, type=Proposal) for name, document in first}
    said: dict[str, list[Sequence[Any]]] = {}
    for name, *row in decided:
        said.setdefault(str(name), []).append(row)
    return tuple(standing(documents[i], decisions_of(said.get(i, ()))) for i in ids if i in documents)


def newest_in(db: Reader, thread: str) -> str:
    """The id of the thread's newest proposal: no other one is decided or run."""
    return str(db.execute("SELECT proposal FROM threads WHERE id = ?", (thread,)).get)


def decided_in(db: Reader, proposal: str) -> tuple[Decided, ...]:
    """What was decided of a proposal, stage by stage."""
    return decisions_of(db.execute(f"{DECISIONS}? ORDER BY stage", (proposal,)))


def decisions_of(answer: Iterable[Sequence[Any]]) -> tuple[Decided, ...]:
    """Decisions from their rows."""
    return tuple(
        Decided(stage, Decision(Choice(choice), digest, by, how, sql, reason, bool(retry), _places(keep), signed), at)
        for stage, choice, digest, by, how, sql, reason, retry, keep, signed, at in answer
    )


def _places(keep: str) -> tuple[int, ...]:
    return msgspec.json.decode(keep, type=tuple[int, ...])


def clarifications_in(db: Reader, thread: str, turn: int) -> tuple[Clarification, ...]:
    """What the model asked back in a turn, in order."""
    return clarifications_of(db.execute(f"{CLARIFICATIONS}?2 ORDER BY number", (thread, turn)))


def clarifications_of(answer: Rows) -> tuple[Clarification, ...]:
    """Questions back from their rows."""
    return tuple(
        Clarification(question, msgspec.json.decode(choices, type=tuple[str, ...]), answered)
        for question, choices, answered in answer
    )


def run_in(db: Reader, run_id: str) -> Run | None:
    """A run, or None where none of this id began."""
    return run_of(db.execute(f"{RUNS}?", (run_id,)))


def run_of(answer: Rows) -> Run | None:
    """A run from its row."""
    row: Any = answer.fetchone()
    if row is None:
        return None
    run, state, marked, by, started, ended, outcome, error, head = row
    known = msgspec.json.decode(outcome, type=Outcome) if outcome else None
    return Run(run, RunState(state), Marked(marked), by, started, ended, known, error, head)


def kept_in(db: Reader) -> tuple[Kept, ...]:
    """What runs changed and can be taken back, the newest first.

    What was measured to have no undo is not among it, though a trace is kept that tells whether it was committed.
    """
    undone = _undone_in(db)
    rows: Any = db.execute(
        "SELECT c.run, t.database, u.question, length(c.changeset), c.kept_at, r.run_by, r.started_at"
        f" {KEPT} ORDER BY c.kept_at DESC, r.rowid DESC"
    ).fetchall()
    return tuple(replace(Kept(*row), undone_by=undone.get(row[0], "")) for row in rows)


KEPT = """
  FROM changes c JOIN proposals p ON p.id = c.run JOIN threads t ON t.id = p.thread
  JOIN turns u ON u.thread = p.thread AND u.turn = p.turn JOIN runs r ON r.id = c.run
 WHERE r.state IN ('done', 'settled-applied')
   AND coalesce(p.document ->> '$.measurement.undo', '') <> 'none'
"""
UNDOS = """
  FROM proposals p JOIN runs r ON r.id = p.id
 WHERE p.undo_of <> '' AND r.state IN ('done', 'settled-applied')
"""
UNDOABLE = f"SELECT 1 {KEPT} AND c.run = "
UNDONE = f"SELECT p.id, p.thread {UNDOS} AND p.undo_of = "


def undoable_in(db: Reader, run_id: str) -> bool:
    """Whether what this run changed is kept, and not taken back yet."""
    kept = db.execute(f"{UNDOABLE}?", (run_id,)).get
    return kept is not None and not undone_by_in(db, run_id)


def undone_by_in(db: Reader, run_id: str) -> str:
    """The thread that has taken a run back, unless that was taken back in turn."""
    undos: Any = db.execute(f"{UNDONE}? ORDER BY r.started_at DESC, r.rowid DESC", (run_id,)).fetchall()
    return next((thread for undo, thread in undos if not undone_by_in(db, undo)), "")


def _undone_in(db: Reader) -> dict[str, str]:
    """Each run that was taken back -> the thread that did."""
    undos: Any = db.execute(
        f"SELECT p.id, p.thread, p.undo_of {UNDOS} ORDER BY r.started_at DESC, r.rowid DESC"
    ).fetchall()
    undone: dict[str, str] = {}
    for undo, thread, run in undos:  # the newest first: one that was itself taken back does not count
        if undo not in undone:
            undone.setdefault(run, thread)
    return undone
