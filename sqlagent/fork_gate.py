"""Keeps this process from forking while one of its threads is inside SQLite: the child would inherit held locks.

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
    """A gate that many threads may be inside of at once, or one may fork in."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget who was inside, in a process that was just forked."""
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._forking: set[int] = set()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Enter for the block, during which no other thread forks; blocks may be nested."""
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
        """Wait until nobody is inside, and let nobody in while the block forks."""
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
