"""Looks at an undo before it is done: carried out where it leaves no trace, and measured like any change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import apsw

from sqlagent.core.errors import ConnectError
from sqlagent.core.nouns.analysis import Basis, Verb
from sqlagent.core.nouns.effect import Effect, Measurement, ObjectChange, Sample, Touched, Undoable
from sqlagent.databases.base import MeasureBudget, UndoPlan
from sqlagent.databases.changes.budget import PastBudget
from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.changes.unmeasured import Unmeasurable, unknown
from sqlagent.databases.sqlite.connection.authorizer import Event
from sqlagent.databases.sqlite.connection.budget import Meter
from sqlagent.databases.sqlite.effect import causes
from sqlagent.databases.sqlite.effect.fingerprint import fingerprint
from sqlagent.databases.sqlite.effect.invisible_rows import readable
from sqlagent.databases.sqlite.effect.lost_objects import Copier
from sqlagent.databases.sqlite.effect.measure import Tried, forbidding_undo, needs_copy, places, rolled_back
from sqlagent.databases.sqlite.effect.net_changes import segments, tally
from sqlagent.databases.sqlite.effect.recorder import Change, Recorder
from sqlagent.databases.sqlite.effect.samples import samples
from sqlagent.databases.sqlite.effect.undo_record import Kept, KeptPart
from sqlagent.databases.sqlite.undo.objects import what_comes_and_goes
from sqlagent.databases.sqlite.undo.rows import Undo
from sqlagent.databases.sqlite.undo.trial import Trial


def plan(
    reader: apsw.Connection, path: Path, kept: Kept, copy: Path | None, *, foreign_keys: bool, budget: MeasureBudget,
    heard: Callable[[str], None] | None,
) -> UndoPlan:  # fmt: skip
    """What taking the change back would do; why not, where it cannot be told or cannot be done."""
    meter = Meter(seconds=budget.seconds, changes_bytes=budget.changes_bytes, heard=heard)
    try:
        with readable(), places(reader, path, foreign_keys and not kept.reshapes, budget, meter) as (place, how):
            with place(None) as (connection, _):
                found = _tried(connection, Undo(connection, kept, copy), foreign_keys, meter, budget)
            return replace(found, measurement=replace(found.measurement, how=how, seconds=meter.spent))
    except Refused as e:
        return UndoPlan(_unknown(str(e), meter), refused=str(e))
    except PastBudget as e:
        undo = Undoable.NONE if kept.reshapes else Undoable.EXPECTED
        return UndoPlan(replace(_unknown(str(e), meter), undo=undo))
    except Unmeasurable as e:
        return UndoPlan(_unknown(str(e), meter))
    except (apsw.BusyError, apsw.LockedError):
        return UndoPlan(_unknown("the database is busy", meter))
    except (apsw.SQLError, apsw.ConstraintError) as e:
        return UndoPlan(_unknown(str(e), meter), refused=f"it would fail: {e}")
    except ConnectError as e:
        return UndoPlan(_unknown(e.message, meter))


def _unknown(why: str, meter: Meter) -> Measurement:
    return replace(unknown(1, why, meter), undo_why=why)


def _tried(
    connection: apsw.Connection, undo: Undo, foreign_keys: bool, meter: Meter, budget: MeasureBudget
) -> UndoPlan:
    undo.prepare()
    meter.doing = "measuring the undo"
    trial = Trial(connection, foreign_keys, meter)
    watched = _Watched(connection, trial.recorder(meter.check), meter, trial.copier)
    with rolled_back(connection):
        try:
            with meter.holding(connection):
                undo.run(watched, check_keys=foreign_keys and undo.kept.reshapes)
            meter.recorded = int
            why = forbidding_undo(watched.changes, budget)
            tried = Tried(Undoable.NONE, why) if why else trial.outcome(watched.recorder, watched.changes)
        finally:
            watched.stop()
    parts = segments(watched.changes)
    measurement = Measurement(
        (watched.effect(),),
        fingerprint=fingerprint(parts, volatile=(), meter=meter),
        undo=tried.undo,
        undo_why=tried.why,
        left_alone=undo.conflicting,
        needs_copy=tried.undo is not Undoable.NONE and needs_copy(watched.changes),
        broken_keys=tried.broken_keys,
        changes=sum(watched.rows.values()),
        size=sum(len(part.changeset) for part in parts),
    )
    return UndoPlan(measurement, tuple(undo.conflicts), undo.conflicting)


@dataclass(slots=True)
class _Watched:
    """A witness that reads out each step of an undo."""

    connection: apsw.Connection
    recorder: Recorder
    meter: Meter
    copier: Copier
    changes: list[Change] = field(default_factory=list)
    rows: dict[tuple[str, Verb], int] = field(default_factory=dict)
    of: dict[tuple[str, Verb], int | None] = field(default_factory=dict)
    objects: list[ObjectChange] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    digesting: bool = False

    def before(self, events: tuple[Event, ...]) -> None:
        self.recorder.begin("", events)
        self.meter.recorded = lambda: self.recorder.size

    def after(self) -> None:
        change = self.recorder.end(once=True)
        self.meter.recorded = int
        self.changes.append(change)
        counted, tables = tally(change), self.recorder.tables
        after = {table: tables.rows(table) for table, _ in counted.rows}
        virtual = [shape.name for shape in change.shapes.values() if shape.virtual]
        for touched in causes.touched(counted, (), after, virtual):
            self._count(touched.table, touched.verb, touched.rows, touched.of)
        self.samples += samples(counted, change.shapes, change.invisible)

    def reshaped(self, part: KeptPart, change: Change) -> None:
        self.changes.append(change)
        self.recorder.stop()
        objects, rows = what_comes_and_goes(part, change, self.recorder.tables)
        self.objects += objects
        for touched in rows:
            self._count(touched.table, touched.verb, touched.rows, touched.of)

    def stop(self) -> None:
        self.meter.recorded = int
        self.recorder.close()

    def effect(self) -> Effect:
        touched = [Touched(table, verb, rows, self.of[table, verb]) for (table, verb), rows in self.rows.items()]
        return Effect(Basis.EXACT, tuple(touched), tuple(self.samples), tuple(self.objects))

    def _count(self, table: str, verb: Verb, rows: int, of: int | None) -> None:
        self.of.setdefault((table, verb), of)
        self.rows[table, verb] = self.rows.get((table, verb), 0) + rows
