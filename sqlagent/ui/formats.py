"""A result in each of the formats it can be had in: exact where programs read it, safe where people do.

|        | csv, tsv   | json, jsonl               | table, markdown, vertical |
|--------|------------|---------------------------|---------------------------|
| NULL   | nothing    | `null`                    | `NULL` (text: `'NULL'`)   |
| 5      | `5`        | `5` (text: `"5"`)         | `5` (text: `'5'`)         |
| ''     | `""`       | `""`                      | nothing                   |
| BLOB   | `x'53514c'`| `{"$blob": "53514c"}`     | `x'53514c'`               |
| 1/0.0  | `inf`      | `{"$float": "inf"}`       | `inf`                     |

Integers of any size and floats read back as they were.  A column name that comes twice is `name`, `name_2` in JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO

from sqlagent.ui import tables
from sqlagent.ui.chunks import Chunks, Row, chunks
from sqlagent.ui.visible import escaped, harmless_lines, plain, visible


class Format(StrEnum):
    """What `--format` takes."""

    AUTO = "auto"
    """A table; on a screen that is too narrow for it, vertical."""
    TABLE = "table"
    CSV = "csv"
    CSV_SAFE = "csv-safe"
    """For a spreadsheet: what it would run is text there, and what acts on a terminal is spelled out."""
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    MARKDOWN = "markdown"
    VERTICAL = "vertical"
    PARQUET = "parquet"
    XLSX = "xlsx"
    NONE = "none"


class Spelling(StrEnum):
    """Whether text in CSV is written as it is, or fit for a terminal."""

    EXACT = "exact"
    VISIBLE = "visible"


def write(
    out: BinaryIO, format_: Format, columns: Sequence[str], rows: Iterable[Row], spelling: Spelling,
    *, room: int | None = None,
) -> int:  # fmt: skip
    """Write one result, a chunk at a time; answers how many rows it had.  `room` is the width of a screen."""
    counted = 0
    for text, count in _WRITERS[format_](columns, iter(rows), _Place(spelling, room)):
        shown = harmless_lines(text) if format_ in _NO_COMMANDS else text
        out.write(shown.encode("utf-8", "surrogatepass"))
        counted += count
    return counted


@dataclass(frozen=True, slots=True)
class _Place:
    """Where it is written."""

    spelling: Spelling
    room: int | None


# ---- csv ---------------------------------------------------------------------------------------------------------

_NUMBERS = frozenset({int, float})
_NONE = type(None)


@dataclass(frozen=True, slots=True)
class _Separated:
    """Values between commas, or between tabs, quoted where they must be."""

    mark: str

    def write(self, columns: Sequence[str], rows: Iterator[Row], place: _Place) -> Chunks:
        if place.spelling is Spelling.VISIBLE:
            columns = [visible(name) for name in columns]
            rows = (tuple(visible(value) if isinstance(value, str) else value for value in row) for row in rows)
        yield self._line(columns), 0
        for chunk in chunks(rows):
            yield self._chunk(chunk), len(chunk)

    def _chunk(self, chunk: list[Row]) -> str:
        """The same as a line after the other, a column at a time: most columns need no look at each value."""
        return "\n".join(map(self.mark.join, zip(*map(self._fields, zip(*chunk, strict=True)), strict=True))) + "\n"

    def _fields(self, column: tuple[Any, ...]) -> Iterable[str]:
        kinds = set(map(type, column))
        if kinds <= _NUMBERS:
            return map(str, column)
        if kinds <= _NUMBERS | {_NONE}:
            return ["" if value is None else str(value) for value in column]
        if not kinds <= {str, _NONE}:
            return map(self._field, column)
        mark = self.mark
        return [
            ""
            if value is None
            else value
            if value and not (mark in value or '"' in value or "\n" in value or "\r" in value)
            else '"' + value.replace('"', '""') + '"'
            for value in column
        ]

    def _line(self, row: Row) -> str:
        return self.mark.join(map(self._field, row)) + "\n"

    def _field(self, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"x'{bytes(value).hex()}'"
        text = value if isinstance(value, str) else plain(value)
        if not text or any(special in text for special in (self.mark, '"', "\r", "\n")):
            return '"' + text.replace('"', '""') + '"'
        return text


_CSV, _TSV = _Separated(","), _Separated("\t")


def _csv_safe(columns: Sequence[str], rows: Iterator[Row], _: _Place) -> Chunks:
    safe = (tuple(_as_text(value) if isinstance(value, str) else value for value in row) for row in rows)
    return _CSV.write([_as_text(name) for name in columns], safe, _Place(Spelling.EXACT, None))


def _as_text(value: str) -> str:
    """Text that no spreadsheet takes for a formula, whatever blanks stand before it; a number stays one."""
    shown = visible(value)
    return f"'{shown}" if _FORMULA.match(value) and not _A_NUMBER.fullmatch(value) else shown


_FORMULA = re.compile(r"[\s\ufeff\u200b\0\"']*[=+\-@|%＝＋－＠\t\r]")
"""How one begins; the wide forms are what Japanese input methods write, and count too."""
_A_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


# ---- json --------------------------------------------------------------------------------------------------------


def json_names(columns: Sequence[str]) -> list[str]:
    """Column names as the keys of an object: each different."""
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _not_json(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$blob": bytes(value).hex()}
    return plain(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_not_json, check_circular=False)


def json_value(value: Any) -> str:
    """JSON text of any value, with nothing in it that a terminal would act on."""
    try:
        text = _ENCODER.encode(value)
    except ValueError:  # an infinity or a NaN, for which JSON has no word
        text = _ENCODER.encode(_with_named_floats(value))
    return text if text.isascii() and text.isprintable() else escaped(text)


def _with_named_floats(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    if isinstance(value, dict):
        return {key: _with_named_floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_named_floats(item) for item in value]
    return value


def _objects(columns: Sequence[str], rows: Iterator[Row]) -> Iterator[list[str]]:
    names = json_names(columns)
    for chunk in chunks(rows):
        yield [json_value(dict(zip(names, row, strict=True))) for row in chunk]


def _json(columns: Sequence[str], rows: Iterator[Row], _: _Place) -> Chunks:
    before = "["
    for objects in _objects(columns, rows):
        yield before + "\n" + ",\n".join(objects), len(objects)
        before = ","
    yield ("[]\n" if before == "[" else "\n]\n"), 0


def _jsonl(columns: Sequence[str], rows: Iterator[Row], _: _Place) -> Chunks:
    for objects in _objects(columns, rows):
        yield "\n".join(objects) + "\n", len(objects)


def _nothing(_columns: Sequence[str], rows: Iterator[Row], _: _Place) -> Chunks:
    for chunk in chunks(rows):
        yield "", len(chunk)


_WRITERS: dict[Format, Callable[[Sequence[str], Iterator[Row], _Place], Chunks]] = {
    Format.AUTO: lambda columns, rows, place: tables.table_or_vertical(columns, rows, place.room),
    Format.TABLE: lambda columns, rows, place: tables.table(columns, rows, place.room),
    Format.CSV: _CSV.write,
    Format.CSV_SAFE: _csv_safe,
    Format.TSV: _TSV.write,
    Format.JSON: _json,
    Format.JSONL: _jsonl,
    Format.MARKDOWN: lambda columns, rows, _: tables.markdown(columns, rows),
    Format.VERTICAL: lambda columns, rows, place: tables.vertical(columns, rows, place.room),
    Format.NONE: _nothing,
}
"""Parquet and XLSX are no text: see `books`."""
FOR_PEOPLE = frozenset({Format.AUTO, Format.TABLE, Format.MARKDOWN, Format.VERTICAL})
"""Those that are read on a screen."""
_NO_COMMANDS = FOR_PEOPLE | {Format.CSV_SAFE}
"""No line of these is a command to the service whose log it may stand in."""
