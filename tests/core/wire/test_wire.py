"""What a program may answer, and everything else, which is no answer."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.core.nouns.session import Choice
from sqlagent.core.text.split import split
from sqlagent.core.wire.answers import LONGEST_SQL, LONGEST_TEXT, Invalid, Pending, decode, decode_answer, shown

DIGEST = "3f" * 32
OTHER = "9a" * 32
ID = "0123456789abcdef" * 2
ONE = Pending(DIGEST, "DELETE FROM a WHERE id = 1;", ("DELETE FROM a WHERE id = 1",), ID)
MANY = Pending(
    DIGEST,
    "DELETE FROM a; -- old\nDELETE FROM b;\nDROP TABLE c",
    ("DELETE FROM a", "DELETE FROM b", "DROP TABLE c"),
    ID,
)


def action(sql: object, called: str = "action", name: object = "execute_sql") -> dict[str, Any]:
    return {called: name, "args": {"sql": sql}}


def edited(sql: str) -> dict[str, Any]:
    return {"type": "edit", "edited_action": action(sql, "name")}


APPROVE = {"type": "approve"}
OURS = {"type": "approve", "digest": f"sha256:{DIGEST}"}

BARE: dict[str, Any] = {"approved": True, "digest": f"sha256:{DIGEST}"}


def entry(payload: Any, name: object = ID, status: object = "resolved") -> dict[str, Any]:
    """One of AG-UI's `resume`."""
    return {"interruptId": name, "status": status, "payload": payload}


CANCELLED = {"interruptId": ID, "status": "cancelled"}
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


INTERNAL = {"choice": "approve", "digest": DIGEST, "by": "root", "how": "key", "sql": "", "reason": "", "retry": False}
NESTED: Any = []
for _ in range(100_000):
    NESTED = [NESTED]

