"""The terminal: how wide it is, whether it takes colour, and the one way text gets to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import TextIO

from sqlagent.ui.layout import Block
from sqlagent.ui.visible import printed, visible


class Colour(StrEnum):
    """`--color`."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def wants_colour(stream: TextIO, colour: Colour, env: Mapping[str, str]) -> bool:
    """The flag, then NO_COLOR, then FORCE_COLOR, then whether a terminal that can is at the other end."""
    if colour is not Colour.AUTO:
        return colour is Colour.ALWAYS
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR"):
        return True
    return env.get("TERM", "") not in ("dumb", "") and is_terminal(stream)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person may be at the other end; a closed stream has nobody."""
    try:
        return stream.isatty()
    except ValueError:
        return False


class Input(StrEnum):
    """`--no-input` and `CI`."""

    ALLOWED = "allowed"
    NEVER = "never"


def can_prompt(stdin: TextIO, stderr: TextIO, input_: Input) -> bool:
    """stdout may be a file: `sqlagent ask ... > out.csv` still asks, on stderr."""
    return input_ is Input.ALLOWED and is_terminal(stdin) and is_terminal(stderr)


_PLAINER = str.maketrans({"─": "-", "⟨": "<", "⟩": ">", "\u21b5": "\\n", "\u21e5": "\\t"})
"""Our own drawing, for a terminal of another encoding."""


class Screen:
    """Where words for people go: stderr, whatever becomes of it meanwhile."""

    def __init__(self, stream: TextIO, *, colour: Colour = Colour.AUTO, env: Mapping[str, str] = os.environ) -> None:
        self.stream = stream
        self.env = env
        self.terminal = is_terminal(stream)
        self.coloured = wants_colour(stream, colour, env)

    @property
    def columns(self) -> int:
        """80 where nobody can tell; never so few that a table cannot be read."""
        return min(max(self._size("COLUMNS", 0, 80), 40), 160)

    @property
    def width(self) -> int:
        """As many columns as there are, for what has to fit."""
        return max(self._size("COLUMNS", 0, 80), 20)

    @property
    def rows(self) -> int:
        """How many lines it has; 24 where nobody can tell."""
        return self._size("LINES", 1, 24)

    def _size(self, variable: str, index: int, otherwise: int) -> int:
        if self.env.get(variable, "").isdecimal():
            return int(self.env[variable]) or otherwise
        try:
            return os.get_terminal_size(self.stream.fileno())[index] or otherwise
        except (OSError, ValueError):
            return otherwise

    def show(self, block: Block) -> None:
        """Print it, in colour where that is wanted."""
        if self.coloured:
            self._show_coloured(block)
        else:
            self._write(printed(f"{block}\n"))

    def line(self, text: str = "") -> None:
        """Print one line, whatever its origin."""
        self._write(printed(f"{text}\n"))

    def ask(self, text: str) -> None:
        """Print without ending the line: a person types behind it."""
        self._write(printed(text))

    def overwrite(self, *texts: str) -> None:
        """Put each over the line the cursor stands in; only progress does, and only before it ends its line."""
        self._write("".join(f"\r{visible(text)}" for text in texts))

    def _write(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        if encoding.lower().replace("-", "") != "utf8":
            text = text.translate(_PLAINER)
        # A terminal of another encoding shows `\u2500` for what it cannot draw; it does not end the program.
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self.stream.flush()

    def _show_coloured(self, block: Block) -> None:
        # rich knows how many colours this terminal has; 60 ms that a screen without colour need not pay
        from rich.console import Console
        from rich.text import Text

        console = Console(
            file=self.stream,
            force_terminal=True,
            color_system="auto" if self.env.get("TERM", "") not in ("dumb", "") else "standard",
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=True,
            width=10_000,
            no_color=False,
        )
        for line in block.lines:
            text = Text.assemble(*((visible(span.text), span.role.value) for span in line))
            text.rstrip()  # as in a block without colour
            console.print(text)
        self.stream.flush()
