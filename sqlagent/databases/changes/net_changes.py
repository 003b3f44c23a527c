"""Net changes: old rows paired with new ones, and what one statement did between two readings of all changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from sqlagent.databases.changes.rows import L, Row, RowChange, TableChange, key_getter, same

K = TypeVar("K", bound=Hashable)


def paired(key: Sequence[int], before: Sequence[Row], after: Sequence[Row]) -> tuple[RowChange, ...]:
    """The changes that turn the old rows into the new ones: by key, where a changed key is a delete and an insert.

    Rows without a key are counted: one that is there on both sides did not change.
    """
    return tuple(_by_key(key, before, after) if key else _counted(before, after))


def _by_key(key: Sequence[int], before: Sequence[Row], after: Sequence[Row]) -> Iterator[RowChange]:
    of = key_getter(key)
    left = {of(row): row for row in after}
    for row in before:
        now = left.pop(of(row), None)
        if now != row:
            yield RowChange(row, now)
    for row in left.values():
        yield RowChange(None, row)


def _counted(before: Iterable[Row], after: Iterable[Row]) -> Iterator[RowChange]:
    old, new = Counter(before), Counter(after)
    for row in (old - new).elements():
        yield RowChange(row, None)
    for row in (new - old).elements():
        yield RowChange(None, row)


def added_up(steps: Iterable[tuple[K, RowChange]]) -> Iterator[tuple[K, RowChange]]:
    """Each row once, by what names it: as it stood before the first step, and as the last step left it.

    Rows that stand again as they stood before are left out.
    """
    found: dict[K, RowChange] = {}
    for name, step in steps:
        found[name] = RowChange(found[name].before if name in found else step.before, step.after)
    for name, change in found.items():
        if change.before is None or change.after is None:
            if change.before is not change.after:
                yield name, change
        elif not same(change.before, change.after):
            yield name, change


def since(
    earlier: Sequence[TableChange[L]], now: Sequence[TableChange[L]]
) -> tuple[TableChange[L], ...]:  # fmt: skip
    """The changes between two readings of everything that was changed so far."""
    known = {change.table.name: change for change in earlier}
    later = {change.table.name: change for change in now}
    tables = {name: change.table for name, change in (known | later).items()}
    steps = (
        TableChange(table, _step(table.key, _rows(known.get(name)), _rows(later.get(name))))
        for name, table in tables.items()
    )
    return tuple(step for step in steps if step.rows)


def _rows(change: TableChange[L] | None) -> tuple[RowChange, ...]:
    return change.rows if change is not None else ()


def _step(key: Sequence[int], earlier: Sequence[RowChange], now: Sequence[RowChange]) -> tuple[RowChange, ...]:
    if not earlier:
        return tuple(now)
    if not key:
        return tuple(_step_counted(earlier, now))
    return tuple(_step_by_key(key, earlier, now))


def _step_by_key(key: Sequence[int], earlier: Sequence[RowChange], now: Sequence[RowChange]) -> Iterator[RowChange]:
    of = key_getter(key)
    stood = {of(change.row): change for change in earlier}
    for change in now:
        was = stood.pop(of(change.row), None)
        before = change.before if was is None else was.after
        if before != change.after:
            yield RowChange(before, change.after)
    for was in stood.values():  # it is as it was at first
        yield was.inverse


def _step_counted(earlier: Iterable[RowChange], now: Iterable[RowChange]) -> Iterator[RowChange]:
    sums: Counter[Row] = Counter()
    for sign, changes in ((-1, earlier), (1, now)):
        for change in changes:
            if change.after is not None:
                sums[change.after] += sign
            if change.before is not None:
                sums[change.before] -= sign
    for row, count in sums.items():
        for _ in range(abs(count)):
            yield RowChange(None, row) if count > 0 else RowChange(row, None)
