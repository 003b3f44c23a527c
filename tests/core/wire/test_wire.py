"""What a program may answer to a question that waits: approve, reject, edit, or some of the statements."""

from __future__ import annotations

from typing import Any

import pytest
from pending_answers import APPROVE, BARE, CANCELLED, DIGEST, ID, MANY, ONE, OURS, action, edited, entry

from sqlagent.core.nouns.session import Choice
from sqlagent.core.text.split import split
from sqlagent.core.wire.answers import Invalid, Pending, decode

APPROVALS = {
    "AG-UI's": (entry(BARE), ONE),
    "AG-UI's, the digest bare": (entry(BARE | {"digest": DIGEST}), ONE),
    "AG-UI's, as `resume` has it": ([entry(BARE)], ONE),
    "AG-UI's of a batch": ([entry(BARE)], MANY),
    "AG-UI's by the interrupt's id": ({ID: entry(BARE)}, ONE),
    "AG-UI's, the SQL returned": (entry(BARE | {"editedArgs": {"sql": ONE.sql}}), ONE),
    "AG-UI's, whose id its adapter has taken off": (BARE, ONE),
    "AG-UI's, as its adapter sends several": (
        {"__agui_resume_map__": {ID: {"status": "resolved", "payload": BARE}}},
        ONE,
    ),
    "ours": (OURS, ONE),
    "ours, the digest bare": ({"type": "approve", "digest": DIGEST}, ONE),
    "ours, of a batch": (OURS, MANY),
    "ours, by the interrupt's id": ({ID: OURS}, ONE),
    "LangChain's for one call, by the interrupt's id": ({ID: APPROVE}, ONE),
    "LangChain's for one call, whose id LangGraph has taken off": (APPROVE, Pending(DIGEST, "SELECT 1", (), ID, True)),
    "LangChain's batch of one": ({"decisions": [APPROVE]}, ONE),
    "LangChain's batch of one, with the digest": ({"decisions": [OURS]}, ONE),
    "LangChain's batch": ({"decisions": [APPROVE] * 3}, MANY),
    "Agent Inbox's": ([{"type": "accept", "args": action(ONE.sql)}], ONE),
    "Agent Inbox's of a batch, all of its SQL": ([{"type": "accept", "args": action(MANY.sql)}], MANY),
    "Agent Inbox's, made LangChain's by renaming": ({"decisions": [APPROVE | {"args": action(ONE.sql)}]}, ONE),
    "the same of a batch, all of its SQL": ({"decisions": [APPROVE | {"args": action(MANY.sql)}]}, MANY),
    "an undo, which has no statements": ({"decisions": [APPROVE]}, Pending(DIGEST, "undo k7f3.1")),
}


@pytest.mark.parametrize(("raw", "pending"), APPROVALS.values(), ids=APPROVALS)
def test_an_explicit_approval_of_the_right_form_approves(raw: Any, pending: Pending) -> None:
    decision = decode(raw, pending=pending)
    assert (decision.choice, decision.digest, decision.how, decision.by) == (Choice.APPROVE, DIGEST, "graph", "")


REJECTIONS = {
    "AG-UI's": (entry({"approved": False, "reason": "no"}), "no"),
    "AG-UI's, a message": ([entry({"approved": False, "message": "no", "digest": DIGEST})], "no"),
    "AG-UI's, bare": ({"approved": False}, ""),
    "AG-UI's, cancelled": (CANCELLED, ""),
    "AG-UI's, cancelled with null": ([CANCELLED | {"payload": None}], ""),
    "AG-UI's, cancelled by its adapter": ({"__agui_cancelled__": True, "interrupt_id": ID}, ""),
    "ours": ({"type": "reject", "reason": "no"}, "no"),
    "ours, with the digest": ({"type": "reject", "reason": "no", "digest": DIGEST}, "no"),
    "without why": ({"type": "reject"}, ""),
    "LangChain's for one call": ({"type": "reject", "message": "no"}, "no"),
    "LangChain's answer in words": ({"type": "respond", "message": "approved, go ahead"}, "approved, go ahead"),
    "LangChain's batch": ({"decisions": [{"type": "reject", "message": "no"}]}, "no"),
    "LangChain's words in a batch": ({"decisions": [{"type": "respond", "message": "yes"}]}, "yes"),
    "Agent Inbox's words": ([{"type": "response", "args": "approve"}], "approve"),
    "Agent Inbox's words, renamed": ({"decisions": [{"type": "reject", "args": "no"}]}, "no"),
    "ignored": ([{"type": "ignore", "args": None}], ""),
    "ignored, renamed": ({"decisions": [{"type": "ignore", "args": None}]}, ""),
}


