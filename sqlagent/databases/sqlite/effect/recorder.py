"""Records what each statement changes on one connection: the same in a preview and in the real run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import apsw

from sqlagent.core.errors import StoreError
from sqlagent.databases.changes.rows import Row
from sqlagent.databases.changes.unmeasured import Unmeasurable
from sqlagent.databases.sqlite.connection.authorizer import ROWS, SHAPE, Event
from sqlagent.databases.sqlite.connection.memory import give_back
from sqlagent.databases.sqlite.effect.changeset import Check
from sqlagent.databases.sqlite.effect.changeset_summary import Reading, read
from sqlagent.databases.sqlite.effect.duplicate_rows import suspected, without_duplicates
from sqlagent.databases.sqlite.effect.invisible_rows import (
    InvisibleRow,
    check_visible,
    difference,
    readable,
    rows_of,
)
from sqlagent.databases.sqlite.effect.lost_objects import Copier
from sqlagent.databases.sqlite.effect.schema_changes import (
    Loss,
    Objects,
    about_bytes,
    broken,
    content_digest,
    losses,
    objects,
)
from sqlagent.databases.sqlite.effect.state_before import Before
from sqlagent.databases.sqlite.effect.statistics import STATISTICS, Known, Moved, moved, statistics
from sqlagent.databases.sqlite.opinion.table_shapes import COUNTERS, Counters, Tables, TableShape

_DROP = re.compile(r"\bDROP\b", re.IGNORECASE)  # of a table, or of a column
_AT_ONCE = 1 << 18  # bytes
_MUCH = 32  # of them


@dataclass(slots=True)
class Change:
    """What one statement did."""

    changeset: bytes = b""
    reading: Reading = field(default_factory=Reading)
    """What the changeset tells."""
    invisible: list[InvisibleRow] = field(default_factory=list)
    shapes: dict[str, TableShape] = field(default_factory=dict)
    """By name in lower case, as they were before it."""
    reshapes: bool = False
    """It creates, alters or drops."""
    last_numbers: dict[str, int] = field(default_factory=dict)
    """Of the tables it inserts into, the last rowid that was given out before."""
    before: Objects = field(default_factory=dict)
    after: Objects = field(default_factory=dict)
    """Every object before and after, where it changes the shape of the database."""
    losses: tuple[Loss, ...] = ()
    """Tables that it drops or alters."""
    broken: dict[str, str] = field(default_factory=dict)
    """What did not work before it either."""
    contents: dict[str, str] = field(default_factory=dict)
    """Digest of the rows of each table that it made or altered, afterwards."""
    copy_bytes: int = 0
    """About how large a copy of the tables is that it drops or alters."""
    uncopyable: str = ""
    """Why they cannot be copied."""
    counters: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """AUTOINCREMENT's that it moved on without a word: the last number before and after, None where there was none."""
    statistics: Moved = ((), ())
    """What ANALYZE knew of what it dropped or altered."""
    stood: Before | None = None
    """What stood before it and those with it, where the undo of them is to be tried."""


