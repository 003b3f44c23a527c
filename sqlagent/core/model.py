"""The nouns of sqlagent: frozen, typed, JSON-ready; each is made in one place and changed by none."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from sqlagent.core.effect import Measurement
from sqlagent.core.verbs import Basis as Basis
from sqlagent.core.verbs import Verb as Verb


class Risk(IntEnum):
    """How bad a statement can be; more is worse, so the worst of several is their `max`."""

    READ = 0
    """Proven to change nothing."""
    WRITE = 1
    """Changes rows that a person can name."""
    SEVERE = 2
    """Changes most of a table, its shape, or anything with no undo."""
    UNKNOWN = 3
    """We could not tell.  Handled as the worst."""


class Kind(StrEnum):
    """What a statement is, by its first meaning word."""

    SELECT = "select"
    INSERT = "insert"
    REPLACE = "replace"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"
    TRUNCATE = "truncate"
    CREATE = "create"
    ALTER = "alter"
    DROP = "drop"
    PRAGMA = "pragma"
    SET = "set"
    SHOW = "show"
    EXPLAIN = "explain"
    TRANSACTION = "transaction"
    ATTACH = "attach"
    COPY = "copy"
    MAINTENANCE = "maintenance"
    """VACUUM, ANALYZE, REINDEX, CHECKPOINT and their like."""
    CALL = "call"
    """CALL, DO, EXECUTE: code that the text does not show."""
    GRANT = "grant"
    UNDO = "undo"
    """Not SQL: what a run changed, taken back."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows a statement matches, of how many there are."""

    rows: int | None = None
    of: int | None = None
    basis: Basis = Basis.UNKNOWN


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a statement does to one object, however it comes to do it."""

    verb: Verb
    target: str
    via: str = ""
    """`trigger NAME`, `foreign key of TABLE` or `view NAME`; empty when the SQL says so itself."""
    size: Size = Size()


class Severity(StrEnum):
    NOTE = "note"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a good DBA would remark about a statement."""

    rule: str
    """Stable id, such as `no-where`: `sqlagent help no-where` explains it."""
    message: str
    severity: Severity = Severity.WARNING


class Bound(StrEnum):
    """Whether a WHERE limits what an UPDATE or DELETE touches."""

    BOUNDED = "bounded"
    ALWAYS_TRUE = "always-true"
    """There is a WHERE, and it keeps every row: `1=1`, `id=id`."""
    ABSENT = "absent"
    NOT_APPLICABLE = "n/a"


@dataclass(frozen=True, slots=True)
class SyntaxOpinion:
    """What the text alone says of one statement; made by `core.syntax`."""

    sql: str
    """The exact text of the statement, without the semicolon that ended it."""
    line: int
    """Where it starts in the script, from 1."""
    kind: Kind
    risk: Risk
    """READ only when every node and function is on the allow-list."""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    columns_written: tuple[str, ...] = ()
    bound: Bound = Bound.NOT_APPLICABLE
    why: str = ""
    """What kept it from being called READ, in a few words."""
    parsed: bool = True
    """False where sqlglot could not read it: the tables are then not known."""
    denied: str = ""
    """The rule id that forbids it (`outside-database`, `hidden-characters`, ...), or empty."""
    findings: tuple[Finding, ...] = ()
    """What the text alone gives a DBA to remark."""
    too_large: bool = False
    """Longer or deeper than we let a parser read: no other opinion outweighs that."""
    unplaced: tuple[str, ...] = ()
    """Names called as functions that are on no list, where they are all that kept it from READ."""


@dataclass(frozen=True, slots=True)
class Access:
    """One table that the engine says a statement touches."""

    verb: Verb
    table: str
    column: str = ""
    via: str = ""
    """`trigger NAME`, `view NAME` or `foreign key of TABLE`; empty when the statement says so itself."""


@dataclass(frozen=True, slots=True)
class EngineOpinion:
    """What the database itself says of one statement, without running it; made by `databases/`."""

    sql: str
    kind: Kind = Kind.OTHER
    error: str = ""
    """Why it would not prepare it; everything below is then empty."""
    readonly: bool = False
    """The engine's own word that running it changes no database file."""
    risk: Risk = Risk.UNKNOWN
    """READ only where every action it compiles to is on the adapter's allow-list."""
    accesses: tuple[Access, ...] = ()
    functions: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    """Its plan, a line a step, as the engine words it."""
    denied: str = ""
    """The rule id that forbids it (`outside-database`, `transaction-control`, `unsafe-pragma`), or empty."""
    why: str = ""
    """What kept it from being called READ, in a few words."""
    quoted_as_text: tuple[str, ...] = ()
    """Double-quoted words that name no column, which the engine then takes as text: `WHERE "statu" = 'x'`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and everything known about it before it runs."""

    index: int
    """Its place in the script, from 1."""
    sql: str
    line: int
    kind: Kind
    risk: Risk
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    bound: Bound = Bound.NOT_APPLICABLE
    operations: tuple[Operation, ...] = ()
    findings: tuple[Finding, ...] = ()
    denied: str = ""
    """The rule id that forbids it unless the user's own policy relaxes that rule by name; empty if none does."""
    opinions: dict[str, str] = field(default_factory=dict)
    """What each source said: `{"syntax": "WRITE", "engine": "SEVERE"}`."""
    plan: tuple[str, ...] = ()

    @property
    def object(self) -> str:
        """What a person types to approve it when it is SEVERE or UNKNOWN; empty where it names nothing."""
        return self.writes[0] if self.writes else ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A script, statement by statement; `risk` is that of the worst."""

    statements: tuple[Statement, ...]

    @property
    def risk(self) -> Risk:
        return max((s.risk for s in self.statements), default=Risk.UNKNOWN)

    @property
    def worst(self) -> Statement:
        """The first of the riskiest statements."""
        return max(self.statements, key=lambda s: s.risk)

    @property
    def denied(self) -> tuple[str, ...]:
        """Rule ids that forbid a statement of it, each once, in order."""
        return tuple(dict.fromkeys(s.denied for s in self.statements if s.denied))


# ---- what the model is told, and what it says -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    nullable: bool = True
    primary_key: bool = False
    references: str = ""
    """`customers.id` where it is a foreign key."""
    generated: bool = False
    examples: tuple[str, ...] = ()
    """Up to three values found in the data; shown to local models only unless the user allows more."""


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    is_view: bool = False
    rows: int | None = None
    checks: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    """Names of the triggers that fire on it."""


@dataclass(frozen=True, slots=True)
class Schema:
    dialect: str
    version: str
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the same conversation, and the SQL that answered it."""

    question: str
    sql: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A draft that did not stand, and why: the database's error, or the person's reason for rejecting it."""

    sql: str
    error: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model answered."""

    sql: str = ""
    """The exact text of its statements; empty when it gave none."""
    cannot: str = ""
    """Why the question cannot be answered from these tables, in the model's words."""
    note: str = ""
    """What the model says of its SQL; unchecked, shown only among the details."""
    model: str = ""
    prompt_sha256: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


# ---- a proposal, and what people and the database make of it ----------------------------------------------------


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


class Choice(StrEnum):
    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person (or the policy) said of one proposal, bound to its digest."""

    choice: Choice
    digest: str
    by: str
    how: str
    """`enter`, `key`, `typed`, `flag`, `policy`, `auto-reject`, `expired` or `library`: what the record says a person did."""
    sql: str = ""
    """The new text, for an edit."""
    reason: str = ""
    retry: bool = False
    """After a rejection: draft again with the reason."""


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
    rowsets: tuple[Rowset, ...] = ()
