"""Messages as chat clients begin with and read: plain objects, so that a checkpoint holds nothing but JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

from sqlagent.core.errors import UsageError
from sqlagent.core.text.counted import counted
from sqlagent.core.wire.answers import shown
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing.interrupt_payload import fenced
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


@dataclass(slots=True)
class Streamed:
    """A sink that gives rows to whoever streams `custom`, as `--json` would print them, and a few to the chat."""

    write_out: Callable[[Any], None]
    as_json: Callable[[list[tuple[Any, ...]]], Any]
    most: int
    """Rows of a result that the chat is told; 0 for none."""
    texts: list[str] = field(default_factory=list)

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Give them out, and keep the text of the few that the chat is told."""
        taken = list(rows)
        self.write_out({"columns": list(columns), "rows": taken and self.as_json(taken)})
        if self.most and taken:
            some = self.as_json(taken[: self.most])
            lines = [" | ".join(columns), *(" | ".join(map(_cell, row)) for row in some)]
            first = f"{len(some):,} of " if len(some) < len(taken) else ""
            self.texts.append(fenced(lines, f"{first}{counted(len(taken), 'row')}"))
        return len(taken)


def _cell(value: Any) -> str:
    """A value in a line of text: as it is, or as JSON where it is no text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def from_us(words: str) -> Message:
    """A message of sqlagent's own, with an id that no other has."""
    return {"type": "ai", "content": words, "id": str(uuid4())}


def told(state: State, change: State, x: Context) -> list[Message]:
    """What a step has to say to who reads `messages`: a question back, a problem, or how the turn ended.

    Rows are counts here, unless the setting `chat_rows` lets some of them in: what the rows say goes to the stream
    `custom`, and into no checkpoint.
    """
    rows = [from_us(text) for text in x.sink.texts] if isinstance(x.sink, Streamed) else []
    return [*rows, *_said(state, change, x)]


def _said(state: State, change: State, x: Context) -> list[Message]:
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
