"""Lines of words with a role each, and the three shapes they come in: wrapped text, aligned columns, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlagent.ui.visible import one_line, visible, width


class Role(StrEnum):
    """What a word is for; colour only repeats what the word already says.

    Each colour is as far from black as from white, so that it can be read on a dark and on a light terminal.
    """

    PLAIN = ""
    STRONG = "bold"
    FAINT = "color(243)"
    ADDED = "color(28)"
    CHANGED = "color(130)"
    REMOVED = "color(160)"
    UNSURE = "color(163)"


@dataclass(frozen=True, slots=True)
class Span:
    """Some characters of a line, and what they are."""

    text: str
    role: Role = Role.PLAIN


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """What is printed at once; `str` of it is what a terminal without colour shows."""

    lines: tuple[Line, ...] = ()

    def __str__(self) -> str:
        return "\n".join("".join(span.text for span in line).rstrip() for line in self.lines)

    def __add__(self, other: Block) -> Block:
        return Block(self.lines + other.lines)


class Align(StrEnum):
    """At which side of its column a text stands."""

    LEFT = "left"
    RIGHT = "right"


def text_line(text: str = "", role: Role = Role.PLAIN) -> Line:
    """A line of one span."""
    return (Span(text, role),)


def pad(text: str, columns: int, align: Align = Align.LEFT) -> str:
    """Blanks up to so many columns of the terminal, where wide characters take two; never cut."""
    blanks = " " * max(columns - width(text), 0)
    return text + blanks if align is Align.LEFT else blanks + text


_NEAR = 24
"""Characters in which a word has to end for a line to be cut there."""


def wrap(text: str, columns: int) -> list[str]:
    """`text` cut into pieces of at most `columns`, at a space where one is near; joined they are `text` again."""
    columns = max(columns, 8)
    pieces = []
    while (cut := fitting(text, columns)) < len(text):
        space = text.rfind(" ", max(cut - _NEAR, 1), cut)
        cut = space + 1 if space > 0 else cut
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def fitting(text: str, columns: int) -> int:
    """How many characters of `text` fit; at least one, so that cutting always gets on."""
    if text.isascii():
        return min(columns, len(text))
    taken = 0
    for index, character in enumerate(text):
        taken += width(character)
        if taken > columns:
            return max(index, 1)
    return len(text)


def paragraph(text: str, columns: int, *, first: str = "  ", rest: str = "    ", role: Role = Role.PLAIN) -> list[Line]:
    """`text` of any origin, made visible and wrapped, its first line after `first` and the others after `rest`."""
    pieces = [piece for line in visible(text).expandtabs(4).split("\n") for piece in wrap(line, columns - len(rest))]
    return [text_line((rest if index else first) + piece, role) for index, piece in enumerate(pieces)]


def shorten(text: str, columns: int) -> str:
    """`text` on one line, ended by `...` where it does not fit, after a whole word where one ends near."""
    if width(text) <= columns:
        return text
    kept = text[: fitting(text, max(columns - 3, 1))]
    blank = kept.rfind(" ", max(len(kept) - _NEAR, 1))
    if blank > 0 and not text[len(kept)].isspace():
        kept = kept[:blank]
    return kept.rstrip() + "..."


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, last: int | None = None) -> Block:
    """Columns as psql draws them, of text of any origin; the last one is cut to what is left of `last` columns."""
    body = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(width(row[index]) for row in [headings, *body]) for index in range(len(headings))]
    if last is not None:
        widths[-1] = max(min(widths[-1], last - sum(widths[:-1]) - 3 * (len(widths) - 1) - 1), len(headings[-1]), 8)
        for row in body:
            row[-1] = shorten(row[-1], widths[-1])
    rule = "+".join("-" * (size + 2) for size in widths[:-1]) + ("+" if widths[1:] else "") + "-" * (widths[-1] + 1)
    drawn = [" " + " | ".join(map(pad, row, widths)) for row in [headings, *body]]
    return Block(tuple(text_line(line.rstrip()) for line in [drawn[0], rule, *drawn[1:]]))


def local(timestamp: str) -> str:
    """A stored UTC time as the clock on this wall shows it."""
    try:
        return datetime.fromisoformat(timestamp).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return timestamp or "?"
