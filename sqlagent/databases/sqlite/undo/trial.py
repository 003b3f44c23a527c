"""Tries an undo before anybody approves the change: right after it was measured, and compared with before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import apsw

from sqlagent.core.errors import StoreError
from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases.changes.budget import PastBudget
from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.changes.unmeasured import Unmeasurable
from sqlagent.databases.sqlite.connection.authorizer import Event
from sqlagent.databases.sqlite.connection.budget import Meter
from sqlagent.databases.sqlite.effect.invisible_rows import readable
from sqlagent.databases.sqlite.effect.lost_objects import Copier
from sqlagent.databases.sqlite.effect.measure import Tried
from sqlagent.databases.sqlite.effect.net_changes import Segment, segments
from sqlagent.databases.sqlite.effect.recorder import Change, Recorder
from sqlagent.databases.sqlite.effect.undo_record import KeptPart, kept_of
from sqlagent.databases.sqlite.undo.rows import Undo

ROOM = 500_000
"""Bytes of dropped or altered tables that are put back only to try."""
_TOO_LARGE = "it is too large"


@dataclass(slots=True)
class Trial:
    """The undo of one script, tried on the connection that the script runs on."""

    connection: apsw.Connection
    foreign_keys: bool
    meter: Meter
    copier: Copier = field(default_factory=lambda: Copier(None, room=ROOM))

    def recorder(self, check: Callable[[], object]) -> Recorder:
        """A recorder that holds on to what stood before."""
        return Recorder(self.connection, check=check, holding=True, copier=self.copier)

    def outcome(self, recorder: Recorder, changes: Sequence[Change]) -> Tried:
        """Take the change back, in the transaction that it was made in, and say what came of it."""
        recorder.stop()
        try:
            with readable():
                return self._outcome(segments(changes), changes)
        except Refused as e:
            return Tried(Undoable.NONE, str(e))
        except PastBudget as e:
            return Tried(Undoable.EXPECTED, str(e))
        except Unmeasurable as e:
            return Tried(Undoable.EXPECTED, f"whether all of it came back could not be told: {e}")
        except apsw.FullError:
            return Tried(Undoable.EXPECTED, _TOO_LARGE)
        except (apsw.Error, StoreError) as e:
            return Tried(Undoable.NONE, f"taking it back would fail: {e}")
        finally:
            self.copier.close(keeping=False)

    def _outcome(self, parts: Sequence[Segment], changes: Sequence[Change]) -> Tried:
        if not parts:
            return _word(_Compared(self.connection, ()).unlike(changes[0]) if changes else ())
        kept = kept_of(parts)
        undo = Undo(self.connection, kept, None, lost=self.copier.copy_so_far(), trying=True)
        compared = _Compared(self.connection, parts)
        self.meter.doing = "trying the undo"
        undo.prepare()
        with self._keys(on=self.foreign_keys and not kept.reshapes), self.meter.holding(self.connection):
            undo.run(compared, check_keys=self.foreign_keys and kept.reshapes)
        if undo.conflicting:
            first = undo.conflicts[0]
            return Tried(Undoable.NONE, f"a row of {first.table} would not come back: {first.why}")
        if compared.different:
            return _word(compared.different)
        broken = tuple(sorted({key.table for key in undo.broken}))
        if any(part.stood and part.stood.unheld for part in parts):
            return Tried(Undoable.EXPECTED, _TOO_LARGE, broken)
        return Tried(Undoable.EXACT, "", broken)

    @contextmanager
    def _keys(self, *, on: bool) -> Iterator[None]:
        """As they will be when it is taken back; a transaction does not keep this setting from being changed."""
        before = self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, -1)
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, int(on))
        try:
            yield
        finally:
            self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, before)


def _word(different: Sequence[str]) -> Tried:
    if not different:
        return Tried(Undoable.EXACT, "")
    names = ", ".join(dict.fromkeys(different))
    return Tried(Undoable.NONE, f"{names} would not be as before")


@dataclass(slots=True)
class _Compared:
    """A witness that looks, after each step of an undo, whether all is as it was before that was done."""

    connection: apsw.Connection
    parts: Sequence[Segment]
    different: list[str] = field(default_factory=list)
    copier: None = None
    digesting: bool = False
    _back: int = 0
    """How many of the parts are taken back, the last first."""

    def before(self, events: tuple[Event, ...]) -> None:
        pass

    def after(self) -> None:
        if not self.parts[-1 - self._back].reshapes:
            self._compare()

    def reshaped(self, part: KeptPart, change: Change) -> None:  # noqa: ARG002 - for witnesses that record
        self._compare()

    def _compare(self) -> None:
        part = self.parts[-1 - self._back]
        self._back += 1
        if part.stood is not None:
            self.different += part.stood.differences(self.connection, part.shapes, part.last_numbers)

    def unlike(self, change: Change) -> tuple[str, ...]:
        """What differs after a script that changed nothing that is kept."""
        if change.stood is None:
            return ()
        return tuple(change.stood.differences(self.connection, change.shapes, change.last_numbers))
