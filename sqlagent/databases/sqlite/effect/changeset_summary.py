"""What is read from a changeset in one pass: the rows by verb, some of them to show, and a digest of each table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby, islice, pairwise
from operator import itemgetter

from sqlagent.databases.changes.multiset_hash import MultisetHash
from sqlagent.databases.changes.samples import LOOKED_AT
from sqlagent.databases.sqlite.effect.changeset import DELETE, INSERT, OPERATIONS, UPDATE, Check, Table, blocks, integer

Counts = Counter[tuple[str, str, bool]]
"""Rows by table, operation, and whether only triggers and foreign keys touched them."""

_NEGATIVE = b"\x01\x80"  # and greater, byte by byte, than what is not

_kind = itemgetter(slice(0, 2))
_number = itemgetter(slice(2, 11))


@dataclass(slots=True)
class Reading:
    """What was read from one changeset."""

    counts: Counts = field(default_factory=Counter)
    digests: dict[str, bytes] = field(default_factory=dict)
    """Of all records of each table, as the changeset spells it."""
    some: bytes = b""
    """A changeset of the first few records of each table and operation."""
    has_broken_text: bool = False
    once: set[str] = field(default_factory=set)
    """Tables of those asked for in which each number surely comes once, and where it should, in lower case."""


def read(changeset: bytes, check: Check | None = None, *, numbered: dict[str, int] | None = None) -> Reading:
    """`numbered` are tables, in lower case, whose key is a number that SQLite gives out, and the last one it gave."""
    found = Reading()
    for table, several in groupby(blocks(changeset, check), key=itemgetter(0)):
        last = (numbered or {}).get(table.name.lower())
        _read(table, (records for _, records in several), found, check, last)
    return found


def _read(table: Table, several: Iterable[list[bytes]], found: Reading, check: Check | None, last: int | None) -> None:
    bag, kinds, some = MultisetHash(check), Counter[bytes](), Counter[int]()
    found.some += table.header
    for records in several:
        here = Counter(map(_kind, records))
        kinds += here
        for operation in {kind[0] for kind in here}:
            if some[operation] < LOOKED_AT:
                first = list(islice((r for r in records if r[0] == operation), LOOKED_AT - some[operation]))
                some[operation] += len(first)
                found.some += b"".join(first)
        bag.add(plain(records) if any(kind[1] for kind in here) else records)
    for kind, rows in kinds.items():
        found.counts[table.name, OPERATIONS[kind[0]], bool(kind[1])] += rows
    numbers = None if last is None else _Numbers(last)
    found.digests[table.name] = bag.digest(numbers.look if numbers else None)
    if numbers and numbers.are_single:
        found.once.add(table.name.lower())
    found.has_broken_text = found.has_broken_text or table.has_broken_text


def plain(records: list[bytes]) -> list[bytes]:
    """Without the mark of what only triggers and foreign keys touched: that is no part of what is changed."""
    return [record[:1] + b"\0" + record[2:] for record in records]


class _Numbers:
    """Whether rows without a key are surely reported once each: new ones have new numbers, and old ones old ones."""

    def __init__(self, last: int) -> None:
        self.are_single = last >= 0
        self._last = integer(max(last, 0))
        self._before = b""
        self._operations: set[int] = set()

    def look(self, records: list[bytes]) -> None:
        for operation, same in groupby(records, key=itemgetter(0)) if self.are_single else ():
            if operation not in self._operations:
                self._operations.add(operation)
                self._before = b""
            numbers = [self._before, *map(_number, same)]
            self._before = numbers[-1]
            is_new = self._last < numbers[1] and numbers[-1] < _NEGATIVE
            is_old = numbers[-1] <= self._last
            good = is_new if operation == INSERT else is_old
            self.are_single = self.are_single and good and all(a != b for a, b in pairwise(numbers))
        if {UPDATE, DELETE} <= self._operations:
            self.are_single = False
