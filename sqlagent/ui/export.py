"""Where rows go: a screen, a pipe, or a file that is there only once it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from itertools import compress, count
from pathlib import Path
from typing import Any, BinaryIO

from sqlagent.core.errors import SqlagentError, UsageError
from sqlagent.core.text.counted import counted
from sqlagent.ui.books import BOOKS, Book, open_book
from sqlagent.ui.effects import size_words
from sqlagent.ui.formats import Format, Spelling, write
from sqlagent.ui.visible import one_line

_NOT_BETWEEN = frozenset({Format.JSON, Format.JSONL, Format.NONE})
"""Formats whose results follow one another without an empty line."""


class Existing(Enum):
    """What becomes of a file that is there already."""

    KEEP = "keep"
    REPLACE = "replace"


class Rows:
    """A sink for rows (`databases.base.Sink`): each `write` is one result, in the format asked for.

    Several results follow one another: after an empty line, or in JSON as one document after the other.
    """

    def __init__(
        self, out: BinaryIO, format_: Format, spelling: Spelling = Spelling.EXACT, *, room: int | None = None,
        name: str = "", book: Book | None = None,
    ) -> None:  # fmt: skip
        self._out = out
        self._format = format_
        self._spelling = spelling
        self._room = room
        self._name = name
        """Of the file; empty where it is none."""
        self._book = book
        self.results = 0
        self.rows = 0
        self.wrote = ""
        """What is said of a file when it is in its place."""
        self.broken = False
        """Nobody reads any more (`| head`): the rest is not wanted, which is no error."""
        self.complete = True
        """No result failed midway."""

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Take every row, holding a thousand at most; where nobody reads any more, those that were taken until then."""
        if self.broken:
            return 0
        taken = count(1)
        try:
            with self._in_words():
                self.complete = False
                self._put(columns, compress(rows, taken))  # each row is counted, at no cost of a row in Python
                self.complete = True
        except BrokenPipeError:
            self.broken = True
            _point_at_nothing(self._out)
        self.rows += (returned := next(taken) - 1)
        return returned

    def _put(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
        if self.results and self._format not in _NOT_BETWEEN | BOOKS:
            self._out.write(b"\n")
        self.results += 1
        if self._book is not None:
            self._book.add(columns, rows)
            return
        write(self._out, self._format, columns, rows, self._spelling, room=self._room)
        self._out.flush()

    def show(self) -> None:
        """Print what is kept for a screen; nothing is, where rows go straight to a file or a pipe."""

    def close_book(self) -> None:
        """Write what a book keeps until its end."""
        if self._book is not None:
            with self._in_words():
                self._book.close()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as e:
            self.complete = False
            _point_at_nothing(self._out)
            what = f"{self._name} cannot be written" if self._name else "the rows cannot be written"
            left = "nothing is left of it, and what was there before is as it was; " if self._name else ""
            raise SqlagentError(
                f"{what}: {(e.strerror or str(e)).lower()}", hint=f"{left}`-o FILE` writes them to another place"
            ) from e


def _point_at_nothing(out: BinaryIO) -> None:
    """What is left in the buffer is flushed when the program ends, and must not fail then."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, out.fileno())
        os.close(nothing)


@contextmanager
def open_rows(
    path: str | None, *, format_: Format, stdout: BinaryIO, existing: Existing = Existing.KEEP, room: int | None = None
) -> Iterator[Rows]:
    """A sink for the rows of one command, to stdout, or to a file that appears only when all of them are in it.

    Where nothing is written, or something fails, a file of that name stays as it was.  `room` is the width of the
    screen that stdout may be.
    """
    if path is None or path == "-":
        _refuse_books(format_)
        yield Rows(stdout, format_, _spelling(stdout), room=room)
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        _refuse_books(format_)
        with _unwritable(path):
            device = target.open("wb")
        with device:
            yield Rows(device, format_, _spelling(device))
        return
    refuse_existing(path, existing)
    with _partial(path, target) as partial, _filled(path, partial, format_) as rows:
        yield rows
        rows.close_book()
        if rows.results and rows.complete:
            refuse_existing(path, existing)  # it may have come meanwhile
            with _unwritable(path):
                _put_in_place(partial, target)
            size = size_words(target.stat().st_size)
            rows.wrote = f"wrote {counted(rows.rows, 'row')} to {one_line(path)} ({size})"


def write_whole(path: str, content: bytes, existing: Existing) -> str:
    """A file that is there whole or not at all; answers what is said of it."""
    target = Path(path).resolve()
    refuse_existing(path, existing)
    with _partial(path, target) as partial, _unwritable(path):
        partial.write_bytes(content)
        _put_in_place(partial, target)
    return f"wrote {one_line(path)} ({size_words(len(content))})"


def refuse_existing(path: str, existing: Existing) -> None:
    """Raise UsageError where a file of that name is there and is not to be replaced."""
    if existing is Existing.KEEP and Path(path).is_file():
        raise UsageError(f"{path} is there already", hint="--force replaces it, or name another file")


def _refuse_books(format_: Format) -> None:
    if format_ in BOOKS:
        raise UsageError(f"{format_} goes to a file, and here is none", hint=f"-o FILE.{format_}")


@contextmanager
def _partial(path: str, target: Path) -> Iterator[Path]:
    """An empty file beside the target, which is gone at the end."""
    partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    with _unwritable(path):
        partial.touch(exist_ok=False)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _filled(path: str, partial: Path, format_: Format) -> Iterator[Rows]:
    with _unwritable(path):
        out = partial.open("r+b")
    with out:
        if format_ not in BOOKS:
            yield Rows(out, format_, name=path)
            return
        book = open_book(format_, partial)
        try:
            yield Rows(out, format_, name=path, book=book)
        finally:
            book.discard()


def _spelling(out: BinaryIO) -> Spelling:
    return Spelling.VISIBLE if out.isatty() else Spelling.EXACT


def _put_in_place(partial: Path, target: Path) -> None:
    if target.exists():
        partial.chmod(target.stat().st_mode & 0o7777)
    partial.replace(target)


@contextmanager
def _unwritable(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise UsageError(
            f"cannot write {path}: {(e.strerror or str(e)).lower()}",
            hint="`-o FILE` takes a file in a folder that you may write to",
        ) from e
