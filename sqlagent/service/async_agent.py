"""The agent for asyncio: its calls are awaited, and a task that is cancelled has nothing running behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlagent.core.errors import StoreAway
from sqlagent.core.nouns.session import Decision, Report, Thread
from sqlagent.service.agent import Agent
from sqlagent.service.waiting import Waiting, looked_at

T = TypeVar("T")
_CALLS = 32
"""Calls at once; more of them take turns."""
_AGAIN = 0.02  # seconds between one word to stop and the next


class AsyncAgent:
    """An `Agent` whose calls are awaited; many tasks may share it.

    A task that is cancelled interrupts its statement, and is told so when nothing of it runs any more.  What had come
    to its COMMIT by then is finished and on record: `show` says how it stands.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        """The same agent for what does not wait for anything."""
        self._threads = ThreadPoolExecutor(_CALLS, thread_name_prefix="sqlagent")

    @classmethod
    def open(cls, database: str | Path | None = None, **settings: Any) -> Self:
        """As `Agent.open`."""
        return cls(Agent.open(database, **settings))

    async def close(self) -> None:
        """Close what was opened, once every call has ended."""
        await asyncio.to_thread(self._threads.shutdown)
        self.agent.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, question: str, *, thread: str = "") -> Report:
        """As `Agent.ask`."""
        return await self._do(lambda agent: agent.ask(question, thread=thread))

    async def run(self, sql: str, *, title: str = "", thread: str = "", only: str = "") -> Report:
        """As `Agent.run`."""
        return await self._do(lambda agent: agent.run(sql, title=title, thread=thread, only=only))

    async def decide(self, thread: str, decision: Decision, *, run: bool = True) -> Report:
        """As `Agent.decide`."""
        return await self._do(lambda agent: agent.decide(thread, decision, run=run))

    async def approve(self, thread: str, digest: str, *, run: bool = True) -> Report:
        """As `Agent.approve`."""
        return await self._do(lambda agent: agent.approve(thread, digest, run=run))

    async def reject(self, thread: str, digest: str, why: str = "") -> Report:
        """As `Agent.reject`."""
        return await self._do(lambda agent: agent.reject(thread, digest, why))

    async def edit(self, thread: str, digest: str, sql: str) -> Report:
        """As `Agent.edit`."""
        return await self._do(lambda agent: agent.edit(thread, digest, sql))

    async def answer(self, thread: str, text: str) -> Report:
        """As `Agent.answer`."""
        return await self._do(lambda agent: agent.answer(thread, text))

    async def resume(self, thread: str) -> Report:
        """As `Agent.resume`."""
        return await self._do(lambda agent: agent.resume(thread))

    async def undo(self, thread: str) -> Report:
        """As `Agent.undo`."""
        return await self._do(lambda agent: agent.undo(thread))

    async def show(self, thread: str) -> Report:
        """As `Agent.show`."""
        return await self._do(lambda agent: agent.show(thread))

    async def pending(self, *, limit: int = -1) -> tuple[Thread, ...]:
        """As `Agent.pending`."""
        return await self._do(lambda agent: agent.pending(limit=limit))

    async def wait(self, thread: str, *, timeout: float | None = None) -> Report:
        """As `Agent.wait`; it holds no thread meanwhile."""
        waiting = Waiting(thread, timeout)
        report = await self._do(lambda agent: looked_at(agent, thread))
        while waiting.goes_on(report):
            await asyncio.sleep(min(0.5, waiting.seconds))
            with suppress(StoreAway):  # it may be back at the next look
                report = await self._do(lambda agent: looked_at(agent, thread))
        return report

    async def _do(self, work: Callable[[Agent], T]) -> T:
        """One call, in a thread; raises CancelledError only when nothing of it runs any more."""
        calls: list[Agent] = []

        def carry_out() -> T:
            with self.agent.one_call() as call:
                calls.append(call)
                return work(call)

        job = self._threads.submit(carry_out)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            await _stopped(job, calls)
            raise


async def _stopped(job: Future[Any], calls: list[Agent]) -> None:
    """Say it to a call until it has ended, or only asks a model, after which it goes no further."""
    while not job.cancel() and not job.done():
        if calls and not calls[0].cancel():
            return
        with suppress(asyncio.CancelledError):  # being told twice ends it no sooner
            await asyncio.sleep(_AGAIN)
