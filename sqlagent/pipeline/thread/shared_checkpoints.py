"""Where a paused thread waits in a team's store: LangGraph's own saver for PostgreSQL, strict, and opened again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import dict_row

from sqlagent.core.errors import StoreError
from sqlagent.pipeline.thread.guarded_saver import GuardedSaver, T, json_alone
from sqlagent.store.shared.connection import conninfo, guarded, shown

NEWEST = len(PostgresSaver.MIGRATIONS) - 1
"""The version of LangGraph's tables that this installation writes."""


class SharedSaver(GuardedSaver, PostgresSaver):
    """LangGraph's saver for PostgreSQL, which opens its connection again where that was lost."""

    conn: psycopg.Connection[Any]

    def __init__(self, url: str, reached: Callable[[str], None]) -> None:
        super().__init__(_connect(url), serde=json_alone())
        self._url = url
        self._reached = reached

    def guarded(self) -> AbstractContextManager[None]:
        """Whatever goes wrong inside, as an error that names the store."""
        return guarded(self._url)

    def unreadable(self, e: Exception) -> Exception:
        """The error for a checkpoint that raised `e` while it was read: the server's own, or a StoreError."""
        if isinstance(e, psycopg.Error):
            return e
        return StoreError(
            f"a checkpoint in {shown(self._url)} cannot be read ({type(e).__name__})",
            hint="nothing was run; ask again in a new thread, and see who wrote it: sqlagent audit verify",
        )

    def drop_before(self, thread: str, checkpoint: str) -> None:
        """Delete a thread's checkpoints that are older than this one."""
        with self._cursor() as cursor:
            for table in ("checkpoints", "checkpoint_writes"):
                cursor.execute(
                    f"DELETE FROM {table} WHERE thread_id = %s AND checkpoint_ns = ''"  # noqa: S608 - ours
                    " AND checkpoint_id < %s",
                    (thread, checkpoint),
                )

    def attempt(self, work: Callable[[], T]) -> T:
        """Do it, and once more where the connection was lost: every write of LangGraph's is by a key."""
        with guarded(self._url):
            try:
                return work()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if not self.conn.closed:
                    raise
            self.conn = _connect(self._url)
            return work()


def open_shared_saver(url: str, reached: Callable[[str], None] = lambda _name: None) -> SharedSaver:
    """The checkpoints of a team's store, whose tables only its owner makes."""
    with guarded(url):
        saver = SharedSaver(url, reached)
        row: Any = saver.conn.execute("SELECT max(v) AS v FROM checkpoint_migrations").fetchone()
        if row is None or row["v"] is None or row["v"] < NEWEST:
            saver.close()
            raise StoreError(
                f"the checkpoints in {shown(url)} are of version {row['v'] if row else None}, and LangGraph here needs"
                f" {NEWEST}",
                hint="ask the owner of the store to run: sqlagent store upgrade URL",
            )
    return saver


def set_up(connection: psycopg.Connection[Any]) -> None:
    """Make LangGraph's tables, or bring them up to this installation's version; for the store's owner."""
    PostgresSaver(connection).setup()


def _connect(url: str) -> psycopg.Connection[Any]:
    with guarded(url):
        db = psycopg.connect(conninfo(url, None), autocommit=True, prepare_threshold=None, row_factory=dict_row)
        db.execute(b"SET search_path = sqlagent_threads, pg_catalog, pg_temp")
    return db
