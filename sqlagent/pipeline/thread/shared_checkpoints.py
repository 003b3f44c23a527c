"""Where a paused thread waits in a team's store: LangGraph's own saver for PostgreSQL, strict, and opened again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.rows import dict_row

from sqlagent.core.errors import StoreError
from sqlagent.store.shared.connection import conninfo, guarded, shown

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

T = TypeVar("T")
NEWEST = len(PostgresSaver.MIGRATIONS) - 1
"""The version of LangGraph's tables that this installation writes."""


class SharedSaver(PostgresSaver):
    """LangGraph's saver, whose failures are ours, whose every write is a named crash point and may be made again."""

    conn: psycopg.Connection[Any]

    def __init__(self, url: str, reached: Callable[[str], None]) -> None:
        super().__init__(_connect(url), serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self._url = url
        self._reached = reached

    def close(self) -> None:
        """End the session with the store."""
        self.conn.close()

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

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """A checkpoint, or None where the thread has none."""
        found = super().get_tuple
        return self._again(lambda: found(config))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint, between two crash points."""
        self._reached("saver: before a checkpoint")
        put = super().put
        head = self._again(lambda: put(config, checkpoint, metadata, new_versions))
        self._reached("saver: after a checkpoint")
        return head

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what one step answered, between two crash points."""
        self._reached("saver: before a step's result")
        put = super().put_writes
        self._again(lambda: put(config, writes, task_id, task_path))
        self._reached("saver: after a step's result")

    def get_next_version(self, current: str | None, channel: None) -> str:
        """A version counts up from the one that was stored, which somebody may have changed."""
        try:
            return super().get_next_version(current, channel)
        except ValueError as e:
            raise self.unreadable(e) from e

    def forget_past(self, head: RunnableConfig) -> None:
        """Drop what came before a thread's newest checkpoint: a turn that has ended is never gone back to."""
        at = head["configurable"]

        def forget() -> None:
            with self._cursor() as cursor:
                for table in ("checkpoints", "checkpoint_writes"):
                    cursor.execute(
                        f"DELETE FROM {table} WHERE thread_id = %s AND checkpoint_ns = ''"  # noqa: S608 - ours
                        " AND checkpoint_id < %s",
                        (at["thread_id"], at["checkpoint_id"]),
                    )

        self._again(forget)

    def _again(self, work: Callable[[], T]) -> T:
        """Every write of LangGraph's is by a key, so that it may be made twice where the connection was lost."""
        with guarded(self._url):
            try:
                return work()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if not self.conn.closed:
                    raise
            self.conn = _connect(self._url)
            return work()


def open_shared_saver(url: str, reached: Callable[[str], None] = lambda _name: None) -> SharedSaver:
    """The checkpoints of a team's store, whose tables only its owner makes.

    The serializer restores JSON-like values and nothing else: by default whoever can write there could run code in
    whoever reads it.
    """
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
