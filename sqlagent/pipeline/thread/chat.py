"""Messages as chat clients begin with and read: plain objects, so that a checkpoint holds nothing but JSON."""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

from sqlagent.core.errors import UsageError
from sqlagent.core.text.counted import counted
from sqlagent.core.wire.answers import shown
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.state import State

Message = dict[str, str]


def appended(before: list[Message] | None, more: list[Message] | None) -> list[Message]:
    """The reducer of `messages`: a message that is there already, by its id, stays the one it was."""
    known = {each["id"] for each in before or []}
    return [*(before or []), *(each for each in more or [] if each["id"] not in known)]


def last_human(messages: Any) -> Message:
    """The question of a chat client: its last human message; raises UsageError where there is none."""
    if not isinstance(messages, list):
        raise UsageError(f"messages is {shown(messages)}", hint=_MESSAGES)
    said = [m for m in map(_fields, messages) if m.get("type", m.get("role")) in ("human", "user")]
    words = _words(said[-1].get("content")).strip() if said else ""
    if not words:
        raise UsageError("there is no human message in messages", hint=_MESSAGES)
    name = said[-1].get("id")
    return {"type": "human", "content": words, "id": name if isinstance(name, str) and name else str(uuid4())}


def _fields(message: Any) -> dict[str, Any]:
    """A message as it comes over HTTP, or as LangChain's own object from a program."""
    if isinstance(message, dict):
        return message
    return {key: getattr(message, key, None) for key in ("type", "content", "id")}


def _words(content: Any) -> str:
    """The text of a message, which may come in blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    texts = (b if isinstance(b, str) else b.get("text") if isinstance(b, dict) else "" for b in blocks)
    return "\n".join(t for t in texts if isinstance(t, str) and t)


_MESSAGES = '{"messages": [{"type": "human", "content": "..."}]}'


def from_us(words: str) -> Message:
    """A message of sqlagent's own, with an id that no other has."""
    return {"type": "ai", "content": words, "id": str(uuid4())}


def told(state: State, change: State, x: Context) -> list[Message]:
    """What a step has to say to who reads `messages`: a question back, a problem, or how the turn ended.

    Rows are counts here: what the rows say goes to the stream `custom`, and into no checkpoint.
    """
    if change.get("status"):
        return [from_us(_ending(cast(State, {**state, **change}), x))]
    if problem := change.get("problem"):
        return [from_us(problem)]
    asks = change.get("asks")
    choices = "".join(f"\n{place}. {choice}" for place, choice in enumerate(change.get("choices", []), 1))
    return [from_us(f"{asks}{choices}")] if asks else []


def _ending(state: State, x: Context) -> str:
    words = [state["status"], *(w for w in (state.get("message", ""), state.get("hint", "")) if w)]
    run = x.journal.run(state["proposal"]) if state.get("proposal") else None
    if run is not None and run.outcome is not None and state["status"] == "executed":
        results = run.outcome.results
        words += [
            counted(r.returned, "row") if r.changed is None else f"{counted(r.changed, 'row')} changed" for r in results
        ]
    return ": ".join([words[0], "; ".join(words[1:])]) if words[1:] else words[0]
