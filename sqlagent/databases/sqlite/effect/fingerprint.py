"""One hash over every row that a script changes, the same for the same change in whatever order it was made."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Container, Iterator, Sequence

from sqlagent.databases.changes.fingerprint import masked
from sqlagent.databases.changes.multiset_hash import MultisetHash
from sqlagent.databases.changes.rows import Row
from sqlagent.databases.sqlite.connection.budget import Meter
from sqlagent.databases.sqlite.effect.changeset import DELETE, INSERT, STAYS, Check, Table, blocks, integer, written
from sqlagent.databases.sqlite.effect.changeset_summary import plain
from sqlagent.databases.sqlite.effect.invisible_rows import InvisibleRow
from sqlagent.databases.sqlite.effect.net_changes import Segment, is_shown
from sqlagent.databases.sqlite.opinion.table_shapes import TableShape

_NEW_ROW, _NEW_ROW_AS_REAL = b"\x06", b"\x07"
"""In a hashed row, kinds of value that no changeset knows: the first, second, ... row that a script adds to a table."""

Given = dict[bytes, bytes]
"""Numbers of rows, as they are written, and what is hashed instead."""


def fingerprint(parts: Sequence[Segment], *, volatile: Container[str], meter: Meter | None = None) -> str:
    """SHA-256, hex.  `volatile` names columns, as `table.column`, whose values are left out."""
    check = meter.check if meter else None
    whole = hashlib.sha256()
    for part in parts:
        whole.update(b"shape" if part.reshapes else b"rows")
        for loss in part.losses:
            whole.update(repr((loss.table.lower(), loss.rows, loss.digest)).encode())
        whole.update(_of_rows(part, volatile, check))
    return whole.hexdigest()


def _of_rows(part: Segment, volatile: Container[str], check: Check | None) -> bytes:
    forms = _forms(part, volatile, check)
    if part.reading is not None and all(form.is_plain for form in forms.values()):
        digests = part.reading.digests
    else:
        digests = digests_of(part, forms, check)
    shown = {name: digest for name, digest in digests.items() if name.lower() in forms}
    invisible = MultisetHash(check)
    invisible.add([_invisible_record(row, volatile) for row in part.invisible])
    return hashlib.sha256(repr((sorted(shown.items()), invisible.digest())).encode()).digest()


def digests_of(part: Segment, forms: dict[str, Form], check: Check | None) -> dict[str, bytes]:
    """Of the records of each table, as its form has them."""
    bags: dict[str, MultisetHash] = {}
    for table, records in blocks(part.changeset, check):
        form = forms.get(table.name.lower())
        if form is not None:
            bag = bags.setdefault(table.name, MultisetHash(check))
            bag.add(plain(records) if form.is_plain else [form.record(table, record) for record in records])
    return {name: bag.digest() for name, bag in bags.items()}


def _invisible_record(of: InvisibleRow, volatile: Container[str]) -> bytes:
    rows = (_invisible_row(row, of, volatile) for row in (of.change.before, of.change.after))
    return written(of.table) + b"".join(rows)


def _invisible_row(row: Row | None, of: InvisibleRow, volatile: Container[str]) -> bytes:
    if row is None:
        return written(None)
    values = (
        STAYS if f"{of.table}.{column}" in volatile else written(value)
        for column, value in zip(of.columns, row, strict=True)
    )
    return integer(len(row)) + b"".join(values)


# ---- rows that are not hashed as they are ---------------------------------------------------------------------------


def _forms(part: Segment, volatile: Container[str], check: Check | None) -> dict[str, Form]:
    given = _numbers_given(part, check)
    return {name: Form(shape, volatile, given) for name, shape in part.shapes.items() if is_shown(shape)}


class Form:
    """How the records of one table are written down to be hashed."""

    def __init__(self, shape: TableShape, volatile: Container[str], given: dict[str, Given]) -> None:
        self._masked = masked(shape, volatile)
        self._given = {place: given[parent] for place, parent in shape.parents.items() if given.get(parent)}
        own = given.get(shape.name.lower()) if shape.numbered else None
        self._given_to_new = self._given | ({shape.key[0]: own} if own else {})
        self.is_plain = not (self._masked or self._given_to_new)

    def record(self, table: Table, record: bytes) -> bytes:
        """An INSERT has a new row, a DELETE an old one, an UPDATE both; numbers are given to new ones only."""
        values, operation = list(table.values(record)), record[0]
        new = 0 if operation == INSERT else table.columns
        for place in self._masked:
            values[place] = STAYS
            if new and operation != DELETE:
                values[new + place] = STAYS
        given = {} if operation == DELETE else self._given_to_new if operation == INSERT else self._given
        for place, numbers in given.items():
            values[new + place] = numbers.get(values[new + place], values[new + place])
        return b"%c\0%b" % (operation, b"".join(values))


def _numbers_given(part: Segment, check: Check | None) -> dict[str, Given]:
    """Rowids that SQLite gave to new rows of tables, in lower case, and their order: the next after the last one.

    Another process that adds a row in between moves them all up, and what was approved is still what is done.
    """
    wanted = {parent for shape in part.shapes.values() for parent in shape.parents.values()}
    wanted |= {name for name, shape in part.shapes.items() if shape.numbered}
    wanted &= part.last_numbers.keys()
    if part.reading is not None:
        wanted &= {name.lower() for name, operation, _ in part.reading.counts if operation == "INSERT"}
    added: dict[str, set[bytes]] = {}
    for table, records in blocks(part.changeset, check) if wanted else ():
        if (name := table.name.lower()) in wanted:
            key = part.shapes[name].key[0]
            added.setdefault(name, set()).update(table.values(r)[key] for r in records if r[0] == INSERT)
    return {name: dict(_consecutive(numbers, part.last_numbers[name])) for name, numbers in added.items()}


def _consecutive(added: set[bytes], last: int) -> Iterator[tuple[bytes, bytes]]:
    order = 1
    while (number := integer(last + order)) in added:
        yield number, _NEW_ROW + struct.pack(">q", order)
        yield struct.pack(">Bd", 2, last + order), _NEW_ROW_AS_REAL + struct.pack(">q", order)
        order += 1
