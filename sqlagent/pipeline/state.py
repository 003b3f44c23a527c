"""What a checkpoint holds: JSON primitives only, under names that are a storage format."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, NotRequired, cast

from typing_extensions import TypedDict  # pydantic, which LangGraph asks, takes no other before Python 3.12

from sqlagent.core.nouns.draft import Attempt
from sqlagent.core.nouns.session import Decision

GRAPH_VERSION = 1
"""Raise it when a node or a field changes meaning: a thread paused by another version is analyzed and asked again."""


class Failed(TypedDict):
    """A draft that failed, and why."""

    sql: str
    error: str
    author: NotRequired[str]
    """Who wrote the SQL; a thread paused by an older sqlagent does not say."""
    rejected_by: NotRequired[str]
    """The person whose words `error` has."""


class Answer(TypedDict):
    """The journal's decision row, as our own driver resumes review with it and as `decide` leaves it in the state."""

    choice: Literal["approve", "edit", "reject", "partial", "escalate"]
    digest: str
    by: str
    how: str
    sql: str
    reason: str
    retry: bool
    keep: list[int]


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
    drafted: str
    """The model's own text, where `sql` is its repair."""
    corrections: list[str]
    why_empty: list[str]
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
    drafts: int
    """Of which `confidence` tells."""
    chance: float | None
    others: list[str]
    stage_name: str
    expires_at: str
    approvals: list[dict[str, str | int | bool]]
    """What was said at the stages before this one."""
    effect: list[dict[str, str | int | None]]
    """What it was measured to do: table, verb, rows, of, via."""
    words: list[str]
    """What it does, in a sentence a statement that has one, and what those take for granted."""
    undo: str
    """`exact`, `partial`, `none`; empty where there is nothing to undo."""
    problem: str
    """Why the last answer was not accepted."""
    part_of: str
    """The proposal that a person approved in part, of which `sql` is that part."""
    rejected: list[str]
    asks: str
    """What the model asks back."""
    choices: list[str]
    asked: int
    """Its number in the turn, from 1."""
    reply: Any
    """What `clarify` was resumed with."""
    verdict: str
    """`allow`, `ask`, `deny`; `decided` where what would be asked is on record, `again` where a draft did not stand."""

    decision: NotRequired[Any]
    """What review was resumed with, by whomever; after `decide` the journal's word on it, an `Answer`."""
    end: str
    """How the turn ends, decided by the node that knows: a `core.model.Status`; empty while it goes on."""
    failure: str
    """The error class behind a failed end, see `core.model.Report.failure`."""
    message: str
    hint: str
    ran_sql: str
    status: str
    """Set by `finish` alone, when the journal has it."""
    answered: str
    """The id of the interrupt that was resumed last."""


def attempts_of(state: State) -> tuple[Attempt, ...]:
    """The drafts of the turn that did not stand."""
    return tuple(
        Attempt(a["sql"], a["error"], a.get("author", ""), a.get("rejected_by", "")) for a in state.get("attempts", [])
    )


def on_record(decision: Decision) -> Answer:
    """A decision of the journal's as the state holds it."""
    plain = asdict(decision)
    del plain["signed"]  # the journal has it, and nothing that the graph does turns on it
    return cast(Answer, plain | {"choice": decision.choice.value, "how": str(decision.how), "keep": [*decision.keep]})


AS_WRITTEN: State = {"drafted": "", "corrections": [], "why_empty": [], "drafts": 0, "chance": None}
"""What SQL starts with that nothing was changed in."""
NEW_TURN: State = {
    **AS_WRITTEN,
    "sql": "", "author": "", "note": "", "previous": "", "edited_by": "", "attempts": [], "retries": 0, "stale": "",
    "proposal": "", "digest": "", "risk": "", "statements": [], "tables": [], "verdict": "", "end": "",
    "failure": "", "message": "", "hint": "", "ran_sql": "", "status": "", "confidence": None, "others": [],
    "problem": "", "part_of": "", "rejected": [], "asks": "", "choices": [], "decision": None,
}  # fmt: skip
"""What a turn starts with, so that nothing of the turn before it is left."""
