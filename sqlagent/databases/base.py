"""What sqlagent asks of a database: the port that every adapter implements, and what it may not be able to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NotRequired, Protocol, TypedDict, Unpack

from sqlagent.core.errors import ConnectError, Stale
from sqlagent.core.nouns.analysis import EngineOpinion, Size
from sqlagent.core.nouns.draft import Schema
from sqlagent.core.nouns.effect import Measurement, Touched
from sqlagent.core.nouns.session import Outcome


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, for the screen and for the README's table."""

    second_opinion: bool
    """It says what a statement would do without running it."""
    atomic_mark: bool
    """It can mark a run done in the same transaction as the run's changes."""
    timeout: bool
    preview: bool = False
    """It measures what a change would do, by doing it where it leaves no trace."""
    undo: bool = False
    """It can take back what a run changed."""
    writes: bool = True
    """It can change anything at all; where not, a change is refused before anybody is asked."""


POSTGRESQL = Capabilities(second_opinion=True, atomic_mark=False, timeout=True, preview=True, undo=True)
"""Here, so that help can say it where the driver is not installed."""
DUCKDB = Capabilities(second_opinion=True, atomic_mark=False, timeout=True, writes=False)
"""Files of rows; here for the same reason."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something about a database or a role that weakens a promise of sqlagent's, and what to do about it."""

    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The row that tells whether a run was committed: `begun` is written before it, `done` in its own transaction."""

    run: str
    at: str
    """When the run was claimed: a claim of the same name in another journal was so at another moment."""
    digest: str
    """Of what was approved."""
    beside: Path | None = None
    """A file for it, where the engine changes two files as one; the adapter makes it.  None: in the database itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one run."""

    rows: int | None = 200
    """At most so many rows go to the sink for a statement; None for all."""
    seconds: float | None = 30.0
    """For the whole run; None for no limit."""
    changes_bytes: int = 256_000_000
    """A change larger than this is carried out and not kept: it cannot be undone."""


@dataclass(frozen=True, slots=True)
class MeasureBudget:
    """What measuring an effect may cost; past it the effect is UNKNOWN."""

    seconds: float = 5.0
    changes_bytes: int = 64_000_000
    copy_bytes: int = 200_000_000
    """A file up to this size is measured on a private copy, a larger one in a transaction that is rolled back."""
    lock_seconds: float = 0.2
    """On a server: it waits so long for a lock, and lets nobody wait longer for one of its own."""
    rows: int = 100_000
    """On a server: where more rows would change, as its planner estimates, it is not tried."""
    scan_bytes: int = 2_000_000_000
    """On a server: tables larger than this in all are counted, and their rows not read."""
    undo_bytes: int = 256_000_000
    """What a DROP or ALTER loses is copied first up to this size; beyond, there is no undo."""


class EffectDiffers(Stale):
    """The run did something else than what was approved, and was rolled back."""

    def __init__(self, message: str, *, hint: str, touched: Sequence[Touched]) -> None:
        super().__init__(message, hint=hint)
        self.touched = tuple(touched)
        """What it would have done now, for the whole script; without causes."""


class Verdict(StrEnum):
    """Whether a run whose end was not seen was applied: its mark proves it, its rows only suggest it."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    CANNOT_TELL = "cannot tell"


class OnConflict(StrEnum):
    """What an undo does about rows that somebody changed since."""

    LEAVE_ALONE = "leave alone"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Conflict:
    """One row that an undo cannot put back, because it is not as the run left it."""

    table: str
    key: tuple[tuple[str, str], ...]
    why: str
    """`it was changed since`, `it was deleted since`, ..."""


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo would do now."""

    measurement: Measurement
    """One effect: what is put back where conflicts are left alone; `fingerprint` is for `apply_undo(expected=)`."""
    conflicts: tuple[Conflict, ...] = ()
    """The first of them."""
    conflicting: int = 0
    """How many there are."""
    refused: str = ""
    """Why nothing at all can be put back, however conflicts are treated; empty where something can."""


class Sink(Protocol):
    """Where rows go.  `write` consumes the iterator in its own time, so memory does not grow with rows."""

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Take every row; answers how many there were."""
        ...


class HotJournal(ConnectError):
    """Another program was cut off while it wrote; what it left has to be undone before the file can be read."""


class Locked(ConnectError):
    """Another process holds the database for itself."""


class RunTerms(TypedDict):
    """What one run is held to, and who is told of it meanwhile."""

    limits: Limits
    mark: Mark | None
    verify: Callable[[], None]
    """Called after the transaction holds its write lock and before the first statement; what it raises rolls back."""
    reached: Callable[[str], None]
    """Called at every named crash point."""
    expected: NotRequired[Measurement | None]
    """What was approved: an effect with another fingerprint, or with more rows than were COUNTED, differs."""
    keep: NotRequired[Callable[[bytes], None] | None]
    """Given the change before COMMIT, to store it durably for `decided` and `undo`.

    It is not called for a change of nothing, or beyond `limits.changes_bytes`.
    """
    copy_to: NotRequired[Path | None]
    """A file to make, holding what the script's DROP and ALTER lose (where `expected.needs_copy`)."""
    heard: NotRequired[Callable[[str], None] | None]
    """Gets words of progress where it takes long, and none once the sink is given rows."""


