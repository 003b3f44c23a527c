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
        return f"duckdb:{self._place.resolve()}"

    def fingerprint(self) -> str:
        return schema.fingerprint(self._loaded)

    def concerns(self) -> tuple[Concern, ...]:
        """What of the folder is no table."""
        return tuple(
            Concern(f"{left.name} is left out: {left.why}", "sqlagent help databases says what is opened")
            for left in self._loaded.left_out
        )

    def schema(self, *, examples: int, tables: frozenset[str] | None = None) -> Schema:
        return schema.schema(self._loaded, examples=examples, only=tables)

    def outline(self) -> Schema:
        return self.schema(examples=0)

    def inspect(self, statements: Sequence[str]) -> tuple[EngineOpinion, ...]:
        return inspect.inspect(self._loaded, statements)

    def count(self, sql: str, *, seconds: float) -> Size:
        return reading.count(self._loaded, sql, seconds=seconds)

    def read(self, sql: str, *, sink: Sink, limits: Limits, heard: Callable[[str], None] | None = None) -> Outcome:
        return reading.read(self._loaded, sql, sink=sink, limits=limits, heard=heard, began=self._began)

    def _began(self, reader: duckdb.DuckDBPyConnection) -> None:
        self._running = reader

    def marks_atomically(self) -> bool:
        return False

    def marks_in_itself(self) -> bool:
        return False

    def cautions(self) -> tuple[str, ...]:
        return ()  # there is nothing to approve

    def marked(self, mark: Mark) -> Verdict:
        return Verdict.CANNOT_TELL

    def committed(self, changeset: bytes) -> Verdict:
        return Verdict.CANNOT_TELL

    def decided(self, changeset: bytes) -> Verdict:
        return Verdict.CANNOT_TELL

    def measure(
        self, statements: Sequence[str], *, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> Measurement:
        effects = (Effect(Basis.UNKNOWN, why=_READ_ONLY),) * len(statements)
        return Measurement(effects, undo_why=_READ_ONLY, how=_READ_ONLY)

    def preview_undo(
        self, changeset: bytes, *, copy: Path | None, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> UndoPlan:
        return UndoPlan(self.measure([""], budget=budget, heard=heard), refused=_READ_ONLY)

    def apply(self, statements: Sequence[str], **how: Any) -> NoReturn:
        raise QueryError(_READ_ONLY, hint="nothing was changed")

    def apply_undo(self, changeset: bytes, **how: Any) -> NoReturn:
        raise QueryError(_READ_ONLY, hint="nothing was changed")

    def interrupt(self) -> None:
        with suppress(duckdb.Error):  # what ran has ended
            self._running.interrupt()

    def close(self) -> None:
        self._held.connection.close()
