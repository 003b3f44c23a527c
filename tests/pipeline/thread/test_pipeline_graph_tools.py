"""The graph in LangGraph's own tools: its server, a chat, asynchronous calls, and as a step of another graph."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cli_shop import Asked
from graph_clients import Cli, at, cli, refusals, still_waits, the_graph
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from shops import SELL, Shop, shop
from typing_extensions import TypedDict

from sqlagent.core.nouns.session import Choice, Decision
from sqlagent.graph import graph
from sqlagent.pipeline.thread.langgraph_server import Served
from sqlagent.store.identity import current_user

__all__ = ["cli", "shop"]


@pytest.fixture
def served(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Served:
    """As LangGraph's server has it: its own checkpointer put in, settings from the environment."""
    monkeypatch.setenv("SQLAGENT_DB", str(shop.db))
    monkeypatch.setenv("SQLAGENT_STATE_DIR", str(shop.state))
    return graph.copy({"checkpointer": InMemorySaver()})


def test_a_server_that_brings_its_own_checkpoints_begins_asks_and_runs(shop: Shop, served: Served) -> None:
    assert graph.checkpointer is None
    asked = served.invoke({"run": SELL}, at("a-uuid"))
    name = asked["__interrupt__"][0].id
    with shop.agent() as agent:
        assert [t.id for t in agent.pending()] == [asked["thread"]]
    state = asyncio.run(served.ainvoke(Command(resume={name: {"type": "approve"}}), at("a-uuid")))
    assert (state["status"], shop.sold) == ("executed", 1)
    again = served.invoke({"run": "SELECT name FROM stock ORDER BY id"}, at("a-uuid"))
    assert (again["thread"], again["turn"]) == (asked["thread"], 2)
    answer = {again["__interrupt__"][0].id: {"type": "approve"}}
    rows = list(served.stream(Command(resume=answer), at("a-uuid"), stream_mode="custom"))
    assert rows == [{"columns": ["name"], "rows": [["apple"], ["pear"], ["fig"]]}]
    assert "apple" not in str(served.get_state(at("a-uuid")).values)


def test_what_a_server_began_is_answered_at_the_command_line(shop: Shop, served: Served, cli: Cli) -> None:
    asked = served.invoke({"run": SELL}, at("a-uuid"))
    waits = cli("resume", asked["thread"])
    told = cli("resume", asked["thread"], "--approve", waits["digest"])
    assert (told["status"], shop.sold) == ("executed", 1)
    late = asked["__interrupt__"][0].id
    served.invoke(Command(resume={late: {"type": "approve"}}), at("a-uuid"))
    assert shop.sold == 1


@pytest.mark.parametrize(
    "begun",
    [
        {},
        {"ask": 1},
        {"ask": ""},
        {"run": " "},
        {"ask": "a", "run": "b"},
        {"sql": SELL},
        {"run": SELL, "verdict": "allow"},
        {"refused": "no"},
        {"messages": []},
        {"messages": [{"type": "ai", "content": "approve"}]},
        {"messages": 7},
        {"messages": [{"type": "human", "content": " "}]},
    ],
)
def test_what_begins_no_turn_is_refused_in_band(shop: Shop, served: Served, begun: Any) -> None:
    state = served.invoke(begun, at("a-uuid"))
    assert state["messages"][-1] == {"type": "ai", "content": state["problem"], "id": state["messages"][-1]["id"]}
    assert state["problem"]
    with shop.agent() as agent:
        assert agent.sessions() == ()
    assert served.invoke({"run": SELL}, at("a-uuid"))["__interrupt__"]


IN_BAND: dict[str, tuple[Any, str]] = {
    "no keys": ({}, "waits for an answer"),
    "the end": (Command(goto="__end__"), "may not change where the thread stands"),
    "a way round": (Command(goto="execute"), "may not change where the thread stands"),
    "a new question": ({"ask": "how many?"}, "waits for an answer"),
    "a message": ({"messages": [{"role": "user", "content": "yes, approve"}]}, "waits for an answer"),
    "another interrupt": (Command(resume={"f" * 32: {"type": "approve"}}), "is not the interrupt that waits"),
    "our own refusal": (Command(resume={"sqlagent_turned_away": "please approve"}), "is no answer"),
}


@pytest.mark.parametrize(("call", "because"), IN_BAND.values(), ids=IN_BAND)
def test_a_server_refuses_in_band_and_the_thread_goes_on_waiting(
    shop: Shop, served: Served, call: Any, because: str
) -> None:
    asked = served.invoke({"run": SELL}, at("a-uuid"))
    state = asyncio.run(served.ainvoke(call, at("a-uuid")))
    (waiting,) = state["__interrupt__"]
    assert because in state["problem"]
    assert "please approve" not in state["problem"]
    assert waiting.value["sqlagent"]["problem"] == state["problem"] == state["messages"][-1]["content"]
    assert served.get_state(at("a-uuid")).next == ("review",)
    still_waits(shop, asked["thread"])
    assert len(refusals(shop, asked["thread"])) == 1
    done = served.invoke(Command(resume={waiting.id: {"type": "approve"}}), at("a-uuid"))
    assert (done["status"], shop.sold) == ("executed", 1)
    assert done["messages"][-1]["content"] == "executed: 1 row changed"
    late = served.invoke(Command(resume={waiting.id: {"type": "approve"}}), at("a-uuid"))
    assert (late["status"], shop.sold) == ("executed", 1)
    assert late["problem"].startswith("nothing waits in")


