"""The record of a run, kept before its COMMIT: enough to tell whether it was committed, and to take it back."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from sqlagent.core.errors import StoreError
from sqlagent.databases.changes.rows import RowChange, TableChange
from sqlagent.databases.postgres.connection.rows import Raw
from sqlagent.databases.postgres.effect.reading import State
from sqlagent.databases.postgres.effect.schema_changes import Object, SchemaChange
from sqlagent.databases.postgres.effect.tables import Table
from sqlagent.databases.postgres.effect.written_tables import LOST_BYTES

_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Transaction:
    """Which transaction a run was, as the server counts them."""

    system: str
    """The cluster's own number: another one is another server, or was made anew from a dump."""
    timeline: str
    """Another one was promoted or restored since: its transaction ids after the fork are not ours."""
    xid: str
    pid: int
    began: str
    """When that backend began: its pid may be another one's later."""


@dataclass(frozen=True, slots=True)
class KeptTable:
    """A table, and its rows as they were and as they were left."""

    table: Table
    rows: tuple[tuple[Raw | None, Raw | None], ...]

    @property
    def change(self) -> TableChange[Table]:
        """Its rows as the shared noun, values as the server writes them in text."""
        return TableChange(self.table, tuple(RowChange(before, after) for before, after in self.rows))


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that is kept of one run."""

    format: int
    transaction: Transaction
    changed: tuple[KeptTable, ...] = ()
    """Tables that were there before and after."""
    made: tuple[KeptTable, ...] = ()
    dropped: tuple[KeptTable, ...] = ()
    lost: tuple[KeptTable, ...] = ()
    """What columns held that it dropped."""
    before: tuple[Object, ...] = ()
    after: tuple[Object, ...] = ()
    """Objects of the schema that differ."""
    incomplete: str = ""
    """Why there is not all that it changed; empty where there is."""

    @property
    def changes(self) -> tuple[TableChange[Table], ...]:
        """Changes of rows in the tables that were there before and after."""
        return tuple(kept.change for kept in self.changed)

    @property
    def schema(self) -> SchemaChange:
        """What differs in the schema, to be set back."""
        return SchemaChange(self.before, self.after)


def encoded(transaction: Transaction, state: State, *, incomplete: str) -> bytes:
    """The bytes for the journal; `incomplete` says why not every row is in `state`."""
    changed, made, dropped, lost = (
        tuple(map(_kept, side)) for side in (state.changes, state.came, state.went, state.lost)
    )
    why = incomplete or next((f"{each.table}: {each.why}" for each in state.unread), "")
    if state.too_large:
        why = why or too_large(state)
    kept = Kept(_FORMAT, transaction, changed, made, dropped, lost, state.schema.before, state.schema.after, why)
    return msgspec.msgpack.encode(kept)


def too_large(state: State) -> str:
    """Why what it dropped cannot be put back."""
    return f"{state.too_large[0]} has more than {LOST_BYTES // 1_000_000} MB, so what its column held is not kept"


def _kept(change: TableChange[Table]) -> KeptTable:
    return KeptTable(change.table, tuple((row.before, row.after) for row in change.rows))


def decoded(data: bytes) -> Kept:
    """The record from its bytes.  Raises StoreError where they are not what a run kept."""
    try:
        kept = msgspec.msgpack.decode(data, type=Kept)
    except msgspec.MsgspecError as e:
        raise StoreError(f"what the run kept cannot be read: {e}", hint="it cannot be undone") from e
    if kept.format != _FORMAT:
        raise StoreError("what the run kept is of another version", hint="undo it with the version that ran it")
    return kept
