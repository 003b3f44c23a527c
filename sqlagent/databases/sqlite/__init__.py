"""SQLite, by apsw alone: Python's own sqlite3 is another copy of the library, and the two drop each other's locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os.path import samestat
from pathlib import Path
from typing import TypeVar, Unpack

import apsw

from sqlagent.core.errors import ConnectError
from sqlagent.core.nouns.analysis import EngineOpinion, Size
from sqlagent.core.nouns.draft import Schema
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.session import Outcome
from sqlagent.core.text.broken import bytes_shown, is_broken
from sqlagent.databases.base import (
    Capabilities,
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
from sqlagent.databases.sqlite.connection import marker_table
from sqlagent.databases.sqlite.connection.authorizer import Guard
from sqlagent.databases.sqlite.connection.budget import Meter
from sqlagent.databases.sqlite.connection.open import (
    check_file,
    hot,
    is_half_written,
    no_right,
    open_reader,
    open_writer,
    recover,
    recovered,
    speaking_of,
)
from sqlagent.databases.sqlite.effect import measure
from sqlagent.databases.sqlite.effect.undo_record import decoded
from sqlagent.databases.sqlite.opinion import inspect, outline, schema
from sqlagent.databases.sqlite.opinion.schema_facts import Facts, facts
from sqlagent.databases.sqlite.run import mark_file, transaction
from sqlagent.databases.sqlite.run.binding import binding_of
from sqlagent.databases.sqlite.run.in_doubt import decided
from sqlagent.databases.sqlite.undo import plan as undo_plan
from sqlagent.databases.sqlite.undo.rows import Undo
from sqlagent.databases.sqlite.undo.run import UndoRun
from sqlagent.databases.sqlite.undo.trial import Trial
from sqlagent.fork_gate import GATE

_T = TypeVar("_T")
_IN_DOUBT = (
    "in WAL mode nothing proves that a run was committed: after a crash at the wrong moment a person has to say;"
    " marker_table = true for this database ends that"
)
_LINKED = (
    "the file has {names} names (hard links): SQLite keeps its journal by the name, so a program that uses another one"
    " can damage it"
)


class Sqlite:
    """One SQLite file: a connection that cannot write for everything but `apply`, which opens its own."""

    dialect = "sqlite"
    capabilities = Capabilities(second_opinion=True, atomic_mark=True, timeout=True, preview=True, undo=True)

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        foreign_keys: bool = True,
        busy_seconds: float = 5.0,
        marker_table: bool = False,
        may_recover: Callable[[], bool] = no_right,
    ) -> None:
        """Raises ConnectError where it cannot be opened; never creates it."""
        check_file(path)
        self.name = name
        self._path = path.resolve()
        if is_broken(str(self._path)):  # it would be in every record of what was done
            where = bytes_shown(str(self._path))
            raise ConnectError(f"the path of the database is not UTF-8: {where}", hint="rename the file, or its folder")
        self._foreign_keys = foreign_keys
        self._busy_seconds = busy_seconds
        self._marker_table = marker_table
        self._may_recover = may_recover
        with GATE.inside():
            self._open()

    def _open(self) -> None:
        self._file = self._path.stat()
        self._reader, self._guard = open_reader(
            self._path,
            foreign_keys=self._foreign_keys,
            busy_seconds=self._busy_seconds,
            may_recover=self._may_recover,
        )
        self._running: apsw.Connection = self._reader
        self._facts: tuple[int, Facts] | None = None

    def _reading(self, look: Callable[[apsw.Connection], _T]) -> _T:
        """On the connection that cannot write, to the file that has the name now."""
        with GATE.inside():
            return self._looked(look)

    def _looked(self, look: Callable[[apsw.Connection], _T]) -> _T:
        check_file(self._path)
        if not samestat(self._file, self._path.stat()):
            self._reader.close(force=True)
            self._open()
        with speaking_of(self._path):
            try:
                return look(self._reader)
            except apsw.ReadOnlyError as e:
                if not is_half_written(e):
                    raise
                if not self._may_recover():
                    raise hot(self._path) from e
                # a process crashed since it was opened; what it left is undone, and looked at once more
                recover(self._path, busy_seconds=self._busy_seconds)
                return look(self._reader)

    def identity(self) -> str:
        """By the file's own path, links followed."""
        return f"sqlite:{self._path}"

    def fingerprint(self) -> str:
        """Of the schema as the file has it now."""
        return self._reading(schema.fingerprint)

    def concerns(self) -> tuple[Concern, ...]:
        """None: a file has no roles that take a promise away."""
        return ()

    def schema(self, *, examples: int, tables: frozenset[str] | None = None) -> Schema:
        """What the model is told, of every table or of `tables`."""
        return self._reading(lambda reader: schema.schema(reader, examples=examples, only=tables))

    def outline(self) -> Schema:
        """Names, types and keys, with no row looked at."""
        return self._reading(outline.outline)

    def inspect(self, statements: Sequence[str]) -> tuple[EngineOpinion, ...]:
        """What SQLite says of each statement when it compiles it; none is run."""
        return self._reading(lambda reader: self._inspect(reader, statements))

    def _inspect(self, reader: apsw.Connection, statements: Sequence[str]) -> tuple[EngineOpinion, ...]:
        version = int(str(reader.pragma("schema_version")))
        if self._facts is None or self._facts[0] != version:  # reading them takes longer than compiling a statement
            self._facts = version, facts(reader)
        keys = self._foreign_keys
        return inspect.inspect(reader, self._guard, statements, known=self._facts[1], foreign_keys=keys)

    def count(self, sql: str, *, seconds: float) -> Size:
        """How many rows a count finds, within `seconds`; `Size()` where it took longer or was refused."""
        return self._reading(lambda reader: transaction.count(reader, self._guard, sql, seconds=seconds))

    def read(self, sql: str, *, sink: Sink, limits: Limits, heard: Callable[[str], None] | None = None) -> Outcome:
        """Run a proven read on the connection that cannot write."""
        return self._reading(
            lambda reader: transaction.read(reader, self._guard, sql, sink=sink, limits=limits, heard=heard)
        )

    def marks_atomically(self) -> bool:
        """Whether the journal mode lets one commit span this file and the file of marks: any but WAL does."""
        return self._reading(transaction.journal_mode) in transaction.ROLLBACK_MODES

    def marks_in_itself(self) -> bool:
        """Whether the owner allows the table of marks in this file."""
        return self._marker_table

    def cautions(self) -> tuple[str, ...]:
        """That a crash may leave a run in doubt, and that the file has other names, where that is so."""
        found = []
        if not self._marker_table and not self.marks_atomically():
            found.append(_IN_DOUBT)
        if (names := self._path.stat().st_nlink) > 1:
            found.append(_LINKED.format(names=names))
        return tuple(found)

    def marked(self, mark: Mark) -> Verdict:
        """What the mark says, in the file beside or in the table of marks."""
        if mark.beside is not None:
            return mark_file.marked(mark.beside, mark)
        return self._reading(lambda reader: marker_table.marked(reader, mark))

    def measure(
        self, statements: Sequence[str], *, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> Measurement:
        """What the script would do, on a private copy or in a transaction that is rolled back."""
        keys = self._foreign_keys

        def trying(connection: apsw.Connection, meter: Meter) -> Trial:
            return Trial(connection, keys, meter)

        return self._previewing(
            lambda reader: measure.measure(
                reader, self._path, statements, foreign_keys=keys, budget=budget, heard=heard, trying=trying
            )
        )

    def _previewing(self, look: Callable[[apsw.Connection], _T]) -> _T:
        """A preview waits less long for a lock than a run does."""
        try:
            return self._reading(look)
        finally:
            self._reader.set_busy_timeout(int(self._busy_seconds * 1000))

    def apply(
        self,
        statements: Sequence[str],
        *,
        sink: Sink,
        committing: Callable[[], object] = lambda: None,
        **terms: Unpack[RunTerms],
    ) -> Outcome:
        """Run the statements in one transaction; the promises are those of the port.

        `committing` is called right before COMMIT: from there on the process must not be ended.
        """
        self._begin_mark(terms["mark"], terms["limits"])
        with self._writer() as (connection, guard):
            run = self._run(connection, guard, terms, committing)
            if any(terms.get(what) is not None for what in ("expected", "keep", "copy_to")):
                run.binding = binding_of(connection, terms)
            return run.apply(statements, sink=sink, mark=terms["mark"], verify=terms["verify"])

    def _run(
        self, connection: apsw.Connection, guard: Guard, terms: RunTerms, committing: Callable[[], object]
    ) -> transaction.Run:
        return transaction.Run(
            connection, guard, self._path, terms["limits"], terms["reached"], marks_in_itself=self._marker_table,
            heard=terms.get("heard"), committing=committing,
        )  # fmt: skip

    def _begin_mark(self, mark: Mark | None, limits: Limits) -> None:
        if mark is not None and self._marker_table:
            with self._writer() as (connection, guard):
                transaction.Run(connection, guard, self._path, limits, lambda _: None).begin_mark(mark)

    @contextmanager
    def _writer(self, *, foreign_keys: bool | None = None) -> Iterator[tuple[apsw.Connection, Guard]]:
        keys = self._foreign_keys if foreign_keys is None else foreign_keys
        connection, guard = open_writer(self._path, foreign_keys=keys, busy_seconds=self._busy_seconds)
        self._running = connection
        try:
            yield connection, guard
        finally:
            self._running = self._reader
            connection.close(force=True)

    def committed(self, changeset: bytes) -> Verdict:  # noqa: ARG002 - a file keeps no record of its transactions
        """CANNOT_TELL: a file keeps no record of its transactions."""
        return Verdict.CANNOT_TELL

    def decided(self, changeset: bytes) -> Verdict:
        """What the rows say of a run, which proves nothing."""
        kept = decoded(changeset)
        return self._reading(lambda reader: decided(reader, kept))

    def preview_undo(
        self, changeset: bytes, *, copy: Path | None, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> UndoPlan:
        """What an undo would do now, by carrying it out where it leaves no trace."""
        kept, keys = decoded(changeset), self._foreign_keys
        return self._previewing(
            lambda reader: undo_plan.plan(reader, self._path, kept, copy, foreign_keys=keys, budget=budget, heard=heard)
        )

    def apply_undo(
        self,
        changeset: bytes,
        *,
        copy: Path | None,
        on_conflict: OnConflict,
        committing: Callable[[], object] = lambda: None,
        **terms: Unpack[RunTerms],
    ) -> Outcome:
        """Take a run back in one transaction; the promises are those of the port, `committing` as for `apply`."""
        kept, keys = decoded(changeset), self._foreign_keys
        self._begin_mark(terms["mark"], terms["limits"])
        with self._writer(foreign_keys=keys and not kept.reshapes) as (connection, guard):
            run = self._run(connection, guard, terms, committing)
            undo = UndoRun(Undo(connection, kept, copy), on_conflict, binding_of(connection, terms), check_keys=keys)
            return undo.apply(run, mark=terms["mark"], verify=terms["verify"])

    def take_back(self) -> None:
        """Roll back what a run of ours left half done."""
        with GATE.inside():
            recovered(self._path)

    def interrupt(self) -> None:
        """Stop what runs on this object's connections, from another thread or a signal handler."""
        self._running.interrupt()

    def close(self) -> None:
        """Close the connection that reads, whatever still runs on it."""
        with GATE.inside():
            self._reader.close(force=True)
