"""Which columns get their values from a clock, a sequence or chance: those that differ when a script is run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from sqlagent.databases.changes.budget import Budget
from sqlagent.databases.changes.fingerprint import fingerprint
from sqlagent.databases.changes.rows import Row, TableChange, key_of

Changes = Sequence[TableChange[Any]]


_CHEAP = 0.3
"""Seconds within which it is run again and again."""


class Unsteady(Exception):
    """A script that changes other rows when it is run a second time, so that no run could be held to it."""


def attempts(meter: Budget, *, most: int) -> Iterator[int]:
    """How often to run a script again: once, and up to `most` times while that is cheap.

    A clock tells at once; chance may pick the same few rows twice.
    """
    begun = meter.spent
    yield 0
    yield from takewhile(lambda _: meter.spent - begun < _CHEAP, range(1, most))


def differing(one: Changes, other: Changes) -> frozenset[str]:
    """The columns, as `table.column`, whose new values are others the second time.

    Raises Unsteady where other rows are touched, or the same ones in another way than by those columns.
    """
    ours, theirs = ({change.table.name: change for change in changes} for changes in (one, other))
    if ours.keys() != theirs.keys() or any(_touched(ours[name]) != _touched(theirs[name]) for name in ours):
        raise Unsteady("which rows it changes depends on chance")
    found = frozenset(column for name in ours for column in _columns(ours[name], theirs[name]))
    if fingerprint(one, volatile=found) != fingerprint(other, volatile=found):
        raise Unsteady("which values go together depends on chance")
    return found


def _touched(change: TableChange[Any]) -> Counter[tuple[Row | None, bool]]:
    return Counter((row.before, row.after is None) for row in change.rows)


def _columns(ours: TableChange[Any], theirs: TableChange[Any]) -> Iterator[str]:
    for place, column in enumerate(ours.table.columns):
        one, other = (_values(change, place) for change in (ours, theirs))
        if one != other:
            yield f"{ours.table.name}.{column}"


def _values(change: TableChange[Any], place: int) -> Counter[tuple[Row | None, Any]]:
    """Of one column, each with the key of the row that stood before; new rows have none that says which they are."""
    return Counter(
        (None if row.before is None else key_of(change.table, row.before) or row.before, row.after[place])
        for row in change.rows
        if row.after is not None
    )
