"""A clock for SQLite that can be set ahead: what `now` means is then seen in the rows, whatever function asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import apsw

CLOCKS = frozenset(
    {"date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"}
    | {"current_date", "current_time", "current_timestamp"}
)
"""Functions that may ask for the time."""
CHANCE = frozenset({"random", "randomblob"})
FAR = ((400 * 24 + 5) * 3600 + 7 * 60 + 13) * 1000
"""Milliseconds in which every part of a date changes: year, month, weekday, hour, minute and second."""
NEAR = 61_000

_numbers = count()


class _Ahead(apsw.VFS):
    def __init__(self, name: str, milliseconds: int) -> None:
        super().__init__(name, "", makedefault=False)
        self._milliseconds = milliseconds

    def xCurrentTimeInt64(self) -> int:
        return super().xCurrentTimeInt64() + self._milliseconds

    def xCurrentTime(self) -> float:
        return super().xCurrentTime() + self._milliseconds / 86_400_000


@contextmanager
def ahead(milliseconds: int) -> Iterator[str]:
    """The name of a VFS whose clock is so far ahead; connections must be closed before the block ends."""
    name = f"sqlagent-clock-{next(_numbers)}"
    vfs = _Ahead(name, milliseconds)
    try:
        yield name
    finally:
        vfs.unregister()
