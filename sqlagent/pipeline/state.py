"""What a checkpoint holds: JSON primitives only, under names that are a storage format."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # pydantic, which checks answers, takes no other before Python 3.12

GRAPH_VERSION = 1
"""Raise it when a node or a field changes meaning: a thread paused by another version is analyzed and asked again."""


class Failed(TypedDict):
    """A draft that did not stand."""

    sql: str
    error: str


class Answer(TypedDict):
    """What review is resumed with: the journal's decision row."""

    choice: Literal["approve", "edit", "reject"]
    digest: str
    by: str
    how: str
    sql: str
    reason: str
    retry: bool


class State(TypedDict, total=False):
    """Fields are read with `.get`: a thread paused by an older sqlagent lacks the later ones."""

    graph_version: int
    thread: str
    turn: int
    source: str
    """`ask` or `run`, see `core.model.Source`."""
    question: str
    requested_by: str

    sql: str
    author: str
    note: str
    previous: str
    """The SQL that a person edited into `sql`."""
    edited_by: str
    attempts: list[Failed]
    retries: int
    """Attempts that count no longer: a person rejected what came of them and asked for another try."""
    number: int
    """Proposals that the thread has had."""
    stale: str

    proposal: str
    digest: str
    risk: str
    statements: list[str]
    tables: list[str]
    stage: int
    stages: int
    requested_at: str
    confidence: float | None
    others: list[str]
    verdict: str
    """`allow`, `ask` or `deny`."""

    decision: NotRequired[Answer]
    end: str
    """How the turn ends, decided by the node that knows: a `core.model.Status`; empty while it goes on."""
    failure: str
    """The error class behind a failed end, see `core.model.Report.failure`."""
    message: str
    hint: str
    ran_sql: str
    status: str
    """Set by `finish` alone, when the journal has it."""


NEW_TURN: State = {
    "sql": "", "author": "", "note": "", "previous": "", "edited_by": "", "attempts": [], "retries": 0, "stale": "",
    "proposal": "", "digest": "", "risk": "", "statements": [], "tables": [], "verdict": "", "end": "",
    "failure": "", "message": "", "hint": "", "ran_sql": "", "status": "",
}  # fmt: skip
"""What a turn starts with, so that nothing of the turn before it is left."""
