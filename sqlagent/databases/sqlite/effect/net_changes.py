"""Net changes of a script: between two changes of the schema each row counts once, as it was before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import apsw

from sqlagent.core.nouns.analysis import Verb
from sqlagent.databases.changes.net_changes import added_up
from sqlagent.databases.changes.rows import Row, RowChange
from sqlagent.databases.changes.samples import LOOKED_AT
from sqlagent.databases.sqlite.effect.changeset import records
from sqlagent.databases.sqlite.effect.changeset_summary import Reading
from sqlagent.databases.sqlite.effect.invisible_rows import InvisibleRow
from sqlagent.databases.sqlite.effect.recorder import Change
from sqlagent.databases.sqlite.effect.schema_changes import Loss, Object
from sqlagent.databases.sqlite.effect.state_before import Before
from sqlagent.databases.sqlite.effect.statistics import Moved
from sqlagent.databases.sqlite.opinion.table_shapes import TableShape

VERBS = {"INSERT": Verb.INSERT, "UPDATE": Verb.UPDATE, "DELETE": Verb.DELETE}


@dataclass(frozen=True, slots=True)
class Segment:
    """The changes of some statements with no change of the schema among them, or of one that is just that."""

    changeset: bytes
    invisible: tuple[InvisibleRow, ...]
    shapes: dict[str, TableShape]
    last_numbers: dict[str, int]
    losses: tuple[Loss, ...] = ()
    reshapes: bool = False
    before: tuple[Object, ...] = ()
    after: tuple[Object, ...] = ()
    contents: dict[str, str] = field(default_factory=dict)
    reading: Reading | None = None
    """What the changeset tells, where it is that of one statement."""
    counters: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """AUTOINCREMENT's last number of each table where it moved on, before and after."""
    statistics: Moved = ((), ())
    """What ANALYZE knew of what the change of the schema dropped or altered."""
    stood: Before | None = None
    """What stood before, where the undo is to be tried."""


def segments(changes: Sequence[Change]) -> tuple[Segment, ...]:
    """The segments of a script in order, without those that changed nothing."""
    groups: list[list[Change]] = []
    for change in changes:
        if groups and not change.reshapes and not groups[-1][-1].reshapes:
            groups[-1].append(change)
        else:
            groups.append([change])
    return tuple(s for s in map(_added_up, groups) if s.changeset or s.invisible or s.reshapes)


def _added_up(group: list[Change]) -> Segment:
    shapes: dict[str, TableShape] = {}
    last: dict[str, int] = {}
    counters: dict[str, tuple[Any, Any]] = {}
    for change in group:
        for name, (before, after) in change.counters.items():
            counters[name] = counters.get(name, (before,))[0], after
    for change in reversed(group):  # what the first of them says stands
        shapes |= change.shapes
        last |= change.last_numbers
    parts = [change.changeset for change in group if change.changeset]
    readings = [change.reading for change in group if change.changeset]
    reshaping = next((change for change in group if change.reshapes), None)
    return Segment(
        parts[0] if len(parts) == 1 else _concatenated(parts),
        tuple(_merged([row for change in group for row in change.invisible])),
        shapes,
        last,
        tuple(loss for change in group for loss in change.losses),
        reshaping is not None,
        tuple(reshaping.before.values()) if reshaping else (),
        tuple(reshaping.after.values()) if reshaping else (),
        reshaping.contents if reshaping else {},
        readings[0] if len(readings) == 1 else None,
        counters,
        reshaping.statistics if reshaping else ((), ()),
        group[0].stood,
    )


def _concatenated(parts: Sequence[bytes]) -> bytes:
    if not parts:
        return b""
    builder = apsw.ChangesetBuilder()  # type: ignore[no-untyped-call] # its stub says nothing of what it answers
    for part in parts:
        builder.add(part)
    return builder.output()


def _merged(rows: Sequence[InvisibleRow]) -> Iterator[InvisibleRow]:
    """Each row once, laid out as in the last step of it."""
    last = {(row.table, row.change.row[0]): row for row in rows}
    for name, change in added_up(((row.table, row.change.row[0]), row.change) for row in rows):
        yield replace(last[name], change=change)


# ---- counting -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows of each table a change inserts, updates and deletes, and some of them."""

    rows: Counter[tuple[str, Verb]] = field(default_factory=Counter)
    indirect: Counter[tuple[str, Verb]] = field(default_factory=Counter)
    """Those of them that only triggers and foreign keys touch."""
    some: dict[tuple[str, Verb], list[RowChange]] = field(default_factory=dict)
    """The first of each; a value that a changeset does not tell is `apsw.no_change` before and after."""


def tally(of: Change) -> Tally:
    """How many rows of each table a change inserts, updates and deletes, with the first of each to look at."""
    found = Tally()
    _count(of, found)
    for row in of.invisible:
        key = row.table, row.change.verb
        found.rows[key] += 1
        some = found.some.setdefault(key, [])
        if len(some) < LOOKED_AT:
            some.append(row.change)
    return found


def _count(of: Change, found: Tally) -> None:
    wanted, shapes = {}, of.shapes
    for (name, op, indirect), rows in of.reading.counts.items():
        if is_shown(shapes[name.lower()]):
            key = shapes[name.lower()].name, VERBS[op]
            found.rows[key] += rows
            found.indirect[key] += rows if indirect else 0
            wanted[name, op] = found.some.setdefault(key, [])
    for name, op, old, new in records(of.reading.some):
        some = wanted.get((name, op))
        if some is not None:
            some.append(_whole(old, new))


def _whole(old: Row | None, new: Row | None) -> RowChange:
    """The change of a row; what an UPDATE's record leaves out of the new row is as it was in the old one."""
    if old is None or new is None:
        return RowChange(old, new)
    return RowChange(old, tuple(was if now is apsw.no_change else now for was, now in zip(old, new, strict=True)))


def is_shown(shape: TableShape) -> bool:
    """Whether people are told of a table: not of those in which a virtual table keeps its data."""
    return not shape.shadow
