"""Measuring what a script would do: it is run where it leaves no trace, and what it changed is read out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import apsw

from sqlagent.core.errors import ConnectError
from sqlagent.core.nouns.analysis import Basis, EngineOpinion, Kind
from sqlagent.core.nouns.effect import Effect, Measurement, Undoable
from sqlagent.databases.base import MeasureBudget
from sqlagent.databases.changes.budget import PastBudget
from sqlagent.databases.changes.unmeasured import Unmeasurable, unknown
from sqlagent.databases.changes.volatile_columns import Unsteady
from sqlagent.databases.changes.would_fail import at_statement
from sqlagent.databases.sqlite.connection import clock
from sqlagent.databases.sqlite.connection.authorizer import Guard, Mode
from sqlagent.databases.sqlite.connection.budget import Meter
from sqlagent.databases.sqlite.connection.prepare import Uncompilable, prepare, start
from sqlagent.databases.sqlite.effect import causes
from sqlagent.databases.sqlite.effect.fingerprint import fingerprint
from sqlagent.databases.sqlite.effect.invisible_rows import readable
from sqlagent.databases.sqlite.effect.net_changes import Segment, segments, tally
from sqlagent.databases.sqlite.effect.recorder import Change, Recorder
from sqlagent.databases.sqlite.effect.samples import samples
from sqlagent.databases.sqlite.effect.sandbox import file_itself, private_copy, size_of
from sqlagent.databases.sqlite.effect.schema_changes import broken, object_changes
from sqlagent.databases.sqlite.effect.volatile_columns import is_volatile, volatile_columns
from sqlagent.databases.sqlite.opinion import inspect
from sqlagent.databases.sqlite.opinion.schema_facts import facts
from sqlagent.databases.sqlite.opinion.table_shapes import forgiving_table

_COPY = "private copy"
PREVIEW_WAITS = 0.5
"""Seconds that a preview waits for a lock before it says so."""
_ROWS = frozenset({Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE})

Place = Callable[[str | None], AbstractContextManager[tuple[apsw.Connection, Guard]]]
"""Opens somewhere to run, by the clock of a VFS."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of trying to take a change back right after it was measured."""

    undo: Undoable
    why: str
    broken_keys: tuple[str, ...] = ()
    """Tables with rows that refer to nothing, and did before."""


class Trial(Protocol):
    """Takes a change back where it was measured, and compares everything with how it was before."""

    def recorder(self, check: Callable[[], object]) -> Recorder:
        """What the change is to be recorded with."""

    def outcome(self, recorder: Recorder, changes: Sequence[Change]) -> Tried:
        """In the transaction of the change, after its last statement."""


Trying = Callable[[apsw.Connection, Meter], Trial]


class _Fails(Exception):
    """A statement of the script fails; the text is the engine's, and `at` its place in the script."""

    def __init__(self, why: str, *, at: int = 0) -> None:
        super().__init__(why)
        self.at = at


@dataclass(slots=True)
class _Script:
    """A script that is run statement by statement, and what was recorded so far."""

    statements: Sequence[str]
    foreign_keys: bool
    effects: list[Effect] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)


def measure(
    reader: apsw.Connection, path: Path, statements: Sequence[str], *, foreign_keys: bool, budget: MeasureBudget,
    heard: Callable[[str], None] | None, trying: Trying,
) -> Measurement:  # fmt: skip
    """Never raises for what the statements do; `reader` is a connection that cannot write."""
    meter = Meter(seconds=budget.seconds, changes_bytes=budget.changes_bytes, heard=heard)
    script = _Script(statements, foreign_keys)
    try:
        with readable(), places(reader, path, foreign_keys, budget, meter) as (place, how):
            return _measured(script, place, how, budget, meter, trying)
    except PastBudget as e:
        return _not_told(script, str(e), meter)
    except Unmeasurable as e:
        return _unknown(script, str(e), meter)
    except _Fails as e:
        return _unknown(script, at_statement(str(e), e.at, of=len(statements)), meter)
    except (apsw.BusyError, apsw.LockedError):
        return _not_told(script, "the database is busy", meter)
    except ConnectError as e:
        return _unknown(script, e.message, meter)
    except apsw.FullError:
        return _not_told(script, "it grows past what is measured in memory", meter)
    except apsw.SQLError as e:  # of our own looks: an index in an order that only another program knows
        return _unknown(script, f"the database refused a look at it: {e}", meter)


