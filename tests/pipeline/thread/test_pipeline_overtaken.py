"""A thread of LangGraph's server whose proposal was decided at another door goes on to what the journal says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from shops import SELL, Shop, a_shop, audited, once_each

from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.graph import graph
from sqlagent.pipeline.thread.langgraph_server import Served
from sqlagent.pipeline.thread_lock import thread_lock

TWO_STAGES = """
[[rule]]
id = "two"
then = "ask"
stages = [{name = "technical", people = 1}, {name = "business", people = 1}]
"""
AT: Any = {"configurable": {"thread_id": "a-uuid"}}
OTHER: Any = {"configurable": {"thread_id": "another-uuid"}}
EDITED = "UPDATE stock SET left = 5 WHERE id = 2"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return a_shop(tmp_path)


@pytest.fixture
def served(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Served:
    """As LangGraph's server has it: its own checkpointer put in, settings from the environment."""
    monkeypatch.setenv("SQLAGENT_DB", str(shop.db))
    monkeypatch.setenv("SQLAGENT_STATE_DIR", str(shop.state))
    return graph.copy({"checkpointer": InMemorySaver()})


def digest(state: dict[str, Any]) -> str:
    """Of the card that a client shows."""
    (asked,) = state["__interrupt__"]
    return str(asked.value["sqlagent"]["digest"]).removeprefix("sha256:")


def yes(state: dict[str, Any]) -> dict[str, Any]:
    """The approval of what a client was shown."""
    return {"type": "approve", "digest": digest(state)}


def elsewhere(shop: Shop, asked: dict[str, Any], choice: Choice, *, run: bool = True, **more: Any) -> Report:
    """Ana's word through the library, with what the server's card shows."""
    with shop.agent() as agent:
        return agent.decide(asked["thread"], Decision(choice, digest(asked), "ana", "library", **more), run=run)


def said(served: Served, answer: Any = None) -> dict[str, Any]:
    return dict(served.invoke(Command(resume=answer or {"type": "reject"}), AT))


def words(state: dict[str, Any]) -> list[str]:
    return [message["content"] for message in state["messages"]]


def refused(shop: Shop) -> list[str]:
    return [str(msgspec.json.decode(e.detail)["because"]) for e in audited(shop) if e.what == "refused"]


def test_looking_at_it_elsewhere_leaves_the_card_as_it_is(shop: Shop, served: Served) -> None:
    asked = served.invoke({"run": SELL}, AT)
    with shop.agent() as agent:
        again = agent.resume(asked["thread"])
        assert again.proposal is not None
        assert again.proposal.digest == digest(asked)
    done = said(served, yes(asked))
    assert (done["status"], done["problem"], shop.sold) == ("executed", "", 1)
    once_each(shop)


@pytest.mark.parametrize("answer", [{"type": "approve"}, {"type": "reject"}, "yes", {}])
def test_what_was_approved_and_run_elsewhere_is_told_to_whoever_answers_later(
    shop: Shop, served: Served, answer: Any
) -> None:
    asked = served.invoke({"run": SELL}, AT)
    assert elsewhere(shop, asked, Choice.APPROVE).status is Status.EXECUTED
    late = dict(served.invoke(Command(resume=answer), AT))
    told = f"{asked['thread']} is finished, executed: approved by ana (library) at "
    assert (late["status"], late["problem"].startswith(told), shop.sold) == ("executed", True, 1)
    assert words(late) == [late["problem"], "executed: 1 row changed"]
    assert refused(shop) == [late["problem"]]
    assert not served.get_state(AT).next
    assert served.invoke({"run": "SELECT 1"}, AT)["turn"] == 2


def test_an_approval_elsewhere_that_nobody_ran_is_run_here_whatever_is_said(shop: Shop, served: Served) -> None:
    asked = served.invoke({"run": SELL}, AT)
    elsewhere(shop, asked, Choice.APPROVE, run=False)
    done = said(served)
    assert (done["status"], shop.sold) == ("executed", 1)
    assert words(done) == ["ana decided first: approve", "executed: 1 row changed"]
    assert refused(shop) == ["ana decided first: approve"]
    once_each(shop)


def test_going_on_without_a_word_is_enough(shop: Shop, served: Served) -> None:
    asked = served.invoke({"run": SELL}, AT)
    elsewhere(shop, asked, Choice.APPROVE, run=False)
    assert served.invoke(None, AT)["status"] == "executed"
    assert (shop.sold, refused(shop)) == (1, [])


def test_a_rejection_elsewhere_ends_it_here(shop: Shop, served: Served) -> None:
    asked = served.invoke({"run": SELL}, AT)
    elsewhere(shop, asked, Choice.REJECT, reason="not today")
    late = said(served, yes(asked))
    assert (late["status"], shop.sold) == ("rejected", 0)
    assert "rejected by ana" in late["problem"]


