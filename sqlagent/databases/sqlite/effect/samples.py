"""A few of the rows that would change, before and after, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from sqlagent.core.nouns.analysis import Verb
from sqlagent.core.nouns.effect import Cell, Sample
from sqlagent.databases.changes.samples import SHOWN, value_of
from sqlagent.databases.sqlite.effect.invisible_rows import InvisibleRow, Row
from sqlagent.databases.sqlite.effect.net_changes import Tally
from sqlagent.databases.sqlite.opinion.table_shapes import ROWID, TableShape

_Layout = tuple[Sequence[str], Sequence[int]]
"""Names of a row's columns, and which of them are its key."""


def samples(tally: Tally, shapes: dict[str, TableShape], invisible: Sequence[InvisibleRow]) -> tuple[Sample, ...]:
    """Up to three of each table and verb, the first by their keys."""
    found: list[Sample] = []
    others = {change.table: change.columns for change in invisible}
    for (table, verb), rows in tally.some.items():
        shape = shapes[table.lower()]

        def layout(row: Row, shape: TableShape = shape, other: tuple[str, ...] = others.get(table, ())) -> _Layout:
            by_number = shape.virtual or len(row) != len(shape.columns)
            return (other, (0,)) if by_number else (shape.columns, shape.key)

        laid_out = [(layout(old or new or ()), old, new) for old, new in rows]
        laid_out.sort(key=lambda each: _order(each[1] or each[2] or (), each[0][1]))
        found += [_sample(table, verb, *of, old, new) for of, old, new in laid_out[:SHOWN]]
    return tuple(found)


def _sample(
    table: str, verb: Verb, columns: Sequence[str], key: Sequence[int], old: Row | None, new: Row | None
) -> Sample:
    known = old if old is not None else new or ()
    cells = []
    for place, column in enumerate(columns):
        if place in key and (column in (ROWID, "rowid") or verb is Verb.UPDATE):
            continue
        before = None if old is None else old[place]
        after = None if new is None else new[place]
        if verb is Verb.UPDATE and (after is apsw.no_change or (before == after and type(before) is type(after))):
            continue
        cells.append(Cell(column, None if old is None else value_of(before), None if new is None else value_of(after)))
    named = tuple(("rowid" if columns[place] == ROWID else columns[place], value_of(known[place])) for place in key)
    return Sample(table, verb, named, tuple(cells))


def _order(row: Row, key: Iterable[int]) -> tuple[tuple[int, Any], ...]:
    """As SQLite sorts: numbers, texts, blobs."""
    ranks = {int: 1, float: 1, str: 2, bytes: 3}
    return tuple((ranks.get(type(row[place]), 0), 0 if row[place] is None else row[place]) for place in key)
