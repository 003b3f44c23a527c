"""Takes back the rows that a run changed: those still as the run left them, and none that were edited since."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import apsw

from sqlagent.core.text.counted import counted
from sqlagent.databases.base import Conflict
from sqlagent.databases.changes import conflicts
from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.changes.rows import same
from sqlagent.databases.changes.samples import shown
from sqlagent.databases.sqlite.connection.authorizer import Event
from sqlagent.databases.sqlite.effect.broken_keys import BrokenKey, broken_keys, has_lost_key
from sqlagent.databases.sqlite.effect.invisible_rows import rowid_name
from sqlagent.databases.sqlite.effect.lost_objects import Copier, Copy
from sqlagent.databases.sqlite.effect.recorder import Change
from sqlagent.databases.sqlite.effect.undo_record import Kept, KeptPart, KeptRow, KeptTable, changed
from sqlagent.databases.sqlite.opinion.schema import quoted
from sqlagent.databases.sqlite.opinion.table_shapes import COUNTERS, ROWID, Tables, forgiving_table
from sqlagent.databases.sqlite.run.in_doubt import row_now
from sqlagent.databases.sqlite.undo.objects import restore

_LISTED = 100  # conflicts that are named
_WHY = {
    apsw.SQLITE_CHANGESET_DATA: conflicts.CHANGED,
    apsw.SQLITE_CHANGESET_NOTFOUND: conflicts.DELETED,
    apsw.SQLITE_CHANGESET_CONFLICT: conflicts.TAKEN,
    apsw.SQLITE_CHANGESET_CONSTRAINT: conflicts.FORBIDDEN,
}
_FULL_TEXT = re.compile(r"\bUSING\s+fts[345]\b", re.IGNORECASE)


class Witness(Protocol):
    """Records an undo step by step, so that it is known, held to what was approved, and can be taken back in turn."""

    @property
    def copier(self) -> Copier | None:
        """Copies what goes with the tables that are dropped."""

    @property
    def digesting(self) -> bool:
        """Whether the rows of tables that are dropped or altered are to be hashed too."""

    def before(self, events: tuple[Event, ...]) -> None:
        """Told before rows are written."""

    def after(self) -> None:
        """Told after they were written, each once."""

    def reshaped(self, part: KeptPart, change: Change) -> None:
        """Told after a change of the schema was taken back."""


@dataclass(slots=True)
class Undo:
    """The undo of one run, on a connection in a transaction."""

    connection: apsw.Connection
    kept: Kept
    copy: Path | None
    lost: Copy | None = None
    """The copy itself, where it is tried before there is a file."""
    trying: bool = False
    """Nothing that it does stays, and it is compared with what was there: no rows of others can be in its way."""
    conflicts: list[Conflict] = field(default_factory=list)
    conflicting: int = 0
    broken: Counter[BrokenKey] = field(default_factory=Counter)
    """Rows that refer to nothing, where it was tried."""
    _dangling: int = 0
    """How many rows would refer to nothing, as SQLite counted them."""

    def prepare(self) -> None:
        """Before the transaction: keep triggers from firing, and open the tables that virtual tables keep data in."""
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        self.connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)

    @property
    def touched(self) -> frozenset[str]:
        """The tables, in lower case, whose rows it writes."""
        rows = (table.name.lower() for part in self.kept.parts for table in part.tables)
        made = (name for part in self.kept.parts for objects in changed(part) for kind, name in objects)
        return frozenset((*rows, *made))

    def run(self, witness: Witness, *, check_keys: bool) -> None:
        """Take the run back, witnessed.  Raises Refused where nothing at all can be taken back."""
        if not self.kept.parts:
            raise Refused("what it was before was not kept")
        self.connection.pragma("defer_foreign_keys", 1)  # what a row refers to may come back after it
        broken = self._broken() if check_keys and not self.trying else Counter[BrokenKey]()
        copy = self.lost or (Copy(self.copy) if self.copy is not None and self.copy.exists() else None)
        try:
            for part in reversed(self.kept.parts):
                self._check_layouts(part)
                if part.changeset or part.rows or part.counters:
                    witness.before(_events(part))
                    self._rows(part)
                    witness.after()
                if part.reshapes:
                    self._restore(part, copy, witness)
        finally:
            if copy is not None and self.lost is None:
                copy.close()
        if check_keys:
            self._check_keys(broken)

    def _restore(self, part: KeptPart, copy: Copy | None, witness: Witness) -> None:
        reshaping = [each for each in self.kept.parts if each.reshapes]
        change = next(place for place, each in enumerate(reshaping) if each is part)
        number = len(reshaping) - 1 - change  # the last change is the first to be taken back
        with self._checks(on=False):
            made = restore(self.connection, part, copy, change, copier=witness.copier, number=number,
                           digesting=witness.digesting, trying=self.trying)  # fmt: skip
        witness.reshaped(part, made)

    def _broken(self) -> Counter[BrokenKey]:
        return broken_keys(self.connection, self.touched)

    def _check_keys(self, before: Counter[BrokenKey]) -> None:
        """Raises Refused where rows refer to nothing that did neither now nor before the run."""
        now = self._broken()
        if self.trying:
            self.broken += now
        elif new := now - before - Counter(dict(self.kept.broken_keys)):
            first = min(new)
            rows = f"{counted(new.total(), 'row')}, of {first.table} first,"
            raise Refused(f"{rows} would refer to rows of {first.parent} that are not there")

    def _check_layouts(self, part: KeptPart) -> None:
        tables = Tables(self.connection)
        gone = {o.name.lower() for o in part.before} - {o.name.lower() for o in part.after}
        for table in part.tables:
            if table.name.lower() in gone or (part.reshapes and not tables.is_table(table.name)):
                continue
            if not tables.is_table(table.name):
                raise Refused(f"there is no table {table.name} any more")
            shape = tables.shape(table.name)
            if (shape.columns, shape.key) != (table.columns, table.key):
                raise Refused(f"table {table.name} has other columns or another key now")
            if shape.forgives:
                raise Refused(forgiving_table(table.name))

    # ---- rows -------------------------------------------------------------------------------------------------------

    def _rows(self, part: KeptPart) -> None:
        """With keys checked by SQLite; where a row refers to nothing, or SQLite cannot follow it, by a look at all."""
        tables = Tables(self.connection)
        same = all(tables.shape(t.name).sql == t.sql for t in part.tables if tables.is_table(t.name))
        with self._checks(on=not same):
            if not self._keys_are_on():
                self._take(part)
            elif has_lost_key(self.connection, self.touched) or not self._take_checked(part):
                self._take_unchecked(part)

    def _keys_are_on(self) -> bool:
        return bool(self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, -1))

    def _take_checked(self, part: KeptPart) -> bool:
        """Whether every row refers to one that is there; where not, nothing was done, unless it is tried."""
        conflicts = len(self.conflicts), self.conflicting
        self._dangling = 0
        self._savepoint("SAVEPOINT keys")
        self._take(part)
        if self._dangling and self.trying:
            self._check_keys(Counter())
        elif self._dangling:
            self._savepoint("ROLLBACK TO keys")
            del self.conflicts[conflicts[0] :]
            self.conflicting = conflicts[1]
        self._savepoint("RELEASE keys")
        return self.trying or not self._dangling

    def _savepoint(self, sql: str) -> None:
        if not self.trying:  # nothing of it stays, and a savepoint would keep every page as it was
            self.connection.execute(sql).fetchall()

    def _take_unchecked(self, part: KeptPart) -> None:
        before = Counter[BrokenKey]() if self.trying else self._broken()
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 0)
        try:
            self._take(part)
        finally:
            self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)
        self._check_keys(before)

    @contextmanager
    def _checks(self, *, on: bool) -> Iterator[None]:
        """Off where a row comes back under the CHECKs that it was under before, whether it met them or not."""
        self.connection.pragma("ignore_check_constraints", int(not on))
        try:
            yield
        finally:
            self.connection.pragma("ignore_check_constraints", 0)

    def _take(self, part: KeptPart) -> None:
        self._put_counters_back(part)
        numbered = [row for row in part.rows if not row.virtual]
        taken = [row for row in numbered if row.new is not None and self._take_numbered(row)]
        if part.changeset:
            self._take_changeset(part)
        for row in numbered:
            if row.new is None and row.old is not None:
                self._insert_numbered(row, row.old)
        for name, *count in (row.old[1:] for row in taken if row.table.lower() == COUNTERS and row.old is not None):
            self._count_from(name, *count)  # rows that came back have moved it on
        self._put_counters_back(part)

    def _put_counters_back(self, part: KeptPart) -> None:
        """Where AUTOINCREMENT has given out no number since; before rows come and go, which may move it, and after."""
        now = Tables(self.connection).counters()
        for name, (old, new) in part.counters.items():
            if name in now and now[name] == new and type(now[name]) is type(new):
                self._count_from(name, old)

    def _count_from(self, table: str, number: Any) -> None:
        if number is None:
            self.connection.execute("DELETE FROM main.sqlite_sequence WHERE name = ?", (table,)).fetchall()
        else:
            sql = "UPDATE main.sqlite_sequence SET seq = ? WHERE name = ?"
            self.connection.execute(sql, (number, table)).fetchall()

    def _take_changeset(self, part: KeptPart) -> None:
        layouts = {table.name: table for table in part.tables}
        before = len(self.conflicts), self.conflicting
        # What a virtual table that was made keeps its rows in goes when it is dropped.
        gone = Tables(self.connection).shadows_of(name for kind, name in changed(part)[1] if kind == "table")
        disturbed = self._apply(part.changeset, layouts, lambda name: name.lower() not in gone)
        if not disturbed:
            return
        # Somebody has written to a full-text index since: its rows are put back, and it is built anew from them.
        del self.conflicts[before[0] :]
        self.conflicting = before[1]
        tables = Tables(self.connection)
        for name in disturbed:
            sql = self.connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).get
            if self.trying or not _FULL_TEXT.search(str(sql)):
                raise Refused(f"what {name} keeps its rows in was changed since")
        own = {f"{name}_content" for name in disturbed}
        self._apply(part.changeset, layouts, lambda name: not tables.is_shadow(name) or name in own, again=True)
        for name in disturbed:
            try:
                into = f"INSERT INTO main.{quoted(name)} ({quoted(name)})"
                self.connection.execute(f"{into} VALUES ('rebuild')").fetchall()
            except apsw.Error as e:
                raise Refused(f"the index of {name} was changed since, and cannot be built anew: {e}") from e

    def _apply(
        self, changeset: bytes, layouts: dict[str, KeptTable], wanted: Callable[[str], bool], *, again: bool = False
    ) -> set[str]:
        """Apply its inverse, but for rows in conflict.

        Answers the virtual tables whose own tables are in conflict; where there are any, nothing is done.
        """
        tables = Tables(self.connection)
        owners: set[str] = set()

        def conflict(reason: int, change: apsw.TableChange) -> int:
            if reason == apsw.SQLITE_CHANGESET_FOREIGN_KEY:
                self._dangling = change.fk_conflicts or 1
                return int(apsw.SQLITE_CHANGESET_OMIT)
            if tables.is_shadow(change.name) and not again:
                owners.add(tables.owner_of(change.name))
                return int(apsw.SQLITE_CHANGESET_OMIT)
            self._note(layouts[change.name], change, _WHY[reason])
            return int(apsw.SQLITE_CHANGESET_OMIT)

        self._savepoint("SAVEPOINT undo")
        flags = apsw.SQLITE_CHANGESETAPPLY_FKNOACTION | apsw.SQLITE_CHANGESETAPPLY_INVERT
        flags |= apsw.SQLITE_CHANGESETAPPLY_NOSAVEPOINT if self.trying else 0
        apsw.Changeset.apply(changeset, self.connection, filter=wanted, conflict=conflict, flags=flags)
        if owners:
            self._savepoint("ROLLBACK TO undo")
        self._savepoint("RELEASE undo")
        return owners

    def _note(self, table: KeptTable, change: apsw.TableChange, why: str) -> None:
        try:
            row = change.old if change.old is not None else change.new or ()
            key = [(table.columns[place], row[place]) for place in table.key]
        except UnicodeDecodeError:  # a text of the row is not UTF-8
            key = [(table.columns[place], "?") for place in table.key]
        self._conflict(table.name, key, why)

    def _conflict(self, table: str, key: Sequence[tuple[str, Any]], why: str) -> None:
        self.conflicting += 1
        if len(self.conflicts) < _LISTED:
            named = tuple(("rowid" if column == ROWID else column, shown(value)) for column, value in key)
            self.conflicts.append(Conflict(table, named, why))

    # ---- rows that no changeset holds -------------------------------------------------------------------------------

    def _take_numbered(self, row: KeptRow) -> bool:
        """Whether it was as the run left it, and is now as it was before."""
        assert row.new is not None
        number = rowid_name(self.connection, Tables(self.connection).shape(row.table))
        now = row_now(self.connection, row.table, row.columns[1:], [number], [row.new[0]])
        if now is None or not same(now, row.new[1:]):
            why = conflicts.DELETED if now is None else conflicts.CHANGED
            self._conflict(row.table, [("rowid", row.new[0])], why)
            return False
        name = quoted(row.table)
        if row.old is None:
            sql, values = f"DELETE FROM main.{name} WHERE {number} = ?", (row.new[0],)  # noqa: S608
        else:
            sets = ", ".join(f"{quoted(column)} = ?" for column in row.columns[1:])
            sql, values = f"UPDATE main.{name} SET {sets} WHERE {number} = ?", (*row.old[1:], row.new[0])  # noqa: S608
        return self._write(row, sql, values)

    def _insert_numbered(self, row: KeptRow, old: tuple[Any, ...]) -> None:
        if row.table.lower() == COUNTERS:  # rows that came back have made it begin to count
            self._count_from(old[1], None)
        number = rowid_name(self.connection, Tables(self.connection).shape(row.table))
        taken = row_now(self.connection, row.table, row.columns[1:], [number], [old[0]]) is not None
        columns = list(map(quoted, row.columns[1:]))
        values = old[1:]
        if not taken:
            columns, values = [number, *columns], old
        marks = ", ".join("?" * len(values))
        self._write(row, f"INSERT INTO main.{quoted(row.table)} ({', '.join(columns)}) VALUES ({marks})", values)  # noqa: S608

    def _write(self, row: KeptRow, sql: str, values: tuple[Any, ...]) -> bool:
        known = row.new if row.new is not None else row.old or (None,)
        try:
            self.connection.execute(sql, values).fetchall()
        except apsw.ConstraintError:
            self._conflict(row.table, [("rowid", known[0])], _WHY[apsw.SQLITE_CHANGESET_CONSTRAINT])
            return False
        return True


def _events(part: KeptPart) -> tuple[Event, ...]:
    """What is going to be written, as an authorizer would say it."""
    return tuple(Event(apsw.SQLITE_UPDATE, table.name, None, "main", None) for table in part.tables)
