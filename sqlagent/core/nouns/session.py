"""A session: what is proposed, what people say of it, what a run comes to, and how it is reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlagent.core.nouns.analysis import Analysis
from sqlagent.core.nouns.draft import Attempt, Clarification
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.policy import Facts, Seat


@dataclass(frozen=True, slots=True)
class Proposal:
    """One draft, analyzed and put to a person."""

    id: str
    """`k7f3.2`: the thread, and how many proposals it has had."""
    thread: str
    question: str
    sql: str
    database: str
    """As the person calls it: `prod`, `sample.db`."""
    target: str
    """The database's identity, such as `sqlite:/srv/shop.db`; never a password."""
    analysis: Analysis
    requested_by: str
    author: str
    """Who wrote the SQL: the model's name, or a person's after an edit."""
    created_at: str
    """UTC, ISO 8601."""
    digest: str
    """SHA-256, hex, of all that an approval is bound to: SQL bytes, target, schema, proposal, stage."""
    policy: str = "ask"
    """The policy's word and the rule that spoke: `allow [reads]`, `ask`."""
    stage: int = 1
    stages: int = 1
    note: str = ""
    """What the model says, unchecked."""
    drafted: str = ""
    """The model's own text, where `sql` is its repair; empty otherwise."""
    corrections: tuple[str, ...] = ()
    """What was changed in it: `T2.name to T1.name`."""
    why_empty: tuple[str, ...] = ()
    """What is known of why a read that a model drafted comes back empty."""
    attempts: tuple[Attempt, ...] = ()
    """Drafts before this one that did not stand."""
    previous: str = ""
    """The SQL that a person edited into this one; empty otherwise."""
    edited_by: str = ""
    stale: str = ""
    """Why an approval of the proposal before this one is void: what changed between approval and run."""
    expires_at: str = ""
    """UTC, ISO 8601; empty where it lives for ever."""
    measurement: Measurement | None = None
    """What the database measured that it would do; None where there was nothing to measure."""
    undo_of: str = ""
    """The run that it takes back; empty for SQL."""
    on_conflict: str = ""
    """For an undo: `leave alone` or `refuse`, what is done about rows that were changed since."""
    read_only: bool = False
    """Every statement is a proven read: it runs where nothing can be written."""
    seats: tuple[Seat, ...] = (Seat(),)
    """Who must approve it, in order; `stage` is the place of the one that is asked, from 1."""
    approvals: tuple[Approval, ...] = ()
    """What was said at the stages before this one."""
    why: str = ""
    """What the policy says of why it asks."""
    environment: str = "terminal"
    """Where it was asked, see `core.policy.Facts`."""
    confidence: float | None = None
    """Share of the model's drafts that agree with this one; of one draft, how likely it is to be right.  None where
    nothing tells, or a person wrote it."""
    drafts: int = 0
    """How many the model made; 0 for SQL that it did not."""
    chance: float | None = None
    """How likely the model's first draft is right, as its own probabilities tell; None where its server tells none."""
    others: tuple[str, ...] = ()
    """SQL of the drafts that do not agree with it."""
    clarified: tuple[Clarification, ...] = ()
    """What the model asked back before it drafted this."""
    part_of: str = ""
    """The proposal of more statements, some of which were rejected, that this is the rest of."""
    rejected: tuple[str, ...] = ()
    """What was said of the statements that were rejected: `2: not on a Friday`."""
    cautions: tuple[str, ...] = ()
    """What to know of the database before approving a change of it."""

    @property
    def seat(self) -> Seat:
        """The one that is asked."""
        return self.seats[self.stage - 1]

    def facts(self, now: datetime) -> Facts:
        """What the policy may look at, beside the statements, at this moment."""
        return Facts(
            self.database, self.requested_by, now, self.environment, self.measurement, self.confidence,
            drafts=self.drafts,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Approval:
    """What was said at one stage."""

    stage: int
    name: str
    by: str
    how: str
    digest: str
    at: str
    """UTC, ISO 8601."""
    escalated: bool = False
    """Nobody came in time, and the policy passes it on."""
    key: str = ""
    """The fingerprint of the key that signed it; empty where nothing did."""


class Choice(StrEnum):
    """What a person, or the policy, says of a proposal."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    PARTIAL = "partial"
    """Some statements of a batch are approved, `Decision.keep`, and the others rejected."""
    ESCALATE = "escalate"
    """Nobody came in time, and the policy passes it on to the next stage."""
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person (or the policy) said of one proposal, bound to its digest."""

    choice: Choice
    digest: str
    by: str
    how: str
    """What a person did: `enter`, `key`, `typed`, `flag`, `policy`, `auto-reject`, `expired`, `library` or
    `signature`."""
    sql: str = ""
    """The new text, for an edit."""
    reason: str = ""
    retry: bool = False
    """After a rejection: draft again with the reason."""
    keep: tuple[int, ...] = ()
    """Of a PARTIAL, the statements that are approved, by their place from 1; `reason` says why not the others."""
    signed: str = ""
    """The text of the approval file, where it came as one."""


class Status(StrEnum):
    """Where a thread stands, in every JSON answer about it."""

    NEW = "new"
    """Admitted, and not yet drafted: its process ended early, or is still at work."""
    PENDING = "pending"
    EXECUTED = "executed"
    REJECTED = "rejected"
    DENIED = "denied"
    STALE = "stale"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    FAILED = "failed"


TERMINAL = frozenset({Status.EXECUTED, Status.REJECTED, Status.DENIED, Status.EXPIRED, Status.UNKNOWN, Status.FAILED})
"""A thread in one of these has nothing left to do but be asked again (UNKNOWN: be settled first)."""


class Source(StrEnum):
    """Where a turn's SQL comes from."""

    MODEL = "ask"
    PERSON = "run"
    UNDO = "undo"
    """No SQL: the inverse of what a run changed."""


@dataclass(frozen=True, slots=True)
class Thread:
    """One session as the journal lists it: what `pending` and `sessions` print a line of."""

    id: str
    status: Status
    database: str
    """As the person calls it."""
    url: str
    """How to open it again: an absolute path, or a URL without a password."""
    target: str
    """Its identity when it was asked; another one now is another database."""
    source: Source
    question: str
    requested_by: str
    created_at: str
    updated_at: str
    turn: int = 1
    sql: str = ""
    """For SQL that a person wrote, the text; else empty."""
    model: str = ""
    proposal: str = ""
    """Id of the newest proposal of this turn; empty before there is one."""
    digest: str = ""
    risk: str = ""
    stage: int = 1
    stages: int = 1
    message: str = ""
    hint: str = ""
    expires_at: str = ""
    asks: str = ""
    """What the model asks back, while nobody has answered."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one statement did when it ran."""

    index: int
    changed: int | None = None
    """Rows it changed itself, as the engine counts them; None for a read."""
    returned: int = 0
    """Rows given to the sink."""
    truncated: bool = False
    """More rows were there than the limit let through."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    results: tuple[Result, ...] = ()
    seconds: float = 0.0
    settled: bool = False
    """The run was marked done in the same transaction as its changes."""
    unwritten: str = ""
    """Why rows that it returned did not reach the sink; it was committed all the same."""
    why_empty: tuple[str, ...] = ()
    """What is known of why its one read came back empty: a word that no row has, a condition that excludes all."""
    seen_later: bool = False
    """Its end was found out afterwards: its figures are those that it was held to, and its time is not known."""


@dataclass(frozen=True, slots=True)
class Rowset:
    """Rows that a library caller asked to keep; the command line streams them instead."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Where a thread stands after a call: the one answer of `ask`, `decide`, `resume`, `run`, `show`."""

    thread: str
    status: Status
    database: str
    question: str
    proposal: Proposal | None = None
    outcome: Outcome | None = None
    message: str = ""
    """What to tell a person beyond the status: an error, the model's refusal, who decided first."""
    hint: str = ""
    failure: str = ""
    """The error class of `core.errors` behind a FAILED, such as `QueryError` or `TimedOut`."""
    decided_by: str = ""
    how: str = ""
    """How the decision was given: see `Decision.how`."""
    reason: str = ""
    asked_at: str = ""
    attempts: tuple[Attempt, ...] = ()
    """Drafts that did not stand, when no proposal came of them."""
    audit_head: str = ""
    """`122:9f3c...`: the audit log's newest entry when the run ended; keep it, and nobody can cut the log unseen."""
    asks: Clarification | None = None
    """What the model asks back, and waits for."""
    requested_by: str = ""
    undoable: bool = False
    """What it changed is kept: `undo` takes it back."""
    rowsets: tuple[Rowset, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints, with the rows that were kept; `sqlagent help json-report` is its schema."""
        from sqlagent.core.nouns.documents import report_json  # which knows this class

        return report_json(self)