class Database(Protocol):
    """One live database.

    Nothing here changes the database but `apply` and `apply_undo`, and they are called by the pipeline's execute node
    alone, after the journal's claim.  Errors: `ConnectError` (cannot be opened, locked for too long), `QueryError`
    (refused), `TimedOut` (the statement was cancelled).
    """

    @property
    def name(self) -> str:
        """As the person calls it."""
        ...

    @property
    def dialect(self) -> str:
        """sqlglot's name for its SQL."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do; what it cannot is said to whoever asks for it."""

    def identity(self) -> str:
        """The same for the same database, different for another: `sqlite:/srv/shop.db`.  Never a secret."""
        ...

    def fingerprint(self) -> str:
        """SHA-256, hex, of everything that gives the SQL its meaning: tables, views, triggers, indexes."""
        ...

    def concerns(self) -> tuple[Concern, ...]:
        """What a person should know of it before they trust it, for `sqlagent doctor`."""
        ...

    def schema(self, *, examples: int, tables: frozenset[str] | None = None) -> Schema:
        """What the model is told, of every table or of these; with up to `examples` distinct short values a column."""
        ...

    def outline(self) -> Schema:
        """Names, types, keys and comments of every table, quickly: no row is looked at."""
        ...

    def inspect(self, statements: Sequence[str]) -> tuple[EngineOpinion, ...]:
        """The engine's opinion of each, in order, none of them run.

        A statement may depend on a CREATE before it.  A refusal to prepare is an opinion with `error`, not an
        exception.  An answer of another length than `statements` means that the engine splits the text differently.
        """
        ...

    def count(self, sql: str, *, seconds: float) -> Size:
        """The single integer that a `SELECT COUNT(*)` gives, on a connection that cannot write, as COUNTED.

        Past the budget, or where it is refused: `Size()`, which prints as `?`.
        """
        ...

    def read(self, sql: str, *, sink: Sink, limits: Limits, heard: Callable[[str], None] | None = None) -> Outcome:
        """Run one proven read on a connection that cannot write.

        `heard` gets words of progress where it takes long, and none once the sink is given rows.
        """
        ...

    def marks_atomically(self) -> bool:
        """Whether `apply` changes the file of its mark in the same transaction (for SQLite: not in WAL)."""
        ...

    def marks_in_itself(self) -> bool:
        """Whether `apply` writes its mark in the database itself: the owner allows a table for it."""
        ...

    def cautions(self) -> tuple[str, ...]:
        """What somebody should know of the database before approving any change of it."""
        ...

    def marked(self, mark: Mark) -> Verdict:
        """What the mark says, in its file or in the database; where there is none, nobody can tell.

        It is asked whether or not the table is allowed still.
        """
        ...

    def measure(
        self,
        statements: Sequence[str],
        *,
        budget: MeasureBudget,
        heard: Callable[[str], None] | None,
    ) -> Measurement:
        """What the script would do, by doing it where it leaves no trace; one effect a statement.

        Only for statements that were classified and are not denied.  What cannot be measured, a database that is busy
        and a statement that fails are effects that are UNKNOWN, not exceptions.  `heard` gets words of progress.
        """
        ...

    def apply(self, statements: Sequence[str], *, sink: Sink, **terms: Unpack[RunTerms]) -> Outcome:
        """Run the statements in one transaction: all of them or none.

        Rows that statements return go to the sink after COMMIT.  Raises EffectDiffers, rolled back, where it does
        something else than `expected`.
        """
        ...

    def committed(self, changeset: bytes) -> Verdict:
        """What the engine's own record of transactions says of a run that kept this, which proves it.

        CANNOT_TELL where it keeps none, or its record is not of that server's life any more.
        """
        ...

    def decided(self, changeset: bytes) -> Verdict:
        """What the rows say of a run that kept this before its COMMIT: what they are like proves nothing."""
        ...

    def preview_undo(
        self, changeset: bytes, *, copy: Path | None, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> UndoPlan:
        """What taking the change back would do now; `copy` is the `copy_to` of its run, where there was one."""
        ...

    def apply_undo(
        self, changeset: bytes, *, copy: Path | None, on_conflict: OnConflict, **terms: Unpack[RunTerms]
    ) -> Outcome:
        """Take the change back in one transaction, no trigger firing; as `apply` in all else.

        What `keep` is given, and the copy made at `copy_to`, take the undo back in turn.  Raises EffectDiffers where it
        would do something else than `expected`, and Stale where a row was changed since and `on_conflict` refuses.
        """
        ...

    def interrupt(self) -> None:
        """Cancel what runs, from a signal handler or another thread."""
        ...

    def close(self) -> None:
        """Let go of every connection; nothing may be asked of it afterwards."""
