"""Somebody holds LangGraph itself in the hand, with our checkpoints: nothing runs that the journal does not know of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from langgraph.types import Command
from shops import SELL, Shop, asked, shop, waiting

from sqlagent.core.errors import Finished, Stale, StoreError
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.thread.checkpoints import Saver
from sqlagent.pipeline.thread.graph import Graph
from sqlagent.service import Agent

__all__ = ["asked", "shop"]

EVERYTHING = "DELETE FROM stock"


def context_of(agent: Agent, thread: str) -> Context:
    return agent._parts.context(agent.journal.thread(thread), by="mallory", sink=agent._sink)


@contextmanager
def in_hand(shop: Shop, thread: str) -> Iterator[tuple[Graph, Any, Context]]:
    """The compiled graph, its thread, and the very context that our own driver would pass."""
    with shop.agent() as agent, shop.graph(thread) as (graph, config):
        yield graph, config, context_of(agent, thread)


def an_answer(asked: Report, choice: str = "approve", **more: Any) -> dict[str, Any]:
    assert asked.proposal is not None
    return {"choice": choice, "digest": asked.proposal.digest, "by": "ana", "how": "key", "sql": "", "reason": "",
            "retry": False} | more  # fmt: skip


def resumed(shop: Shop, asked: Report, answer: Callable[[str], Any]) -> None:
    """Resume as anybody could; whatever LangGraph makes of it."""
    with in_hand(shop, asked.thread) as (graph, config, context):
        waits = graph.get_state(config).interrupts
        with suppress(Exception):
            graph.invoke(Command(resume=answer(waits[0].id)), config, context=context, durability="sync")


def asked_again_and_then_run_once(shop: Shop, thread: str) -> None:
    """The thread is not confused: it waits, an approval that is on record runs it, and a second one does not."""
    assert shop.sold == 0
    with shop.agent(by="ben") as agent:
        again = agent.resume(thread)
        assert again.status is Status.PENDING
        assert again.proposal is not None
        assert (again.proposal.sql, shop.sold) == (SELL, 0)
        done = agent.approve(thread, again.proposal.digest)
        assert (done.status, done.decided_by, shop.sold) == (Status.EXECUTED, "ben", 1)
        with pytest.raises(Finished):
            agent.approve(thread, again.proposal.digest)
    assert shop.sold == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda asked, name: {name: an_answer(asked)}, id="approve by its id"),
        pytest.param(lambda asked, name: an_answer(asked), id="approve as a scalar"),
        pytest.param(lambda asked, name: True, id="True"),
        pytest.param(lambda asked, name: "approve", id="a word"),
        pytest.param(lambda asked, name: {}, id="nothing"),
        pytest.param(lambda asked, name: None, id="None"),
        pytest.param(lambda asked, name: {name: True}, id="True by its id"),
        pytest.param(lambda asked, name: {"0" * 32: an_answer(asked)}, id="a stale id"),
        pytest.param(lambda asked, name: {name: an_answer(asked, digest="0" * 64)}, id="another digest"),
        pytest.param(lambda asked, name: {name: an_answer(asked, "edit", sql=EVERYTHING)}, id="an edit"),
        pytest.param(lambda asked, name: {name: an_answer(asked, "reject")}, id="a rejection"),
        pytest.param(lambda asked, name: {name: an_answer(asked, "reject", how="expired")}, id="an expiry"),
        pytest.param(lambda asked, name: {name: an_answer(asked, "elsewise")}, id="a word that is none"),
    ],
)
def test_an_answer_that_is_not_on_record_runs_nothing_and_it_is_asked_again(
    shop: Shop, asked: Report, answer: Callable[[Report, str], Any]
) -> None:
    resumed(shop, asked, lambda name: answer(asked, name))
    asked_again_and_then_run_once(shop, asked.thread)


@pytest.mark.parametrize("times", [2, 3])
def test_an_answer_repeated_runs_nothing_either(shop: Shop, asked: Report, times: int) -> None:
    for _ in range(times):
        resumed(shop, asked, lambda name: {name: an_answer(asked)})
    asked_again_and_then_run_once(shop, asked.thread)


def test_a_rejection_on_record_stands_against_an_approval_that_is_not(shop: Shop, asked: Report) -> None:
    assert asked.proposal is not None
    with shop.agent() as agent:
        agent.journal.decide(asked.proposal, Decision(Choice.REJECT, asked.proposal.digest, "ana", "key", reason="no"))
    resumed(shop, asked, lambda name: {name: an_answer(asked)})
    assert shop.sold == 0
    assert shop.report(asked.thread).status is not Status.EXECUTED


def test_an_approval_on_record_and_a_resume_past_our_driver_run_it_once(shop: Shop, asked: Report) -> None:
    assert asked.proposal is not None
    with shop.agent() as agent:
        agent.journal.decide(asked.proposal, Decision(Choice.APPROVE, asked.proposal.digest, "ana", "key"))
    resumed(shop, asked, lambda name: {name: an_answer(asked)})
    resumed_anyhow(shop, asked.thread)
    assert shop.sold == 1
    assert shop.report(asked.thread).status is Status.EXECUTED


def resumed_anyhow(shop: Shop, thread: str) -> None:
    with in_hand(shop, thread) as (graph, config, context):
        graph.invoke(None, config, context=context, durability="sync")


# ---- writing the state ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "as_node"),
    [
        ({"decision": {"choice": "approve"}}, "review"),
        ({"verdict": "allow"}, "analyze"),
        ({"verdict": "allow", "sql": EVERYTHING}, "analyze"),
        ({"sql": EVERYTHING}, None),
        ({"sql": EVERYTHING, "statements": [EVERYTHING], "digest": "0" * 64}, "analyze"),
        ({"status": "executed"}, None),
        ({"end": "executed"}, None),
        ({"graph_version": 0}, None),
    ],
)
def test_a_state_that_somebody_wrote_runs_nothing_unapproved(
    shop: Shop, asked: Report, values: dict[str, Any], as_node: str | None
) -> None:
    with shop.graph(asked.thread) as (graph, config):
        graph.update_state(config, values, as_node=as_node)
    with shop.agent(by="ben") as agent:
        again = agent.resume(asked.thread)
        assert (again.status, shop.sold) == (Status.PENDING, 0)
        assert again.proposal is not None
        agent.approve(asked.thread, again.proposal.digest)
    assert ran_what_was_shown(shop, again)


def ran_what_was_shown(shop: Shop, shown: Report) -> bool:
    """Other SQL may wait now, which a person sees; what ran is what the approved proposal says."""
    assert shown.proposal is not None
    if shown.proposal.sql == SELL:
        return shop.sold == 1 and len(shop.rows("SELECT id FROM stock")) == 3
    return shop.rows("SELECT id FROM stock") == []


def test_an_approval_of_what_was_shown_never_runs_sql_that_was_put_in_its_place(shop: Shop, asked: Report) -> None:
    assert asked.proposal is not None
    with shop.graph(asked.thread) as (graph, config):
        graph.update_state(config, {"sql": EVERYTHING, "statements": [EVERYTHING]})
    with shop.agent() as agent:
        assert agent.approve(asked.thread, asked.proposal.digest).status is Status.EXECUTED
    assert (shop.sold, len(shop.rows("SELECT id FROM stock"))) == (1, 3)


def test_an_ending_that_somebody_wrote_is_a_disagreement_and_runs_nothing(shop: Shop, asked: Report) -> None:
    with shop.graph(asked.thread) as (graph, config):
        graph.update_state(config, {"status": "executed"}, as_node="finish")
    with shop.agent() as agent, pytest.raises(StoreError, match="disagree"):
        agent.resume(asked.thread)
    assert shop.sold == 0


def test_another_threads_approval_is_no_approval(shop: Shop, asked: Report) -> None:
    other = waiting(shop, EVERYTHING)
    assert other.proposal is not None
    with shop.agent() as agent:
        agent.journal.decide(other.proposal, Decision(Choice.APPROVE, other.proposal.digest, "ana", "key"))
    with shop.graph(asked.thread) as (graph, config):
        graph.update_state(config, {"proposal": other.proposal.id, "verdict": "allow"}, as_node="analyze")
    with shop.agent() as agent:
        assert agent.resume(asked.thread).status is Status.PENDING
    assert len(shop.rows("SELECT id FROM stock")) == 3


# ---- going back in time --------------------------------------------------------------------------------------------


def test_no_earlier_checkpoint_runs_it_a_second_time(
    shop: Shop, asked: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Saver, "forget_past", lambda _saver, _head: None)  # they are dropped; the guard is the journal
    assert asked.proposal is not None
    with shop.agent() as agent:
        agent.approve(asked.thread, asked.proposal.digest)
    with in_hand(shop, asked.thread) as (graph, config, context):
        past = list(graph.get_state_history(config))
        assert len(past) > 4
        for snapshot in past:
            graph.invoke(None, snapshot.config, context=context, durability="sync")
    assert shop.sold == 1
    with shop.agent() as agent, pytest.raises((Finished, Stale)):
        agent.approve(asked.thread, asked.proposal.digest)
    assert shop.sold == 1


def test_a_fork_of_what_an_edit_replaced_gives_way_to_what_waits(shop: Shop, asked: Report) -> None:
    assert asked.proposal is not None
    with shop.graph(asked.thread) as (graph, config):
        before = graph.get_state(config).config
    edited = "UPDATE stock SET left = 1 WHERE id = 3"
    with shop.agent() as agent:
        agent.edit(asked.thread, asked.proposal.digest, edited)
    with in_hand(shop, asked.thread) as (graph, config, context):
        graph.invoke(None, before, context=context, durability="sync")
    with shop.agent() as agent:
        again = agent.resume(asked.thread)
        assert again.proposal is not None
        assert (again.status, again.proposal.sql) == (Status.PENDING, edited)
        assert agent.approve(asked.thread, again.proposal.digest).status is Status.EXECUTED
    assert (shop.sold, shop.rows("SELECT left FROM stock WHERE id = 3")) == (0, [(1,)])


def test_a_question_put_past_the_journal_is_no_question(shop: Shop, asked: Report) -> None:
    with in_hand(shop, asked.thread) as (graph, config, context):
        graph.invoke({"sql": EVERYTHING, "source": "run"}, config, context=context, durability="sync")
    with shop.agent() as agent:
        again = agent.resume(asked.thread)
        assert again.status is Status.PENDING
    assert (shop.sold, len(shop.rows("SELECT id FROM stock"))) == (0, 3)
