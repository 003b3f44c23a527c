"""One hash over every row that a script changes, the same for the same change in whatever order it was made."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Container, Iterator, Sequence
from typing import Any

import apsw

from sqlagent.databases.sqlite.meter import Meter
from sqlagent.databases.sqlite.net import Segment, is_shown
from sqlagent.databases.sqlite.tables import TableShape
from sqlagent.databases.sqlite.unseen import Row

_BETWEEN_CHECKS = 4096
_STAYS = ...
"""In a hashed row, a value that an UPDATE leaves as it is, or one that is a clock's or chance's."""


def fingerprint(parts: Sequence[Segment], *, volatile: Container[str], meter: Meter | None = None) -> str:
    """SHA-256, hex.  `volatile` names columns, as `table.column`, whose values are left out."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(b"shape" if part.reshapes else b"rows")
        for loss in part.losses:
            whole.update(repr((loss.table.lower(), loss.rows, loss.digest)).encode())
        whole.update(_of_rows(part, volatile, meter))
    return whole.hexdigest()


def _of_rows(part: Segment, volatile: Container[str], meter: Meter | None) -> bytes:
    shelves: list[list[bytes]] = [[] for _ in range(256)]  # one sort of a million would keep a Ctrl-C waiting
    sha256, dumps = hashlib.sha256, marshal.dumps  # looked up a million times otherwise
    for number, record in enumerate(_records(part, volatile)):
        digest = sha256(dumps(record, 2)).digest()
        shelves[digest[0]].append(digest)
        if meter and not number % _BETWEEN_CHECKS:
            meter.check()
    whole = sha256()
    for shelf in shelves:
        shelf.sort()
        whole.update(b"".join(shelf))
    return whole.digest()


def _records(part: Segment, volatile: Container[str]) -> Iterator[tuple[Any, ...]]:
    """Every row changed as plain values: table, old row, new row; an UPDATE's two rows as one list."""
    forms = {name: _Form(shape, volatile, part) for name, shape in part.shapes.items() if is_shown(shape)}
    name, form, stays = "", None, apsw.no_change
    for change in apsw.Changeset.iter(part.changeset) if part.changeset else ():
        if change.name != name:
            name = change.name
            form = forms.get(name.lower())
        if form is None:
            continue
        old, new = change.old, change.new
        if not form.is_plain:
            old, new = old and form.old(old), new and form.new(new, is_insert=old is None)
        if old is None or new is None:
            yield name, old, new
        else:
            yield name, [_STAYS if value is stays else value for value in old + new]
    for unseen in part.unseen:
        yield unseen.table, *(_masked(row, unseen.columns, unseen.table, volatile) for row in (unseen.old, unseen.new))


def _masked(row: Row | None, columns: Sequence[str], table: str, volatile: Container[str]) -> Row | None:
    if row is None:
        return None
    return tuple(
        _STAYS if f"{table}.{column}" in volatile else value for column, value in zip(columns, row, strict=True)
    )


class _Form:
    """How the rows of one table are written down to be hashed."""

    def __init__(self, shape: TableShape, volatile: Container[str], part: Segment) -> None:
        self._masked = frozenset(i for i, c in enumerate(shape.columns) if f"{shape.name}.{c}" in volatile)
        self._given: dict[int, dict[int, int]] = {}
        for place, parent in shape.parents.items():
            if numbers := _numbers_given(part, parent):
                self._given[place] = numbers
        own = _numbers_given(part, shape.name.lower()) if shape.numbered else {}
        self._given_to_new = self._given | ({shape.key[0]: own} if own else {})
        self.is_plain = not (self._masked or self._given_to_new)

    def old(self, row: Row) -> Row:
        return self._plain(row, {})

    def new(self, row: Row, *, is_insert: bool) -> Row:
        return self._plain(row, self._given_to_new if is_insert else self._given)

    def _plain(self, row: Row, given: dict[int, dict[int, int]]) -> Row:
        values: list[Any] = [_STAYS if value is apsw.no_change else value for value in row]
        for place in self._masked:
            values[place] = _STAYS
        for place, numbers in given.items():
            if values[place] in numbers:
                values[place] = ("new row", numbers[values[place]])
        return tuple(values)


def _numbers_given(part: Segment, table: str) -> dict[int, int]:
    """Rowids that SQLite gave to new rows of a table, in lower case, and their order: the next after the last one.

    Another process that adds a row in between moves them all up, and what was approved is still what is done.
    """
    last = part.last_numbers.get(table)
    if last is None or not part.changeset:
        return {}
    key = part.shapes[table].key[0]
    changes = apsw.Changeset.iter(part.changeset)
    added = {c.new[key] for c in changes if c.new is not None and c.op == "INSERT" and c.name.lower() == table}
    found: dict[int, int] = {}
    while last + len(found) + 1 in added:
        found[last + len(found) + 1] = len(found) + 1
    return found
