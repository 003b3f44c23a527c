"""A result in each of the formats it can be had in: exact where programs read it, safe where people do.

|        | csv        | json, jsonl               | table, markdown, vertical |
|--------|------------|---------------------------|---------------------------|
| NULL   | nothing    | `null`                    | `NULL` (text: `'NULL'`)   |
| ''     | `""`       | `""`                      | nothing                   |
| BLOB   | `x'53514c'`| `{"$blob": "53514c"}`     | `x'53514c'`               |
| 1/0.0  | `inf`      | `{"$float": "inf"}`       | `inf`                     |

Integers of any size and floats read back as they were.  A column name that comes twice is `name`, `name_2` in JSON.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice
from typing import Any, BinaryIO

from sqlagent.ui.layout import Align, pad
from sqlagent.ui.visible import cell, escaped, harmless_lines, one_line, plain, visible, width

Row = Sequence[Any]
_CHUNK = 1_000
"""Rows held at once; a table chooses its widths from the first so many."""
_WIDEST_CELL = 500


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    CSV_SAFE = "csv-safe"
    """For a spreadsheet: what it would run is text there, and what acts on a terminal is spelled out."""
    JSON = "json"
    JSONL = "jsonl"
    MARKDOWN = "markdown"
    VERTICAL = "vertical"
    NONE = "none"


class Spelling(StrEnum):
    """Whether text in CSV is written as it is, or fit for a terminal."""

    EXACT = "exact"
    VISIBLE = "visible"


def write(out: BinaryIO, format_: Format, columns: Sequence[str], rows: Iterable[Row], spelling: Spelling) -> int:
    """Write one result, a chunk at a time; answers how many rows it had."""
    counted = 0
    for text, count in _WRITERS[format_](columns, iter(rows), spelling):
        shown = harmless_lines(text) if format_ in _FOR_PEOPLE else text
        out.write(shown.encode("utf-8", "surrogatepass"))
        counted += count
    return counted


Chunks = Iterator[tuple[str, int]]


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


# ---- csv ---------------------------------------------------------------------------------------------------------

_AS_THEY_ARE = frozenset({int, float, str, type(None)})
"""What the C writer writes exactly as we would."""
_SEPARATORS = re.compile(r'[,"\r\n]')


def _csv(columns: Sequence[str], rows: Iterator[Row], spelling: Spelling) -> Chunks:
    if spelling is Spelling.VISIBLE:
        columns = [visible(name) for name in columns]
        rows = (tuple(visible(value) if isinstance(value, str) else value for value in row) for row in rows)
    yield _csv_line(columns), 0
    for chunk in _chunks(rows):
        yield _csv_chunk(chunk), len(chunk)


def _csv_safe(columns: Sequence[str], rows: Iterator[Row], _: Spelling) -> Chunks:
    safe = (tuple(_as_text(value) if isinstance(value, str) else value for value in row) for row in rows)
    return _csv([_as_text(name) for name in columns], safe, Spelling.EXACT)


def _as_text(value: str) -> str:
    """Text that no spreadsheet takes for a formula, whatever blanks stand before it; a number stays one."""
    shown = visible(value)
    return f"'{shown}" if _FORMULA.match(value) and not _A_NUMBER.fullmatch(value) else shown


_FORMULA = re.compile(r"[\s\ufeff\u200b\0\"']*[=+\-@|%＝＋－＠\t\r]")
"""How one begins; the wide forms are what Japanese input methods write, and count too."""
_A_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


def _csv_chunk(chunk: list[Row]) -> str:
    """The C writer's text, except for rows that it would write inexactly."""
    kinds = set(map(type, chain.from_iterable(chunk)))
    if not kinds <= _AS_THEY_ARE or (len(chunk[0]) == 1 and type(None) in kinds):  # it writes a lone NULL as ''
        return "".join(map(_csv_line, chunk))
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerows(chunk)
    text = written.getvalue()
    if "\r" in text:  # it leaves a bare one unquoted
        return "".join(map(_csv_line, chunk))
    if _has_empty(text) and "" in chain.from_iterable(chunk):  # it writes '' among others as it writes NULL
        written.seek(0)
        written.truncate()
        for row in chunk:
            written.write(_csv_line(row)) if "" in row else writer.writerow(row)
        return written.getvalue()
    return text


def _has_empty(text: str) -> bool:
    return any(gap in text for gap in (",,", "\n,", ",\n")) or text[0] == ","


def _csv_line(row: Row) -> str:
    return ",".join(map(_csv_field, row)) + "\n"


