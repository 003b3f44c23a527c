"""The names that Tab completes: commands, tables and their columns, sessions that wait."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.draft import Schema
from sqlagent.ui.visible import one_line

_WORD = re.compile(r"[\w$]+$|(?<=\.)$")
_TABLE_BEFORE = re.compile(r"([\w$]+)\.[\w$]*$")


class Names(Completer):
    """Names of the database as it was when they were last asked for; `forget` has them read anew."""

    def __init__(
        self, commands: Iterable[str], outline: Callable[[], Schema], waiting: Callable[[], Iterable[str]]
    ) -> None:
        self._commands = tuple(commands)
        self._outline = outline
        self._waiting = waiting
        self._known: dict[str, tuple[str, ...]] | None = None

    def forget(self) -> None:
        """Have the names read anew: something ran that may have changed the tables."""
        self._known = None

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """Each table with its columns; empty where the database cannot be read."""
        if self._known is None:
            try:
                self._known = {
                    t.name: tuple(filter(_is_plain, (c.name for c in t.columns)))
                    for t in self._outline().tables if _is_plain(t.name)
                }  # fmt: skip
            except SqlagentError:
                return {}
        return self._known

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - as prompt_toolkit calls it
    ) -> Iterator[Completion]:
        """What fits the word before the cursor, whatever its case; nothing on an empty line."""
        before = document.text_before_cursor
        begun = found[0] if (found := _WORD.search(before)) else ""
        if before.startswith("\\") and " " not in before:
            begun = before
        for name in dict.fromkeys(self._fitting(before)):
            if name.lower().startswith(begun.lower()) and (begun or before.endswith((".", " "))):
                yield Completion(name, start_position=-len(begun))

    def _fitting(self, before: str) -> Iterator[str]:
        """What may stand here."""
        if before.startswith("\\"):
            command, blank, _ = before.partition(" ")
            if not blank:
                yield from self._commands
            elif command == "\\d":
                yield from self.tables
            elif command in ("\\resume", "\\undo"):
                yield from self._waiting()
            return
        if (owner := _TABLE_BEFORE.search(before)) and (columns := self._columns_of(owner[1])):
            yield from columns
            return
        yield from self.tables
        for columns in self.tables.values():
            yield from columns

    def _columns_of(self, table: str) -> tuple[str, ...]:
        return next((columns for name, columns in self.tables.items() if name.lower() == table.lower()), ())


def _is_plain(name: str) -> bool:
    """A name that can be typed as it is; what acts on a terminal is not offered."""
    return one_line(name) == name and re.fullmatch(r"[^\W\d][\w$]*", name) is not None
