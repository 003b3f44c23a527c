"""The line that a person types: edited, completed, found again in what was typed on other days."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.output import ColorDepth, create_output

from sqlagent.cli.shell.lines import goes_on
from sqlagent.store import private

HISTORY = "typed"
"""The file in the state folder; its owner's alone, as the folder is."""
_HOW_IT_ENDS = "; ends SQL, an empty line asks"


class PrivateHistory(FileHistory):
    """What was typed, across days; what begins with a blank is not kept, as in a shell."""

    def __init__(self, folder: Path) -> None:
        private.make_folder(folder)
        path = folder / HISTORY
        os.close(private.open_file(path, os.O_RDWR))
        path.chmod(0o600)
        super().__init__(path)

    def append_string(self, string: str) -> None:
        """Keep a line, unless it begins with a blank."""
        if not string.startswith(" "):
            super().append_string(string)

    def load_history_strings(self) -> Iterable[str]:
        """The newest first; a byte that is no text does not keep anybody out."""
        return (line.encode("utf-8", "replace").decode() for line in super().load_history_strings())


def line_reader(prompt: str, *, folder: Path, names: Completer, coloured: bool) -> PromptSession[str]:
    """A reader of lines that prompts on stderr, as all words for people go there: stdout may be a file."""
    session: PromptSession[str] = PromptSession(
        prompt,
        history=PrivateHistory(folder),
        completer=names,
        complete_while_typing=False,
        multiline=Condition(lambda: goes_on(session.default_buffer.text)),
        prompt_continuation=lambda width, _line, _wrapped: "... ".rjust(width),
        rprompt=lambda: _HOW_IT_ENDS if "\n" in session.default_buffer.text else "",
        color_depth=None if coloured else ColorDepth.MONOCHROME,
        enable_open_in_editor=False,
        input=create_input(sys.stdin),
        output=create_output(sys.stderr),
    )
    return session
