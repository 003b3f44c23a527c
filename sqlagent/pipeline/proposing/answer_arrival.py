"""How an answer arrived: its schema, whether it named the interrupt, and which proposal it was shown."""

from __future__ import annotations

from typing import Any

from langgraph.config import get_config
from langgraph.types import Interrupt

from sqlagent import schemas
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.session import Proposal
from sqlagent.pipeline.proposing.analysis import found
from sqlagent.pipeline.state import State

REVIEWED: dict[str, Any] = schemas.load("answer")
"""Given to `interrupt` as a dict, LangGraph shows it to clients and checks nothing by it.

Checked by a type, a wrong answer would be an exception: kept in the checkpoint all the same, raised again by whoever
goes on, on no record, and LangGraph's server would list the thread as failed rather than as waiting.
"""
CLARIFIED: dict[str, Any] = schemas.load("clarified")
_BY_ID = "__pregel_resume_map"
"""LangGraph's own name; where it is another one day, every approval has to carry its digest."""


def addressed(answer: Any) -> bool:
    """Whether this answer came for one interrupt by its id, `Command(resume={id: answer})`, in the call that runs.

    An id stands for one question of one checkpoint, so that such an answer says of what it is one.  Call it in a node.
    """
    by_id = get_config().get("configurable", {}).get(_BY_ID)
    return isinstance(by_id, dict) and any(value is answer or value == answer for value in by_id.values())


def interrupt_id() -> str:
    """The id that LangGraph gives the one interrupt of the node that runs."""
    return Interrupt.from_ns(None, get_config()["configurable"]["checkpoint_ns"]).id


_TURNED_AWAY = "sqlagent_turned_away"


def turned_away(because: str, hint: str) -> dict[str, Any]:
    """An object that stands for a call that is no answer, so that the step which takes answers asks again."""
    return {_TURNED_AWAY: because, "hint": hint}


def is_turned_away(answer: Any) -> bool:
    """Whether this was put in place of a call by `turned_away`."""
    return isinstance(answer, dict) and _TURNED_AWAY in answer


def check_let_in(answer: Any) -> None:
    """Raise what was found wrong with a call, where it was turned away."""
    if is_turned_away(answer):
        raise UsageError(str(answer[_TURNED_AWAY]), hint=str(answer.get("hint", "")))


def restored(state: State, proposal: Proposal) -> State:
    """The fields in which the state differs from the proposal on record; empty where they agree.

    Somebody may have written the checkpoint, or measured the proposal once more: then other words than those on record
    were before whoever answered.
    """
    number = state.get("number", 0)
    right: State = found(proposal, number) | {
        "sql": proposal.sql, "question": proposal.question, "requested_by": proposal.requested_by,
        "author": proposal.author,
    }  # fmt: skip
    said = {key: state.get(key) for key in right if key not in _OF_THE_ANSWER}
    return {} if said == {key: value for key, value in right.items() if key in said} else right


_OF_THE_ANSWER = ("decision", "problem", "end")
