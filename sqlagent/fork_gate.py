"""Forking a process whose other threads are inside SQLite: the one never happens during the other.

A forked process has its parent's memory as it stands at that moment, and only the thread that forked.  A mutex of
SQLite's that another thread holds stays locked in it for ever, and SQLite's list of the file locks that the process
holds names some that the kernel gives to the parent alone.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_LETS_PASS = 0.1  # seconds that whoever comes lets pass one who waits to fork


class Gate:
    """Many threads may be inside, or one may fork."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """For a process that was just forked, in which nobody else is."""
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._forking: set[int] = set()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What the block does with SQLite is done before any other thread forks; blocks may be nested."""
        me = threading.get_ident()
        with self._changed:
            # not for ever: whoever is inside may wait for what this thread is about to do
            self._changed.wait_for(lambda: self._inside[me] or not self._forking, _LETS_PASS)
            self._inside[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[me] -= 1
                if not self._inside[me]:
                    del self._inside[me]
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread is inside while the block forks."""
        me = threading.get_ident()
        with self._changed:
            self._forking.add(me)
            # whoever waits here too is not in the midst of a call
            self._changed.wait_for(lambda: self._inside.keys() <= self._forking)
            try:
                yield
            finally:
                self._forking.discard(me)
                self._changed.notify_all()


GATE = Gate()
"""The process's own: there is one SQLite in it."""
os.register_at_fork(after_in_child=GATE.reset)
