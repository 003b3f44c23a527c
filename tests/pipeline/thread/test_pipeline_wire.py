"""A thread that the command line left waiting is answered by whoever speaks LangGraph, and by nothing but an answer."""

from __future__ import annotations

from typing import Any

import pytest
from cli_shop import Asked
from graph_clients import BATCH, Answer, Cli, action, ag_ui, cli, held_to, refusals, resumed, still_waits, waits_for
from shops import SELL, Shop, shop

from sqlagent.core.errors import Finished
from sqlagent.core.nouns.session import Status
from sqlagent.store.identity import current_user

__all__ = ["cli", "shop"]

APPROVALS: dict[str, Answer] = {
    "AG-UI": lambda name, digest: [ag_ui(name, {"approved": True, "digest": f"sha256:{digest}"})],
    "AG-UI, alone": lambda name, digest: ag_ui(name, {"approved": True, "digest": digest}),
    "AG-UI, its adapter": lambda _, digest: {"approved": True, "digest": digest},
    "ours": lambda _, digest: {"type": "approve", "digest": f"sha256:{digest}"},
    "LangChain, batched": lambda _, __: {"decisions": [{"type": "approve"}]},
    "LangChain, per call": lambda name, _: {name: {"type": "approve"}},
    "Agent Inbox": lambda _, __: [{"type": "accept", "args": action(SELL)}],
    "Agent Inbox, to LangChain's middleware": lambda _, __: {"decisions": [{"type": "approve", "args": action(SELL)}]},
}


@pytest.mark.parametrize("answer", APPROVALS.values(), ids=APPROVALS)
def test_a_thread_of_the_command_line_is_approved_by_any_client(shop: Shop, cli: Cli, answer: Answer) -> None:
    waits = cli.run()
    name, _ = waits_for(shop, waits["thread"])
    state = resumed(shop, waits["thread"], answer(name, waits["digest"]))
    assert (state["status"], shop.sold) == ("executed", 1)
    told = cli("show", waits["thread"])
    assert (told["status"], told["decided_by"], told["how"]) == ("executed", current_user(), "graph")
    with pytest.raises(Finished):
        resumed(shop, waits["thread"], answer(name, waits["digest"]))
    assert shop.sold == 1


MORE = "UPDATE stock SET left = left - 2 WHERE id = 1"
EDITS: dict[str, Any] = {
    "ours": {"type": "edit", "sql": MORE},
    "LangChain, batched": {"decisions": [{"type": "edit", "edited_action": action(MORE, "name")}]},
    "LangChain, per call": {"type": "edit", "edited_action": action(MORE, "name")},
    "Agent Inbox": [{"type": "edit", "args": action(MORE)}],
    "Agent Inbox, accepting other SQL": [{"type": "accept", "args": action(MORE)}],
}


@pytest.mark.parametrize("answer", EDITS.values(), ids=EDITS)
def test_an_edit_by_any_client_is_measured_anew_and_waits(shop: Shop, cli: Cli, answer: Any) -> None:
    thread = cli.run()["thread"]
    resumed(shop, thread, answer)
    edited = still_waits(shop, thread).proposal
    assert edited is not None
    assert (edited.sql, edited.edited_by, edited.author) == (MORE, current_user(), current_user())
    _, asked = waits_for(shop, thread)
    assert (asked["args"]["sql"], asked["sqlagent"]["digest"]) == (MORE, f"sha256:{edited.digest}")


REJECTIONS: dict[str, Any] = {
    "ours": {"type": "reject", "reason": "approved, run it"},
    "LangChain, batched": {"decisions": [{"type": "reject", "message": "approved, run it"}]},
    "LangChain, per call": {"type": "reject", "message": "approved, run it"},
    "in words": {"type": "respond", "message": "approved, run it"},
    "Agent Inbox": [{"type": "response", "args": "approved, run it"}],
    "Agent Inbox, to LangChain's middleware": {"decisions": [{"type": "reject", "args": "approved, run it"}]},
}


@pytest.mark.parametrize("answer", REJECTIONS.values(), ids=REJECTIONS)
def test_words_of_any_client_reject_whatever_they_say(shop: Shop, cli: Cli, answer: Any) -> None:
    thread = cli.run()["thread"]
    assert resumed(shop, thread, answer)["status"] == "rejected"
    report = shop.report(thread)
    assert (report.status, report.reason, shop.sold) == (Status.REJECTED, "approved, run it", 0)


def test_a_batch_is_decided_statement_by_statement(shop: Shop, cli: Cli) -> None:
    thread = cli.run(BATCH)["thread"]
    _, asked = waits_for(shop, thread)
    assert [request["args"] for request in asked["action_requests"]] == [{"sql": s} for s in BATCH.split("; ")]
    mixed = {"decisions": [{"type": "approve"}, {"type": "reject", "message": "not the pears"}, {"type": "approve"}]}
    assert resumed(shop, thread, mixed)["status"] == "executed"
    assert shop.rows("SELECT name FROM stock") == [("pear",)]
    proposal = shop.report(thread).proposal
    assert proposal is not None
    assert proposal.rejected == ("2: not the pears",)


def test_who_saw_only_the_first_of_several_statements_cannot_approve_them(shop: Shop, cli: Cli) -> None:
    """Agent Inbox puts the first of a batch before its person, and sends one decision."""
    thread = cli.run(BATCH)["thread"]
    first = action(BATCH.split("; ", maxsplit=1)[0])
    for one in ({"type": "approve"}, {"type": "approve", "args": first}, {"type": "edit", "args": first}):
        state = resumed(shop, thread, {"decisions": [one]})
        assert state["problem"].startswith("1 decision for 3 statements")
        still_waits(shop, thread)
    assert resumed(shop, thread, [{"type": "accept", "args": action(BATCH)}])["status"] == "executed"


# ---- questions back --------------------------------------------------------------------------------------------------

REPLIES: dict[str, Any] = {
    "ours": {"type": "answer", "text": "net"},
    "a choice": {"choice": 2},
    "Agent Inbox": [{"type": "response", "args": "net"}],
    "LangChain": {"decisions": [{"type": "respond", "message": "net"}]},
    "AG-UI": lambda name: [ag_ui(name, {"answer": "net"})],
    "AG-UI, text": lambda name: ag_ui(name, "net"),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_question_back_is_answered_by_any_client(shop: Shop, cli: Cli, model: Asked, reply: Any) -> None:
    model.answers("ASK: Gross or net? | gross | net", "SELECT name FROM stock")
    thread = cli("ask", "what is in stock?", "-d", str(shop.db))["thread"]
    _, asked = waits_for(shop, thread)
    held_to("clarification", asked)
    assert (asked["question"], asked["choices"]) == ("Gross or net?", ["gross", "net"])
    resumed(shop, thread, True)
    assert refusals(shop, thread) == ["true answers no question"]
    name, asked = waits_for(shop, thread)
    assert (asked["id"], asked["reason"]) == (name, "input_required")
    resumed(shop, thread, reply(name) if callable(reply) else reply)
    proposal = shop.report(thread).proposal
    assert proposal is not None
    assert [c.answer for c in proposal.clarified] == ["net"]
    assert "net" in model.last_prompt
