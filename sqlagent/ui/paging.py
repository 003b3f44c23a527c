"""Rows before a person: drawn for the width of the screen, and in the pager where they are more than a screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from tempfile import SpooledTemporaryFile
from typing import TextIO

from sqlagent.ui.editor import paged
from sqlagent.ui.export import Rows
from sqlagent.ui.formats import Format, Spelling
from sqlagent.ui.screen import Screen
from sqlagent.ui.visible import width

_IN_MEMORY = 1_000_000


class Wide(StrEnum):
    """What becomes of a result that is wider than the screen."""

    VERTICAL = "vertical"
    PAGER = "pager"


@dataclass(frozen=True, slots=True)
class _Size:
    lines: int = 0
    widest: int = 0


class ShownRows(Rows):
    """Rows kept until they are shown: reading goes on while nobody has turned a page."""

    def __init__(self, kept: SpooledTemporaryFile[bytes], format_: Format, *, screen: Screen, wide: Wide) -> None:
        whole = format_ is Format.AUTO and wide is Wide.PAGER
        super().__init__(
            kept,  # type: ignore[arg-type]  # typeshed has it as an IO, not as a BinaryIO
            Format.TABLE if whole else format_,
            Spelling.VISIBLE,
            room=None if whole else screen.width,
        )
        self._kept = kept
        self._screen = screen

    def show(self) -> None:
        """Print what came since; in the pager where it does not fit."""
        size = self._size()
        if not size.lines:
            return
        self._kept.seek(0)
        too_wide = size.widest > self._screen.width
        if not (too_wide or size.lines >= self._screen.rows) or not self._page(too_wide):
            self._kept.seek(0)
            self._print(self._screen.stream)
        self._kept.seek(0)
        self._kept.truncate()

    def _size(self) -> _Size:
        self._kept.seek(0)
        lines = widest = 0
        for line in self._kept:
            lines += 1
            if len(line) > widest:  # bytes are at least as many as columns
                widest = max(widest, width(line.decode("utf-8", "surrogatepass").rstrip("\n")))
        return _Size(lines, widest)

    def _page(self, too_wide: bool) -> bool:
        less = "FRXS" if too_wide else "FRX"
        return paged(self._kept, terminal=self._screen.stream, env={"LESS": less, **self._screen.env})

    def _print(self, stream: TextIO) -> None:
        for line in self._kept:
            stream.buffer.write(line)
        stream.flush()


@contextmanager
def shown_rows(format_: Format, *, screen: Screen, wide: Wide) -> Iterator[Rows]:
    """A sink for rows that a person reads on `screen`, which is stdout."""
    with SpooledTemporaryFile(_IN_MEMORY) as kept:
        rows = ShownRows(kept, format_, screen=screen, wide=wide)
        try:
            yield rows
        finally:
            rows.show()