@contextmanager
def places(
    reader: apsw.Connection, path: Path, foreign_keys: bool, budget: MeasureBudget, meter: Meter
) -> Iterator[tuple[Place, str]]:
    """Where the script can be run as often as needed, and what that is called; a lock is waited for only a moment."""
    reader.set_busy_timeout(int(PREVIEW_WAITS * 1000))
    if size_of(reader) > budget.copy_bytes:
        yield lambda vfs: file_itself(path, foreign_keys=foreign_keys, vfs=vfs), "rolled back"
        return
    meter.doing = "copying"
    with private_copy(reader, foreign_keys=foreign_keys, meter=meter) as first:

        def place(vfs: str | None) -> AbstractContextManager[tuple[apsw.Connection, Guard]]:
            if vfs is None:
                return nullcontext(first)
            return private_copy(first[0], foreign_keys=foreign_keys, meter=meter, vfs=vfs)

        yield place, _COPY


def _measured(
    script: _Script, place: Place, how: str, budget: MeasureBudget, meter: Meter, trying: Trying
) -> Measurement:
    with place(None) as (connection, guard):
        # A private copy does not change before the transaction; the file itself may.
        alone = _opinion(script, 1, connection, guard) if how == _COPY and len(script.statements) == 1 else None
        with thrown_away(connection) if alone and _is_run_once(alone) else rolled_back(connection):
            tried = _run(script, connection, guard, meter, alone, budget, trying)
    parts = segments(script.changes)
    columns: tuple[str, ...] = ()
    if is_volatile(script.functions):
        meter.doing = "measuring once more"
        try:
            columns = volatile_columns(
                parts,
                lambda ahead: _again(script, place, ahead, meter),
                functions=script.functions,
                meter=meter,
            )
        except Unsteady as e:
            why = str(e)
            estimated = tuple(replace(effect, basis=Basis.ESTIMATED, why=why) for effect in script.effects)
            return replace(_not_told(script, why, meter), effects=estimated)
    meter.doing = "hashing"
    whole = fingerprint(parts, volatile=columns, meter=meter)
    return Measurement(
        tuple(_told_apart(script, columns, whole, meter)),
        fingerprint=whole,
        volatile=columns,
        undo=tried.undo,
        undo_why=tried.why,
        needs_copy=tried.undo is not Undoable.NONE and needs_copy(script.changes),
        broken_keys=tried.broken_keys,
        changes=sum(t.rows for effect in script.effects for t in effect.touched),
        size=sum(len(part.changeset) for part in parts),
        seconds=meter.spent,
        how=how,
    )


def _told_apart(script: _Script, volatile: Sequence[str], whole: str, meter: Meter) -> Iterator[Effect]:
    """Each effect with the fingerprint of its own change."""
    alone = len(script.changes) == 1
    for effect, change in zip(script.effects, script.changes, strict=True):
        own = whole if alone else fingerprint(segments([change]), volatile=volatile, meter=meter)
        yield replace(effect, fingerprint=own)


def forbidding_undo(changes: Sequence[Change], budget: MeasureBudget) -> str:
    """Why it can surely not be taken back; nothing where it has to be tried."""
    if why := next((change.uncopyable for change in changes if change.uncopyable), ""):
        return why
    forgiving = [s.name for change in changes for s in change.shapes.values() if s.forgives]
    if forgiving:
        return forgiving_table(forgiving[0])
    if sum(change.copy_bytes for change in changes) > budget.undo_bytes:
        return f"what it drops or alters is larger than {budget.undo_bytes / 1e6:g} MB"
    return ""


def needs_copy(changes: Sequence[Change]) -> bool:
    """Whether a run has to copy first what the script drops or alters."""
    return any(change.copy_bytes or change.losses for change in changes)


def _unknown(script: _Script, why: str, meter: Meter) -> Measurement:
    """What was measured before it stopped stands, and is bound to nothing."""
    return unknown(len(script.statements), why, meter, known=script.effects)


def _not_told(script: _Script, why: str, meter: Meter) -> Measurement:
    """Nothing is wrong with it: what the run changes is kept, unless what a DROP or ALTER loses had to be copied."""
    rows_alone = all(map(inspect.may_only_change_rows, script.statements))
    undo = Undoable.EXPECTED if rows_alone else Undoable.NONE
    return replace(_unknown(script, why, meter), undo=undo)


@contextmanager
def rolled_back(connection: apsw.Connection) -> Iterator[None]:
    """Run the block in a transaction that is rolled back."""
    connection.execute("BEGIN IMMEDIATE").fetchall()
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK").fetchall()


