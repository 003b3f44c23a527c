"""The record of a run, kept before its COMMIT: enough to tell whether it was committed, and to take it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sqlagent.core.errors import StoreError
from sqlagent.databases.sqlite.effect.broken_keys import BrokenKey
from sqlagent.databases.sqlite.effect.net_changes import Segment
from sqlagent.databases.sqlite.effect.schema_changes import Object, Objects
from sqlagent.databases.sqlite.effect.statistics import Moved

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class KeptTable:
    """How the rows of a table are laid out in the changeset."""

    name: str
    columns: tuple[str, ...]
    key: tuple[int, ...]
    sql: str = ""
    """The text that made it: while it is the same, a row meets its constraints as well as it did before the run."""


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A row that no changeset holds, with its rowid first."""

    table: str
    columns: tuple[str, ...]
    old: tuple[Any, ...] | None
    new: tuple[Any, ...] | None
    virtual: bool


@dataclass(frozen=True, slots=True)
class KeptPart:
    """What one stretch of a script changed: rows between two changes of the schema, or one such change."""

    changeset: bytes
    rows: tuple[KeptRow, ...]
    tables: tuple[KeptTable, ...]
    before: tuple[Object, ...] = ()
    after: tuple[Object, ...] = ()
    """Every object before and after, where the part is one change of the schema."""
    contents: dict[str, str] = field(default_factory=dict)
    """Digest of the rows of each table that it made or altered, afterwards."""
    counters: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """AUTOINCREMENT's last number of each table where it moved on, before and after."""
    statistics: Moved = ((), ())
    """What ANALYZE knew of what it dropped or altered."""

    @property
    def reshapes(self) -> bool:
        """Whether it is a change of the schema."""
        return bool(self.before or self.after)


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that a run changed, part by part, in the order in which it was done."""

    format: int
    parts: tuple[KeptPart, ...]
    schema_before: str = ""
    schema_after: str = ""
    """Fingerprints; empty where the schema stays as it is."""
    broken_keys: tuple[tuple[BrokenKey, int], ...] = ()
    """Rows that referred to nothing before the run, and may again."""

    @property
    def reshapes(self) -> bool:
        """Whether it changed the schema, also where it ends with the one that it began with."""
        return self.schema_before != self.schema_after or any(part.reshapes for part in self.parts)


def changed(part: KeptPart) -> tuple[Objects, Objects]:
    """The objects that the change made, altered or dropped: as they were, and as it left them."""
    before, after = by_name(part.before), by_name(part.after)
    keys = [key for key in before | after if sql_of(before.get(key)) != sql_of(after.get(key))]
    return {k: before[k] for k in keys if k in before}, {k: after[k] for k in keys if k in after}


def by_name(listed: tuple[Object, ...]) -> Objects:
    """Objects under their kind and folded name, which together are unique in a schema."""
    return {(o.kind, o.name.lower()): o for o in listed}


def sql_of(o: Object | None) -> str:
    """The text that made an object; empty where there is none."""
    return o.sql if o else ""


def kept_of(
    parts: Sequence[Segment], schema_before: str = "", schema_after: str = "", broken: Counter[BrokenKey] | None = None
) -> Kept:
    """What is to be kept of a run that was recorded in these segments."""
    return Kept(_FORMAT, tuple(map(_part, parts)), schema_before, schema_after, tuple((broken or {}).items()))


def encoded(kept: Kept) -> bytes:
    """The bytes for the journal; `decoded` reads them."""
    return msgspec.msgpack.encode(kept)


def decoded(data: bytes) -> Kept:
    """The record from its bytes.  Raises StoreError where they are not what a run kept."""
    try:
        kept = msgspec.msgpack.decode(data, type=Kept)
    except msgspec.MsgspecError as e:
        raise StoreError(f"what the run kept cannot be read: {e}", hint="it cannot be undone") from e
    if not all(o.sql for part in kept.parts for o in (*part.before, *part.after)):
        raise StoreError("what the run kept names an object without its CREATE", hint="it cannot be undone")
    if kept.format != _FORMAT:
        raise StoreError("what the run kept is of another version", hint="undo it with the version that ran it")
    return kept


def _part(segment: Segment) -> KeptPart:
    return KeptPart(
        segment.changeset,
        tuple(KeptRow(u.table, u.columns, u.change.before, u.change.after, u.virtual) for u in segment.invisible),
        tuple(KeptTable(s.name, s.columns, s.key, s.sql) for s in segment.shapes.values()),
        segment.before,
        segment.after,
        segment.contents,
        segment.counters,
        segment.statistics,
    )
