"""Columns whose values come from a clock or from chance, so that they differ when the script is run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

import apsw

from sqlagent.databases.changes.rows import Row
from sqlagent.databases.changes.volatile_columns import Unsteady, attempts
from sqlagent.databases.sqlite.connection.budget import Meter
from sqlagent.databases.sqlite.connection.clock import CHANCE, CLOCKS, FAR, NEAR
from sqlagent.databases.sqlite.effect.fingerprint import fingerprint
from sqlagent.databases.sqlite.effect.net_changes import Segment, is_shown

_BETWEEN_CHECKS = 4096
_TRIES = 24
_MASK = (1 << 128) - 1

Sums = dict[str, "_Sums"]


def is_volatile(functions: Sequence[str]) -> bool:
    """Whether one of these SQL functions answers otherwise when it is called again."""
    return not (CLOCKS | CHANCE).isdisjoint(functions)


def volatile_columns(
    parts: Sequence[Segment], again: Callable[[int], Sequence[Segment]], *, functions: Sequence[str], meter: Meter
) -> tuple[str, ...]:
    """As `table.column`; `again` runs the script once more with a clock so many milliseconds ahead.

    Far ahead every part of a date is another.  Where that changes which rows are touched (`WHERE due < date('now')`),
    a minute ahead has to do: the rows are then part of what is approved, the time of day is not.  Raises Unsteady.
    """
    first = _sums(parts, meter)
    most = 1 if CHANCE.isdisjoint(functions) else _TRIES
    for milliseconds in (FAR, NEAR):
        found: set[str] = set()
        for _ in attempts(meter, most=most):
            others = again(milliseconds)
            more = _differing(first, _sums(others, meter))
            if more is None or not _agree(parts, others, more, meter):
                break
            found |= more
        else:
            return tuple(sorted(found))
    raise Unsteady("which rows it changes depends on chance")


def _agree(parts: Sequence[Segment], others: Sequence[Segment], volatile: set[str], meter: Meter) -> bool:
    ours, theirs = (fingerprint(each, volatile=volatile, meter=meter) for each in (parts, others))
    return ours == theirs


class _Sums:
    """The sum of one table's rows, column by column, the same in any order."""

    def __init__(self, columns: Sequence[str], key: Sequence[int]) -> None:
        self.columns, self.key = tuple(columns), tuple(key)
        self.rows: Counter[str] = Counter()
        self.keys = 0
        self.values = [0] * len(self.columns)
        self.in_rows = [0] * len(self.columns)

    def add(self, operation: str, old: Row | None, new: Row | None) -> None:
        # hash() has another secret in every process, and these sums never leave this one
        self.rows[operation] += 1
        known = old if old is not None else new or ()
        key = hash((operation, *(known[place] for place in self.key)))
        self.keys = (self.keys + key * key) & _MASK
        for side, row in ((0, old), (1, new)):
            for place, value in enumerate(row or ()):
                if value is not apsw.no_change:
                    one = hash((operation, side, type(value), value))
                    self.values[place] = (self.values[place] + one * one) & _MASK
                    self.in_rows[place] = (self.in_rows[place] + (one ^ key) ** 2) & _MASK


def _sums(parts: Sequence[Segment], meter: Meter) -> Sums:
    found: Sums = {}
    for part in parts:
        seen = apsw.Changeset.iter(part.changeset) if part.changeset else ()
        for number, change in enumerate(seen):
            shape = part.shapes[change.name.lower()]
            if is_shown(shape):
                sums = found.setdefault(shape.name, _Sums(shape.columns, shape.key))
                sums.add(change.op, change.old, change.new)
            if not number % _BETWEEN_CHECKS:
                meter.check()
        for invisible in part.invisible:
            sums = found.setdefault(f"{invisible.table}", _Sums(invisible.columns, (0,)))
            if sums.columns == invisible.columns:
                sums.add("invisible", invisible.change.before, invisible.change.after)
    return found


def _differing(one: Sums, other: Sums) -> set[str] | None:
    """The columns whose values differ; None where other rows are touched."""
    if {t: s.rows for t, s in one.items()} != {t: s.rows for t, s in other.items()}:
        return None
    return set(chain.from_iterable(_columns(table, one[table], other[table]) for table in one))


def _columns(table: str, a: _Sums, b: _Sums) -> set[str]:
    same_keys = a.keys == b.keys
    ours, theirs = (a.in_rows, b.in_rows) if same_keys else (a.values, b.values)
    return {f"{table}.{column}" for column, x, y in zip(a.columns, ours, theirs, strict=True) if x != y}
