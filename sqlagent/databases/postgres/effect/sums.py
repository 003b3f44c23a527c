"""The fingerprint of a change, how many rows it has, and how large it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlagent.databases.changes import fingerprint as rows_fingerprint
from sqlagent.databases.changes.rows import TableChange
from sqlagent.databases.postgres.effect.reading import State
from sqlagent.databases.postgres.effect.schema_changes import SchemaChange
from sqlagent.databases.postgres.effect.tables import Table


def fingerprint(
    state: State, volatile: Collection[str], changes: Sequence[TableChange[Table]] | None = None,
    schema: SchemaChange | None = None,
) -> str:  # fmt: skip
    """SHA-256, hex, over every row changed, the schema, and the numbers of what could only be counted."""
    also = [*(schema or state.schema).texts(), *_counted(state)]
    if changes is None:
        for word, side in (("came", state.came), ("went", state.went)):
            also.append(word + rows_fingerprint.fingerprint(side, volatile=volatile))
    listed = state.changes if changes is None else changes
    return rows_fingerprint.fingerprint(listed, volatile=volatile, also=also)


def _counted(state: State) -> Iterator[str]:
    for each in state.unread:
        yield repr((each.table, each.counts))


def rows_changed(state: State) -> int:
    """Rows of tables that are there before and after, and of those that were counted."""
    return sum(len(change.rows) for change in state.changes) + sum(sum(each.counts) for each in state.unread)


def size_of(state: State) -> int:
    """Bytes of the values, old and new."""
    return sum(
        sum(map(len, filter(None, row)))
        for change in (*state.changes, *state.went)
        for each in change.rows
        for row in (each.before, each.after)
        if row is not None
    )
