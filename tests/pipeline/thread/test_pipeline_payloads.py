"""What a waiting thread shows to other programs: as published, in every dialect, whatever is in the state."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graph_clients import BATCH, Cli, at, cli, held_to, refusals, resumed, the_graph, waits_for
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from shops import SELL, Shop, shop

from sqlagent import schemas
from sqlagent.pipeline.proposing import interrupt_payload
from sqlagent.pipeline.state import State

__all__ = ["cli", "shop"]


@pytest.mark.parametrize("sql", [SELL, BATCH, "SELECT * FROM stock", "DROP TABLE sales"])
def test_a_payload_is_as_published_and_reads_in_every_dialect(shop: Shop, cli: Cli, sql: str) -> None:
    waits = cli.run(sql)
    _, asked = waits_for(shop, waits["thread"])
    held_to("review", asked)
    assert asked["sqlagent"]["proposal"] == asked["tool_call_id"] == waits["proposal"]
    assert asked["args"] == asked["action_request"]["args"] == {"sql": sql}
    assert len(asked["action_requests"]) == len(asked["review_configs"]) == len(waits["statements"])
    assert all(request["arguments"] == request["args"] for request in asked["action_requests"])
    assert asked["id"] == waits_for(shop, waits["thread"])[0]
    assert (asked["reason"], asked["toolCallId"]) == ("tool_call", waits["proposal"])
    form = Draft202012Validator(asked["responseSchema"])
    assert form.is_valid({"approved": True, "digest": asked["sqlagent"]["digest"]})
    assert not form.is_valid({"approved": True, "digest": "sha256:" + "0" * 64})
    with the_graph(shop) as opened:
        (interrupt,) = opened.get_state(at(waits["thread"])).interrupts
    assert interrupt.response_schema == schemas.load("answer")


def test_an_undo_is_not_to_be_edited(shop: Shop, cli: Cli) -> None:
    waits = cli.run()
    resumed(shop, waits["thread"], {"type": "approve", "digest": waits["digest"]})
    undo = cli("undo", waits["thread"])["thread"]
    _, asked = waits_for(shop, undo)
    held_to("review", asked)
    assert asked["review_configs"][0]["allowed_decisions"] == ["approve", "reject"]
    resumed(shop, undo, {"type": "edit", "sql": "SELECT 1"})
    assert (len(refusals(shop, undo)), shop.sold) == (1, 1)
    assert resumed(shop, undo, {"decisions": [{"type": "approve"}]})["status"] == "executed"
    assert shop.sold == 0


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
STATES = st.fixed_dictionaries({}, optional=dict.fromkeys([*State.__annotations__], VALUES))


@given(STATES)
def test_asking_cannot_fail_whatever_somebody_wrote_into_the_state(state: Any) -> None:
    held_to_json(interrupt_payload.question(state))
    held_to_json(interrupt_payload.clarification(state))


def held_to_json(document: object) -> None:
    json.dumps(document)


@given(st.text(), st.text(alphabet="`~[]()!<>\n\u202e\x1b*_#|ab", max_size=60))
def test_no_text_leaves_the_fence_of_the_words_for_people(question: str, problem: str) -> None:
    said = interrupt_payload.question({"question": question, "problem": problem, "digest": "0" * 64})["description"]
    head, _, rest = said.partition("\n\n")
    fence = rest[: rest.index("text\n")]
    assert head == "**UNKNOWN**"
    assert set(fence) == {"`"}
    assert fence not in rest[len(fence) : -len(fence)]
    assert rest.endswith(f"\n{fence}")
    assert "\u202e" not in said
    assert "\x1b" not in said
