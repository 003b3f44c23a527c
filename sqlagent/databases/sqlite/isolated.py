"""SQLite as the rest of sqlagent has it: whatever runs somebody's SQL does so in a process that can be ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, Unpack

from sqlagent.core.errors import OutcomeUnknown, QueryError, TimedOut
from sqlagent.core.nouns.analysis import EngineOpinion, Size
from sqlagent.core.nouns.draft import Schema
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.session import Outcome
from sqlagent.databases.base import (
    Concern,
    Limits,
    Locked,
    MeasureBudget,
    OnConflict,
    RunTerms,
    Sink,
    UndoPlan,
    Verdict,
)
from sqlagent.databases.changes.unmeasured import unknown
from sqlagent.databases.sqlite import Sqlite
from sqlagent.databases.sqlite.connection.child import Bounds, Cancelled, Child, Ended, OutOfMemory, OutOfTime, Parent
from sqlagent.databases.sqlite.effect.measure import PREVIEW_WAITS

_T = TypeVar("_T")
_CLOCK = 6
"""How many times its budget of work a measurement may last on the clock of a busy machine."""
_LOOK_SECONDS = 30.0
"""For what reads the schema, or rows by their keys."""


class Isolated:
    """A database whose statements run in processes of their own; what reads the schema alone is asked here."""

    dialect = Sqlite.dialect
    capabilities = Sqlite.capabilities

    def __init__(self, make: Callable[..., Sqlite], *, busy_seconds: float) -> None:
        """`make` takes how long to wait for a lock."""
        self._make = make
        self._busy_seconds = busy_seconds
        self._here = make(busy_seconds=busy_seconds)
        self.name = self._here.name
        self.identity = self._here.identity
        self.fingerprint = self._here.fingerprint
        self.outline = self._here.outline
        self.marks_atomically = self._here.marks_atomically
        self.marks_in_itself = self._here.marks_in_itself
        self.cautions = self._here.cautions
        self.marked = self._here.marked
        self.committed = self._here.committed
        self.close = self._here.close
        self._child: Child[Any] | None = None

    def concerns(self) -> tuple[Concern, ...]:
        """None: a file has no roles that take a promise away."""
        return ()

    def inspect(self, statements: Sequence[str]) -> tuple[EngineOpinion, ...]:
        """Compiling runs no function."""
        return self._here.inspect(statements)

    # ---- reading -----------------------------------------------------------------------------------------------------

    def schema(self, *, examples: int, tables: frozenset[str] | None = None) -> Schema:
        """What the model is told; raises QueryError where reading it takes longer than half a minute."""
        try:
            return self._away(lambda db, _: db.schema(examples=examples, tables=tables), Bounds(_LOOK_SECONDS))
        except Ended as e:
            raise QueryError(f"the schema could not be read: {e}", hint="--examples 0 reads no values") from e

    def count(self, sql: str, *, seconds: float) -> Size:
        """How many rows a count finds; `Size()` also where its process had to be ended."""
        try:
            return self._away(lambda db, _: db.count(sql, seconds=seconds), Bounds(seconds * _CLOCK, seconds))
        except Ended:
            return Size()

    def read(self, sql: str, *, sink: Sink, limits: Limits, heard: Callable[[str], None] | None = None) -> Outcome:
        """Run a proven read in a process of its own; raises TimedOut or QueryError where that had to be ended."""

        def work(db: Sqlite, parent: Parent) -> Outcome:
            return db.read(sql, sink=parent, limits=limits, heard=parent.tell if heard else None)

        try:
            with _in_words(limits):
                return self._away(work, Bounds(limits.seconds), heard=heard, write=sink.write)
        except Cancelled as e:
            raise QueryError("the statement was cancelled") from e
        except Ended as e:
            raise QueryError(f"the statement did not come to its end: {e}") from e

    def measure(
        self, statements: Sequence[str], *, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> Measurement:
        """What the script would do; UNKNOWN, with the reason, where the process had to be ended."""

        def work(db: Sqlite, parent: Parent) -> Measurement:
            return db.measure(statements, budget=budget, heard=parent.tell if heard else None)

        try:
            return self._previewed(work, budget, heard)
        except Ended as e:
            return unknown(len(statements), str(e))

    def decided(self, changeset: bytes) -> Verdict:
        """What the rows say of a run; CANNOT_TELL where the process that looks had to be ended."""
        try:
            return self._away(lambda db, _: db.decided(changeset), Bounds(_LOOK_SECONDS))
        except Ended:
            return Verdict.CANNOT_TELL

    def preview_undo(
        self, changeset: bytes, *, copy: Path | None, budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> UndoPlan:
        """What an undo would do now; UNKNOWN, with the reason, where the process had to be ended."""

        def work(db: Sqlite, parent: Parent) -> UndoPlan:
            return db.preview_undo(changeset, copy=copy, budget=budget, heard=parent.tell if heard else None)

        try:
            return self._previewed(work, budget, heard)
        except Ended as e:
            return UndoPlan(unknown(1, str(e)))

    def _previewed(
        self, work: Callable[[Sqlite, Parent], _T], budget: MeasureBudget, heard: Callable[[str], None] | None
    ) -> _T:
        """A preview waits less long for a lock than a run does, and says so."""
        bounds = Bounds(budget.seconds * _CLOCK, budget.seconds)
        try:
            return self._run(self._new(work, bounds, busy_seconds=PREVIEW_WAITS, heard=heard))
        except Locked as e:
            raise Ended("the database is busy") from e

    # ---- changing ----------------------------------------------------------------------------------------------------

    def apply(self, statements: Sequence[str], *, sink: Sink, **terms: Unpack[RunTerms]) -> Outcome:
        """Run the statements in a process of their own, which is not ended once it commits.

        Raises OutcomeUnknown where it died while it committed.
        """

        def run(db: Sqlite, parent: Parent, asked: RunTerms, committing: Callable[[], object]) -> Outcome:
            return db.apply(statements, sink=parent, committing=committing, **asked)

        return self._changing(run, terms, sink)

    def apply_undo(
        self, changeset: bytes, *, copy: Path | None, on_conflict: OnConflict, **terms: Unpack[RunTerms]
    ) -> Outcome:
        """Take a run back in a process of its own, which is not ended once it commits."""

        def run(db: Sqlite, _: Parent, asked: RunTerms, committing: Callable[[], object]) -> Outcome:
            return db.apply_undo(changeset, copy=copy, on_conflict=on_conflict, committing=committing, **asked)

        return self._changing(run, terms, None)

    def _changing(
        self,
        run: Callable[[Sqlite, Parent, RunTerms, Callable[[], object]], Outcome],
        terms: RunTerms,
        sink: Sink | None,
    ) -> Outcome:
        """The process asks before it commits, and is not ended from there on: how it ends is always known."""
        limits, heard, keep = terms["limits"], terms.get("heard"), terms.get("keep")

        def work(db: Sqlite, parent: Parent) -> Outcome:
            asked: RunTerms = {
                **terms,
                "verify": lambda: parent.call("verify"),
                "reached": lambda point: parent.call("reached", point),
                "keep": (lambda changes: parent.call("keep", changes)) if keep else None,
                "heard": parent.tell if heard else None,
            }
            return run(db, parent, asked, lambda: parent.call("committing"))

        def reaches(point: str) -> None:
            if point == "begun":
                child.restart()  # the lock was waited for until now
            terms["reached"](point)

        def committing() -> None:
            child.is_committing = True

        answers = {"verify": terms["verify"], "reached": reaches, "keep": keep or _nobody, "committing": committing}
        seconds = None if limits.seconds is None else limits.seconds + self._busy_seconds
        child = self._new(work, Bounds(seconds), heard=heard, write=sink.write if sink else None, answers=answers)
        try:
            with _in_words(limits):
                return self._run(child)
        except (TimedOut, KeyboardInterrupt):
            self._here.take_back()  # what was ended in the midst of it may have left a journal of ours
            raise
        except Ended as e:
            if child.is_committing:
                raise OutcomeUnknown(
                    f"{e} while it was committed", hint="sqlagent resume looks what became of it"
                ) from e
            self._here.take_back()
            raise QueryError(f"the run did not come to its end: {e}", hint="nothing was changed") from e

    # ---- the process -------------------------------------------------------------------------------------------------

    def _away(self, work: Callable[[Sqlite, Parent], _T], bounds: Bounds, **who: Any) -> _T:
        return self._run(self._new(work, bounds, **who))

    def _new(
        self, work: Callable[[Sqlite, Parent], _T], bounds: Bounds, *, busy_seconds: float | None = None, **who: Any
    ) -> Child[_T]:
        def in_child(parent: Parent) -> _T:
            database = self._make(busy_seconds=self._busy_seconds if busy_seconds is None else busy_seconds)
            signal.signal(signal.SIGTERM, lambda *_: database.interrupt())
            return work(database, parent)

        return Child(in_child, bounds, **who)

    def _run(self, child: Child[_T]) -> _T:
        self._child = child
        try:
            return child.run()
        finally:
            self._child = None

    def interrupt(self) -> None:
        """Stop the process that runs now, if there is one."""
        if (child := self._child) is not None:
            child.interrupt()


def _nobody(_: bytes) -> None: ...


@contextmanager
def _in_words(limits: Limits) -> Any:
    try:
        yield
    except OutOfTime as e:
        raise TimedOut(
            f"the statement was cancelled after {limits.seconds or 0:g} s, inside one step of the engine",
            hint="--timeout 60s gives it longer; 0 is no limit",
        ) from e
    except OutOfMemory as e:
        raise QueryError(f"the statement was cancelled: {e}", hint="select less at once") from e
