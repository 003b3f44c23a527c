"""A command line whose first word is no command: whether it begins a session, or is a question that lacks its `ask`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from sqlagent.cli.commands import COMMANDS
from sqlagent.cli.options import given
from sqlagent.core.errors import UsageError

SESSION = "shell"
_OF_THE_PROGRAM = frozenset({"-h", "--help", "--version", "--install-completion", "--show-completion"})
_ASKING = frozenset("how what which who whose when where why".split())
_FEWEST = 3
"""Words that are a question, where none of them ends in `?` and none is quoted."""


def is_a_session(arguments: Sequence[str]) -> bool:
    """`sqlagent` alone, or with nothing but options of a session."""
    if not arguments:
        return True
    begins = arguments[0].startswith("-") and not _OF_THE_PROGRAM.intersection(arguments)
    return begins and not set(arguments) & set(COMMANDS) and not arguments[0].startswith("--show-completion=")


def is_a_question(arguments: Sequence[str]) -> bool:
    """Whether the first word is no command, and it or it with those behind it reads like a question."""
    words = _words(arguments)
    if not words or words[0] in COMMANDS:
        return False
    if len(words[0].split()) > 1 or words[0].endswith("?") or (len(words) > 1 and words[-1].endswith("?")):
        return True
    if words[0].lower() in _ASKING and len(words) > 1:
        return True
    return len(words) >= _FEWEST and not get_close_matches(words[0], COMMANDS, n=1, cutoff=0.75)


def offered(arguments: Sequence[str]) -> list[str]:
    """The command line with `ask` before it, where a person at the terminal says so; otherwise how it is typed."""
    meant = ["ask", *arguments]
    typed = shlex.join(["sqlagent", *meant])
    if not _is_asked(arguments, typed):
        raise UsageError(f"no command is called {arguments[0]}", hint=f"as a question: {typed}")
    return meant


def _is_asked(arguments: Sequence[str], typed: str) -> bool:
    from sqlagent.ui.keyboard import Keyboard, NothingTyped
    from sqlagent.ui.screen import Input, Screen, can_prompt

    quiet = given("--json", arguments) or given("--no-input", arguments) or os.environ.get("CI")
    if not can_prompt(sys.stdin, sys.stderr, Input.NEVER if quiet else Input.ALLOWED):
        return False
    screen, keyboard = Screen(sys.stderr), Keyboard(sys.stdin)
    screen.line(f"  no command is called {arguments[0]}; as a question: {typed}")
    try:
        keyboard.forget()
        screen.ask("  ask it? [Y/n] ")
        return keyboard.line().lower() in ("", "y", "yes")
    except NothingTyped:
        screen.line()
        return False


def _words(arguments: Sequence[str]) -> list[str]:
    """Those before the first option."""
    until = next((n for n, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    return list(arguments[:until])
