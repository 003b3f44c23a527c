"""PostgreSQL 14 and later, by psycopg: the server itself says what a statement reaches, and measures what it does."""

# ruff: noqa: ARG002  parts of the port are not there yet

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from sqlagent.core.errors import QueryError
from sqlagent.core.nouns.analysis import EngineOpinion, Size
from sqlagent.core.nouns.draft import Schema
from sqlagent.core.nouns.effect import Effect, Measurement
from sqlagent.core.nouns.session import Outcome
from sqlagent.core.nouns.verbs import Basis
from sqlagent.core.secret import Secret
from sqlagent.databases.base import (
    Capabilities,
    Limits,
    Mark,
    MeasureBudget,
    OnConflict,
    OwnMark,
    Sink,
    UndoPlan,
    Verdict,
)
from sqlagent.databases.postgres.connection.address import Address
from sqlagent.databases.postgres.connection.identity import Place
from sqlagent.databases.postgres.connection.open import connect
from sqlagent.databases.postgres.connection.rows import Session

_NOT_YET = "changes to PostgreSQL are not measured yet"


class Postgres:
    """One database of one server: a session that only reads for everything but `apply`, which opens its own."""

    dialect = "postgres"
    capabilities = Capabilities(second_opinion=False, atomic_mark=False, timeout=True)

    def __init__(self, url: str, *, name: str, password: Secret | None = None, marker_table: bool = False) -> None:
        """Raises ConnectError or AuthError where it cannot be opened."""
        self.name = name
        self._address = Address.of(url, password)
        self._marker_table = marker_table
        self._reader = connect(self._address)
        self._running: Session = self._reader
        self._place: Place = Place.of(self._reader)

    def identity(self) -> str:
        return self._place.identity

    def fingerprint(self) -> str:
        raise QueryError(_NOT_YET)

    def schema(self, *, examples: int) -> Schema:
        return Schema(self.dialect, self._place.version, ())

    def inspect(self, statements: Sequence[str]) -> tuple[EngineOpinion, ...]:
        return tuple(EngineOpinion(sql, why="PostgreSQL is not asked yet") for sql in statements)

    def count(self, sql: str, *, seconds: float) -> Size:
        return Size()

    def read(self, sql: str, *, sink: Sink, limits: Limits, heard: Callable[[str], None] | None = None) -> Outcome:
        _refuse()

    def marks_atomically(self) -> bool:
        """The journal is another database, so no transaction spans both."""
        return False

    def marks_in_itself(self) -> bool:
        return self._marker_table

    def marked(self, mark: OwnMark) -> bool | None:
        return None

    def measure(
        self, statements: Sequence[str], *, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> Measurement:
        return Measurement(tuple(Effect(Basis.UNKNOWN, why=_NOT_YET) for _ in statements), how=_NOT_YET)

    def apply(
        self,
        statements: Sequence[str],
        *,
        sink: Sink,
        limits: Limits,
        mark: Mark | None,
        verify: Callable[[], None],
        reached: Callable[[str], None],
        expected: Measurement | None = None,
        keep: Callable[[bytes], None] | None = None,
        copy_to: Path | None = None,
        heard: Callable[[str], None] | None = None,
    ) -> Outcome:
        _refuse()

    def decided(self, changeset: bytes) -> Verdict:
        return Verdict.CANNOT_TELL

    def preview_undo(
        self, changeset: bytes, *, copy: Path | None, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> UndoPlan:
        _refuse()

    def apply_undo(
        self,
        changeset: bytes,
        *,
        copy: Path | None,
        on_conflict: OnConflict,
        limits: Limits,
        mark: Mark | None,
        verify: Callable[[], None],
        reached: Callable[[str], None],
        expected: Measurement | None = None,
        keep: Callable[[bytes], None] | None = None,
        copy_to: Path | None = None,
        heard: Callable[[str], None] | None = None,
    ) -> Outcome:
        _refuse()

    def interrupt(self) -> None:
        self._running.cancel_safe()

    def close(self) -> None:
        self._reader.close()


def _refuse() -> NoReturn:
    raise QueryError(_NOT_YET, hint="nothing was changed")
