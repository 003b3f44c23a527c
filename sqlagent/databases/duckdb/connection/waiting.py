"""Waiting for the engine so that a Ctrl-C, another thread and the clock can end what it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

import duckdb

_T = TypeVar("_T")
_BETWEEN = 0.25
"""Seconds between two words of progress."""


class OutOfTime(Exception):
    """The time was up, and what ran was ended."""


@dataclass(slots=True)
class _Done(Generic[_T]):
    value: list[_T] = field(default_factory=list)
    error: BaseException | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, work: Callable[[], _T]) -> None:
        try:
            self.value.append(work())
        except BaseException as e:  # noqa: BLE001 - who waits raises it
            self.error = e
        self.over.set()


def waited_for(
    connection: duckdb.DuckDBPyConnection,
    work: Callable[[], _T],
    *,
    until: float | None = None,
    heard: Callable[[str], None] | None = None,
) -> _T:
    """What the work returns or raises; `until` is when its time is up, by the monotonic clock: OutOfTime then.

    It runs in a thread of its own: inside a call of the engine Python hears no Ctrl-C.
    """
    done: _Done[_T] = _Done()
    threading.Thread(target=done.run, args=(work,), daemon=True).start()
    begun = monotonic()
    try:
        while not done.over.wait(_patience(until, heard)):
            if until is not None and monotonic() >= until:
                _end(connection, done)
                raise OutOfTime
            if heard is not None and monotonic() - begun >= 1:
                _tell(heard, monotonic() - begun)
    except KeyboardInterrupt:
        _end(connection, done)
        raise
    if done.error is not None:
        raise done.error
    return done.value[0]


def _patience(until: float | None, heard: Callable[[str], None] | None) -> float | None:
    left = None if until is None else max(until - monotonic(), 0.0)
    return left if heard is None else min(_BETWEEN, _BETWEEN if left is None else left)


def _end(connection: duckdb.DuckDBPyConnection, done: _Done[_T]) -> None:
    """Until it has ended: an interrupt that comes before the statement begins is one that it never hears."""
    while not done.over.wait(0.05):
        connection.interrupt()


def _tell(heard: Callable[[str], None], seconds: float) -> None:
    try:
        heard(f"running the statement, {seconds:.1f} s")
    except (OSError, ValueError):  # a screen that is gone is no reason to stop
        return
