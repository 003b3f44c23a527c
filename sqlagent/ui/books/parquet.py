"""Parquet with exact types, streamed: a column is of the narrowest type that holds its values exactly.

Types are chosen by the first rows.  Where a later row does not fit, what is written is copied with the wider type, and
it goes on; a column of values that no one type holds is text, in which a BLOB is `x'53514c'` and NULL is null still.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from sqlagent.core.errors import SqlagentError
from sqlagent.ui.formats import json_names
from sqlagent.ui.visible import plain

_AT_ONCE = 20_000
"""Rows of a row group."""
_MOST_WHOLE, _MOST_SCALE = 20, 18
"""Digits of a decimal before and behind its point: 38 in all, whatever comes later."""
_DOUBLE = 2**53
_NOTHING, _TEXT, _INTEGER, _FLOAT = pa.null(), pa.string(), pa.int64(), pa.float64()


@dataclass(frozen=True, slots=True)
class _Kind:
    """What was seen in a column."""

    type: pa.DataType = _NOTHING
    is_large: bool = False
    """An integer was among it that no double is."""

    def with_(self, values: list[Any]) -> _Kind:
        """The same, and these values seen too."""
        found, is_large = self.type, self.is_large
        for kind in set(map(type, values)) - {type(None)}:
            if kind is int:
                integers = [value for value in values if type(value) is int]
                is_large = is_large or max(integers) > _DOUBLE or min(integers) < -_DOUBLE
            found = _both(found, _type_of(kind, values))
        return _Kind(_TEXT if is_large and found == _FLOAT else found, is_large)


class ParquetFile:
    """One result: a Parquet file holds no more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wider = path.with_name(f"{path.name}.wider")
        self._columns: list[str] = []
        self._kinds: list[_Kind] = []
        self._file: BinaryIO | None = None
        self._writer: pq.ParquetWriter | None = None

    def add(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
        """Take the result; raises SqlagentError for a second one."""
        if self._columns:
            raise SqlagentError("a Parquet file holds one result, and here are several", hint="-o FILE.xlsx holds them")
        self._columns = json_names(columns)
        self._kinds = [_Kind()] * len(columns)
        while some := list(islice(rows, _AT_ONCE)):
            self._put([list(column) for column in zip(*some, strict=True)])

    def close(self) -> None:
        """Write what is left; a result without rows becomes a file with its columns."""
        if self._writer is None and self._columns:  # a result without rows
            self._begin(self._path)
        self._end()

    def discard(self) -> None:
        """Leave nothing open, and nothing beside the file; a full disk does not hinder that."""
        self._wider.unlink(missing_ok=True)
        if self._writer is not None and self._file is not None:
            with suppress(OSError):  # on a full disk, what it still holds does not fit either
                self._end()
            self._writer.is_open = False
            with suppress(OSError):
                self._file.close()

    def _put(self, values: list[list[Any]]) -> None:
        before = [kind.type for kind in self._kinds]
        self._kinds = [kind.with_(column) for kind, column in zip(self._kinds, values, strict=True)]
        if self._writer is None:
            self._begin(self._path)
        elif before != [kind.type for kind in self._kinds]:
            self._widen()
        self._write(values)

    def _begin(self, path: Path) -> None:
        # a file of Python's, since its errors are the system's own
        self._file = path.open("wb")
        schema = pa.schema([(name, kind.type) for name, kind in zip(self._columns, self._kinds, strict=True)])
        self._writer = pq.ParquetWriter(self._file, schema)

    def _write(self, values: list[list[Any]]) -> None:
        assert self._writer is not None
        arrays = [_array(column, kind.type) for column, kind in zip(values, self._kinds, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._writer.schema))

    def _end(self) -> None:
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.close()

    def _widen(self) -> None:
        """Write what is in it so far anew, of wider types."""
        self._end()
        self._begin(self._wider)
        with pq.ParquetFile(self._path) as written:
            for group in range(written.num_row_groups):
                self._write([column.to_pylist() for column in written.read_row_group(group).columns])
        self._wider.replace(self._path)


def _type_of(kind: type, values: list[Any]) -> pa.DataType:
    if issubclass(kind, Decimal):
        return _decimal([value for value in values if isinstance(value, Decimal)])
    if kind is int and not all(-(2**63) <= value < 2**63 for value in values if type(value) is int):
        return _TEXT
    return _TYPES.get(kind, _TEXT)


_TYPES: dict[type, pa.DataType] = {bool: pa.bool_(), int: _INTEGER, float: _FLOAT, bytes: pa.binary()}


def _decimal(values: list[Decimal]) -> pa.DataType:
    """With room for as many digits before the point as any other may have."""
    if not all(value.is_finite() for value in values):
        return _TEXT
    scale = max(max(-int(value.as_tuple().exponent), 0) for value in values)
    whole = max(value.adjusted() + 1 for value in values)
    return pa.decimal128(38, scale) if scale <= _MOST_SCALE and whole <= _MOST_WHOLE else _TEXT


def _both(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type of a column in which both are."""
    if one == other or other == _NOTHING:
        return one
    if one == _NOTHING:
        return other
    if {one, other} == {_INTEGER, _FLOAT}:
        return _FLOAT
    if pa.types.is_decimal(one) and pa.types.is_decimal(other):
        return max(one, other, key=lambda type_: int(type_.scale))
    return _TEXT


def _array(values: list[Any], wanted: pa.DataType) -> pa.Array:
    if wanted == _TEXT:
        values = [value if value is None or isinstance(value, str) else _text(value) for value in values]
    try:
        return pa.array(values, type=wanted)
    except UnicodeEncodeError as e:
        raise SqlagentError("a text is no Unicode, and Parquet holds no other", hint="-o FILE.csv holds it") from e


def _text(value: Any) -> str:
    return f"x'{value.hex()}'" if isinstance(value, bytes) else plain(value)


__all__ = ["ParquetFile"]
