"""What sqlagent asks of a database: the port that every adapter implements, and what it may not be able to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlagent.core.model import EngineOpinion, Outcome, Schema, Size


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, for the screen and for the README's table."""

    second_opinion: bool
    """It says what a statement would do without running it."""
    atomic_mark: bool
    """It can mark a run done in the same transaction as the run's changes."""
    timeout: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """How a run is marked done inside its own transaction: a row of another SQLite file, changed by one statement."""

    path: Path
    sql: str
    """One UPDATE; its table is named `{journal}.runs`, where `{journal}` is for the adapter to fill in."""
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one run."""

    rows: int | None = 200
    """At most so many rows go to the sink for a statement; None for all."""
    seconds: float | None = 30.0
    """For the whole run; None for no limit."""


class Sink(Protocol):
    """Where rows go.  `write` consumes the iterator in its own time, so memory does not grow with rows."""

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Take every row; answers how many there were."""
        ...


class Database(Protocol):
    """One live database.

    Nothing here changes the database but `apply`, and `apply` is called by the pipeline's execute node alone, after
    the journal's claim.  Errors: `ConnectError` (cannot be opened, locked for too long), `QueryError` (refused),
    `TimedOut` (the statement was cancelled).
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
    def capabilities(self) -> Capabilities: ...

    def identity(self) -> str:
        """The same for the same database, different for another: `sqlite:/srv/shop.db`.  Never a secret."""
        ...

    def fingerprint(self) -> str:
        """SHA-256, hex, of everything that gives the SQL its meaning: tables, views, triggers, indexes."""
        ...

    def schema(self, *, examples: int) -> Schema:
        """What the model is told; with up to `examples` distinct short values a column."""
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

    def read(self, sql: str, *, sink: Sink, limits: Limits) -> Outcome:
        """Run one proven read on a connection that cannot write."""
        ...

    def marks_atomically(self) -> bool:
        """Whether `apply` will settle its mark in the same transaction as the changes (for SQLite: not in WAL)."""
        ...

    def apply(
        self,
        statements: Sequence[str],
        *,
        sink: Sink,
        limits: Limits,
        mark: Mark | None,
        verify: Callable[[], None],
        reached: Callable[[str], None],
    ) -> Outcome:
        """Run the statements in one transaction: all of them or none.

        `verify` is called after the transaction holds its write lock and before the first statement; what it raises
        rolls back.  `reached(name)` is called at every named crash point.  Rows that statements return go to the sink
        after COMMIT.
        """
        ...

    def interrupt(self) -> None:
        """Cancel what runs, from a signal handler or another thread."""
        ...

    def close(self) -> None: ...
