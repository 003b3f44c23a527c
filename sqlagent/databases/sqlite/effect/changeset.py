"""A changeset of SQLite's session extension, cut into its records, many at a time, as bytes.

Value by value, a million rows take seconds.  But the records of a table look alike: after the first few of them, a
regular expression of the kinds and lengths that their values had finds the others thousands at a time.  What it finds
has to be, byte by byte, what is there; a record that looks otherwise is taken apart value by value, and the expression
learns it.  `sqlite3session.c` describes the format, which is as fixed as that of a database file.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import apsw

INSERT, UPDATE, DELETE = 18, 23, 9
OPERATIONS = {INSERT: "INSERT", UPDATE: "UPDATE", DELETE: "DELETE"}
STAYS = b"\x00"
"""A value that an UPDATE leaves as it is."""
_INTEGER, _REAL, _TEXT, _BLOB, _NULL = range(1, 6)
_TABLE = 0x54
_AT_ONCE = 1 << 18  # bytes: some milliseconds
_LEARNT_AT_ONCE = 128  # records
_WORTH_A_PATTERN = 1 << 15  # bytes
_MOST_PATTERNS = 48  # of one table: beyond, its rows are too unlike one another
_FEW_LENGTHS = 8
_ONE_BYTE = 128  # texts shorter than this have their length in one byte

Check = Callable[[], object]

Records = Iterator[tuple[str, str, tuple[Any, ...] | None, tuple[Any, ...] | None]]
"""Table, operation, old and new values of each; a value that stays is `apsw.no_change`."""


def integer(number: int) -> bytes:
    """A whole number as a changeset writes it."""
    return struct.pack(">Bq", _INTEGER, number)


def written(value: Any) -> bytes:
    """Any value of a row as a changeset writes it."""
    match value:
        case None:
            return bytes([_NULL])
        case int():
            return integer(value)
        case float():
            return struct.pack(">Bd", _REAL, value)
        case str():
            text = value.encode()
            return bytes([_TEXT]) + _varint(len(text)) + text
        case _:
            return bytes([_BLOB]) + _varint(len(value)) + bytes(value)


def _varint(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


@dataclass(slots=True)
class _Seen:
    """How one value of the records has looked so far: its type, and how long."""

    heads: set[bytes] = field(default_factory=set)
    """Its kind, with its length where it has one."""
    is_wide: bool = False
    """A text of it is not ASCII."""

    def add(self, head: bytes, payload: bytes) -> None:
        self.heads.add(head)
        self.is_wide = self.is_wide or (head[0] == _TEXT and not payload.isascii())

    def pattern(self) -> bytes:
        short = {head[1] for head in self.heads if head[0] == _TEXT and len(head) == 2}
        more = range(min(_ONE_BYTE, 2 * max(short))) if len(short) > _FEW_LENGTHS else ()
        heads = sorted(self.heads | {bytes([_TEXT, length]) for length in more})
        return b"(?:" + b"|".join(map(self._one, heads)) + b")"

    def _one(self, head: bytes) -> bytes:
        any_ = b"[\\x00-\\x7f]" if head[0] == _TEXT and not self.is_wide else b"."
        length = _length(head, 1)[0] if head[0] in (_TEXT, _BLOB) else 8 if head[0] in (_INTEGER, _REAL) else 0
        return re.escape(head) + (any_ + b"{%d}" % length if length else b"")


class Table:
    """One table of a changeset, and what its records have looked like so far."""

    def __init__(self, header: bytes, columns: int, name: str) -> None:
        self.header = header
        self.columns = columns
        self.name = name
        self.has_broken_text = False
        """A text that is not UTF-8 was among its values."""
        self._seen: dict[int, list[_Seen]] = {}
        self._patterns = 0
        self._apart: dict[int, re.Pattern[bytes]] = {}

    def width(self, operation: int) -> int:
        """How many values a record has; the old ones come first."""
        return 2 * self.columns if operation == UPDATE else self.columns

    def values(self, record: bytes) -> tuple[bytes, ...]:
        """The values of one record, each with its kind and length before it."""
        operation = record[0]
        if self._patterns and operation not in self._apart:
            apart = b"".join(b"(%b)" % one.pattern() for one in self._seen[operation])
            self._apart[operation] = re.compile(b".." + apart, re.DOTALL)
        found = self._apart[operation].match(record) if self._patterns else None
        if found is not None:
            return found.groups()
        ends = list(_ends(record, 2, self.width(operation)))
        return tuple(record[a:b] for a, b in zip([2, *ends], ends, strict=False))

    # ---- one by one -------------------------------------------------------------------------------------------------

    def learn(self, data: bytes, at: int) -> list[bytes]:
        """The next few records, each looked at value by value."""
        self.__dict__.pop("pattern", None)
        found: list[bytes] = []
        while len(found) < _LEARNT_AT_ONCE and at < len(data) and data[at] != _TABLE:
            begun, operation = at, data[at]
            seen = self._seen.setdefault(operation, [_Seen() for _ in range(self.width(operation))])
            at += 2
            for one, end in zip(seen, _ends(data, at, len(seen)), strict=True):
                self._note(one, data[at:end])
                at = end
            found.append(data[begun:at])
        return found

    def _note(self, seen: _Seen, value: bytes) -> None:
        if value[0] not in (_TEXT, _BLOB):
            seen.add(value[:1], b"")
            return
        _, begin = _length(value, 1)
        seen.add(value[:begin], value[begin:])
        if value[0] == _TEXT:
            self._check(value[begin:])

    def _check(self, text: bytes) -> None:
        try:
            text.decode()
        except UnicodeDecodeError:
            self.has_broken_text = True

    # ---- thousands at a time ----------------------------------------------------------------------------------------

    @cached_property
    def pattern(self) -> re.Pattern[bytes] | None:
        """Finds any of the records that look like those so far; None where there are none, or too many."""
        if not self._seen:
            return None
        self._patterns += 1
        if self._patterns > _MOST_PATTERNS:
            return None
        self._apart = {}
        kinds = [
            re.escape(bytes([operation])) + b"[\\x00\\x01]" + b"".join(one.pattern() for one in seen)
            for operation, seen in self._seen.items()
        ]
        return re.compile(b"|".join(kinds), re.DOTALL)

    def find(self, data: bytes, at: int) -> list[bytes]:
        """As many of the next records as look like others before; there may be none."""
        if self.pattern is None:
            return []
        found = self.pattern.findall(data, at, at + _AT_ONCE)
        if not data.startswith(b"".join(found), at):  # it skips what it does not know, and that is no record then
            found = found[: _in_place(found, data, at)]
        if any(one.is_wide for seen in self._seen.values() for one in seen):
            for value in {value for record in found for value in self.values(record) if value[0] == _TEXT}:
                self._check(value[_length(value, 1)[1] :])
        return found


def _in_place(found: list[bytes], data: bytes, at: int) -> int:
    for number, record in enumerate(found):
        if not data.startswith(record, at):
            return number
        at += len(record)
    return len(found)


def _ends(data: bytes, at: int, count: int) -> Iterator[int]:
    """Where each of so many values ends."""
    for _ in range(count):
        kind = data[at]
        if kind in (_INTEGER, _REAL):
            at += 9
        elif kind in (_TEXT, _BLOB):
            length, at = _length(data, at + 1)
            at += length
        else:
            at += 1
        yield at


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length of one to five bytes, and where it ends."""
    number = 0
    while data[at] & 0x80:
        number = (number | data[at] & 0x7F) << 7
        at += 1
    return number | data[at], at + 1


