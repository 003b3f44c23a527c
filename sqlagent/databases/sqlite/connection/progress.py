"""Messages about a run that takes long, for the person who waits; none for one that ends within a second."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import apsw

from sqlagent.databases.changes.budget import so_far

_FIRST = 1.0  # seconds
_BETWEEN = 0.25


class Telling:
    """The progress messages of one run on one connection."""

    def __init__(self, connection: apsw.Connection, heard: Callable[[str], None] | None) -> None:
        self._connection = connection
        self._heard = heard
        self._begun = monotonic()
        self._next = self._begun + _FIRST
        self._doing = ""
        self._rows_before = 0

    def begin(self, doing: str) -> None:
        """Name what it does from here on: `running statement 1 of 2`."""
        self._doing = doing
        self._rows_before = self._connection.total_changes()

    def end(self) -> None:
        """Say nothing more: what comes now is the answer."""
        self._heard = None

    def look(self, recorded: int = 0) -> None:
        """Say how far it is where it is time to; called every millisecond or so, with the bytes recorded so far."""
        if self._heard is None or (now := monotonic()) < self._next:
            return
        self._next = now + _BETWEEN
        rows = self._connection.total_changes() - self._rows_before
        try:
            self._heard(f"{self._doing}{so_far(rows, recorded)}, {now - self._begun:.1f} s")
        except (OSError, ValueError):  # a screen that is gone is no reason to take an approved run back
            self._heard = None
