"""A result for people: a table that fits the screen, one field a line where it cannot, and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from sqlagent.ui.chunks import CHUNK, Chunks, Row, chunks
from sqlagent.ui.layout import Align, fitting, pad, wrap
from sqlagent.ui.visible import cell, one_line, width

_WIDEST_CELL = 500
_NARROWEST = 14
"""A text column is cut to no less: below, its rows are told apart by nothing any more."""
_BETWEEN = 3
"""What stands between two columns: ` | `."""
_MARGINS = 2
"""A blank on either side, of which the rule under the names has both."""

# ---- tables ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Drawn:
    """How a table is drawn: chosen from its first rows, and kept for the others."""

    names: list[str]
    widths: list[int]
    aligned: list[Align]
    most: list[int | None]
    """The width that a column is cut to; None where it was not narrowed."""
    cut: dict[str, int] = field(default_factory=dict)
    """Cells that were cut, by the name of their column."""

    def heading(self) -> str:
        rule = "+".join("-" * (size + 2) for size in self.widths) + "\n"
        names = [_cut(name, most) for name, most in zip(self.names, self.most, strict=True)]
        return _line(names, self.widths, self.aligned) + rule

    def line(self, row: Row) -> str:
        cells = _cells(row)
        if any(self.most):
            for place, most in enumerate(self.most):
                shown = _cut(cells[place], most)
                if shown is not cells[place]:
                    self.cut[self.names[place]] = self.cut.get(self.names[place], 0) + 1
                    cells[place] = shown
        return _line(cells, self.widths, self.aligned)

    def told(self) -> str:
        """What stands under it: how much was cut, and how to see it."""
        if not self.cut:
            return ""
        counts = ", ".join(f"{count:,} of {name}" for name, count in self.cut.items())
        said = f"cut to fit: {counts}; --format vertical shows all of it"
        return "".join(f"{'  ' * bool(n)}{piece}\n" for n, piece in enumerate(wrap(said, max(self.total(), 40))))

    def total(self) -> int:
        return _MARGINS + sum(self.widths) + _BETWEEN * (len(self.widths) - 1)


def table(columns: Sequence[str], rows: Iterator[Row], room: int | None = None) -> Chunks:
    """As psql draws one, its columns narrowed to `room` as far as they can be."""
    first = list(islice(rows, CHUNK))
    return _table(_drawn(columns, first, room)[0], first, rows)


def table_or_vertical(columns: Sequence[str], rows: Iterator[Row], room: int | None = None) -> Chunks:
    """A table, or where even its narrowest form is wider than `room`, a field a line."""
    first = list(islice(rows, CHUNK))
    drawn, fits = _drawn(columns, first, room)
    if fits:
        return _table(drawn, first, rows)
    return vertical(columns, chain(first, rows), room)


def _table(drawn: _Drawn, first: list[Row], rows: Iterator[Row]) -> Chunks:
    yield drawn.heading(), 0
    for chunk in chain([first], chunks(rows)):
        yield "".join(map(drawn.line, chunk)), len(chunk)
    yield drawn.told(), 0


def _drawn(columns: Sequence[str], first: list[Row], room: int | None) -> tuple[_Drawn, bool]:
    """How it is drawn, and whether that fits."""
    names = [one_line(name) for name in columns]
    needed = [max(map(width, column)) for column in zip(names, *map(_cells, first), strict=True)]
    aligned = [_alignment(column) for column in zip(*first, strict=True)] or [Align.LEFT] * len(names)
    drawn = _Drawn(names, needed, aligned, [None] * len(names))
    if room is None or drawn.total() <= room:
        return drawn, True
    return _narrowed(drawn, room)


def _narrowed(drawn: _Drawn, room: int) -> tuple[_Drawn, bool]:
    """Text columns share what numbers leave of the room; a number is never cut, for the rest of it would be another."""
    free = room - _MARGINS - _BETWEEN * (len(drawn.widths) - 1)
    is_text = [align is Align.LEFT for align in drawn.aligned]
    free -= sum(size for size, text in zip(drawn.widths, is_text, strict=True) if not text)
    left = sorted(size for size, text in zip(drawn.widths, is_text, strict=True) if text)
    share = free // len(left) if left else 0
    while left and left[0] <= share:  # what a short column does not need goes to the long ones
        free -= left.pop(0)
        share = free // len(left) if left else share
    share = max(share, _NARROWEST)
    most = [share if text and size > share else None for size, text in zip(drawn.widths, is_text, strict=True)]
    widths = [size if limit is None else limit for size, limit in zip(drawn.widths, most, strict=True)]
    narrowed = _Drawn(drawn.names, widths, drawn.aligned, most)
    return narrowed, narrowed.total() <= room


def _cut(text: str, most: int | None) -> str:
    """`The beginn…+1,204`: the mark, and how many characters are not shown."""
    if most is None or width(text) <= most:
        return text
    kept = fitting(text, most - len(f"…+{len(text):,}"))
    return f"{text[:kept]}…+{len(text) - kept:,}"


def _cells(row: Row) -> list[str]:
    return [cell(value, limit=_WIDEST_CELL) for value in row]


def _alignment(values: Sequence[Any]) -> Align:
    """Numbers stand on the right; a column without a value is none of numbers."""
    known = [value for value in values if value is not None]
    numbers = all(hasattr(value, "as_integer_ratio") and not isinstance(value, bool) for value in known)
    return Align.RIGHT if known and numbers else Align.LEFT


def _line(row: Sequence[str], widths: Sequence[int], aligned: Sequence[Align]) -> str:
    return (" " + " | ".join(map(pad, row, widths, aligned))).rstrip() + "\n"


# ---- Markdown ----------------------------------------------------------------------------------------------------

_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def markdown(columns: Sequence[str], rows: Iterator[Row]) -> Chunks:
    """A table of GitHub's dialect."""
    first = list(islice(rows, CHUNK))
    aligned = [_alignment(column) for column in zip(*first, strict=True)] or [Align.LEFT] * len(columns)
    rule = ["---:" if align is Align.RIGHT else "---" for align in aligned]
    yield _markdown_line([_in_markdown(one_line(name)) for name in columns]) + _markdown_line(rule), 0
    for chunk in chain([first], chunks(rows)):
        yield "".join(_markdown_line([_in_markdown(cell(value)) for value in row]) for row in chunk), len(chunk)