def test_an_edit_elsewhere_is_the_card_from_then_on_under_the_digest_that_it_has_there(
    shop: Shop, served: Served
) -> None:
    asked = served.invoke({"run": SELL}, AT)
    edited = elsewhere(shop, asked, Choice.EDIT, sql=EDITED)
    assert edited.proposal is not None
    again = said(served, yes(asked))
    assert (digest(again), shop.sold) == (edited.proposal.digest, 0)
    (waits,) = again["__interrupt__"]
    assert waits.value["args"]["sql"] == EDITED
    told = f"{asked['thread']}.1 is not what waits any more: {asked['thread']}.2 is"
    assert waits.value["sqlagent"]["problem"] == told
    assert said(served, yes(again))["status"] == "executed"
    assert shop.rows("SELECT left FROM stock WHERE id = 2") == [(5,)]


def test_a_seat_that_was_filled_elsewhere_is_not_asked_for_again(
    shop: Shop, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = shop.folder / "rules.toml"
    rules.write_text(TWO_STAGES)
    monkeypatch.setenv("SQLAGENT_POLICY", str(rules))
    asked = served.invoke({"run": SELL}, AT)
    with shop.agent(policy=[str(rules)]) as agent:
        first = agent.approve(asked["thread"], digest(asked))
    assert first.proposal is not None
    again = said(served, yes(asked))
    assert (again["stage"], digest(again), shop.sold) == (2, first.proposal.digest, 0)
    assert said(served, yes(again))["status"] == "executed"
    assert shop.sold == 1


def test_another_turn_that_waits_elsewhere_waits_here_too(shop: Shop, served: Served) -> None:
    asked = served.invoke({"run": SELL}, AT)
    assert said(served)["status"] == "rejected"
    with shop.agent() as agent:
        second = agent.run(SELL, thread=asked["thread"])
    assert second.proposal is not None
    again = served.invoke({"run": "DELETE FROM stock"}, AT)
    assert (digest(again), again["turn"]) == (second.proposal.digest, 2)
    assert "waits for a decision" in again["problem"]
    assert said(served, yes(again))["status"] == "executed"
    assert (shop.sold, shop.rows("SELECT count(*) FROM stock")) == (1, [(3,)])


def test_what_the_command_line_paused_is_taken_up_by_its_name(shop: Shop, served: Served) -> None:
    with shop.agent() as agent:
        paused = agent.run(SELL)
    assert paused.proposal is not None
    asked = served.invoke({"resume": paused.thread}, AT)
    beside = served.invoke({"resume": paused.thread}, OTHER)
    assert digest(asked) == digest(beside) == paused.proposal.digest
    assert said(served, yes(asked))["status"] == "executed"
    late = served.invoke(Command(resume=yes(asked)), OTHER)
    assert (late["status"], shop.sold) == ("executed", 1)
    once_each(shop)


@pytest.mark.parametrize("name", ["zz99", "", 7, "k7f3; DROP TABLE stock"])
def test_a_name_of_nothing_that_waits_is_refused_in_band(shop: Shop, served: Served, name: Any) -> None:
    state = served.invoke({"resume": name}, AT)
    assert state["problem"] == words(state)[-1]
    assert served.invoke({"run": SELL}, AT)["__interrupt__"]


def test_a_thread_that_has_ended_is_not_taken_up(shop: Shop, served: Served) -> None:
    with shop.agent() as agent:
        done = agent.run("ATTACH 'x' AS y")
    assert done.status is Status.DENIED
    assert served.invoke({"resume": done.thread}, AT)["problem"].startswith(f"nothing waits in {done.thread}")


def test_a_question_back_that_was_answered_elsewhere_is_not_asked_again(
    shop: Shop, served: Served, openai_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in openai_server.env().items():
        monkeypatch.setenv(name, value)
    openai_server.script = ["ASK: Which fruit? | apple | pear", SELL]
    asked = served.invoke({"ask": "sell one"}, AT)
    with shop.agent(env=openai_server.env()) as agent:
        waits = agent.answer(asked["thread"], "apple")
    assert waits.proposal is not None
    again = said(served, {"type": "answer", "text": "pear"})
    assert digest(again) == waits.proposal.digest
    assert len(openai_server.requests) == 2


def test_a_step_waits_for_whoever_is_at_work_on_the_thread(
    shop: Shop, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run that another door is in the middle of looked like one whose process died, and would begin again."""
    asked = served.invoke({"run": SELL}, AT)
    monkeypatch.setattr("sqlagent.pipeline.thread.alone.thread_lock", partial(thread_lock, wait=0.0))
    with thread_lock(shop.state / "locks", asked["thread"]):
        again = said(served, yes(asked))
        assert again["problem"].startswith(f"another process is working on {asked['thread']}; ")
        assert (digest(again), words(again), shop.sold) == (digest(asked), [again["problem"]], 0)
    assert said(served, yes(again))["status"] == "executed"
    assert shop.sold == 1
