"""Rows whose foreign key refers to nothing, as programs leave them that never turn SQLite's checks on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import apsw

from sqlagent.databases.sqlite.opinion.schema import quoted
from sqlagent.databases.sqlite.opinion.table_shapes import Tables

_KEYS = """
SELECT m.name, f.id, f."table", f."from", f."to" FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f
 WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq"""
_PRIMARY = "SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk"
_UNIQUE = 'SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial'
_INDEXED = "SELECT lower(name) FROM pragma_index_info(?)"


class BrokenKey(NamedTuple):
    """A foreign key of a table, and values of it that no row of the other table has."""

    table: str
    parent: str
    columns: tuple[str, ...]
    values: tuple[str, ...]
    """Each as its type and its bytes in hexadecimal, for they need not be text that can be read."""


@dataclass(frozen=True, slots=True)
class _Key:
    table: str
    parent: str
    columns: tuple[str, ...]
    wanted: tuple[str, ...]
    """The columns of the parent; empty where SQLite cannot look there: it is missing, or they are not unique."""


def broken_keys(connection: apsw.Connection, touched: Collection[str]) -> Counter[BrokenKey]:
    """The broken keys that start or end at one of these tables, in lower case, with how many rows have each.

    A key that SQLite itself cannot follow is not among them: it is as wrong whatever is done.
    """
    found: Counter[BrokenKey] = Counter()
    for key in _keys(connection, touched):
        if key.wanted:
            found.update(dict(_broken(connection, key)))
    return found


def has_lost_key(connection: apsw.Connection, touched: Collection[str]) -> bool:
    """Whether SQLite would refuse to write one of these tables while it checks keys: it cannot follow one."""
    return any(not key.wanted for key in _keys(connection, touched))


def _broken(connection: apsw.Connection, key: _Key) -> Iterator[tuple[BrokenKey, int]]:
    told = [f"typeof(c.{quoted(name)}), hex(c.{quoted(name)})" for name in key.columns]
    there = " AND ".join(f"c.{quoted(name)} IS NOT NULL" for name in key.columns)
    meets = " AND ".join(
        f"p.{quoted(wanted)} = c.{quoted(name)}" for name, wanted in zip(key.columns, key.wanted, strict=True)
    )
    listed = ", ".join(told)
    rows = connection.execute(
        f"SELECT count(*), {listed} FROM main.{quoted(key.table)} AS c WHERE {there} AND NOT EXISTS"  # noqa: S608 - quoted
        f" (SELECT 1 FROM main.{quoted(key.parent)} AS p WHERE {meets}) GROUP BY {listed}"
    )
    for number, *values in rows:
        pairs = zip(values[::2], values[1::2], strict=True)
        yield BrokenKey(key.table, key.parent, key.columns, tuple(f"{kind} {hexed}" for kind, hexed in pairs)), number


def _keys(connection: apsw.Connection, touched: Collection[str]) -> Iterator[_Key]:
    tables = Tables(connection)
    rows = [(*map(str, row[:4]), row[4]) for row in connection.execute(_KEYS).fetchall()]
    for (table, _), several in groupby(rows, key=lambda row: row[:2]):
        own = list(several)
        parent = str(own[0][2])
        if table.lower() in touched or parent.lower() in touched:
            named = [str(to) for *_, to in own if to is not None]
            wanted = _unique(connection, tables, parent, named or None, len(own))
            yield _Key(str(table), parent, tuple(str(column) for _, _, _, column, _ in own), wanted)


def _unique(
    connection: apsw.Connection, tables: Tables, parent: str, named: list[str] | None, width: int
) -> tuple[str, ...]:
    """The columns of the parent, where a key may refer to them."""
    if not tables.is_table(parent):
        return ()
    primary = [str(name) for (name,) in connection.execute(_PRIMARY, (parent,)).fetchall()]
    columns = primary if named is None else named
    lower = {column.lower() for column in columns}
    keys: list[Iterable[str]] = [[name.lower() for name in primary]]
    indexes = connection.execute(_UNIQUE, (parent,)).fetchall()
    keys += [[str(column) for (column,) in connection.execute(_INDEXED, (name,)).fetchall()] for (name,) in indexes]
    return tuple(columns) if len(columns) == width and any(set(key) == lower for key in keys) else ()
