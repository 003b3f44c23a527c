"""A few of the rows that would change, before and after, as a person reads them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from math import isfinite
from typing import Any

from sqlagent.core.nouns.effect import Cell, Sample, Value
from sqlagent.core.nouns.verbs import Verb
from sqlagent.databases.changes.rows import Row, RowChange, TableChange, same

SHOWN = 3
"""Rows of each table and verb."""
LOOKED_AT = 1000
"""Rows of a table and verb, among which the first by key are shown."""
_LONGEST = 200  # characters of a text
_NUMBER = re.compile(r"-?[0-9]{1,40}")
_LONGEST_BLOB = 32  # bytes


def samples(changes: Iterable[TableChange[Any]]) -> tuple[Sample, ...]:
    """Up to three of each table and verb, the first by their keys."""
    return tuple(sample for change in changes for sample in _of_table(change))


def _of_table(change: TableChange[Any]) -> Iterable[Sample]:
    some: dict[Verb, list[RowChange]] = {}
    for row in change.rows:
        listed = some.setdefault(row.verb, [])
        if len(listed) < LOOKED_AT:
            listed.append(row)
    for verb in (Verb.INSERT, Verb.UPDATE, Verb.DELETE):
        first = sorted(some.get(verb, ()), key=lambda each: order(each.row, change.table.key))[:SHOWN]
        for row in first:
            yield sample(change.table.name, change.table.columns, change.table.key, row)


def sample(
    table: str, columns: Sequence[str], key: Sequence[int], change: RowChange, *, aside: Container[int] = ()
) -> Sample:
    """One row for a person to see: of an update the columns that change, else all of them but those `aside`."""
    verb = change.verb
    named = tuple((columns[place], value_of(change.row[place])) for place in key)
    cells = tuple(
        Cell(column, _side(change.before, place), _side(change.after, place))
        for place, column in enumerate(columns)
        if place not in aside and (verb is not Verb.UPDATE or _differs(change, place))
    )
    return Sample(table, verb, named, cells)


def _side(row: Row | None, place: int) -> Value:
    return None if row is None else value_of(row[place])


def _differs(change: RowChange, place: int) -> bool:
    assert change.before is not None
    assert change.after is not None
    return not same(change.before[place : place + 1], change.after[place : place + 1])


def value_of(value: Any) -> Value:
    """A value with its type, so that NULL, texts, numbers and BLOBs are told apart; exact, unless it is long."""
    match value:
        case bytes():
            more = {"$bytes": str(len(value))} if len(value) > _LONGEST_BLOB else {}
            return {"$blob": value[:_LONGEST_BLOB].hex()} | more
        case None | bool() | str():
            return None if value is None else value if isinstance(value, bool) else shown(value)
        case int() if -(2**63) <= value < 2**63:
            return value
        case float() if isfinite(value):
            return value
        case _:
            return {"$number": str(value)} if hasattr(value, "as_integer_ratio") else shown(value)


def shown(value: Any) -> str:
    """A value as text: exact, unless it is long."""
    match value:
        case None:
            return "NULL"
        case str():
            return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}… ({len(value):,} characters)"
        case bytes():
            more = f"… ({len(value):,} bytes)" if len(value) > _LONGEST_BLOB else ""
            return f"x'{value[:_LONGEST_BLOB].hex()}'{more}"
        case _:
            return str(value)


def order(row: Row, key: Iterable[int]) -> tuple[tuple[int, Any], ...]:
    """How values are sorted in samples: numbers first, also those that come as text, then texts, then blobs."""
    return tuple(_rank(row[place]) for place in key)


def _rank(value: Any) -> tuple[int, Any]:
    match value:
        case None:
            return 0, 0
        case int() | float():
            return 1, value
        case str():
            return (1, int(value)) if _NUMBER.fullmatch(value) else (2, value)
        case bytes():
            return 3, value
        case _:
            return 4, str(value)
