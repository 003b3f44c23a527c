"""Whether a run was committed whose end was not seen: told by whether its old rows stand, or its new ones.

A row that stands, as it was or as it was to be, tells.  One that is not there tells less, since anybody may have
deleted it: it is heard where nothing else speaks, and outweighed by a whole row of its table that stands.  Where rows
that stand contradict each other nobody can tell, however many there are on either side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import apsw

from sqlagent.databases.base import Verdict
from sqlagent.databases.changes.rows import Row, same
from sqlagent.databases.sqlite.effect.invisible_rows import rowid_name
from sqlagent.databases.sqlite.effect.undo_record import Kept, KeptPart, changed
from sqlagent.databases.sqlite.opinion.schema import fingerprint, quoted
from sqlagent.databases.sqlite.opinion.table_shapes import Tables, TableShape

_MOST = 10_000  # rows that are asked


def decided(connection: apsw.Connection, kept: Kept) -> Verdict:
    """What stands: told by the schema where the run changed that, else by the rows."""
    if kept.schema_before != kept.schema_after:
        current = fingerprint(connection)
        verdicts = {kept.schema_before: Verdict.NOT_APPLIED, kept.schema_after: Verdict.APPLIED}
        return verdicts.get(current, Verdict.CANNOT_TELL)
    tables, found = Tables(connection), _Found()
    anew = _made_anew(kept)
    rows = (row for part in kept.parts for row in _rows(connection, tables, part) if row.table.lower() not in anew)
    try:
        for row in islice(rows, _MOST):
            found.add(row)
    except UnicodeDecodeError:  # a text of a row is not UTF-8, and cannot be compared
        return Verdict.CANNOT_TELL
    return found.verdict(tables.sequence)


def _made_anew(kept: Kept) -> set[str]:
    """Names, in lower case, of what was dropped and made again: no row of it could tell."""
    return {name for part in kept.parts if part.reshapes for objects in changed(part) for _, name in objects}


@dataclass(frozen=True, slots=True)
class _Asked:
    """One row as it is now, as it was, and as it was to be; `apsw.no_change` is a value that does not matter."""

    table: str
    now: Row | None
    old: Row | None
    new: Row | None
    number: int | None = None
    """Its key, where SQLite gives those out."""


@dataclass(slots=True)
class _Found:
    """What the rows that were looked at say."""

    old: bool = False
    """A row stands that the run was to change or delete."""
    new: bool = False
    """A row stands as the run was to leave it."""
    whole: set[str] = field(default_factory=set)
    """Tables where one stands that the run was to delete."""
    gone: set[str] = field(default_factory=set)
    """Tables where one is not there that the run was to delete."""
    missing: list[_Asked] = field(default_factory=list)
    """Rows that the run was to insert, and that are not there."""
    greatest: dict[str, int] = field(default_factory=dict)
    """Of the rows of a table that stand as they were to be inserted, the greatest number."""

    def add(self, row: _Asked) -> None:
        if row.now is None:
            if row.new is None:
                self.gone.add(row.table)
            if row.old is None:
                self.missing.append(row)
            return
        was, will_be = _stands(row.now, row.old, row.new), _stands(row.now, row.new, row.old)
        if was == will_be:
            return
        self.old |= was
        self.new |= will_be
        if was and row.new is None:
            self.whole.add(row.table)
        if will_be and row.old is None and row.number is not None:
            self.greatest[row.table] = max(row.number, self.greatest.get(row.table, row.number))

    def verdict(self, sequence: Callable[[str], int | None]) -> Verdict:
        """`sequence` is the last number that AUTOINCREMENT gave out in a table, where it does."""
        last = {row.table: sequence(row.table) for row in self.missing}
        never = any(_is_past(row, last[row.table]) for row in self.missing)
        deleted = [_is_given(row, last[row.table]) or self._is_passed(row) for row in self.missing]
        match self.old or never, self.new:
            case True, False if never or self.gone <= self.whole:
                return Verdict.NOT_APPLIED
            case False, True if all(deleted):
                return Verdict.APPLIED
            case False, False if self.gone and not self.missing:
                return Verdict.APPLIED
            case False, False if self.missing and not self.gone and not any(deleted):
                return Verdict.NOT_APPLIED
            case _:
                return Verdict.CANNOT_TELL

    def _is_passed(self, row: _Asked) -> bool:
        """One that was inserted after it stands: somebody else's would have been given its number first."""
        return row.number is not None and row.number < self.greatest.get(row.table, row.number)


def _is_given(row: _Asked, last: int | None) -> bool:
    return last is not None and row.number is not None and row.number <= last


def _is_past(row: _Asked, last: int | None) -> bool:
    """AUTOINCREMENT never gave its number out, so it was never inserted."""
    return last is not None and row.number is not None and row.number > last


# ---- asking ---------------------------------------------------------------------------------------------------------


def _rows(connection: apsw.Connection, tables: Tables, part: KeptPart) -> Iterator[_Asked]:
    layouts = {table.name: table for table in part.tables}
    for change in apsw.Changeset.iter(part.changeset) if part.changeset else ():
        table = layouts.get(change.name)
        if table is None or not tables.is_table(change.name) or tables.is_shadow(change.name):
            continue
        shape = tables.shape(change.name)
        if shape.columns == table.columns:
            known = change.old if change.old is not None else change.new or ()
            key = [known[place] for place in table.key]
            now = row_now(connection, change.name, table.columns, [table.columns[place] for place in table.key], key)
            yield _Asked(change.name, now, change.old, change.new, _number(shape, key))
    for row in part.rows:
        if tables.is_table(row.table):
            number = rowid_name(connection, tables.shape(row.table))
            known = row.old if row.old is not None else row.new or ()
            found = row_now(connection, row.table, row.columns[1:], [number], [known[0]])
            yield _Asked(row.table, None if found is None else (known[0], *found), row.old, row.new)


def _number(shape: TableShape, key: Sequence[Any]) -> int | None:
    return key[0] if shape.numbered and isinstance(key[0], int) else None


def row_now(
    connection: apsw.Connection, table: str, columns: Sequence[str], key: Sequence[str], values: Sequence[Any]
) -> Row | None:
    """The values of one row as it stands, or None where there is none with that key."""
    wanted = ", ".join(map(quoted, columns))
    where = " AND ".join(f"{quoted(name)} IS ?" for name in key)
    sql = f"SELECT {wanted} FROM main.{quoted(table)} WHERE {where}"  # noqa: S608 - quoted names
    found: Row | None = connection.execute(sql, tuple(values)).fetchone()
    return found


def _stands(now: Row, wanted: Row | None, other: Row | None) -> bool:
    if wanted is None:
        return False
    matters = [
        place
        for place, value in enumerate(wanted)
        if value is not apsw.no_change and (other is None or other[place] is not apsw.no_change)
    ]
    return same(tuple(now[place] for place in matters), tuple(wanted[place] for place in matters))
