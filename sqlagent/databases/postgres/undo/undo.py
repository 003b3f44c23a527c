"""Takes a run back: first looked at in a preview, then done in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import psycopg

from sqlagent.core.errors import SqlagentError, Stale
from sqlagent.core.nouns.effect import Effect, Measurement
from sqlagent.core.nouns.session import Outcome, Result
from sqlagent.core.nouns.verbs import Basis
from sqlagent.databases.base import MeasureBudget, OnConflict, UndoPlan
from sqlagent.databases.changes.budget import Budget, PastBudget
from sqlagent.databases.changes.causes import touched
from sqlagent.databases.changes.conflicts import Conflicts, Refused
from sqlagent.databases.changes.samples import samples
from sqlagent.databases.changes.unmeasured import Unmeasurable, unknown
from sqlagent.databases.postgres.connection.progress import telling
from sqlagent.databases.postgres.connection.rows import Session
from sqlagent.databases.postgres.effect.giving_way import giving_way
from sqlagent.databases.postgres.effect.measure import HOW, why_not
from sqlagent.databases.postgres.effect.reading import Before, NotForeseen, Reader, State, rows_before
from sqlagent.databases.postgres.effect.row_versions import BrokenText, adding_up
from sqlagent.databases.postgres.effect.schema_changes import object_changes, objects
from sqlagent.databases.postgres.effect.sums import fingerprint, rows_changed, size_of
from sqlagent.databases.postgres.effect.tables import tables
from sqlagent.databases.postgres.effect.two_sessions import Connect, Pair, Waits, steady
from sqlagent.databases.postgres.effect.undo_record import Kept
from sqlagent.databases.postgres.run.transaction import Run
from sqlagent.databases.postgres.undo.rows import rows_of, still_as_left
from sqlagent.databases.postgres.undo.schema import check_as_left
from sqlagent.databases.postgres.undo.statements import Shape
from sqlagent.databases.postgres.undo.taking_back import Back, taken_back, tried

_COUNTED_AT_MOST = 100_000_000  # bytes of a table whose rows are counted


@dataclass(slots=True)
class Undo:
    """The undo of one run."""

    kept: Kept
    conflicts: Conflicts = field(default_factory=Conflicts)

    def run(self, pair: Pair, reader: Reader) -> State:
        """Take the run back in the open transaction.  Raises Refused where nothing at all can be taken back."""
        if self.kept.incomplete:
            raise Refused(f"what it was before was not kept: {self.kept.incomplete}")
        self.conflicts = Conflicts()
        self._check_layouts(pair.writer)
        if self.kept.schema:
            self._check_objects(pair.writer)
        wanted = still_as_left(pair.writer, self.kept.changes, self.conflicts)
        dropped, lost = ([kept.change for kept in side] for side in (self.kept.dropped, self.kept.lost))
        return taken_back(pair, reader, Back(wanted, self.kept.schema, dropped, lost), whole=False)

    def _check_objects(self, session: Session) -> None:
        """Raises Refused where what it made or altered was changed since."""
        with steady(session):
            check_as_left(objects(session), self.kept.schema)
        known = {o.oid for o in self.kept.before}
        made = [o.oid for o in self.kept.after if o.kind == "table" and o.oid not in known and not Shape.of(o).whole]
        # What is in a partition that it made is a change of the whole.
        rows = {kept.table.oid: Counter(after for _, after in kept.rows) for kept in self.kept.made}
        for oid, table in tables(session, made).items():
            if Counter(rows_of(session, table)) != rows.get(oid, Counter()):
                raise Refused(f"rows of {table.name} were changed since")

    def _check_layouts(self, session: Session) -> None:
        kept = {change.table.oid: change.table for change in self.kept.changes}
        now = tables(session, kept)
        for oid, table in kept.items():
            if oid not in now:
                raise Refused(f"there is no table {table.name} any more")
            if replace(now[oid], name=table.name) != table:
                raise Refused(f"table {table.name} has other columns or another key now")


# ---- looked at ------------------------------------------------------------------------------------------------------


def plan(connect: Connect, kept: Kept, *, budget: MeasureBudget, heard: Callable[[str], None] | None) -> UndoPlan:
    """What taking the change back would do now; why not, where it cannot be told or cannot be done."""
    meter = Budget(seconds=budget.seconds, changes_bytes=2 * budget.changes_bytes, heard=heard)
    before = Before()
    for _ in range(3):
        try:
            return _planned(connect, Undo(kept), budget, meter, before)
        except NotForeseen as e:
            before |= e.needed
        except Refused as e:
            return UndoPlan(unknown(1, str(e), meter), refused=str(e))
        except (Unmeasurable, PastBudget, BrokenText) as e:
            return UndoPlan(unknown(1, str(e), meter))
        except SqlagentError as e:
            return UndoPlan(unknown(1, e.message, meter))
        except psycopg.Error as e:
            return UndoPlan(unknown(1, why_not(e, budget), meter))
    return UndoPlan(unknown(1, "what it changes is another thing each time", meter))


def _planned(connect: Connect, undo: Undo, budget: MeasureBudget, meter: Budget, before: Before) -> UndoPlan:
    meter.doing = "measuring the undo"

    def check(size: int) -> None:
        meter.check_size(size)
        meter.check()

    with giving_way(connect, Waits(budget.lock_seconds, meter.left)) as pair:
        reader = Reader(pair, adding_up(check), before, budget.scan_bytes)
        reader.begin()
        state = undo.run(pair, reader)
        undoable, why = tried(pair, reader, state)
        pair.writer.execute("ROLLBACK")
        counts = {
            change.table.name: rows_before(pair.witness, change.table, bytes_at_most=_COUNTED_AT_MOST)
            for change in state.changes
        }
    lines = tuple(touched(state.changes, via=lambda _table, _verb: "", before=counts.get))
    rows = {change.table.oid: len(change.rows) for change in (*state.went, *state.came)}
    names = {oid: table.name for oid, table in state.tables.items()}
    shapes = tuple(object_changes(state.schema, names, rows)) if state.schema else ()
    effect = Effect(Basis.EXACT, lines, samples(state.changes), shapes)
    measurement = Measurement(
        (effect,), fingerprint(state, frozenset()), (), undoable, why, left_alone=undo.conflicts.count,
        changes=rows_changed(state), size=size_of(state), seconds=meter.spent, how=HOW,
    )  # fmt: skip
    return UndoPlan(measurement, tuple(undo.conflicts.listed), undo.conflicts.count)


# ---- done -----------------------------------------------------------------------------------------------------------


def apply(run: Run, kept: Kept, on_conflict: OnConflict) -> Outcome:
    """Carry an undo out.  Raises Stale where it is refused, EffectDiffers where it is not what was approved."""
    undo = Undo(kept)

    def work(pair: Pair, reader: Reader) -> tuple[State, str]:
        try:
            with telling(run.heard, "taking it back"):
                state = undo.run(pair, reader)
        except Refused as e:
            raise Stale(f"it cannot be undone: {e}", hint="nothing was changed") from e
        undo.conflicts.check(on_conflict)
        run.reached("ran 1")
        return state, ""

    return Outcome((Result(1, changed=None),), run.transaction(work))
