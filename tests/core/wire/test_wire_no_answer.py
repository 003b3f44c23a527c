"""Everything that is no answer: of all JSON, only what says so explicitly approves."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from any_json import JSON, NESTED
from hypothesis import given
from hypothesis import strategies as st
from pending_answers import APPROVE, BARE, DIGEST, ID, MANY, ONE, OTHER, OURS, action, entry

from sqlagent.core.nouns.session import Choice
from sqlagent.core.wire.answers import LONGEST_SQL, LONGEST_TEXT, Invalid, Pending, decode, shown

INTERNAL = {"choice": "approve", "digest": DIGEST, "by": "root", "how": "key", "sql": "", "reason": "", "retry": False}

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