JUNK = {
    "AG-UI's without a digest": entry({"approved": True}),
    "AG-UI's bare without a digest": {"approved": True},
    "AG-UI's without a digest by id": {ID: {"approved": True}},
    "AG-UI's of another digest": entry(BARE | {"digest": OTHER}),
    "AG-UI's to another interrupt": entry(BARE, "f" * 32),
    "AG-UI's to no interrupt": entry(BARE, ""),
    "AG-UI's to null": entry(BARE, None),
    "AG-UI's without a status": {"interruptId": ID, "payload": BARE},
    "AG-UI's of another status": entry(BARE, status="approved"),
    "AG-UI's whose status is true": entry(BARE, status=True),
    "AG-UI's without a payload": {"interruptId": ID, "status": "resolved"},
    "AG-UI's with a key too many": entry(BARE) | {"by": "root"},
    "AG-UI's with a payload too many": entry(BARE | {"by": "root"}),
    "AG-UI's of yes": entry({"approved": "true", "digest": DIGEST}),
    "AG-UI's of 1": entry({"approved": 1, "digest": DIGEST}),
    "AG-UI's of text": entry("yes"),
    "AG-UI's of our shape": entry(OURS),
    "AG-UI's edit of null": entry(BARE | {"editedArgs": None}),
    "AG-UI's edit of more": entry(BARE | {"editedArgs": {"sql": "SELECT 1", "db": "x"}}),
    "AG-UI's edit without a digest": entry({"approved": True, "editedArgs": {"sql": "SELECT 1"}}),
    "AG-UI's no with an edit": entry({"approved": False, "editedArgs": {"sql": "SELECT 1"}}),
    "AG-UI's cancelled with an approval": entry(BARE, status="cancelled"),
    "AG-UI's cancelled, another interrupt": {"__agui_cancelled__": True, "interrupt_id": "f" * 32},
    "AG-UI's cancelled, perhaps": {"__agui_cancelled__": 1, "interrupt_id": ID},
    "AG-UI's two": [entry(BARE), entry(BARE)],
    "AG-UI's and ours": [entry(BARE), OURS],
    "AG-UI's whole input": {"resume": [entry(BARE)]},
    "AG-UI's two by its adapter": {
        "__agui_resume_map__": {key: {"status": "resolved", "payload": BARE} for key in (ID, "f" * 32)}
    },
    "AG-UI's snake case": {"interrupt_id": ID, "status": "resolved", "payload": BARE},
    "true": True,
    "false": False,
    "yes": "yes",
    "maybe": "maybe",
    "empty text": "",
    "approve": "approve",
    "zero": 0,
    "one": 1,
    "null": None,
    "no keys": {},
    "no items": [],
    "a number": 1.5,
    "NaN": math.nan,
    "bytes": b"approve",
    "a digest": DIGEST,
    "accept": {"type": "accept"},
    "approved": {"type": "approved"},
    "APPROVE": {"type": "APPROVE"},
    "no digest and no id": APPROVE,
    "the internal form": INTERNAL,
    "the internal form by id": {ID: INTERNAL},
    "another digest": {"type": "approve", "digest": OTHER},
    "a short digest": {"type": "approve", "digest": DIGEST[:12]},
    "a digest in capitals": {"type": "approve", "digest": DIGEST.upper()},
    "a digest and a newline": {"type": "approve", "digest": DIGEST + "\n"},
    "a digest of another kind": {"type": "approve", "digest": f"md5:{DIGEST}"},
    "a digest twice": {"type": "approve", "digest": [DIGEST]},
    "no digest": {"type": "approve", "digest": None},
    "a key too many": OURS | {"by": "root"},
    "who": OURS | {"how": "policy"},
    "sql beside": OURS | {"sql": "DROP TABLE a"},
    "another interrupt": {"f" * 32: OURS},
    "an id twice around": {ID: {ID: OURS}},
    "two ids": {ID: OURS, "f" * 32: OURS},
    "an id around true": {ID: True},
    "an id around null": {ID: None},
    "an id in capitals": {ID.upper(): OURS},
    "a list of ours": [OURS],
    "a list of lists": [[APPROVE]],
    "ours in text": json.dumps(OURS),
    "deep": NESTED,
    "two approvals for one": {"decisions": [APPROVE, APPROVE]},
    "no decisions": {"decisions": []},
    "decisions null": {"decisions": None},
    "decisions true": {"decisions": True},
    "decisions by place": {"decisions": {"0": APPROVE}},
    "decisions and more": {"decisions": [APPROVE], "digest": DIGEST},
    "a decision in text": {"decisions": ["approve"]},
    "a decision with another digest": {"decisions": [APPROVE | {"digest": OTHER}]},
    "a decision with a key too many": {"decisions": [APPROVE | {"force": True}]},
    "an accept as a decision": {"decisions": [{"type": "accept"}]},
    "a decision of no type": {"decisions": [{}]},
    "an accept as a decision with args": {"decisions": [{"type": "accept", "args": action(ONE.sql)}]},
    "another tool": {"decisions": [{"type": "edit", "edited_action": action("SELECT 1", "name", "run_shell")}]},
    "more arguments": {
        "decisions": [
            {"type": "edit", "edited_action": {"name": "execute_sql", "args": {"sql": "SELECT 1", "db": "x"}}}
        ]
    },
    "an edit of nothing": {"type": "edit", "sql": " \n"},
    "an edit of null": {"type": "edit", "sql": None},
    "an edit too long": {"type": "edit", "sql": "x" * (LONGEST_SQL + 1)},
    "10 MB": "x" * 10_000_000,
    "an edit under another digest": {"type": "edit", "sql": "SELECT 1", "digest": OTHER},
    "a rejection under another digest": {"type": "reject", "digest": OTHER},
    "a reason and a message": {"type": "reject", "reason": "a", "message": "b"},
    "a reason that is true": {"type": "reject", "reason": True},
    "retry yes": {"type": "reject", "retry": "yes"},
    "retry 1": {"type": "reject", "retry": 1},
    "a reason too long": {"type": "reject", "reason": "x" * (LONGEST_TEXT + 1)},
    "words of nothing": {"type": "respond", "message": " "},
    "an empty response": [{"type": "response", "args": ""}],
    "a response of null": [{"type": "response", "args": None}],
    "a response of an object": [{"type": "response", "args": {}}],
    "accept without args": [{"type": "accept"}],
    "accept with null": [{"type": "accept", "args": None}],
    "accept of bare args": [{"type": "accept", "args": {"sql": ONE.sql}}],
    "accept of the SQL": [{"type": "accept", "args": ONE.sql}],
    "accept of another tool": [{"type": "accept", "args": action(ONE.sql, name="drop")}],
    "accept of a number": [{"type": "accept", "args": action(1)}],
    "two accepts": [{"type": "accept", "args": action(ONE.sql)}] * 2,
    "accept in capitals": [{"type": "Accept", "args": action(ONE.sql)}],
    "accept outside a list": {"type": "accept", "args": action(ONE.sql)},
    "accept with more": [{"type": "accept", "args": action(ONE.sql), "acceptAllowed": True}],
    "ignore with args": [{"type": "ignore", "args": "approve"}],
    "approve in a list": [APPROVE],
    "a part of one": {"type": "partial", "keep": [1], "digest": DIGEST},
    "a type that is a list": {"type": ["approve"], "digest": DIGEST},
    "a type that is true": {"type": True, "digest": DIGEST},
    "keys that are no text": {1: APPROVE},
    "a tuple": ("approve",),
    "a set": {"approve"},
}


