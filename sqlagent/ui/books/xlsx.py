"""XLSX, a row at a time: numbers are numbers and text is text, and nothing in it is a formula or a link.

What Excel cannot hold exactly is text: an integer of more than 15 digits, a decimal that is no double, a BLOB.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError, FileSizeError

from sqlagent.core.errors import SqlagentError
from sqlagent.ui.visible import plain

_MOST_ROWS = 1_048_576
_MOST_COLUMNS = 16_384
_MOST_CHARACTERS = 32_767
_MOST_EXACT = 10**15
_INSTEAD = "-o FILE.parquet or -o FILE.csv holds it"


class Workbook:
    """A sheet a result; one that has more rows than a sheet goes on in the next one."""

    def __init__(self, path: Path) -> None:
        # what it keeps meanwhile is beside the file: the disk that fills up is the one that was named
        self._folder = tempfile.TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent)
        self._book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": self._folder.name})
        self._bold = self._book.add_format({"bold": True})
        self._results = 0

    def add(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
        """Take one result into a sheet of its own; raises SqlagentError where it has more columns than XLSX holds."""
        if len(columns) > _MOST_COLUMNS:
            raise SqlagentError(f"{len(columns):,} columns, and XLSX holds {_MOST_COLUMNS:,} at most", hint=_INSTEAD)
        self._results += 1
        sheet, line, part = self._sheet(columns, 1), 1, 1
        for number, row in enumerate(rows, 1):
            if line == _MOST_ROWS:
                part += 1
                sheet, line = self._sheet(columns, part), 1
            for place, value in enumerate(row):
                _put(sheet, line, place, value, number)
            line += 1

    def _sheet(self, columns: Sequence[str], part: int) -> Any:
        name = f"result {self._results}" + (f" ({part})" if part > 1 else "")
        sheet = self._book.add_worksheet(name)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, _fitting(column, 0), self._bold)
        sheet.freeze_panes(1, 0)
        return sheet

    def close(self) -> None:
        """Write the file; raises OSError for the disk, SqlagentError where it would be too large."""
        try:
            self._book.close()
        except FileCreateError as e:  # it holds the error of the system
            raise next((why for why in e.args if isinstance(why, OSError)), OSError(str(e))) from e
        except FileSizeError as e:
            raise SqlagentError("XLSX holds 4 GB at most", hint=_INSTEAD) from e
        self._folder.cleanup()

    def discard(self) -> None:
        """Leave nothing open, and nothing beside the file."""
        for sheet in self._book.worksheets():
            with suppress(OSError, ValueError):
                sheet._opt_close()
        self._folder.cleanup()


def _put(sheet: Any, line: int, place: int, value: Any, number: int) -> None:
    """NULL is an empty cell, and an empty text is a text."""
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif isinstance(value, str):
        sheet.write_string(line, place, _fitting(value, number))
    elif (as_double := _double(value)) is not None:
        sheet.write_number(line, place, as_double)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        sheet.write_string(line, place, _fitting(f"x'{bytes(value).hex()}'", number))
    else:
        sheet.write_string(line, place, _fitting(plain(value), number))


def _double(value: Any) -> int | float | None:
    """A number that Excel shows as it is; None for one that it would round, and for what is no number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) < _MOST_EXACT else None
    if isinstance(value, Decimal) and value.is_finite() and len(value.as_tuple().digits) <= 15:
        return float(value)
    return None


def _fitting(text: str, number: int) -> str:
    if len(text) > _MOST_CHARACTERS:
        raise SqlagentError(
            f"row {number:,} has a text of {len(text):,} characters, and a cell of XLSX holds {_MOST_CHARACTERS:,}",
            hint=_INSTEAD,
        )
    return text
