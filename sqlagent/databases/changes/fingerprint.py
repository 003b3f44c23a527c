"""One hash over every row that a script changes, the same for the same change in whatever order it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from sqlagent.databases.changes.rows import Layout, Row, RowChange, TableChange

_MASKED = b"\0a clock's or chance's"


def fingerprint(changes: Iterable[TableChange[Any]], *, volatile: Container[str], also: Iterable[str] = ()) -> str:
    """SHA-256, hex.  `volatile` names columns, as `table.column`, whose new values are left out; `also` is hashed too.

    Old values all count: they stood before the run, and no clock of the run made them.
    """
    whole = hashlib.sha256()
    for text in sorted(also):
        whole.update(hashlib.sha256(text.encode()).digest())
    for change in sorted(changes, key=lambda each: each.table.name):
        whole.update(repr((change.table.name, change.table.columns)).encode())
        for digest in sorted(_digests(change.rows, masked(change.table, volatile))):
            whole.update(digest)
    return whole.hexdigest()


def masked(table: Layout, volatile: Container[str]) -> tuple[int, ...]:
    """The places in a row of the columns that are left out of the hash."""
    return tuple(place for place, column in enumerate(table.columns) if f"{table.name}.{column}" in volatile)


def _digests(rows: Sequence[RowChange], hidden: Sequence[int]) -> Iterator[bytes]:
    encode, sha = msgspec.msgpack.Encoder().encode, hashlib.sha256
    for change in rows:
        after = change.after if not hidden or change.after is None else _without(change.after, hidden)
        yield sha(encode((change.before, after))).digest()


def _without(row: Row, hidden: Sequence[int]) -> Row:
    values = list(row)
    for place in hidden:
        values[place] = _MASKED
    return tuple(values)
