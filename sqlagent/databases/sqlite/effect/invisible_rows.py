"""Rows that SQLite's session extension does not record: NULL in a key, SQLite's own tables, virtual tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import apsw

from sqlagent.databases.changes.rows import Row, RowChange, same
from sqlagent.databases.changes.unmeasured import Unmeasurable
from sqlagent.databases.sqlite.connection.marker_table import TABLE
from sqlagent.databases.sqlite.opinion.schema import quoted
from sqlagent.databases.sqlite.opinion.table_shapes import ROWID, TableShape

_MOST = 200_000  # rows that are held in memory at once, before and after
_KEEPS_NOTHING = re.compile(r"\bcontent\s*=\s*(''|\"\")", re.IGNORECASE)


@contextmanager
def readable() -> Iterator[None]:
    """Raise Unmeasurable where a text that the block reads is not UTF-8."""
    try:
        yield
    except UnicodeDecodeError as e:
        raise Unmeasurable("a text among the rows is not valid UTF-8") from e


@dataclass(frozen=True, slots=True)
class InvisibleRow:
    """One such row and its change; the rowid is its first value."""

    table: str
    columns: tuple[str, ...]
    change: RowChange
    virtual: bool = False


def check_visible(connection: apsw.Connection, shape: TableShape) -> None:
    """Raise Unmeasurable for a table whose changes neither a session nor a comparison of its rows would show."""
    if shape.columns[0] == ROWID and ROWID in (column.lower() for column in shape.columns[1:]):
        raise Unmeasurable(f"{shape.name} has no key, and a column that is called {ROWID}")
    if shape.virtual:
        sql = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ? COLLATE NOCASE", (shape.name,)).get
        if _KEEPS_NOTHING.search(str(sql)):
            raise Unmeasurable(f"{shape.name} keeps an index and no rows to look at")


def rows_of(connection: apsw.Connection, shape: TableShape) -> dict[Any, Row]:
    """Every row of the table that a session would not see, by its rowid."""
    number = rowid_name(connection, shape)
    names = shape.columns[1:] if shape.columns[0] == ROWID else shape.columns
    wanted = ", ".join([number, *map(quoted, names)])
    where = " OR ".join(f"{quoted(column)} IS NULL" for column in shape.nullable_key) or "1"
    if shape.name.lower().startswith("sqlite_stat"):
        where = f"tbl <> '{TABLE}' COLLATE NOCASE"  # runs add their marks to it, which are no change of anybody's
    sql = f"SELECT {wanted} FROM main.{quoted(shape.name)} WHERE {where}"  # noqa: S608 - quoted names
    try:
        found = {row[0]: row for row in islice(connection.execute(sql), _MOST + 1)}
    except apsw.SQLError as e:
        raise Unmeasurable(f"{shape.name} cannot be read row by row: {e}") from e
    if len(found) > _MOST:
        raise Unmeasurable(
            f"{shape.name} has more than {_MOST:,} rows that only a look at all of them could tell apart"
        )
    return found


def rowid_name(connection: apsw.Connection, shape: TableShape) -> str:
    """A name for the number of a row that no column of the table has.  Raises Unmeasurable where all are taken."""
    taken = connection.execute("SELECT lower(name) FROM pragma_table_xinfo(?)", (shape.name,)).fetchall()
    free = [name for name in ("rowid", ROWID, "oid") if (name,) not in taken]
    if not free:
        raise Unmeasurable(f"{shape.name} hides the numbers of its rows")
    return free[0]


def difference(shape: TableShape, before: dict[Any, Row], after: dict[Any, Row]) -> list[InvisibleRow]:
    """What changed between two looks; values of another type count as changed."""
    names = shape.columns[1:] if shape.columns[0] == ROWID else shape.columns
    columns = ("rowid", *names)
    changed = []
    for number in before.keys() | after.keys():
        old, new = before.get(number), after.get(number)
        if old is None or new is None or not same(old, new):
            changed.append(InvisibleRow(shape.name, columns, RowChange(old, new), shape.virtual))
    return changed
