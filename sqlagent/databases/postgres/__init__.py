"""PostgreSQL 14 and later, by psycopg: the server itself says what a statement reaches, and measures what it does."""

# ruff: noqa: ARG002  what SQLite copies of a file, PostgreSQL keeps in the change itself

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Unpack

from sqlagent.core.nouns.analysis import EngineOpinion, Size
from sqlagent.core.nouns.draft import Schema
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.session import Outcome
from sqlagent.core.secret import Secret
from sqlagent.databases.base import (
    POSTGRESQL,
    Concern,
    Limits,
    Mark,
    MeasureBudget,
    OnConflict,
    RunTerms,
    Sink,
    UndoPlan,
    Verdict,
)
from sqlagent.databases.postgres.connection.address import Address
from sqlagent.databases.postgres.connection.concerns import concerns
from sqlagent.databases.postgres.connection.error_text import speaking
from sqlagent.databases.postgres.connection.identity import Place
from sqlagent.databases.postgres.connection.lock_holders import naming_the_holder
from sqlagent.databases.postgres.connection.names import search_path
from sqlagent.databases.postgres.connection.open import connect, reading
from sqlagent.databases.postgres.connection.rows import Session
from sqlagent.databases.postgres.effect.measure import measure
from sqlagent.databases.postgres.effect.remembered import Remembered
from sqlagent.databases.postgres.effect.undo_record import decoded
from sqlagent.databases.postgres.opinion import inspect
from sqlagent.databases.postgres.opinion.kept_outline import KeptOutline
from sqlagent.databases.postgres.run import in_doubt, marker_table
from sqlagent.databases.postgres.run.binding import Binding
from sqlagent.databases.postgres.run.reading import count, read
from sqlagent.databases.postgres.run.transaction import Run
from sqlagent.databases.postgres.undo import undo
from sqlagent.databases.postgres.undo.taking_back import tried

_FORMAT = "1"  # of what is kept of a schema
_SECONDS = 30.0  # until a server says which it is


