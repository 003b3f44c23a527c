"""An undo looked at before it is done: carried out where it leaves no trace, and read out like any other change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw

from sqlagent.core.effect import Effect, Measurement, ObjectChange, Undoable
from sqlagent.core.errors import ConnectError
from sqlagent.core.model import Basis, Verb
from sqlagent.databases.base import MeasureBudget, UndoPlan
from sqlagent.databases.sqlite import causes
from sqlagent.databases.sqlite.effects import places, rolled_back
from sqlagent.databases.sqlite.fingerprint import fingerprint
from sqlagent.databases.sqlite.kept import Kept
from sqlagent.databases.sqlite.meter import Meter, PastBudget
from sqlagent.databases.sqlite.net import segments, tally
from sqlagent.databases.sqlite.recorder import Recorder
from sqlagent.databases.sqlite.restore import Refused, changed
from sqlagent.databases.sqlite.samples import samples
from sqlagent.databases.sqlite.undo import Undo
from sqlagent.databases.sqlite.unseen import Unmeasurable


def plan(
    reader: apsw.Connection, path: Path, kept: Kept, copy: Path | None, *, foreign_keys: bool, budget: MeasureBudget,
    heard: Callable[[str], None] | None,
) -> UndoPlan:  # fmt: skip
    """What taking the change back would do; why not, where it cannot be told or cannot be done."""
    meter = Meter(seconds=budget.seconds, changes_bytes=budget.changes_bytes, heard=heard)
    try:
        with places(reader, path, foreign_keys and not kept.reshapes, budget, meter) as (place, how):
            with place(None) as (connection, _):
                found = _tried(connection, Undo(connection, kept, copy), foreign_keys, meter)
            return replace(found, measurement=replace(found.measurement, how=how, seconds=meter.spent))
    except Refused as e:
        return UndoPlan(_unknown(str(e), meter), refused=str(e))
    except (PastBudget, Unmeasurable) as e:
        return UndoPlan(_unknown(str(e), meter))
    except (apsw.BusyError, apsw.LockedError):
        return UndoPlan(_unknown("the database is busy", meter))
    except ConnectError as e:
        return UndoPlan(_unknown(e.message, meter))


def _unknown(why: str, meter: Meter) -> Measurement:
    return Measurement((Effect(Basis.UNKNOWN, why=why),), undo_why=why, seconds=meter.spent, how=why)


def _tried(connection: apsw.Connection, undo: Undo, foreign_keys: bool, meter: Meter) -> UndoPlan:
    undo.prepare()
    with rolled_back(connection):
        if undo.kept.reshapes:
            with meter.holding(connection):
                undo.run(check_keys=foreign_keys)
            return UndoPlan(_of_shape(undo.kept), tuple(undo.conflicts), undo.conflicting)
        recorder = Recorder(connection)
        try:
            recorder.begin("", undo.events())
            meter.session = recorder.session
            with meter.holding(connection):
                undo.run(check_keys=False)
                change = recorder.end(once=True)
        finally:
            meter.session = None
            recorder.abandon()
        counted = tally(change)
        after = {table: recorder.tables.rows(table) for table, _ in counted.rows}
        virtual = [shape.name for shape in change.shapes.values() if shape.virtual]
    touched = tuple(replace(t, via="") for t in causes.touched(counted, (), after, virtual))
    parts = segments([change])
    measurement = Measurement(
        (Effect(Basis.EXACT, touched, samples(counted, change.shapes, change.unseen)),),
        fingerprint=fingerprint(parts, volatile=(), meter=meter),
        undo=Undoable.EXACT,
        changes=sum(t.rows for t in touched),
        size=len(change.changeset),
    )
    return UndoPlan(measurement, tuple(undo.conflicts), undo.conflicting)


def _of_shape(kept: Kept) -> Measurement:
    """Objects come back and go; that they are as the run left them was checked, so that is all there is to bind to."""
    found: list[ObjectChange] = []
    for part in reversed(kept.parts):
        before, after = changed(part)
        found += [ObjectChange(Verb.DROP, o.kind, o.name) for key, o in after.items() if key not in before]
        found += [ObjectChange(Verb.CREATE, o.kind, o.name) for key, o in before.items() if key not in after]
        found += [ObjectChange(Verb.ALTER, o.kind, o.name) for key, o in before.items() if key in after]
    effect = Effect(Basis.EXACT, objects=tuple(found))
    return Measurement((effect,), fingerprint=shape_fingerprint(kept), undo_why="run the statements again instead")


def shape_fingerprint(kept: Kept) -> str:
    return hashlib.sha256(f"undo {kept.schema_before} {kept.schema_after}".encode()).hexdigest()