class Recorder:
    """Records on a connection whose authorizer lets our own statements pass while it looks."""

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        copier: Copier | None = None,
        digesting: bool = False,
        check: Check | None = None,
        holding: bool = False,
    ) -> None:
        """`copier` is given every table that is dropped or altered; `digesting` the rows of those that are made.

        `holding` holds on to what stood before, for an undo to be tried.
        `check` is called every few hundredths of a second while a change is read out; what it raises ends that.
        """
        self._connection = connection
        self._copier = copier
        self._digesting = digesting
        self._check = check
        self._reshaping = 0
        self._tables = Tables(connection)
        self.session: apsw.Session | None = None
        self._change = Change()
        self._looks: dict[str, dict[Any, Row]] = {}
        self._inserts: set[str] = set()
        self._touched_before = 0
        self._counters: Counters = {}
        self._statistics: Known = ()
        self._holding = holding
        self._held: list[Before] = []

    def begin(self, sql: str, events: Iterable[Event]) -> None:
        """Begin to record, before a statement that compiled to these events; raises Unmeasurable."""
        with readable():
            self._begin(sql, list(events))

    def _begin(self, sql: str, events: list[Event]) -> None:
        self._change, self._looks, self._inserts = Change(), {}, set()
        self._touched_before = self._connection.total_changes()
        self._counters = self._tables.counters()
        gone = _rewritten(events)
        if self._holding:
            self._hold(reshapes=any(e.code in SHAPE for e in events))
        if any(e.code in SHAPE for e in events):
            self._change.reshapes = True
            self._change.before = objects(self._connection)
            self._change.broken = broken(self._connection, self._change.before)
            rewritten = _DROP.search(sql) is not None
            self._change.losses = losses(self._connection, self._tables, gone, rewritten=rewritten)
            self._statistics = statistics(self._connection, self._tables)
            if self._change.stood:
                self._change.stood.objects = self._change.before
                self._change.stood.statistics = self._statistics
            for loss in self._change.losses:
                self._lose(loss.table)
        for event in events:
            if event.code in ROWS and event.database in (None, "main") and event.first:
                self._expect(event, gone)
        if any(e.code == apsw.SQLITE_ANALYZE for e in events):
            self._look_at(*STATISTICS)
        self._record(gone)

    def _hold(self, *, reshapes: bool) -> None:
        """A change of the schema is taken back alone, and the rows between two of them together."""
        last = self._held[-1] if self._held else None
        if last is None or reshapes or last.objects or last.is_over:
            if last is not None:
                last.stop()
            last = Before(self._counters)
            self._held.append(last)
        self._change.stood = last

    def _look_at(self, *names: str) -> None:
        """Tables that are there or come to be there, and that no session records."""
        for name in names:
            self._looks[name] = {}
            if self._tables.is_table(name):
                self._change.shapes[name] = shape = self._tables.shape(name)
                self._looks[name] = rows_of(self._connection, shape)
            if self._change.stood:
                self._change.stood.looks.setdefault(name, self._looks[name])

    def _show_own_tables(self, change: Change) -> None:
        """A command to a full-text index changes nothing that anybody could select: what it keeps its rows in tells."""
        names = {table.lower() for table in change.reading.digests}
        if names and not change.invisible and all(change.shapes[name].shadow for name in names):
            change.shapes |= {name: replace(change.shapes[name], shadow=False) for name in names}

    def _expect(self, event: Event, lost: frozenset[str]) -> None:
        name = str(event.first)
        lower = name.lower()
        how_it_is_done = self._change.reshapes and lower.startswith("sqlite_")
        if lower in lost or lower in _OF_SCHEMA or how_it_is_done or not self._tables.is_table(name):
            return
        shape = self._tables.shape(name)
        if lower not in self._change.shapes:
            check_visible(self._connection, shape)
            self._change.shapes[lower] = shape
            if not shape.is_seen:
                self._looks[lower] = rows_of(self._connection, shape)
                if self._change.stood and lower != COUNTERS:
                    self._change.stood.looks.setdefault(lower, self._looks[lower])
        if event.code == apsw.SQLITE_INSERT:
            self._inserts.add(lower)
        numbers = shape.is_keyless or (event.code == apsw.SQLITE_INSERT and shape.numbered)
        if numbers and lower not in self._change.last_numbers:
            self._change.last_numbers[lower] = self._tables.last_number(name)

    def _record(self, lost: frozenset[str]) -> None:
        self.session = session = apsw.Session(self._connection, "main")
        session.config(apsw.SQLITE_SESSION_OBJCONFIG_ROWID, 1)
        session.config(apsw.SQLITE_SESSION_OBJCONFIG_SIZE, 1)
        gone = lost | self._tables.shadows_of(lost)

        def is_recorded(name: str) -> bool:
            return not name.lower().startswith("sqlite_") and name.lower() not in gone

        session.table_filter(is_recorded)
        if self._change.stood and self._change.stood.session is None:
            self._change.stood.session = session

    def end(self, *, once: bool = False) -> Change:
        """Stop recording, after the statement; `once` where it touched each row once.  Raises Unmeasurable."""
        with readable():
            return self._end(once=once)

    def _end(self, *, once: bool) -> Change:
        touched = self._connection.total_changes() - self._touched_before
        change, session = self._change, self.session
        if session is None:
            raise Unmeasurable("it was too large to record")
        change.changeset = b"" if session.is_empty else self._read_out(session)
        self.abandon()
        for lower, before in self._looks.items():
            if self._tables.is_table(lower):
                shape = change.shapes.setdefault(lower, self._tables.shape(lower))
                change.invisible += difference(shape, before, rows_of(self._connection, shape))
        if COUNTERS not in self._looks and not change.reshapes:
            change.counters = dict(_moved(self._counters, self._tables.counters()))
        numbered = {name: last for name, last in change.last_numbers.items() if change.shapes[name].is_keyless}
        change.reading = read(change.changeset, self._check, numbered=numbered)
        for name in change.reading.digests:
            if name.lower() not in change.shapes:  # a virtual table's own, or one that it has just made
                change.shapes[name.lower()] = self._tables.shape(name)
        if doubtful := suspected(change.shapes, touched) - change.reading.once:
            recorded, inserts = change.changeset, None if once else self._inserts
            change.changeset = without_duplicates(
                recorded, doubtful, change.shapes, change.last_numbers, inserts=inserts, check=self._check
            )
            if change.changeset is not recorded:
                change.reading = read(change.changeset, self._check)
        self._show_own_tables(change)
        if change.reshapes:
            self._end_reshaping(change)
        return change

    def _read_out(self, session: apsw.Session) -> bytes:
        """Piece by piece: asked for all of it at once, SQLite would neither hear a Ctrl-C nor say a word."""
        whole: list[bytes] = []
        last = bytearray()

        def take(piece: memoryview) -> None:
            last.extend(piece)
            if len(last) > _AT_ONCE:
                whole.append(bytes(last))
                last.clear()
            self._look_up()

        try:
            session.changeset_stream(take)
        except apsw.SQLError as e:  # too many columns for the statements that it makes of them
            raise Unmeasurable(f"what it changes cannot be read out: {e}") from e
        whole.append(bytes(last))
        self.abandon()  # one call of SQLite's, some tenths of a second for a million rows, and nothing is heard in it
        self._look_up()
        if len(whole) <= _MUCH:
            return b"".join(whole)
        give_back()
        changeset = b"".join(whole)
        self._look_up()
        whole.clear()
        give_back()
        return changeset

    def _look_up(self) -> None:
        if self._check is not None:
            self._check()

    def _end_reshaping(self, change: Change) -> None:
        change.after = objects(self._connection)
        change.statistics = moved(self._statistics, statistics(self._connection, self._tables))
        for (kind, name), o in change.after.items():
            old = change.before.get((kind, name))
            if kind == "table" and (old is None or old.sql != o.sql):
                if old is not None and not any(name == loss.table for loss in change.losses):
                    self._lose(name)  # altered because another one was renamed: its rows are as they were
                if self._digesting:
                    change.contents[name] = content_digest(self._connection, name)
        self._reshaping += 1

    def _lose(self, name: str) -> None:
        try:
            check_visible(self._connection, self._tables.shape(name))
            with readable():
                size = about_bytes(self._connection, self._tables, name)
                self._keep_lost(name, size)
        except Unmeasurable as e:
            self._change.uncopyable = str(e)

    def _keep_lost(self, name: str, size: int) -> None:
        self._change.copy_bytes += size
        if (stood := self._change.stood) and self._copier is not None and not self._copier.has_room(size):
            stood.unheld.add(name.lower())
            return
        if stood:
            stood.digest(self._connection, self._tables, name)
        try:
            if self._copier is not None:
                self._copier.copy(self._connection, self._tables, self._reshaping, name)
        except StoreError as e:
            if not stood:
                raise
            self._change.uncopyable = f"{name} cannot be copied: {e.__cause__}"

    def abandon(self) -> None:
        """Stop recording the statement; what was recorded is forgotten, unless it is held for an undo to be tried."""
        if self.session is not None and not any(self.session is held.session for held in self._held):
            self.session.close()
        self.session = None

    def close(self) -> None:
        """Record nothing any more, and let go of what is held."""
        self.abandon()
        for held in self._held:
            held.close()

    def stop(self) -> None:
        """Leave alone what comes now: an undo that is tried, or a change of the schema that is not recorded here."""
        for held in self._held:
            held.stop()

    @property
    def size(self) -> int:
        """Bytes recorded of the statement that runs now."""
        return self.session.changeset_size if self.session is not None else 0

    @property
    def tables(self) -> Tables:
        """How the connection's tables are laid out, as of the last look."""
        return self._tables


_OF_SCHEMA = frozenset({"sqlite_schema", "sqlite_master", "sqlite_temp_schema", "sqlite_temp_master"})


def _moved(before: Counters, after: Counters) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name in before | after:
        if before.get(name) != after.get(name):
            yield name, (before.get(name), after.get(name))


def _rewritten(events: Iterable[Event]) -> frozenset[str]:
    """Tables that are dropped or altered, in lower case: their rows go by another road than rows do."""
    dropped = {apsw.SQLITE_DROP_TABLE, apsw.SQLITE_DROP_VTABLE}
    names = {(e.first or "").lower() for e in events if e.code in dropped}
    return frozenset(
        names | {(e.second or "").lower() for e in events if e.code == apsw.SQLITE_ALTER_TABLE and e.first != "temp"}
    )
