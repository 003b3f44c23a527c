"""Where rows go: stdout or a file that is there only once it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from sqlagent.core.errors import SqlagentError, UsageError
from sqlagent.ui.formats import Format, Spelling, write

_BETWEEN_RESULTS = frozenset({Format.TABLE, Format.CSV, Format.CSV_SAFE, Format.MARKDOWN, Format.VERTICAL})


class Rows:
    """A sink for rows (`databases.base.Sink`): each `write` is one result, in the format asked for.

    Several results follow one another: after an empty line, or in JSON as one document after the other.
    """

    def __init__(self, out: BinaryIO, format_: Format, spelling: Spelling = Spelling.EXACT) -> None:
        self._out = out
        self._format = format_
        self._spelling = spelling
        self.results = 0
        self.broken = False
        """Nobody reads any more (`| head`): the rest is not wanted, which is no error."""
        self.complete = True
        """No result failed midway."""

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Take every row, holding a thousand at most."""
        if self.broken:
            return 0
        try:
            if self.results and self._format in _BETWEEN_RESULTS:
                self._out.write(b"\n")
            self.results += 1
            self.complete = False
            count = write(self._out, self._format, columns, rows, self._spelling)
            self._out.flush()
            self.complete = True
        except BrokenPipeError:
            self.broken = True
            _point_at_nothing(self._out)
            return 0
        except OSError as e:
            _point_at_nothing(self._out)
            raise SqlagentError(
                f"the rows cannot be written: {(e.strerror or str(e)).lower()}",
                hint="`-o FILE` writes them to another place",
            ) from e
        return count


def _point_at_nothing(out: BinaryIO) -> None:
    """What is left in the buffer is flushed when the program ends, and must not fail then."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, out.fileno())
        os.close(nothing)


@contextmanager
def open_rows(path: str | None, *, format_: Format, stdout: BinaryIO) -> Iterator[Rows]:
    """A sink for the rows of one command, to stdout, or to a file that appears only when all of them are in it.

    Where nothing is written, or something fails, a file of that name stays as it was.
    """
    if path is None or path == "-":
        yield Rows(stdout, format_, _spelling(stdout))
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        with _unwritable(path):
            device = target.open("wb")
        with device:
            yield Rows(device, format_, _spelling(device))
        return
    partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    with _unwritable(path):
        out = partial.open("xb")
    rows = Rows(out, format_)
    try:
        with out:
            yield rows
        if rows.results and rows.complete:
            with _unwritable(path):
                _put_in_place(partial, target)
    finally:
        partial.unlink(missing_ok=True)


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
