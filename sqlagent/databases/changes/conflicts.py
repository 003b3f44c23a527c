"""Rows that an undo cannot put back, since they are not as the run left them: how many, and the first of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlagent.core.errors import Stale
from sqlagent.core.text.counted import counted
from sqlagent.databases.base import Conflict, OnConflict

CHANGED = "it was changed since"
DELETED = "it was deleted since"
TAKEN = "another row has its key now"
FORBIDDEN = "a constraint forbids what it was"
_LISTED = 100  # that are named


class Refused(Exception):
    """A run cannot be taken back as things stand; the text says why."""


@dataclass(slots=True)
class Conflicts:
    """The rows in conflict with one undo: their number, and the first of them."""

    listed: list[Conflict] = field(default_factory=list)
    count: int = 0

    def add(self, table: str, key: Iterable[tuple[str, str]], why: str) -> None:
        """Count a row, and keep its key and the reason while few are listed; `key` is pairs of column and value."""
        self.count += 1
        if len(self.listed) < _LISTED:
            self.listed.append(Conflict(table, tuple(key), why))

    def check(self, on_conflict: OnConflict) -> None:
        """Raise Stale where a conflict is to stop the undo."""
        if self.count and on_conflict is OnConflict.REFUSE:
            first = self.listed[0]
            key = ", ".join(f"{column} {value}" for column, value in first.key)
            raise Stale(
                f"{counted(self.count, 'row')} cannot be put back; {first.table} {key}: {first.why}",
                hint="nothing was changed",
            )