def records(changeset: bytes) -> Records:
    """For a person to look at: bytes of a text that are not UTF-8 are written as `\\xe9`."""
    for table, some in blocks(changeset):
        for record in some:
            values = tuple(map(_value, table.values(record)))
            operation = record[0]
            old = None if operation == INSERT else values[: table.columns]
            new = None if operation == DELETE else values[-table.columns :]
            yield table.name, OPERATIONS[operation], old, new


def _value(written: bytes) -> Any:
    if written == STAYS:
        return apsw.no_change
    match written[0]:
        case kind if kind == _INTEGER:
            return struct.unpack(">q", written[1:])[0]
        case kind if kind == _REAL:
            return struct.unpack(">d", written[1:])[0]
        case kind if kind == _TEXT:
            return written[_length(written, 1)[1] :].decode(errors="backslashreplace")
        case kind if kind == _BLOB:
            return written[_length(written, 1)[1] :]
        case _:
            return None


def blocks(changeset: bytes, check: Check | None = None) -> Iterator[tuple[Table, list[bytes]]]:
    """The records table by table, in the order in which they are there; `check` is called every few milliseconds."""
    at, end = 0, len(changeset)
    while at < end:
        columns, begin = _length(changeset, at + 1)
        name_at = begin + columns
        header_end = changeset.index(0, name_at) + 1
        table = Table(changeset[at:header_end], columns, changeset[name_at : header_end - 1].decode())
        at = header_end
        while at < end and changeset[at] != _TABLE:
            found = table.find(changeset, at) if end - at > _WORTH_A_PATTERN else []
            found = found or table.learn(changeset, at)
            at += sum(map(len, found))
            yield table, found
            if check is not None:
                check()
