"""Answers to what a model asks back, and what answers no question."""

from __future__ import annotations

import math
from typing import Any

import pytest
from any_json import JSON, NESTED
from hypothesis import given
from pending_answers import APPROVE, BARE, CANCELLED, ID, OURS, entry

from sqlagent.core.wire.answers import LONGEST_TEXT, Invalid, decode_answer

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
