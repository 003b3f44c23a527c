"""What every saver of ours adds to LangGraph's: named crash points around each write, and errors of our own."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

T = TypeVar("T")


def json_alone() -> JsonPlusSerializer:
    """A serializer that restores JSON-like values and nothing else.

    By default whoever can write the checkpoints could run code in whoever reads them.
    """
    return JsonPlusSerializer(allowed_msgpack_modules=None)


class GuardedSaver(BaseCheckpointSaver[str]):
    """Stands before one of LangGraph's savers among a class's bases, and calls it between its own steps."""

    conn: Any
    _reached: Callable[[str], None]

    @abstractmethod
    def guarded(self) -> AbstractContextManager[None]:
        """Whatever goes wrong inside, as a StoreError that says where the checkpoints are."""

    @abstractmethod
    def unreadable(self, e: Exception) -> Exception:
        """The error, for `guarded` to turn into words, of a checkpoint that raised `e` while it was read."""

    @abstractmethod
    def drop_before(self, thread: str, checkpoint: str) -> None:
        """Delete a thread's checkpoints that are older than this one."""

    def attempt(self, work: Callable[[], T]) -> T:
        """Do one piece of work on the checkpoints; it is done again only by a saver that can lose its connection."""
        with self.guarded():
            return work()

    def close(self) -> None:
        """Close the file, or end the session with the store."""
        self.conn.close()

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """A checkpoint, or None where the thread has none."""
        found = super().get_tuple
        return self.attempt(lambda: found(config))

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
        head = self.attempt(lambda: put(config, checkpoint, metadata, new_versions))
        self._reached("saver: after a checkpoint")
        return head

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what one step answered, between two crash points."""
        self._reached("saver: before a step's result")
        put = super().put_writes
        self.attempt(lambda: put(config, writes, task_id, task_path))
        self._reached("saver: after a step's result")

    def get_next_version(self, current: str | None, channel: None) -> str:
        """A version counts up from the one that was stored, which somebody may have changed."""
        with self.guarded():
            try:
                return super().get_next_version(current, channel)
            except ValueError as e:
                raise self.unreadable(e) from e

    def forget_past(self, head: RunnableConfig) -> None:
        """Drop what came before a thread's newest checkpoint: a turn that has ended is never gone back to.

        LangGraph keeps the whole state of every step; a session would take four times the room.
        """
        at = head["configurable"]
        self.attempt(lambda: self.drop_before(at["thread_id"], at["checkpoint_id"]))

    # LangGraph's asynchronous calls, `ainvoke` and `astream`: the same steps in a thread beside the event loop.

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `get_tuple`, beside the event loop."""
        return await asyncio.to_thread(self.get_tuple, config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `put`, beside the event loop."""
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As `put_writes`, beside the event loop."""
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As `list`, beside the event loop; all are read before the first is given out."""
        for one in await asyncio.to_thread(lambda: [*self.list(config, filter=filter, before=before, limit=limit)]):
            yield one