@pytest.mark.parametrize("raw", JUNK.values(), ids=JUNK)
def test_everything_else_is_no_answer(raw: Any) -> None:
    with pytest.raises(Invalid) as said:
        decode(raw, pending=ONE)
    told = f"{said.value.message}; {said.value.hint}"
    assert said.value.message
    assert said.value.hint.startswith("expected ")
    assert len(told) < 600


@pytest.mark.parametrize(
    "keep", [[], [0], [4], [1, 1], [1, 2, 3], [True], ["1"], [1.0], "1", None, {"1": 1}, list(range(1, 99))], ids=repr
)
def test_a_part_names_some_of_the_statements_each_once(keep: Any) -> None:
    with pytest.raises(Invalid, match="keep"):
        decode({"type": "partial", "keep": keep, "digest": DIGEST}, pending=MANY)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 20_000])
def test_a_batch_has_a_decision_for_every_statement(count: int) -> None:
    with pytest.raises(Invalid):
        decode({"decisions": [APPROVE] * count}, pending=MANY)


@pytest.mark.parametrize(
    "raw", [OURS, {"decisions": [APPROVE]}, {"type": "reject"}, {"type": "edit", "sql": "SELECT 1"}]
)
@pytest.mark.parametrize("digest", ["", "pending", DIGEST[:-1], "*" * 64])
def test_nothing_is_decided_where_nothing_waits(raw: Any, digest: str) -> None:
    with pytest.raises(Invalid):
        decode(raw, pending=Pending(digest, "SELECT 1", ("SELECT 1",)))


def test_an_id_counts_only_where_the_pending_one_is_known() -> None:
    unknown = Pending(DIGEST, ONE.sql, ONE.statements)
    assert decode({ID: OURS}, pending=unknown).choice is Choice.APPROVE
    with pytest.raises(Invalid, match="does not say of what"):
        decode({ID: APPROVE}, pending=unknown)


@pytest.mark.parametrize(
    "hostile",
    ["\x1b[2J\x1b[1;1Happroved", "\u202eevorppa", "a\nerror: none", "\ud800", "\x7f\x9b31m", "x" * 10_000_000],
    ids=["escape", "bidi", "newline", "surrogate", "c1", "long"],
)
def test_what_came_is_shown_without_anything_that_moves_a_cursor(hostile: str) -> None:
    for raw in (hostile, {hostile: 1}, {"type": hostile}, [{"type": hostile}], {"decisions": [{"type": hostile}]}):
        with pytest.raises(Invalid) as said:
            decode(raw, pending=ONE)
        assert said.value.message.isascii()
        assert said.value.message.isprintable()
        assert len(said.value.message) < 300


@pytest.mark.parametrize(
    "value",
    [-(10**30), 1e999, b"\xff" * 99, object(), Ellipsis, ("a",), {}],
    ids=["long", "inf", "bytes", "object", "ellipsis", "tuple", "empty"],
)
def test_anything_can_be_shown(value: object) -> None:
    assert len(shown(value)) < 120


def test_a_number_of_too_many_digits_to_print_can_be_shown() -> None:
    assert shown(10**5000) == "a number of more than 18 digits"


# ---- for any JSON ----------------------------------------------------------------------------------------------------

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["approve", "accept", "edit", "reject", "partial", "execute_sql"]),
    st.sampled_from([ONE.sql, DIGEST, f"sha256:{DIGEST}", OTHER]),
)  # fmt: skip
KEYS = st.sampled_from(
    ["type", "digest", "decisions", "args", "sql", "action", "name", "edited_action", "keep", "reason", "message",
     "retry", "choice", "answer", "text", ID, "f" * 32]
) | st.text(max_size=4)  # fmt: skip
ACTIONS = st.fixed_dictionaries(
    {"action": st.just("execute_sql") | LEAVES, "args": st.fixed_dictionaries({"sql": st.just(ONE.sql) | LEAVES})}
)
SAID = st.fixed_dictionaries(
    {"type": st.sampled_from(["approve", "accept", "edit", "reject", "partial", "respond", "response", "ignore"])},
    optional={"digest": LEAVES, "args": ACTIONS | LEAVES, "sql": LEAVES, "reason": LEAVES, "keep": st.lists(LEAVES)},
)
JSON = st.recursive(
    LEAVES | SAID,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=4),
        st.fixed_dictionaries({"decisions": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({ID: inner}),
    ),
    max_leaves=12,
)


