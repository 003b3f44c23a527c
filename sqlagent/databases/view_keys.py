"""Which columns of a view are keys: a view has none of its own, and says by them what its rows belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlagent.core.nouns.draft import Column, Table

Place = tuple[str, str]
"""A table, or a view, and a column of it."""


def with_view_keys(tables: Sequence[Table], origins: Mapping[Place, Place]) -> tuple[Table, ...]:
    """The tables, in which a view's column that is a table's key, or leads to one, refers to it.

    `origins` is where the columns of views come from, as far as they come from anywhere unchanged.
    """
    named = {table.name: table for table in tables}

    def key_of(place: Place) -> str:
        for _ in tables:  # a view may be of a view
            if place not in origins:
                break
            place = origins[place]
        name, column_name = place
        table = named.get(name)
        column = next((c for c in table.columns if c.name == column_name), None) if table else None
        if table is None or column is None or table.is_view:
            return ""
        return column.references or (f"{name}.{column_name}" if _names_its_row(column, table) else "")

    def told(table: Table, column: Column) -> Column:
        found = key_of((table.name, column.name))
        return replace(column, references=found) if found else column

    return tuple(replace(t, columns=tuple(told(t, column) for column in t.columns)) if t.is_view else t for t in tables)


def _names_its_row(column: Column, table: Table) -> bool:
    return column.primary_key and sum(c.primary_key for c in table.columns) == 1
