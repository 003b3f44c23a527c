"""Files that are no text: Parquet and XLSX, by libraries of the extra `export`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlagent.core.errors import UsageError
from sqlagent.ui.formats import Format


class Book(Protocol):
    """One file that takes results as they come; memory does not grow with rows."""

    def add(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
        """Take one result, every row of it."""

    def close(self) -> None:
        """Write what is left; only then is the file whole."""
        ...

    def discard(self) -> None:
        """Leave nothing open, and nothing beside the file."""
        ...


BOOKS = frozenset({Format.PARQUET, Format.XLSX})


def open_book(format_: Format, path: Path) -> Book:
    """A book at a path that is there and empty; raises UsageError where its library is not installed."""
    return _OPENED[format_](path)


def _parquet(path: Path) -> Book:
    try:
        from sqlagent.ui.books.parquet import ParquetFile  # 0.3 s of Arrow
    except ImportError as e:
        raise _not_installed("Parquet", e) from e
    return ParquetFile(path)


def _xlsx(path: Path) -> Book:
    try:
        from sqlagent.ui.books.xlsx import Workbook
    except ImportError as e:
        raise _not_installed("XLSX", e) from e
    return Workbook(path)


def _not_installed(what: str, missing: ImportError) -> UsageError:
    return UsageError(f"{what} needs {missing.name}, which is not installed", hint='pip install "sqlagent[export]"')


_OPENED: dict[Format, Callable[[Path], Book]] = {Format.PARQUET: _parquet, Format.XLSX: _xlsx}
