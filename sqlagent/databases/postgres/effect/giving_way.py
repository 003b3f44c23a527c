"""Who waits for whom while a script runs: a preview gives way, and who holds what is waited for is remembered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import errors

from sqlagent.core.errors import SqlagentError
from sqlagent.databases.changes.unmeasured import Unmeasurable
from sqlagent.databases.postgres.connection.lock_holders import blocker
from sqlagent.databases.postgres.connection.rows import Session, one
from sqlagent.databases.postgres.effect.two_sessions import Connect, Pair, Sessions, Waits, two_sessions

_BETWEEN_LOOKS = 0.05  # seconds
_AT_LEISURE = 0.5  # seconds, of a run, which waits for a lock as long as several of them
_WAITED = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE NOT l.granted
  AND pg_catalog.clock_timestamp() - l.waitstart > pg_catalog.make_interval(secs => %s::float8)
  AND pg_catalog.pg_blocking_pids(l.pid) && %s::int[] AND l.pid <> ALL(%s::int[]))"""


class NamelessHolder(Unmeasurable):
    """It waited for a lock, and was over before anybody saw who holds it."""


@dataclass(slots=True)
class Watcher:
    """Looks from a session of its own, while a pair of sessions is at work; the pair is named by `began`."""

    connect: Connect
    seconds: float | None = None
    """That others may be kept waiting; None for a run, which does not give way."""
    at_once: bool = False
    """Whether to look from the beginning; else from when somebody may have waited for a while."""
    gave_way: bool = False
    holder: str = ""
    """Who held what the script waited for, when that was last so; empty where it did not, or too shortly."""
    _sessions: Sessions | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def began(self, sessions: Sessions) -> None:
        """These are to be watched."""
        self._sessions = sessions

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
        # what is over before anybody could have waited needs no third session
        first = _AT_LEISURE if self.seconds is None else self.seconds / 2
        if not self.at_once and self._ended.wait(first):
            return
        between = _AT_LEISURE if self.seconds is None else _BETWEEN_LOOKS
        with suppress(psycopg.Error, SqlagentError), self.connect() as session:  # without it, the time limits hold
            while not self._ended.is_set():
                if self._sessions is not None:
                    self._look(session, self._sessions)
                self._ended.wait(between)

    def _look(self, session: Session, watched: Sessions) -> None:
        self.holder = blocker(session, watched.writer_pid) or self.holder
        if self.seconds is None:
            return
        waited = max(self.seconds - 2 * _BETWEEN_LOOKS, 0.0)  # so that it is gone when the time is up
        if one(session, _WAITED, waited, watched.pids, watched.pids) == "t":
            self.gave_way = True
            for each in (watched.writer, watched.witness):
                with suppress(psycopg.Error):
                    each.cancel_safe(timeout=1.0)


@contextmanager
def giving_way(connect: Connect, waits: Waits, *, at_once: bool = False) -> Iterator[Pair]:
    """Two sessions of a preview: nobody waits for them longer than they themselves wait for a lock.

    Raises Unmeasurable where it gave way, or waited too long; NamelessHolder where it is not known for whom.
    """
    watcher = Watcher(connect, waits.lock, at_once)
    waited = f"{waits.lock * 1000:g} ms"
    try:
        with watcher.watching(), two_sessions(connect, waits, began=watcher.began) as pair:
            yield pair
    except errors.QueryCanceled as e:
        if watcher.gave_way:
            raise Unmeasurable(f"another session waited for what it locks ({waited}), so it gave way") from e
        raise
    except errors.LockNotAvailable as e:
        if watcher.holder:
            raise Unmeasurable(f"rows are locked by {watcher.holder} (waited {waited})") from e
        raise NamelessHolder(f"rows are locked by another session (waited {waited})") from e
