"""Working on a thread alone, whichever door it came through: a driver for a turn, LangGraph's server for a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlagent.pipeline.thread_lock import thread_lock
from sqlagent.store.journal import Journal


@contextmanager
def alone(folder: Path, journal: Journal, thread_id: str) -> Iterator[None]:
    """No other process works on the thread: of this machine by a lock, of others by the store's word.

    A run that is on record as begun is one that died, only where nobody else can be in the middle of it.
    """
    with thread_lock(folder / "locks", thread_id), journal.alone(thread_id):
        yield