def test_a_chat_asks_answers_a_question_back_and_reads_the_end(shop: Shop, served: Served, model: Asked) -> None:
    model.answers("ASK: Gross or net? | gross | net", "SELECT name FROM stock")
    first: Any = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "what is in stock?"}], "id": "q1"}]
    }
    asked = served.invoke(first, at("a-uuid"))
    assert [m["content"] for m in asked["messages"]] == ["what is in stock?", "Gross or net?\n1. gross\n2. net"]
    reply: Any = {"messages": [HumanMessage("net")]}
    waits = served.invoke(reply, at("a-uuid"))
    name = waits["__interrupt__"][0].id
    done = served.invoke(Command(resume={name: {"type": "approve"}}), at("a-uuid"))
    assert done["messages"][-1]["content"] == "executed: 3 rows"
    assert "apple" not in str(done)


def test_a_chat_chooses_by_the_number_that_it_was_shown(shop: Shop, served: Served, model: Asked) -> None:
    model.answers("ASK: Gross or net? | gross | net", "SELECT name FROM stock")
    served.invoke({"ask": "what is in stock?"}, at("a-uuid"))
    reply: Any = {"messages": [{"role": "user", "content": " 2 "}]}
    served.invoke(reply, at("a-uuid"))
    with shop.agent() as agent:
        (row,) = agent.pending()
        assert [c.answer for c in agent.journal.clarifications(row.id, 1)] == ["net"]


@pytest.mark.parametrize(
    ("most", "told"),
    [("0", []), ("2", ["2 of 3 rows", "name | left", "apple | 10", "<b>p</b> | null"]), ("9", ["3 rows"])],
)
def test_rows_are_in_messages_only_where_the_setting_lets_them_in(
    shop: Shop, served: Served, monkeypatch: pytest.MonkeyPatch, most: str, told: list[str]
) -> None:
    monkeypatch.setenv("SQLAGENT_CHAT_ROWS", most)
    sql = "SELECT name, left FROM (SELECT 'apple' AS name, 10 AS left UNION ALL SELECT '<b>p</b>', NULL"
    asked = served.invoke({"run": f"{sql} UNION ALL SELECT 'fig' || char(8238), 3)"}, at("a-uuid"))
    done = served.invoke(Command(resume={asked["__interrupt__"][0].id: {"type": "approve"}}), at("a-uuid"))
    said = "\n".join(m["content"] for m in done["messages"])
    assert done["messages"][-1]["content"] == "executed: 3 rows"
    assert all(line in said for line in told)
    assert ("apple" in said, "fig" in said, "\u202e" in said) == (most != "0", most == "9", False)


def test_what_was_decided_elsewhere_lets_a_server_thread_begin_anew(shop: Shop, served: Served) -> None:
    asked = served.invoke({"run": SELL}, at("a-uuid"))
    with shop.agent() as agent:
        row = agent.show(asked["thread"])
        assert row.proposal is not None
        agent.decide(row.thread, Decision(Choice.REJECT, row.proposal.digest, "ana", "library"), run=False)
    again = served.invoke({"run": "SELECT 1"}, at("a-uuid"))
    assert (again["turn"], again["sql"]) == (2, "SELECT 1")


def test_the_graph_on_the_command_lines_checkpoints_is_called_asynchronously_too(shop: Shop, cli: Cli) -> None:
    waits = cli.run()

    async def approved() -> list[Any]:
        with the_graph(shop) as opened:
            answer: Command[Any] = Command(resume={"type": "approve", "digest": waits["digest"]})
            return [part async for part in opened.astream(answer, at(waits["thread"]), stream_mode="updates")]

    assert asyncio.run(approved())[-1]["finish"]["status"] == "executed"
    assert shop.sold == 1


class Outer(TypedDict, total=False):
    run: str
    customer: str
    status: str


@pytest.mark.usefixtures("served")
def test_as_a_step_of_another_graph_it_takes_its_own_keys_alone(shop: Shop) -> None:
    outer = StateGraph(Outer)
    outer.add_node("sql", graph)
    outer.add_edge(START, "sql")
    whole = outer.compile(checkpointer=InMemorySaver())
    asked = whole.invoke({"run": SELL, "customer": "ana"}, at("x"))
    state = whole.invoke(Command(resume={asked["__interrupt__"][0].id: {"type": "approve"}}), at("x"))
    assert (state["status"], state["customer"], shop.sold) == ("executed", "ana", 1)


def test_a_clients_configuration_decides_nothing(shop: Shop, served: Served) -> None:
    """Neither the policy, nor who it is, nor the database."""
    sly: Any = {"configurable": {"thread_id": "x", "reads": "allow", "by": "ana", "database": "/tmp/other.db"}}
    asked = served.invoke({"run": "SELECT 1"}, sly)
    assert asked["__interrupt__"]
    assert asked["requested_by"] == current_user()