class Postgres:
    """One database of one server: a session that only reads for everything but `apply`, which opens its own."""

    dialect = "postgres"
    capabilities = POSTGRESQL

    def __init__(
        self,
        url: str,
        *,
        name: str,
        password: Secret | None = None,
        marker_table: bool = False,
        measure_url: str = "",
        cache: Path | None = None,
    ) -> None:
        """Raises ConnectError or AuthError where it cannot be opened.

        `measure_url` names a clone or a branch of it, where changes are tried in its place.
        `cache` is a folder where what the catalogs say is kept for the next process.
        """
        self.name = name
        self._address = Address.of(url, password)
        self._measure_address = Address.of(measure_url, password) if measure_url else self._address
        self._marker_table = marker_table
        self._cache = cache
        self._open()

    def _open(self) -> None:
        self._session_to_read = connect(self._address)
        self._running: Session = self._session_to_read
        with reading(self._session_to_read, seconds=_SECONDS):  # which a pooler without transactions refuses
            self._place = Place.of(self._session_to_read)
            self._path = search_path(self._session_to_read)
        place, path = self._place, self._path
        kept = KeptOutline(self._cache, (_FORMAT, place.identity, place.since, self._address.server, place.role, *path))
        self._remembered = Remembered(self._session_to_read, path=path, version=place.version, kept=kept)

    @property
    def _reader(self) -> Session:
        """The session that only reads; a new one where the server ended the last."""
        if self._session_to_read.closed:
            self._open()
        return self._session_to_read

    def identity(self) -> str:
        """By the server's own number and the database's, so that every way to reach it names the same one."""
        return self._place.identity

    def fingerprint(self) -> str:
        """Of every object that gives SQL its meaning; read again only where the catalogs changed."""
        return self._schemas.fingerprint()

    def concerns(self) -> tuple[Concern, ...]:
        """What of the server, the database or the role weakens a promise, for `sqlagent doctor`."""
        with speaking():
            return tuple(concerns(self._reader))

    def outline(self) -> Schema:
        """The schema without values from rows."""
        return self.schema(examples=0)

    def schema(self, *, examples: int, tables: frozenset[str] | None = None) -> Schema:
        """What the model is told; examples come from the planner's statistics and rows that this role may read."""
        return self._schemas.schema(examples, tables)

    @property
    def _schemas(self) -> Remembered:
        assert not self._reader.closed  # which opens it again where it was
        return self._remembered

    def inspect(self, statements: Sequence[str]) -> tuple[EngineOpinion, ...]:
        """What the server makes of each statement without running it, by the search path of this session."""
        with naming_the_holder(self._address):
            return inspect.inspect(self._reader, statements, path=self._path)

    def count(self, sql: str, *, seconds: float) -> Size:
        """How many rows a count finds, within `seconds`; `Size()` where it took longer or was refused."""
        return count(self._reader, sql, seconds=seconds)

    def read(self, sql: str, *, sink: Sink, limits: Limits, heard: Callable[[str], None] | None = None) -> Outcome:
        """Run a proven read in a session of its own that can only read."""
        with naming_the_holder(self._address), self._session() as session:
            return read(session, sql, sink=sink, limits=limits, heard=heard)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """A session of its own: what it leaves behind, such as a lock that outlives its transaction, goes with it."""
        with closing(connect(self._address)) as session:
            self._running = session
            try:
                yield session
            finally:
                self._running = self._reader

    def marks_atomically(self) -> bool:
        """The journal is another database, so no transaction spans both."""
        return False

    def marks_in_itself(self) -> bool:
        """Whether the owner allows the table of marks in this database."""
        return self._marker_table

    def cautions(self) -> tuple[str, ...]:
        """None: the server itself keeps what tells how a run ended."""
        return ()

    def marked(self, mark: Mark) -> Verdict:
        """What the table of marks says of a run."""
        return marker_table.marked(self._reader, mark)

    def measure(
        self, statements: Sequence[str], *, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> Measurement:
        """What the script would do, by running it in a transaction that is rolled back."""
        return measure(self._measuring, statements, budget=budget, heard=heard, tried=tried)

    def apply(self, statements: Sequence[str], *, sink: Sink, **terms: Unpack[RunTerms]) -> Outcome:
        """Run the statements in one transaction, held to `expected`; the promises are those of the port."""
        with self._run(terms) as run:
            return run.apply(statements, sink=sink)

    @contextmanager
    def _run(self, terms: RunTerms) -> Iterator[Run]:
        own = terms["mark"] if self._marker_table else None
        binding = Binding(terms.get("expected"), terms.get("keep"))
        try:
            yield Run(
                self._connect, terms["limits"], terms["reached"], terms["verify"], binding, own,
                began=self._began, heard=terms.get("heard"),
            )  # fmt: skip
        finally:
            self._running = self._reader

    def _connect(self) -> Session:
        return connect(self._address)

    def _measuring(self) -> Session:
        """A session with what stands in for the database in a preview: the database itself, or a clone of it."""
        return connect(self._measure_address)

    def _began(self, session: Session) -> None:
        self._running = session

    def committed(self, changeset: bytes) -> Verdict:
        """What the server's own record of transactions says of a run; it is asked by the number that the run kept."""
        return in_doubt.committed(self._connect, decoded(changeset))

    def decided(self, changeset: bytes) -> Verdict:
        """What the rows say of a run, which proves nothing."""
        return in_doubt.decided(self._connect, decoded(changeset))

    def preview_undo(
        self, changeset: bytes, *, copy: Path | None, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> UndoPlan:
        """What an undo would do now; no copy is needed here, since what is kept has the rows."""
        return undo.plan(self._connect, decoded(changeset), budget=budget, heard=heard)

    def apply_undo(
        self, changeset: bytes, *, copy: Path | None, on_conflict: OnConflict, **terms: Unpack[RunTerms]
    ) -> Outcome:
        """Take a run back in one transaction, held to `expected`; the promises are those of the port."""
        with self._run(terms) as run:
            return undo.apply(run, decoded(changeset), on_conflict)

    def interrupt(self) -> None:
        """Have the server cancel what runs; safe from another thread."""
        self._running.cancel_safe()

    def close(self) -> None:
        """End the session that reads."""
        self._session_to_read.close()
