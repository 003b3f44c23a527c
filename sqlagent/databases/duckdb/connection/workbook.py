"""Excel workbooks: sheets as tables of typed columns, read by a library that runs no formula and no macro."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlagent.databases.duckdb.connection.files import told_apart

MOST_UNPACKED = 1_000_000_000
"""Bytes of a workbook unpacked: it is a zip archive, and a small one can hold a large one."""
Cell = Any
"""What the library makes of a cell: text, a number, a truth value, a date or a time; empty text for nothing."""


class Unreadable(Exception):
    """A workbook that is none, or is too large; `str` of it says which."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: the first row that is not empty names the columns."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    """DuckDB's type of each column."""
    values: tuple[list[Cell], ...]
    """A list a column."""


def sheets(handle: int) -> Iterator[Sheet]:
    """Every sheet of the workbook that the handle is open on; one with no rows has no columns.  Raises Unreadable."""
    from python_calamine import CalamineWorkbook  # only who opens a workbook

    with os.fdopen(os.dup(handle), "rb") as file:
        _check_size(file)
        file.seek(0)
        try:
            book = CalamineWorkbook.from_filelike(file)
            for name in book.sheet_names:
                yield _sheet(name, book.get_sheet_by_name(name).to_python(skip_empty_area=True))
        except Exception as e:  # the library has an error of its own for each part of a workbook
            raise Unreadable(f"it is no workbook that can be read: {e}") from e


def _check_size(file: Any) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as e:
        raise Unreadable("it is no workbook in the format of Excel 2007 and later") from e
    if size > MOST_UNPACKED:
        raise Unreadable(f"unpacked it has {size / 1e9:.1f} GB, and {MOST_UNPACKED / 1e9:g} GB is the most")


def _sheet(name: str, rows: Sequence[Sequence[Cell]]) -> Sheet:
    filled = [row for row in rows if any(cell not in ("", None) for cell in row)]
    if not filled:
        return Sheet(name, (), (), ())
    width = max(map(len, filled))
    heads = [*filled[0], *[""] * (width - len(filled[0]))]
    named = (str(head).strip() or f"column_{place}" for place, head in enumerate(heads, 1))
    columns = [[row[place] if place < len(row) else "" for row in filled[1:]] for place in range(width)]
    typed = [_typed(column) for column in columns]
    return Sheet(name, tuple(told_apart(named)), tuple(kind for kind, _ in typed), tuple(column for _, column in typed))


def _typed(column: Sequence[Cell]) -> tuple[str, list[Cell]]:
    """The narrowest type that holds every cell, and the cells; text where they are of several kinds."""
    kinds = {type(cell) for cell in column if cell not in ("", None)}
    cells = [None if isinstance(cell, str) and cell == "" else cell for cell in column]
    if kinds == {bool}:
        return "BOOLEAN", cells
    if kinds and kinds <= {int, float}:
        if all(cell is None or (float(cell).is_integer() and abs(cell) < 2**53) for cell in cells):
            return "BIGINT", [None if cell is None else int(cell) for cell in cells]
        return "DOUBLE", cells
    if kinds == {date}:
        return "DATE", cells
    if kinds and kinds <= {date, datetime}:
        return "TIMESTAMP", cells
    if kinds == {time}:
        return "TIME", cells
    return "VARCHAR", [None if cell is None else _text(cell) for cell in cells]


def _text(cell: Cell) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, timedelta):
        return f"{cell.total_seconds() / 3600:g} h"
    return str(cell)
