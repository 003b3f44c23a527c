"""The commands of a session, each begun by a backslash as in psql."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from sqlagent.cli.asking import list_undoable
from sqlagent.cli.looking import describe, list_pending
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.session import Report
from sqlagent.core.text.counted import counted
from sqlagent.service import Agent
from sqlagent.ui.layout import Block, text_line
from sqlagent.ui.listing import tables_table
from sqlagent.ui.out import say

if TYPE_CHECKING:
    from sqlagent.cli.shell.session import Session

Begin = Callable[[Agent], Report]
_LISTED = 50
"""Sessions that wait, as `sqlagent pending` lists."""


def do(session: Session, name: str, argument: str) -> None:
    """Carry out one backslash command; raises `UsageError` for one that does not exist."""
    command = COMMANDS.get(name)
    if command is None:
        near = get_close_matches(name, COMMANDS, n=1, cutoff=0.4)
        raise UsageError(f"no command {name}", hint=f"did you mean {near[0]}?" if near else "\\? lists them")
    command.do(session, argument)


def _describe(session: Session, argument: str) -> None:
    if argument:
        session.look(lambda line: describe(line, argument))
        return
    tables = session.agent.database.outline().tables
    if tables:
        say(tables_table(tables, columns=session.call.screen.columns))
    session.call.screen.line(f"({counted(len(tables), 'table')} and views)")


def _pending(session: Session, _argument: str) -> None:
    session.look(lambda line: list_pending(line, _LISTED))


def _undo(session: Session, argument: str) -> None:
    if thread := argument or session.ran:
        session.put(lambda agent: agent.undo(thread))
    else:
        session.look(list_undoable)


def _resume(session: Session, argument: str) -> None:
    if not argument:
        raise UsageError("\\resume goes on with a session that waits", hint="\\resume ID; \\pending lists them")
    session.put(lambda agent: agent.resume(argument))


def _new(session: Session, _argument: str) -> None:
    session.thread = ""
    session.call.screen.line("  the next question begins a new conversation")


def _output(session: Session, argument: str) -> None:
    session.output = Path(argument).expanduser() if argument else None
    session.call.screen.line(f"  the next result goes to {argument or 'the screen'}")


def _chart(session: Session, argument: str) -> None:
    if session.seen is not None:
        session.draw(argument or "-")
        return
    session.chart = argument or "-"
    session.call.screen.line(f"  the next result is drawn{f' in {argument}' if argument else ''}")


def _help(session: Session, _argument: str) -> None:
    rows = [(command.usage, command.words) for command in COMMANDS.values()]
    rows += [("Tab, Ctrl-R", "complete a name; search what you typed, on other days too")]
    rows += [("Ctrl-C, Ctrl-D", "drop the line, or stop what runs; leave")]
    lines = [text_line("  words are a question, and the next one follows it up; what ends with ; is SQL")]
    session.call.screen.show(Block(tuple(lines)))
    for usage, words in rows:
        session.call.screen.line(f"  {usage:<14}  {words}")


def _quit(session: Session, _argument: str) -> None:
    session.left = True


@dataclass(frozen=True, slots=True)
class Command:
    """One backslash command: how it is typed, what it is for, and the function that does it."""

    usage: str
    words: str
    do: Callable[[Session, str], None]


COMMANDS = {
    "\\d": Command("\\d [TABLE]", "tables and views; of one, its columns", _describe),
    "\\pending": Command("\\pending", "what waits for a person", _pending),
    "\\resume": Command("\\resume ID", "go on with one that waits", _resume),
    "\\undo": Command("\\undo [ID]", "take back what ran last here, or the run of ID", _undo),
    "\\new": Command("\\new", "the next question begins a new conversation", _new),
    "\\o": Command("\\o [FILE]", "the next result goes to FILE; without one to the screen", _output),
    "\\chart": Command("\\chart [FILE]", "draw the last result, here or in FILE (.svg .png .html)", _chart),
    "\\?": Command("\\?", "this list", _help),
    "\\q": Command("\\q", "leave", _quit),
}
