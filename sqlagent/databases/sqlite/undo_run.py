"""An undo carried out: in one transaction, recorded and compared like the run that it takes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlagent.core.effect import Measurement
from sqlagent.core.errors import Stale
from sqlagent.core.session import Outcome, Result
from sqlagent.databases.base import EffectDiffers, Mark, OnConflict
from sqlagent.databases.sqlite.binding import Binding
from sqlagent.databases.sqlite.connect import Budget
from sqlagent.databases.sqlite.execute import Run
from sqlagent.databases.sqlite.kept import encoded
from sqlagent.databases.sqlite.restore import Refused
from sqlagent.databases.sqlite.schema import fingerprint
from sqlagent.databases.sqlite.undo import Undo
from sqlagent.databases.sqlite.undo_plan import shape_fingerprint

_NOTHING = "nothing was changed"


@dataclass(frozen=True, slots=True)
class UndoRun:
    undo: Undo
    on_conflict: OnConflict
    expected: Measurement | None
    keep: Callable[[bytes], None] | None
    check_keys: bool

    def apply(self, run: Run, *, mark: Mark | None, verify: Callable[[], None], atomic: bool) -> Outcome:
        """Raises Stale where it is refused, EffectDiffers where it is not what was approved."""
        reshapes = self.undo.kept.reshapes
        changes_bytes = run.limits.changes_bytes
        if not reshapes:
            run.binding = Binding(run.connection, self.expected, self.keep, changes_bytes)
        self.undo.prepare()

        def work() -> None:
            also = run.binding.look if run.binding else None
            with Budget(run.connection, run.limits.seconds, also=also).holding():
                if run.binding:
                    run.binding.before("", self.undo.events())
                self._take_back()
                if run.binding:
                    run.binding.after(0, once=True)
            if reshapes:
                self._keep_shape(run)
            run.reached("ran 1")

        seconds = run.transaction(work, mark=mark, verify=verify, atomic=atomic)
        return Outcome((Result(1, changed=None),), seconds, settled=mark is not None and atomic)

    def _take_back(self) -> None:
        kept = self.undo.kept
        if kept.reshapes and self.expected is not None and self.expected.fingerprint != shape_fingerprint(kept):
            raise EffectDiffers("it is another undo than what was approved", hint=_NOTHING, touched=())
        try:
            self.undo.run(check_keys=self.check_keys and kept.reshapes)
        except Refused as e:
            raise Stale(f"it cannot be undone: {e}", hint=_NOTHING) from e
        if self.undo.conflicting and self.on_conflict is OnConflict.REFUSE:
            first = self.undo.conflicts[0]
            key = ", ".join(f"{column} {value}" for column, value in first.key)
            raise Stale(
                f"{self.undo.conflicting:,} rows cannot be put back; {first.table} {key}: {first.why}", hint=_NOTHING
            )

    def _keep_shape(self, run: Run) -> None:
        """What tells after a crash whether it was committed; it is not enough to take it back in turn."""
        if self.keep is not None:
            self.keep(encoded((), self.undo.kept.schema_after, fingerprint(run.connection)))
            run.reached("kept")
