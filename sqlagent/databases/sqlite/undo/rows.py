"""Taking back what a run changed: every row that still is as the run left it, and none that somebody changed since."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import apsw

from sqlagent.databases.base import Conflict
from sqlagent.databases.sqlite.connection.authorizer import Event
from sqlagent.databases.sqlite.effect.invisible_rows import rowid_name, same
from sqlagent.databases.sqlite.effect.lost_objects import Copier, Copy
from sqlagent.databases.sqlite.effect.recorder import Change
from sqlagent.databases.sqlite.effect.samples import shown
from sqlagent.databases.sqlite.effect.undo_record import Kept, KeptPart, KeptRow, KeptTable, changed
from sqlagent.databases.sqlite.opinion.schema import quoted
from sqlagent.databases.sqlite.opinion.table_shapes import ROWID, Tables, forgiving_table
from sqlagent.databases.sqlite.run.in_doubt import row_now
from sqlagent.databases.sqlite.undo.objects import Refused, restore

_LISTED = 100  # conflicts that are named
_WHY = {
    apsw.SQLITE_CHANGESET_DATA: "it was changed since",
    apsw.SQLITE_CHANGESET_NOTFOUND: "it was deleted since",
    apsw.SQLITE_CHANGESET_CONFLICT: "another row has its key now",
    apsw.SQLITE_CHANGESET_CONSTRAINT: "a constraint forbids what it was",
}
_FULL_TEXT = re.compile(r"\bUSING\s+fts[345]\b", re.IGNORECASE)


class Witness(Protocol):
    """Records an undo step by step, so that it is known, held to what was approved, and can be taken back in turn."""

    @property
    def copier(self) -> Copier | None:
        """Takes what goes with the tables that are dropped."""

    @property
    def digesting(self) -> bool: ...

    def before(self, events: tuple[Event, ...]) -> None:
        """Rows are going to be written."""

    def after(self) -> None:
        """They were, each once."""

    def reshaped(self, part: KeptPart, change: Change) -> None:
        """A change of the schema was taken back."""


@dataclass(slots=True)
class Undo:
    """Of one run, on a connection in a transaction."""

    connection: apsw.Connection
    kept: Kept
    copy: Path | None
    conflicts: list[Conflict] = field(default_factory=list)
    conflicting: int = 0

    def prepare(self) -> None:
        """Before the transaction: no trigger fires, and what a virtual table keeps its rows in may be written."""
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        self.connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)

    def run(self, witness: Witness, *, check_keys: bool) -> None:
        """Raises Refused where nothing can be taken back at all."""
        if not self.kept.parts:
            raise Refused("what it was before was not kept")
        self.connection.pragma("defer_foreign_keys", 1)  # what a row refers to may come back after it
        violations = self._violations() if check_keys else set()
        copy = Copy(self.copy) if self.copy is not None and self.copy.exists() else None
        try:
            for part in reversed(self.kept.parts):
                self._check_layouts(part)
                if part.changeset or part.rows:
                    witness.before(_events(part))
                    self._rows(part)
                    witness.after()
                if part.reshapes:
                    self._restore(part, copy, witness)
        finally:
            if copy is not None:
                copy.close()
        if check_keys and (new := self._violations() - violations):
            table, parent = sorted((str(t), str(p)) for t, _, p, _ in new)[0]
            raise Refused(f"{len(new):,} rows, of {table} first, would refer to rows of {parent} that are not there")

    def _restore(self, part: KeptPart, copy: Copy | None, witness: Witness) -> None:
        reshaping = [each for each in self.kept.parts if each.reshapes]
        change = next(place for place, each in enumerate(reshaping) if each is part)
        number = len(reshaping) - 1 - change  # the last change is the first to be taken back
        made = restore(self.connection, part, copy, change, copier=witness.copier, number=number,
                       digesting=witness.digesting)  # fmt: skip
        witness.reshaped(part, made)

    def _violations(self) -> set[tuple[Any, ...]]:
        try:
            return set(self.connection.execute("PRAGMA foreign_key_check").fetchall())
        except apsw.SQLError:  # a key refers to what cannot be referred to: as wrong afterwards as it was before
            return set()

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
        numbered = [row for row in part.rows if not row.virtual]
        for row in numbered:
            if row.new is not None:
                self._take_numbered(row)
        if part.changeset:
            self._take_changeset(part)
        for row in numbered:
            if row.new is None and row.old is not None:
                self._insert_numbered(row, row.old)

    def _take_changeset(self, part: KeptPart) -> None:
        inverse = apsw.Changeset.invert(part.changeset)
        layouts = {table.name: table for table in part.tables}
        before = len(self.conflicts), self.conflicting
        # What a virtual table that was made keeps its rows in goes when it is dropped.
        gone = Tables(self.connection).shadows_of(name for kind, name in changed(part)[1] if kind == "table")
        disturbed = self._apply(inverse, layouts, lambda name: name.lower() not in gone)
        if not disturbed:
            return
        # Somebody has written to a full-text index since: its rows are put back, and it is built anew from them.
        del self.conflicts[before[0] :]
        self.conflicting = before[1]
        tables = Tables(self.connection)
        for name in disturbed:
            sql = self.connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).get
            if not _FULL_TEXT.search(str(sql)):
                raise Refused(f"what {name} keeps its rows in was changed since")
        own = {f"{name}_content" for name in disturbed}
        self._apply(inverse, layouts, lambda name: not tables.is_shadow(name) or name in own, again=True)
        for name in disturbed:
            try:
                into = f"INSERT INTO main.{quoted(name)} ({quoted(name)})"
                self.connection.execute(f"{into} VALUES ('rebuild')").fetchall()
            except apsw.Error as e:
                raise Refused(f"the index of {name} was changed since, and cannot be built anew: {e}") from e

    def _apply(
        self, inverse: bytes, layouts: dict[str, KeptTable], wanted: Callable[[str], bool], *, again: bool = False
    ) -> set[str]:
        """Apply it but for rows in conflict; the virtual tables whose own tables conflict, and then nothing is done."""
        tables = Tables(self.connection)
        owners: set[str] = set()

        def conflict(reason: int, change: apsw.TableChange) -> int:
            if reason == apsw.SQLITE_CHANGESET_FOREIGN_KEY:
                keys.append(change.fk_conflicts or 0)
                return int(apsw.SQLITE_CHANGESET_ABORT)
            if tables.is_shadow(change.name) and not again:
                owners.add(tables.owner_of(change.name))
                return int(apsw.SQLITE_CHANGESET_OMIT)
            self._note(layouts[change.name], change, _WHY[reason])
            return int(apsw.SQLITE_CHANGESET_OMIT)

        keys: list[int] = []
        self.connection.execute("SAVEPOINT undo").fetchall()
        try:
            flags = apsw.SQLITE_CHANGESETAPPLY_FKNOACTION
            apsw.Changeset.apply(inverse, self.connection, filter=wanted, conflict=conflict, flags=flags)
        except (apsw.AbortError, apsw.ConstraintError) as e:
            if not keys:
                raise
            raise Refused(f"{keys[0]:,} rows would refer to rows that are not there") from e
        if owners:
            self.connection.execute("ROLLBACK TO undo").fetchall()
        self.connection.execute("RELEASE undo").fetchall()
        return owners

    def _note(self, table: KeptTable, change: apsw.TableChange, why: str) -> None:
        row = change.old if change.old is not None else change.new or ()
        self._conflict(table.name, [(table.columns[place], row[place]) for place in table.key], why)

    def _conflict(self, table: str, key: Sequence[tuple[str, Any]], why: str) -> None:
        self.conflicting += 1
        if len(self.conflicts) < _LISTED:
            named = tuple(("rowid" if column == ROWID else column, shown(value)) for column, value in key)
            self.conflicts.append(Conflict(table, named, why))

    # ---- rows that no changeset holds -------------------------------------------------------------------------------

    def _take_numbered(self, row: KeptRow) -> None:
        assert row.new is not None
        number = rowid_name(self.connection, Tables(self.connection).shape(row.table))
        now = row_now(self.connection, row.table, row.columns[1:], [number], [row.new[0]])
        if now is None or not same(now, row.new[1:]):
            why = "it was deleted since" if now is None else "it was changed since"
            self._conflict(row.table, [("rowid", row.new[0])], why)
            return
        name = quoted(row.table)
        if row.old is None:
            sql, values = f"DELETE FROM main.{name} WHERE {number} = ?", (row.new[0],)  # noqa: S608
        else:
            sets = ", ".join(f"{quoted(column)} = ?" for column in row.columns[1:])
            sql, values = f"UPDATE main.{name} SET {sets} WHERE {number} = ?", (*row.old[1:], row.new[0])  # noqa: S608
        self._write(row, sql, values)

    def _insert_numbered(self, row: KeptRow, old: tuple[Any, ...]) -> None:
        number = rowid_name(self.connection, Tables(self.connection).shape(row.table))
        taken = row_now(self.connection, row.table, row.columns[1:], [number], [old[0]]) is not None
        columns = list(map(quoted, row.columns[1:]))
        values = old[1:]
        if not taken:
            columns, values = [number, *columns], old
        marks = ", ".join("?" * len(values))
        self._write(row, f"INSERT INTO main.{quoted(row.table)} ({', '.join(columns)}) VALUES ({marks})", values)  # noqa: S608

    def _write(self, row: KeptRow, sql: str, values: tuple[Any, ...]) -> None:
        known = row.new if row.new is not None else row.old or (None,)
        try:
            self.connection.execute(sql, values).fetchall()
        except apsw.ConstraintError:
            self._conflict(row.table, [("rowid", known[0])], _WHY[apsw.SQLITE_CHANGESET_CONSTRAINT])


def _events(part: KeptPart) -> tuple[Event, ...]:
    """What is going to be written, as an authorizer would say it."""
    return tuple(Event(apsw.SQLITE_UPDATE, table.name, None, "main", None) for table in part.tables)
