"""What statements change on one connection, recorded one by one: the same in a preview and in the real run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import apsw

from sqlagent.databases.sqlite.connection.authorizer import ROWS, SHAPE, Event
from sqlagent.databases.sqlite.connection.memory import give_back
from sqlagent.databases.sqlite.effect.changeset import Check
from sqlagent.databases.sqlite.effect.changeset_summary import Reading, read
from sqlagent.databases.sqlite.effect.duplicate_rows import suspects, without_doubles
from sqlagent.databases.sqlite.effect.invisible_rows import (
    Row,
    Unmeasurable,
    UnseenChange,
    check_visible,
    difference,
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
from sqlagent.databases.sqlite.opinion.table_shapes import Tables, TableShape

_DROP = re.compile(r"\bDROP\b", re.IGNORECASE)  # of a table, or of a column
_AT_ONCE = 1 << 18  # bytes
_MUCH = 32  # of them


@dataclass(slots=True)
class Change:
    """What one statement did."""

    changeset: bytes = b""
    reading: Reading = field(default_factory=Reading)
    """What the changeset tells."""
    unseen: list[UnseenChange] = field(default_factory=list)
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


class Recorder:
    """Records on a connection whose authorizer lets our own statements pass while it looks."""

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        copier: Copier | None = None,
        digesting: bool = False,
        check: Check | None = None,
    ) -> None:
        """`copier` is given every table that is dropped or altered; `digesting` the rows of those that are made.

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

    def begin(self, sql: str, events: Iterable[Event]) -> None:
        """Before the statement, which compiled to these; raises Unmeasurable."""
        events = list(events)
        self._change, self._looks, self._inserts = Change(), {}, set()
        self._touched_before = self._connection.total_changes()
        lost = _rewritten(events)
        if any(e.code in SHAPE for e in events):
            self._change.reshapes = True
            self._change.before = objects(self._connection)
            self._change.broken = broken(self._connection, self._change.before)
            rewritten = _DROP.search(sql) is not None
            self._change.losses = losses(self._connection, self._tables, lost, rewritten=rewritten)
            for loss in self._change.losses:
                self._lose(loss.table)
        for event in events:
            if event.code in ROWS and event.database in (None, "main") and event.first:
                self._expect(event, lost)
        self._record(lost)

    def _expect(self, event: Event, lost: frozenset[str]) -> None:
        name = str(event.first)
        lower = name.lower()
        if lower in lost or lower.startswith("sqlite_") or not self._tables.is_table(name):
            return
        shape = self._tables.shape(name)
        if lower not in self._change.shapes:
            check_visible(self._connection, shape)
            self._change.shapes[lower] = shape
            if not shape.is_seen:
                self._looks[lower] = rows_of(self._connection, shape)
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

    def end(self, *, once: bool = False) -> Change:
        """After the statement; `once` where it touched each row once.  Raises Unmeasurable."""
        touched = self._connection.total_changes() - self._touched_before
        change, session = self._change, self.session
        if session is None:
            raise Unmeasurable("it was too large to record")
        change.changeset = b"" if session.is_empty else self._read_out(session)
        self.abandon()
        for lower, before in self._looks.items():
            shape = change.shapes[lower]
            change.unseen += difference(shape, before, rows_of(self._connection, shape))
        numbered = {name: last for name, last in change.last_numbers.items() if change.shapes[name].is_keyless}
        change.reading = read(change.changeset, self._check, numbered=numbered)
        for name in change.reading.digests:
            if name.lower() not in change.shapes:  # a virtual table's own, or one that it has just made
                change.shapes[name.lower()] = self._tables.shape(name)
        if doubtful := suspects(change.shapes, touched) - change.reading.once:
            recorded, inserts = change.changeset, None if once else self._inserts
            change.changeset = without_doubles(
                recorded, doubtful, change.shapes, change.last_numbers, inserts=inserts, check=self._check
            )
            if change.changeset is not recorded:
                change.reading = read(change.changeset, self._check)
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

        session.changeset_stream(take)
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
        except Unmeasurable as e:
            self._change.uncopyable = str(e)
            return
        self._change.copy_bytes += about_bytes(self._connection, self._tables, name)
        if self._copier is not None:
            self._copier.copy(self._connection, self._tables, self._reshaping, name)

    def abandon(self) -> None:
        """Stop recording; what was recorded is forgotten."""
        if self.session is not None:
            self.session.close()
            self.session = None

    @property
    def size(self) -> int:
        """Bytes of what was recorded of the statement, while it is."""
        return self.session.changeset_size if self.session is not None else 0

    @property
    def tables(self) -> Tables:
        return self._tables


def _rewritten(events: Iterable[Event]) -> frozenset[str]:
    """Tables that are dropped or altered, in lower case: their rows go by another road than rows do."""
    dropped = {apsw.SQLITE_DROP_TABLE, apsw.SQLITE_DROP_VTABLE}
    names = {(e.first or "").lower() for e in events if e.code in dropped}
    return frozenset(
        names | {(e.second or "").lower() for e in events if e.code == apsw.SQLITE_ALTER_TABLE and e.first != "temp"}
    )
