"""Carries an undo out: in one transaction, recorded and compared like the run that it takes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import apsw

from sqlagent.core.errors import QueryError, Stale
from sqlagent.core.nouns.session import Outcome, Result
from sqlagent.databases.base import Mark, OnConflict
from sqlagent.databases.changes.conflicts import Conflicts, Refused
from sqlagent.databases.changes.unmeasured import Unmeasurable
from sqlagent.databases.sqlite.connection.authorizer import Event
from sqlagent.databases.sqlite.connection.open import Budget
from sqlagent.databases.sqlite.effect.invisible_rows import readable
from sqlagent.databases.sqlite.effect.lost_objects import Copier
from sqlagent.databases.sqlite.effect.recorder import Change
from sqlagent.databases.sqlite.effect.undo_record import KeptPart
from sqlagent.databases.sqlite.opinion.table_shapes import Tables
from sqlagent.databases.sqlite.run.binding import Binding
from sqlagent.databases.sqlite.run.transaction import Run
from sqlagent.databases.sqlite.undo.objects import what_comes_and_goes
from sqlagent.databases.sqlite.undo.rows import Undo

_NOTHING = "nothing was changed"


@dataclass(frozen=True, slots=True)
class UndoRun:
    """One undo, and what it is held to."""

    undo: Undo
    on_conflict: OnConflict
    binding: Binding
    check_keys: bool

    def apply(self, run: Run, *, mark: Mark | None, verify: Callable[[], None]) -> Outcome:
        """Carry it out.  Raises Stale where it is refused, EffectDiffers where it is not what was approved."""
        run.binding = self.binding
        self.undo.prepare()

        def work() -> None:
            run.telling.begin("taking it back")
            with Budget(run.connection, run.limits.seconds, also=run.look).holding():
                self._take_back()
            run.reached("ran 1")

        seconds = run.transaction(work, mark=mark, verify=verify)
        return Outcome((Result(1, changed=None),), seconds, settled=run.settles(mark))

    def _take_back(self) -> None:
        try:
            with readable():
                self.undo.run(_Bound(self.binding), check_keys=self.check_keys and self.undo.kept.reshapes)
        except (Refused, Unmeasurable) as e:
            raise Stale(f"it cannot be undone: {e}", hint=_NOTHING) from e
        except (apsw.SQLError, apsw.ConstraintError) as e:
            raise QueryError(f"the database refused to take it back: {e}", hint=_NOTHING) from e
        Conflicts(self.undo.conflicts, self.undo.conflicting).check(self.on_conflict)


@dataclass(frozen=True, slots=True)
class _Bound:
    """A witness that holds an undo to what was approved."""

    binding: Binding

    @property
    def copier(self) -> Copier | None:
        return self.binding.copier

    @property
    def digesting(self) -> bool:
        return self.binding.digesting

    def before(self, events: tuple[Event, ...]) -> None:
        self.binding.before("", events)

    def after(self) -> None:
        self.binding.after(0, once=True)

    def reshaped(self, part: KeptPart, change: Change) -> None:
        self.binding.changes.append(change)
        self.binding.came_back += what_comes_and_goes(part, change, Tables(self.binding.connection))[1]