@contextmanager
def thrown_away(connection: apsw.Connection) -> Iterator[None]:
    """Run the block in a private copy that nobody reads afterwards, which need not remember how it was.

    What that would take is as much memory as the rows that change.
    """
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)  # which forbids this alone among pragmas of a journal
    connection.pragma("journal_mode", "off")
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.execute("BEGIN IMMEDIATE").fetchall()
    yield


def _is_run_once(opinion: EngineOpinion) -> bool:
    """Whether it changes rows alone, and neither it nor a part of it has to be taken back.

    Where it fails, nothing is read after it; a change of the schema is left out, as that is tried in savepoints.
    """
    return opinion.kind in _ROWS and not opinion.error and not is_volatile(opinion.functions)


def _opinion(script: _Script, index: int, connection: apsw.Connection, guard: Guard) -> EngineOpinion:
    return inspect.compiled(connection, guard, script.statements[index - 1], facts(connection))


def _again(script: _Script, place: Place, milliseconds: int, meter: Meter) -> tuple[Segment, ...]:
    once_more = _Script(script.statements, script.foreign_keys)
    with clock.ahead(milliseconds) as vfs, place(vfs) as (connection, guard), rolled_back(connection):
        recorder = Recorder(connection, check=meter.check)
        try:
            for sql in script.statements:
                once_more.changes.append(_change(connection, guard, recorder, sql, meter))
        finally:
            recorder.abandon()
    return segments(once_more.changes)


def _run(
    script: _Script, connection: apsw.Connection, guard: Guard, meter: Meter, alone: EngineOpinion | None,
    budget: MeasureBudget, trying: Trying,
) -> Tried:  # fmt: skip
    """`alone` is the engine's opinion of the only statement, where it was asked already."""
    trial = trying(connection, meter)
    recorder = trial.recorder(meter.check)
    try:
        for index, sql in enumerate(script.statements, 1):
            meter.doing = f"measuring statement {index} of {len(script.statements)}"
            opinion = alone or _opinion(script, index, connection, guard)
            if opinion.error or opinion.denied:
                raise _Fails(f"it would fail: {opinion.error or opinion.why}", at=index)
            change = _change(connection, guard, recorder, sql, meter, at=index)
            script.effects.append(_effect(connection, recorder, change, opinion, meter))
            script.changes.append(change)
            script.functions.extend(opinion.functions)
        if connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
            raise _Fails("it would fail at its COMMIT: a FOREIGN KEY that is checked there does not hold")
        if why := forbidding_undo(script.changes, budget):
            return Tried(Undoable.NONE, why)
        return trial.outcome(recorder, script.changes)
    finally:
        recorder.close()


def _change(
    connection: apsw.Connection, guard: Guard, recorder: Recorder, sql: str, meter: Meter, *, at: int = 0
) -> Change:
    try:
        with guard.watching(Mode.STATEMENT):
            prepare(connection, sql)
            events = tuple(guard.events)
        with meter.holding(connection):
            recorder.begin(sql, events)
            meter.recorded = lambda: recorder.size
            with guard.watching(Mode.STATEMENT):
                _, cursor = start(connection, sql, lambda _: True)
                for _ in cursor:
                    pass
            if not connection.in_transaction:
                raise _Fails("it would end the transaction", at=at)
            change = recorder.end()
    except (apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.InterruptError):
        raise
    except (apsw.Error, Uncompilable) as e:
        raise _Fails(f"it would fail: {e}", at=at) from e
    finally:
        meter.recorded = int
    meter.check_size(len(change.changeset))
    return change


def _effect(
    connection: apsw.Connection, recorder: Recorder, change: Change, opinion: EngineOpinion, meter: Meter
) -> Effect:
    counted = tally(change)
    with meter.holding(connection):
        tables = recorder.tables
        after = {table: tables.rows(table) if tables.is_table(table) else None for table, _ in counted.rows}
        virtual = [shape.name for shape in change.shapes.values() if shape.virtual]
        dropped = [loss.table for loss in change.losses]
        return Effect(
            Basis.EXACT,
            tuple(causes.touched(counted, opinion.accesses, after, virtual, dropped)),
            samples(counted, change.shapes, change.invisible),
            tuple(object_changes(change.before, change.after, change.losses, tables)) if change.reshapes else (),
            tuple(f"{name}: {error}" for name, error in broken(connection, change.after).items()
                  if name not in change.broken) if change.reshapes else (),
        )  # fmt: skip