def approves(raw: Any) -> bool:
    """An approval as a person would spell it out from the table: written apart from `decode`, for one statement."""
    if isinstance(raw, dict) and list(raw) == [ID]:
        [inner] = raw.values()
        return inner == APPROVE or approves_plainly(inner)
    return approves_plainly(raw)


def approves_plainly(raw: Any) -> bool:
    accepted = {"args": action(ONE.sql)}
    digests = [DIGEST, f"sha256:{DIGEST}"]
    ours = [APPROVE | {"digest": digest} for digest in digests]
    batches = [{"decisions": [one]} for one in (APPROVE, *ours, APPROVE | accepted)]
    return any(raw == form for form in (*ours, *batches, [{"type": "accept"} | accepted]))


@given(JSON, st.sampled_from([ONE, MANY]))
def test_of_all_json_only_an_explicit_approval_approves(raw: Any, pending: Pending) -> None:
    try:
        decision = decode(raw, pending=pending)
    except Invalid:
        return
    assert decision.digest == DIGEST
    if decision.choice is Choice.APPROVE and pending is ONE:
        assert approves(raw)
    if decision.choice in (Choice.APPROVE, Choice.PARTIAL):
        spelled = json.dumps(raw)
        assert '"approve"' in spelled or '"accept"' in spelled or '"keep"' in spelled


# ---- clarifying questions --------------------------------------------------------------------------------------------

CHOICES = ("by order date", "by invoice date")
ANSWERS = {
    "AG-UI's": (entry({"answer": "net of tax"}), "net of tax"),
    "AG-UI's text, as `resume` has it": ([entry("net of tax")], "net of tax"),
    "AG-UI's choice": (entry({"choice": 1}), CHOICES[0]),
    "ours": ({"type": "answer", "text": " gross "}, "gross"),
    "in short": ({"answer": "gross"}, "gross"),
    "a choice": ({"choice": 2}, "by invoice date"),
    "Agent Inbox's": ([{"type": "response", "args": "gross"}], "gross"),
    "LangChain's": ({"type": "respond", "message": "gross"}, "gross"),
    "LangChain's batch": ({"decisions": [{"type": "respond", "message": "gross"}]}, "gross"),
    "by id": ({ID: {"choice": 1}}, "by order date"),
}


@pytest.mark.parametrize(("raw", "text"), ANSWERS.values(), ids=ANSWERS)
def test_a_question_back_is_answered_in_words_or_by_a_choice(raw: Any, text: str) -> None:
    assert decode_answer(raw, choices=CHOICES, interrupt_id=ID) == text


NO_ANSWERS = {
    "AG-UI's cancelled": CANCELLED,
    "AG-UI's approval": entry(BARE),
    "AG-UI's to another": entry("net", "f" * 32),
    "AG-UI's empty": entry(" "),
    "AG-UI's true": entry(True),
    "true": True,
    "text": "gross",
    "null": None,
    "no keys": {},
    "no items": [],
    "a number": 1,
    "NaN": math.nan,
    "choice 0": {"choice": 0},
    "choice 3": {"choice": 3},
    "choice true": {"choice": True},
    "choice text": {"choice": "1"},
    "choice 1.0": {"choice": 1.0},
    "empty": {"answer": " "},
    "null text": {"type": "answer", "text": None},
    "too long": {"answer": "x" * (LONGEST_TEXT + 1)},
    "both": {"choice": 1, "answer": "x"},
    "more": {"answer": "x", "by": "root"},
    "an approval": OURS,
    "approved": {"decisions": [APPROVE]},
    "accepted": [{"type": "accept", "args": None}],
    "ignored": [{"type": "ignore", "args": None}],
    "two": [{"type": "response", "args": "a"}] * 2,
    "deep": NESTED,
    "another interrupt": {"f" * 32: {"answer": "x"}},
    "list": {"type": ["answer"], "text": "x"},
}


@pytest.mark.parametrize("raw", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_answers_no_question_is_refused(raw: Any) -> None:
    with pytest.raises(Invalid) as said:
        decode_answer(raw, choices=CHOICES, interrupt_id=ID)
    assert said.value.hint.startswith("expected ")


def test_without_choices_none_can_be_chosen() -> None:
    with pytest.raises(Invalid, match="choice is 1"):
        decode_answer({"choice": 1})


@given(JSON)
def test_any_json_is_words_or_no_answer(raw: Any) -> None:
    try:
        text = decode_answer(raw, choices=CHOICES)
    except Invalid:
        return
    assert text.strip() == text != ""
