"""A few of the rows that would change, before and after, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlagent.core.nouns.effect import Sample
from sqlagent.databases.changes.rows import Row, RowChange
from sqlagent.databases.changes.samples import SHOWN, sample
from sqlagent.databases.sqlite.effect.invisible_rows import InvisibleRow
from sqlagent.databases.sqlite.effect.net_changes import Tally
from sqlagent.databases.sqlite.opinion.table_shapes import ROWID, TableShape

_NUMBER = "rowid"
"""What people call the number of a row."""
_Layout = tuple[Sequence[str], Sequence[int]]
"""Names of a row's columns, and which of them are its key."""


def samples(tally: Tally, shapes: dict[str, TableShape], invisible: Sequence[InvisibleRow]) -> tuple[Sample, ...]:
    """Up to three of each table and verb, the first by their keys."""
    found: list[Sample] = []
    others = {row.table: row.columns for row in invisible}
    for (table, _), rows in tally.some.items():
        shape = shapes[table.lower()]

        def layout(row: Row, shape: TableShape = shape, other: tuple[str, ...] = others.get(table, ())) -> _Layout:
            by_number = shape.virtual or len(row) != len(shape.columns)
            return (other, (0,)) if by_number else (shape.columns, shape.key)

        laid_out = [(layout(change.row), change) for change in rows]
        laid_out.sort(key=lambda each: _order(each[1].row, each[0][1]))
        found += [_sample(table, *of, change) for of, change in laid_out[:SHOWN]]
    return tuple(found)


def _sample(table: str, columns: Sequence[str], key: Sequence[int], change: RowChange) -> Sample:
    """A number that only tells rows apart is in the key, and no value of the row."""
    named = [_NUMBER if column == ROWID else column for column in columns]
    return sample(table, named, key, change, aside=[place for place in key if named[place] == _NUMBER])


def _order(row: Row, key: Iterable[int]) -> tuple[tuple[int, Any], ...]:
    """As SQLite sorts: numbers, texts, blobs."""
    ranks = {int: 1, float: 1, str: 2, bytes: 3}
    return tuple((ranks.get(type(row[place]), 0), 0 if row[place] is None else row[place]) for place in key)