@pytest.mark.parametrize("pending", [ONE, MANY], ids=["one statement", "a batch"])
@pytest.mark.parametrize(("raw", "reason"), REJECTIONS.values(), ids=REJECTIONS)
def test_words_reject_and_never_approve(raw: Any, reason: str, pending: Pending) -> None:
    decision = decode(raw, pending=pending)
    assert (decision.choice, decision.reason, decision.retry) == (Choice.REJECT, reason, False)


def test_a_rejection_may_ask_for_another_draft() -> None:
    assert decode({"type": "reject", "reason": "too many", "retry": True}, pending=ONE).retry is True
    assert decode({"type": "reject", "message": "too many", "retry": False}, pending=ONE).retry is False


EDITS = {
    "AG-UI's": entry(BARE | {"editedArgs": {"sql": "SELECT 2"}}),
    "AG-UI's, bare": BARE | {"editedArgs": {"sql": "SELECT 2"}},
    "ours": {"type": "edit", "sql": "SELECT 2"},
    "ours, with the digest": {"type": "edit", "sql": "SELECT 2", "digest": DIGEST},
    "LangChain's for one call": edited("SELECT 2"),
    "LangChain's batch": {"decisions": [edited("SELECT 2")]},
    "Agent Inbox's": [{"type": "edit", "args": action("SELECT 2")}],
    "Agent Inbox's, renamed": {"decisions": [{"type": "edit", "args": action("SELECT 2")}]},
    "Agent Inbox's accept of other SQL": [{"type": "accept", "args": action("SELECT 2")}],
    "an approval that returns other SQL": {"decisions": [APPROVE | {"args": action("SELECT 2")}]},
}


@pytest.mark.parametrize("raw", EDITS.values(), ids=EDITS)
def test_other_sql_is_an_edit(raw: Any) -> None:
    decision = decode(raw, pending=ONE)
    assert (decision.choice, decision.sql) == (Choice.EDIT, "SELECT 2")


@pytest.mark.parametrize("sql", [ONE.sql + " ", ONE.sql[:-1], ONE.sql.lower(), ONE.sql.replace(" ", "\t")])
def test_an_accept_of_sql_that_differs_by_a_byte_does_not_approve(sql: str) -> None:
    assert decode([{"type": "accept", "args": action(sql)}], pending=ONE).choice is Choice.EDIT


def test_a_batch_is_decided_statement_by_statement() -> None:
    mixed = {"decisions": [APPROVE, {"type": "reject", "message": "not b"}, APPROVE]}
    decision = decode(mixed, pending=MANY)
    assert (decision.choice, decision.keep, decision.reason) == (Choice.PARTIAL, (1, 3), "2: not b")


def test_a_batch_of_rejections_is_one_rejection_with_every_reason() -> None:
    no = {"decisions": [{"type": "reject", "message": "a"}, {"type": "reject"}, {"type": "reject", "message": "c"}]}
    decision = decode(no, pending=MANY)
    assert (decision.choice, decision.reason) == (Choice.REJECT, "1: a; 2; 3: c")
    assert decode({"decisions": [{"type": "reject"}] * 3}, pending=MANY).reason == ""


def test_an_edit_among_several_is_an_edit_of_the_whole_without_what_was_rejected() -> None:
    raw = {"decisions": [edited("DELETE FROM a -- all"), {"type": "reject", "message": "keep b"}, APPROVE]}
    decision = decode(raw, pending=MANY)
    assert (decision.choice, decision.reason) == (Choice.EDIT, "2: keep b")
    assert [piece.sql for piece in split(decision.sql, "sqlite")] == ["DELETE FROM a", "DROP TABLE c"]


def test_our_own_shape_keeps_some_statements() -> None:
    raw = {"type": "partial", "keep": [3, 1], "reason": "2: no", "digest": DIGEST}
    decision = decode(raw, pending=MANY)
    assert (decision.choice, decision.keep, decision.reason) == (Choice.PARTIAL, (1, 3), "2: no")


def test_one_decision_that_shows_the_first_statement_only_never_approves_nor_edits_a_batch() -> None:
    """What Agent Inbox sends, which puts the first of several statements before its person, and no other."""
    first = MANY.statements[0]
    for raw in (
        {"decisions": [APPROVE]},
        {"decisions": [OURS]},
        {"decisions": [APPROVE | {"args": action(first)}]},
        {"decisions": [{"type": "edit", "args": action(first)}]},
        {"decisions": [edited("SELECT 1")]},
    ):
        with pytest.raises(Invalid, match="1 decision for 3 statements"):
            decode(raw, pending=MANY)
