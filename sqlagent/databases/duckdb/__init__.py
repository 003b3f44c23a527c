"""Files of rows (CSV, JSON, Parquet, Excel), by DuckDB: opened as tables in memory, asked about, and never written."""

# ruff: noqa: ARG002  what changes a database is refused, whatever it is given

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import duckdb

from sqlagent.core.errors import ConnectError, QueryError
from sqlagent.core.nouns.analysis import EngineOpinion, Size
from sqlagent.core.nouns.draft import Schema
from sqlagent.core.nouns.effect import Effect, Measurement
from sqlagent.core.nouns.session import Outcome
from sqlagent.core.nouns.verbs import Basis
from sqlagent.core.text.broken import bytes_shown, is_broken
from sqlagent.databases.base import DUCKDB, Concern, Limits, Mark, MeasureBudget, Sink, UndoPlan, Verdict
from sqlagent.databases.duckdb.connection.load import Loaded, load, stamp
from sqlagent.databases.duckdb.opinion import inspect, schema
from sqlagent.databases.duckdb.run import reading

_READ_ONLY = "files are only read: DuckDB holds a copy of their rows, and nothing writes them back"


class Files:
    """One file, or the files of one folder, as the tables of one database; read anew when one of them changes."""

    dialect = "duckdb"
    capabilities = DUCKDB

    def __init__(self, place: Path, *, name: str) -> None:
        """Raises ConnectError where nothing of it can be opened."""
        if is_broken(str(place)):  # it would be in every record of what was asked
            raise ConnectError(
                f"the path is not UTF-8: {bytes_shown(str(place))}", hint="rename the file, or its folder"
            )
        self.name = name
        self._place = place
        self._held = load(place)
        self._running: duckdb.DuckDBPyConnection = self._held.connection

    @property
    def _loaded(self) -> Loaded:
        """The rows as the files have them now."""
        if stamp(self._place) != self._held.stamp:
            self._held.connection.close()
            self._held = load(self._place)
        return self._held

    def identity(self) -> str:
        """The real path, with the scheme before it."""
        return f"duckdb:{self._place.resolve()}"

    def fingerprint(self) -> str:
        """Of every table's name, file, columns and types, as the files have them now."""
        return schema.fingerprint(self._loaded)

    def concerns(self) -> tuple[Concern, ...]:
        """What of the folder is no table."""
        return tuple(
            Concern(f"{left.name} is left out: {left.why}", "sqlagent help databases says what is opened")
            for left in self._loaded.left_out
        )

    def schema(self, *, examples: int, tables: frozenset[str] | None = None) -> Schema:
        """Every table, or only these; each comment says which file it is of."""
        return schema.schema(self._loaded, examples=examples, only=tables)

    def outline(self) -> Schema:
        """Names and types; no value is looked at."""
        return self.schema(examples=0)

    def inspect(self, statements: Sequence[str]) -> tuple[EngineOpinion, ...]:
        """DuckDB's opinion of each statement, none of them run."""
        return inspect.inspect(self._loaded, statements)

    def count(self, sql: str, *, seconds: float) -> Size:
        """The number that a SELECT COUNT(*) gives, or nothing past the budget."""
        return reading.count(self._loaded, sql, seconds=seconds)

    def read(self, sql: str, *, sink: Sink, limits: Limits, heard: Callable[[str], None] | None = None) -> Outcome:
        """Run one proven read, in a transaction that cannot write."""
        return reading.read(self._loaded, sql, sink=sink, limits=limits, heard=heard, began=self._began)

    def _began(self, reader: duckdb.DuckDBPyConnection) -> None:
        self._running = reader

    def marks_atomically(self) -> bool:
        """Nothing is changed, so there is nothing to mark."""
        return False

    def marks_in_itself(self) -> bool:
        """No mark is written into files."""
        return False

    def cautions(self) -> tuple[str, ...]:
        """None: there is no change to approve."""
        return ()

    def marked(self, mark: Mark) -> Verdict:
        """No run leaves a mark."""
        return Verdict.CANNOT_TELL

    def committed(self, changeset: bytes) -> Verdict:
        """There is no record of runs."""
        return Verdict.CANNOT_TELL

    def decided(self, changeset: bytes) -> Verdict:
        """There is no run to decide."""
        return Verdict.CANNOT_TELL

    def measure(
        self, statements: Sequence[str], *, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> Measurement:
        """Nothing is tried: every effect is unknown, and says that files are only read."""
        effects = (Effect(Basis.UNKNOWN, why=_READ_ONLY),) * len(statements)
        return Measurement(effects, undo_why=_READ_ONLY, how=_READ_ONLY)

    def preview_undo(
        self, changeset: bytes, *, copy: Path | None, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> UndoPlan:
        """There is never anything to take back."""
        return UndoPlan(self.measure([""], budget=budget, heard=heard), refused=_READ_ONLY)

    def apply(self, statements: Sequence[str], **how: Any) -> NoReturn:
        """Refused: files are never written."""
        raise QueryError(_READ_ONLY, hint="nothing was changed")

    def apply_undo(self, changeset: bytes, **how: Any) -> NoReturn:
        """Refused, as every change is."""
        raise QueryError(_READ_ONLY, hint="nothing was changed")

    def interrupt(self) -> None:
        """Cancel what runs; any thread may."""
        with suppress(duckdb.Error):  # what ran has ended
            self._running.interrupt()

    def close(self) -> None:
        """Let go of the rows in memory."""
        self._held.connection.close()
