"""The agent for asyncio: many tasks share it, and nothing runs behind one that was cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply
from shops import SELL, Shop, a_shop

from sqlagent.core.errors import TimedOut
from sqlagent.core.nouns.session import Report, Status
from sqlagent.service.async_agent import AsyncAgent

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
ONE_STEP = "SELECT replace(hex(zeroblob(400000000)), '0', '123456789') || i FROM (SELECT 1 AS i)"
"""Much of it is inside one step of the engine, which looks at no clock there."""


@pytest.fixture
def stock(tmp_path: Path) -> Shop:
    return a_shop(tmp_path / "shop")


def digest(report: Report) -> str:
    assert report.proposal is not None
    return report.proposal.digest


def test_tasks_at_once_get_the_rows_of_their_own_questions(stock: Shop) -> None:
    async def work() -> list[Report]:
        async with AsyncAgent(stock.agent(reads="allow")) as agent:
            return await asyncio.gather(*[agent.run(f"SELECT {n}", only="read") for n in range(6)])

    assert [r.rowsets[0].rows for r in asyncio.run(work())] == [((n,),) for n in range(6)]


async def cancelled(agent: AsyncAgent, call: Coroutine[Any, Any, Report], point: str) -> None:
    """Begin it, and cancel it once it has come to a point."""
    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    agent.agent._parts.__dict__["reached"] = lambda name: (
        loop.call_soon_threadsafe(begun.set) if name == point else None
    )
    task = asyncio.create_task(call)
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert agent.agent._parts._calls == set(), "nothing of it runs any more"


@pytest.mark.parametrize("sql", [ENDLESS, ONE_STEP])
def test_a_task_that_is_cancelled_interrupts_its_read(stock: Shop, sql: str) -> None:
    async def work() -> Report:
        async with AsyncAgent(stock.agent(timeout="0")) as agent:
            asked = await agent.run(sql)
            await cancelled(agent, agent.approve(asked.thread, digest(asked)), "execute: after the claim")
            return await agent.show(asked.thread)

    ended = asyncio.run(work())
    assert (ended.status, ended.rowsets) == (Status.FAILED, ())


@pytest.mark.parametrize("point", ["execute: before the claim", "execute: after the claim", "begun", "ran 1"])
def test_nothing_is_changed_behind_a_task_that_was_cancelled(stock: Shop, point: str) -> None:
    async def work() -> Report:
        async with AsyncAgent(stock.agent()) as agent:
            asked = await agent.run(SELL)
            await cancelled(agent, agent.approve(asked.thread, digest(asked)), point)
            return await agent.show(asked.thread)

    ended = asyncio.run(work())
    assert ended.status in (Status.FAILED, Status.PENDING, Status.EXECUTED)
    assert stock.sold == (ended.status is Status.EXECUTED), "what the record says is so"


def test_what_had_come_to_its_commit_is_finished_before_it_is_called_cancelled(stock: Shop) -> None:
    async def work() -> Report:
        async with AsyncAgent(stock.agent()) as agent:
            asked = await agent.run(SELL)
            await cancelled(agent, agent.approve(asked.thread, digest(asked)), "committed")
            return await agent.show(asked.thread)

    assert (asyncio.run(work()).status, stock.sold) == (Status.EXECUTED, 1)


def test_a_model_that_is_asked_is_not_waited_for_and_its_answer_leads_to_nothing(
    stock: Shop, openai_server: OpenAIServer
) -> None:
    held = threading.Event()
    openai_server.script = [Reply(SELL, wait=held)]

    async def work() -> str:
        agent = AsyncAgent(stock.agent(model="test-model", env=openai_server.env()))
        asking, begun, loop = agent.ask("sell an apple"), asyncio.Event(), asyncio.get_running_loop()
        agent.agent._parts.__dict__["reached"] = lambda name: (
            loop.call_soon_threadsafe(begun.set) if name == "generate: before the model" else None
        )
        task = asyncio.create_task(asking)
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)
        held.set()
        await agent.close()
        with stock.agent() as after:
            (thread,) = after.pending()
        return thread.status

    assert asyncio.run(work()) == Status.NEW


def test_it_waits_until_somebody_else_has_decided(stock: Shop) -> None:
    async def work() -> tuple[Report, Report]:
        async with AsyncAgent(stock.agent()) as agent:
            asked = await agent.run("SELECT name FROM stock WHERE id = 3")
            waiting = asyncio.create_task(agent.wait(asked.thread))
            with stock.agent(by="ana") as approver:
                approver.approve(asked.thread, digest(asked), run=False)
            decided = await asyncio.wait_for(waiting, 30)
            return decided, await agent.resume(asked.thread)

    decided, done = asyncio.run(work())
    assert (decided.status, decided.decided_by) == (Status.PENDING, "ana")
    assert done.rowsets[0].rows == (("fig",),)


def test_it_waits_no_longer_than_it_is_told(stock: Shop) -> None:
    with stock.agent() as agent:
        asked = agent.run(SELL)
        with pytest.raises(TimedOut, match="nobody has decided"):
            agent.wait(asked.thread, timeout=0.05)
        agent.reject(asked.thread, digest(asked))
        assert agent.wait(asked.thread).status is Status.REJECTED

    async def waits() -> None:
        async with AsyncAgent(stock.agent()) as agent:
            asked = await agent.run(SELL)
            await agent.wait(asked.thread, timeout=0.05)

    with pytest.raises(TimedOut):
        asyncio.run(waits())
