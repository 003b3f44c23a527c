"""What is known of SQL before it runs: frozen, typed, JSON-ready nouns, each made in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from sqlagent.core.nouns.verbs import Basis as Basis
from sqlagent.core.nouns.verbs import Verb as Verb


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
    """How much a finding should worry whoever approves."""

    NOTE = "note"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands in its script: lines and columns from 1, in characters; the end is behind the last."""

    line: int
    column: int
    end_line: int
    end_column: int


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
    foreign: bool = False
    """A type or an operator that is not built in kept it from READ; a database that looked it up knows what it runs."""
    reads_if: tuple[str, ...] = ()
    """READ*: names that must be the built-ins, where that is all that kept it from READ.  A database that has looked
    each of them up may call it READ; the text alone never does."""

    comments: tuple[str, ...] = ()
    """The comments before, in and after it: they claim, and prove nothing."""
    bare_columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Columns that a sub-select names without a table, each with the tables of that sub-select."""

    @property
    def word(self) -> str:
        """Its risk as people see it."""
        return "READ*" if self.reads_if else self.risk.name


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
    triggers_unseen: bool = False
    """What it writes has triggers or foreign keys that write more, and `accesses` does not say what."""


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
    """The rule id that forbids it, and that the user's own settings do not relax by name; empty if none does."""
    opinions: dict[str, str] = field(default_factory=dict)
    """What each source said: `{"syntax": "WRITE", "engine": "SEVERE"}`; `triggers` where nobody looked into those."""
    plan: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    """`table.column` that it reads or writes, itself or through a view or trigger; `table.*` where whole rows go, and
    `table.?` where nobody says which columns."""
    words: str = ""
    """What it does in one sentence, made of its syntax tree; empty where a part of it has no words."""
    assumes: tuple[str, ...] = ()
    """What `words` takes for granted and changes the answer: `40 of 420 customers have no orders and are left out`."""
    reads_if: tuple[str, ...] = ()
    """READ*: it would be a read if these names were the built-ins, and no database was asked.  Its risk is UNKNOWN."""

    @property
    def word(self) -> str:
        """Its risk as people see it."""
        return "READ*" if self.reads_if else self.risk.name

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
        """The highest of its statements; UNKNOWN where there is none."""
        return max((s.risk for s in self.statements), default=Risk.UNKNOWN)

    @property
    def worst(self) -> Statement:
        """The first of the riskiest statements."""
        return max(self.statements, key=lambda s: s.risk)

    @property
    def denied(self) -> tuple[str, ...]:
        """Rule ids that forbid a statement of it, each once, in order."""
        return tuple(dict.fromkeys(s.denied for s in self.statements if s.denied))
