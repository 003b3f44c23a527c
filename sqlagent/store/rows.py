"""Rows of the journal's tables, read as nouns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import apsw
import msgspec

from sqlagent.core.session import Choice, Decision, Outcome, Source, Status, Thread


class RunState(StrEnum):
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
    marked: bool
    """Its end is written in the same transaction as its changes: `started` then means that it did not run."""
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


class Refusal(StrEnum):
    """Why a claim was not given, when nobody else has run it either."""

    NOT_APPROVED = "not approved"
    SUPERSEDED = "a later proposal of the thread has taken its place"


THREADS = """
SELECT t.id, t.status, t.database, t.url, t.target, u.source, u.question, t.requested_by, t.created_at, t.updated_at,
       t.turn, u.sql, t.model, t.proposal, coalesce(p.digest, ''), coalesce(p.risk, ''), coalesce(p.stage, 1),
       coalesce(p.stages, 1), t.message, t.hint, t.expires_at
  FROM threads t
  JOIN turns u ON u.thread = t.id AND u.turn = t.turn
  LEFT JOIN proposals p ON p.id = t.proposal
"""
"""What `thread_of` reads, for a WHERE of the caller's."""


def thread_of(row: Sequence[Any]) -> Thread:
    values = list(row)
    values[1], values[5] = Status(values[1]), Source(values[5])
    return Thread(*values)


def decision_in(db: apsw.Connection, proposal: str, stage: int) -> Decision | None:
    row = db.execute(
        "SELECT choice, digest, decided_by, how, sql, reason, retry FROM decisions WHERE proposal = ? AND stage = ?",
        (proposal, stage),
    ).fetchone()
    if row is None:
        return None
    choice, digest, by, how, sql, reason, retry = map(str, row)
    return Decision(Choice(choice), digest, by, how, sql, reason, retry == "1")


def run_in(db: apsw.Connection, run_id: str) -> Run | None:
    row: Any = db.execute(
        "SELECT id, state, marked, run_by, started_at, ended_at, outcome, error, audit_head FROM runs WHERE id = ?",
        (run_id,),
    ).fetchone()
    if row is None:
        return None
    run, state, marked, by, started, ended, outcome, error, head = row
    known = msgspec.json.decode(outcome, type=Outcome) if outcome else None
    return Run(run, RunState(state), bool(marked), by, started, ended, known, error, head)