def _in_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", text)


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


# ---- a field a line ----------------------------------------------------------------------------------------------


def vertical(columns: Sequence[str], rows: Iterator[Row], room: int | None = None) -> Chunks:
    """Every value whole; where there is a screen, a long one goes on behind the bar of the next line."""
    names = [one_line(name) for name in columns]
    if room is not None:
        names = [_cut(name, max(room // 3, _NARROWEST)) for name in names]
    name_column = max(map(width, names), default=0)
    labels = [pad(name, name_column) for name in names]
    space = None if room is None else room - name_column - _BETWEEN
    count = 0
    for chunk in chunks(rows):
        text = []
        for row in chunk:
            count += 1
            text.append(f"-[ row {count} ]".ljust(name_column + 20, "-") + "\n")
            text += [_field(label, value, space) for label, value in zip(labels, row, strict=True)]
        yield "".join(text), len(chunk)


def _field(label: str, value: Any, space: int | None) -> str:
    """A value over several lines keeps the bar before each, so that none can pass for another field."""
    written = isinstance(value, str) and "\n" in value
    lines = [one_line(line) for line in value.split("\n")] if written else [cell(value)]
    pieces = lines if space is None else [piece for line in lines for piece in wrap(line, space)]
    blank = " " * width(label)
    return "".join(f"{blank if index else label} | {piece}".rstrip() + "\n" for index, piece in enumerate(pieces))