def _csv_field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"x'{bytes(value).hex()}'"
    text = value if isinstance(value, str) else plain(value)
    if not text or _SEPARATORS.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


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
    for chunk in _chunks(rows):
        yield [json_value(dict(zip(names, row, strict=True))) for row in chunk]


def _json(columns: Sequence[str], rows: Iterator[Row], _: Spelling) -> Chunks:
    before = "["
    for objects in _objects(columns, rows):
        yield before + "\n" + ",\n".join(objects), len(objects)
        before = ","
    yield ("[]\n" if before == "[" else "\n]\n"), 0


def _jsonl(columns: Sequence[str], rows: Iterator[Row], _: Spelling) -> Chunks:
    for objects in _objects(columns, rows):
        yield "\n".join(objects) + "\n", len(objects)


# ---- for people --------------------------------------------------------------------------------------------------


def _table(columns: Sequence[str], rows: Iterator[Row], _: Spelling) -> Chunks:
    names = [one_line(name) for name in columns]
    first = list(islice(rows, _CHUNK))
    drawn = [_cells(row) for row in first]
    widths = [max(map(width, column)) for column in zip(names, *drawn, strict=True)]
    aligned = [_alignment(column) for column in zip(*first, strict=True)] or [Align.LEFT] * len(names)
    yield _table_line(names, widths, aligned) + "+".join("-" * (size + 2) for size in widths) + "\n", 0
    yield "".join(_table_line(row, widths, aligned) for row in drawn), len(drawn)
    for chunk in _chunks(rows):
        yield "".join(_table_line(_cells(row), widths, aligned) for row in chunk), len(chunk)


def _cells(row: Row) -> list[str]:
    return [cell(value, limit=_WIDEST_CELL) for value in row]


def _alignment(values: Sequence[Any]) -> Align:
    """Numbers stand on the right; a column without a value is none of numbers."""
    known = [value for value in values if value is not None]
    numbers = all(hasattr(value, "as_integer_ratio") and not isinstance(value, bool) for value in known)
    return Align.RIGHT if known and numbers else Align.LEFT


def _table_line(row: Sequence[str], widths: Sequence[int], aligned: Sequence[Align]) -> str:
    return (" " + " | ".join(map(pad, row, widths, aligned))).rstrip() + "\n"


_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def _markdown(columns: Sequence[str], rows: Iterator[Row], _: Spelling) -> Chunks:
    first = list(islice(rows, _CHUNK))
    aligned = [_alignment(column) for column in zip(*first, strict=True)] or [Align.LEFT] * len(columns)
    rule = ["---:" if align is Align.RIGHT else "---" for align in aligned]
    yield _markdown_line([_in_markdown(one_line(name)) for name in columns]) + _markdown_line(rule), 0
    for chunk in chain([first], _chunks(rows)):
        yield "".join(_markdown_line([_in_markdown(cell(value)) for value in row]) for row in chunk), len(chunk)


def _in_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", text)


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _vertical(columns: Sequence[str], rows: Iterator[Row], _: Spelling) -> Chunks:
    names = [one_line(name) for name in columns]
    name_column = max(map(width, names), default=0)
    labels = [pad(name, name_column) for name in names]
    count = 0
    for chunk in _chunks(rows):
        text = []
        for row in chunk:
            count += 1
            text.append(f"-[ row {count} ]".ljust(name_column + 20, "-") + "\n")
            text += [_field(label, value) for label, value in zip(labels, row, strict=True)]
        yield "".join(text), len(chunk)


def _field(label: str, value: Any) -> str:
    """A value over several lines keeps the bar before each, so that none can pass for another field."""
    if not isinstance(value, str) or "\n" not in value:
        return f"{label} | {cell(value)}".rstrip() + "\n"
    pieces = [one_line(piece) for piece in value.split("\n")]
    blank = " " * width(label)
    return "".join(f"{blank if index else label} | {piece}".rstrip() + "\n" for index, piece in enumerate(pieces))


def _nothing(_columns: Sequence[str], rows: Iterator[Row], _: Spelling) -> Chunks:
    for chunk in _chunks(rows):
        yield "", len(chunk)


_WRITERS: dict[Format, Callable[[Sequence[str], Iterator[Row], Spelling], Chunks]] = {
    Format.TABLE: _table,
    Format.CSV: _csv,
    Format.CSV_SAFE: _csv_safe,
    Format.JSON: _json,
    Format.JSONL: _jsonl,
    Format.MARKDOWN: _markdown,
    Format.VERTICAL: _vertical,
    Format.NONE: _nothing,
}
_FOR_PEOPLE = frozenset({Format.TABLE, Format.MARKDOWN, Format.VERTICAL, Format.CSV_SAFE})
"""No line of these is a command to the service whose log it may stand in."""
