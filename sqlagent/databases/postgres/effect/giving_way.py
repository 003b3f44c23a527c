"""Cancels a preview where another session has waited long enough for a lock that the preview holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg

from sqlagent.databases.postgres.connection.rows import Session, one
from sqlagent.databases.postgres.effect.two_sessions import Connect

_BETWEEN_LOOKS = 0.05  # seconds
_WAITED = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE NOT l.granted
  AND pg_catalog.clock_timestamp() - l.waitstart > pg_catalog.make_interval(secs => %s::float8)
  AND %s::int = ANY(pg_catalog.pg_blocking_pids(l.pid)))"""


@dataclass(slots=True)
class Watcher:
    """Watches for such waiting sessions from a session of its own, while the preview runs."""

    connect: Connect
    writer: Session
    seconds: float
    """That others may be kept waiting."""
    gave_way: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """`gave_way` is true afterwards where the preview was cancelled for somebody else."""
        thread = threading.Thread(target=self._watch, name="sqlagent-gives-way", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self) -> None:
        # a preview that is over before anybody could have waited needs no third session
        if self._ended.wait(self.seconds / 2):
            return
        with suppress(psycopg.Error), self.connect() as session:  # without it, the time limits still hold
            pid = self.writer.info.backend_pid
            while not self._ended.wait(_BETWEEN_LOOKS):
                waited = max(self.seconds - 2 * _BETWEEN_LOOKS, 0.0)  # so that it is gone when the time is up
                if one(session, _WAITED, waited, pid) == "t":
                    self.gave_way = True
                    self._cancel()

    def _cancel(self) -> None:
        with suppress(psycopg.Error):
            self.writer.cancel_safe(timeout=1.0)
