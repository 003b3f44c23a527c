"""A run held to what was approved: its effect is recorded in its own transaction, compared, and kept before COMMIT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from sqlagent.core.nouns.analysis import Verb
from sqlagent.core.nouns.effect import Measurement, Touched
from sqlagent.databases.base import RunTerms
from sqlagent.databases.changes import held_to
from sqlagent.databases.changes.unmeasured import Unmeasurable
from sqlagent.databases.sqlite.connection.authorizer import Event
from sqlagent.databases.sqlite.effect.broken_keys import BrokenKey, broken_keys
from sqlagent.databases.sqlite.effect.changeset import Check
from sqlagent.databases.sqlite.effect.fingerprint import fingerprint
from sqlagent.databases.sqlite.effect.lost_objects import Copier
from sqlagent.databases.sqlite.effect.net_changes import Segment, segments, tally
from sqlagent.databases.sqlite.effect.recorder import Change, Recorder
from sqlagent.databases.sqlite.effect.undo_record import encoded, kept_of
from sqlagent.databases.sqlite.opinion.schema import fingerprint as schema_fingerprint

_NOTHING = "nothing was changed"


@dataclass(slots=True)
class Binding:
    """What one run is held to, on its connection, and what is kept of it."""

    connection: apsw.Connection
    expected: Measurement | None
    keep: Callable[[bytes], None] | None
    changes_bytes: int
    copy_to: Path | None = None
    changes: list[Change] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    came_back: list[Touched] = field(default_factory=list)
    """Rows of an undo that no changeset has: they came with their tables."""
    _recorder: Recorder | None = None
    _copier: Copier | None = None
    _schema: str = ""
    _broken: Counter[BrokenKey] = field(default_factory=Counter)
    _unmeasurable: str = ""

    def begin(self, *, check: Check | None = None) -> None:
        """Begin to record; `check` is called every few hundredths of a second while a change is read out."""
        self._copier = Copier(self.copy_to) if self.copy_to is not None else None
        self._recorder = Recorder(self.connection, copier=self._copier, digesting=self.digesting, check=check)
        self._schema = schema_fingerprint(self.connection)
        if self.expected is not None and (dirty := self.expected.broken_keys) and self.keep is not None:
            self._broken = broken_keys(self.connection, {table.lower() for table in dirty})

    @property
    def copier(self) -> Copier | None:
        """What copies the objects that the script loses; None where nothing is to be copied."""
        return self._copier

    @property
    def digesting(self) -> bool:
        """Whether the rows of tables that are made have to be told apart later."""
        return self.keep is not None

    @property
    def recorded(self) -> int:
        """Bytes of what was recorded so far."""
        now = self._recorder.size if self._recorder else 0
        return sum(len(change.changeset) for change in self.changes) + now

    def look(self) -> None:
        """Stop recording a change that is past the limit, which then goes on unrecorded; called while it runs."""
        if self._recorder is None or (session := self._recorder.session) is None:
            return
        if self.recorded > self.changes_bytes and session.enabled:
            session.enabled = False
            self._unmeasurable = "it is too large to keep"

    def before(self, sql: str, events: tuple[Event, ...]) -> None:
        """Look at what a statement is about to touch; to be called before each one."""
        if self._recorder is not None and not self._unmeasurable:
            try:
                self._recorder.begin(sql, events)
            except Unmeasurable as e:
                self._give_up(str(e))

    def after(self, changed: int, *, once: bool = False) -> None:
        """Record what a statement did; `changed` is SQLite's own count.  What cannot be measured ends the recording."""
        self.changed.append(changed)
        if self._recorder is not None and not self._unmeasurable:
            try:
                self.changes.append(self._recorder.end(once=once))
            except Unmeasurable as e:
                self._give_up(str(e))
        if self._unmeasurable:
            self._give_up(self._unmeasurable)

    def _give_up(self, why: str) -> None:
        self._unmeasurable = why
        if self._recorder is not None:
            self._recorder.abandon()

    def settle(self) -> bool:
        """Compare with what was approved, then keep; answers whether anything was kept.  Raises EffectDiffers."""
        parts = () if self._unmeasurable else segments(self.changes)
        if self.expected is not None:
            self._compare(self.expected, parts)
        if self._copier is not None:
            self._copier.close(keeping=True)
            self._copier = None
        if self.keep is None or not parts:
            return False
        reshaped = any(part.reshapes for part in parts)
        after = schema_fingerprint(self.connection) if reshaped else ""
        self.keep(encoded(kept_of(parts, self._schema if reshaped else "", after, self._broken)))
        return True

    def discard(self) -> None:
        """Drop what would have been kept: the run did not come to its COMMIT."""
        if self._copier is not None:
            self._copier.close(keeping=False)

    def _compare(self, expected: Measurement, parts: tuple[Segment, ...]) -> None:
        if not expected.is_exact:
            held_to.check_counts(expected, self.changed, self._touched)
        elif self._unmeasurable:
            raise held_to.no_longer_measured(self._unmeasurable)
        elif fingerprint(parts, volatile=expected.volatile) != expected.fingerprint:
            raise held_to.other_rows(expected, self._touched())

    def _touched(self) -> tuple[Touched, ...]:
        rows: Counter[tuple[str, Verb]] = Counter()
        for change in self.changes:
            rows += tally(change).rows
        return (*(Touched(table, verb, count) for (table, verb), count in sorted(rows.items())), *self.came_back)


def binding_of(connection: apsw.Connection, terms: RunTerms) -> Binding:
    """What a run on this connection is held to by its terms."""
    return Binding(
        connection, terms.get("expected"), terms.get("keep"), terms["limits"].changes_bytes, terms.get("copy_to")
    )
