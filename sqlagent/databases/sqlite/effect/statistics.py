"""ANALYZE's statistics, which SQLite drops with a table or an index, and which an undo has to put back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apsw

from sqlagent.databases.sqlite.connection.marker_table import TABLE
from sqlagent.databases.sqlite.opinion.table_shapes import Tables

STATISTICS = ("sqlite_stat1", "sqlite_stat4")

Known = tuple[tuple[str, tuple[Any, ...]], ...]
"""Rows, each with the table that it is in."""


def statistics(connection: apsw.Connection, tables: Tables) -> Known:
    """Every row of the statistics, but for those of the table of marks, which runs add to."""
    there = [name for name in STATISTICS if tables.is_table(name)]
    wanted = f"SELECT * FROM main.{{}} WHERE tbl <> '{TABLE}' COLLATE NOCASE"  # noqa: S608 - ours
    return tuple((name, row) for name in there for row in connection.execute(wanted.format(name)).fetchall())


Moved = tuple[Known, Known]
"""Rows that went and rows that came with a change of the schema."""


def moved(before: Known, after: Known) -> Moved:
    """The rows that went and those that came."""
    return lost(before, after), lost(after, before)


def lost(before: Known, after: Known) -> Known:
    """The rows that were there before and are not after."""
    return tuple(row for row in before if row not in after)


def put_back(connection: apsw.Connection, tables: Tables, rows: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
    """Insert statistics again, also of tables that are gone: a renamed one leaves its own behind."""
    for name, row in rows:
        if tables.is_table(name):
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO main.{name} VALUES ({marks})", row).fetchall()  # noqa: S608 - ours
