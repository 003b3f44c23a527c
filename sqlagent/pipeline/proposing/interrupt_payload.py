"""What a waiting thread asks whoever answers it: one object that LangChain, Agent Inbox and AG-UI read.

Made of the state alone, and total: anybody may have written the checkpoint that the state came from.
"""

from __future__ import annotations

import re
from typing import Any

from sqlagent.core.text.counted import counted
from sqlagent.core.text.raw_checks import is_hidden
from sqlagent.core.wire.answers import TOOL
from sqlagent.pipeline.state import State

VERSION = 1
CLARIFY = "clarify"
_MOST_LINES = 40
"""Of what it does, in the words for people; the facts have all of it."""


def question(state: State, interrupt_id: str = "") -> dict[str, Any]:
    """The payload of review's interrupt, whose own id AG-UI's clients answer."""
    sql = _text(state, "sql")
    decisions = ["approve", "reject"] if state.get("source") == "undo" else ["approve", "edit", "reject"]
    words = fenced(_review_lines(state), _text(state, "risk") or "UNKNOWN")
    entries = _texts(state, "statements")
    entries = entries if len(entries) > 1 else [sql]  # as `action_request` has it: what comes back is compared with it
    return {
        "type": "tool_approval",
        "tool_call_id": _text(state, "proposal"),
        "name": TOOL,
        "args": {"sql": sql},
        # Agent Inbox reads `arguments` where LangChain sends `args`: hence both.
        "action_requests": [
            {
                "name": TOOL,
                "args": {"sql": s},
                "arguments": {"sql": s},
                "description": _described(place, entries, words),
            }
            for place, s in enumerate(entries, 1)
        ],
        "review_configs": [{"action_name": TOOL, "allowed_decisions": decisions} for _ in entries],
        "action_request": {"action": TOOL, "args": {"sql": sql}},
        # Agent Inbox sends back what was accepted only where it may also be edited.
        "config": {"allow_accept": True, "allow_edit": True, "allow_respond": True, "allow_ignore": True},
        "description": words,
        "reason": "tool_call",
        "toolCallId": _text(state, "proposal"),
        **_of_ag_ui(interrupt_id, words, _approval(_text(state, "digest")), _text(state, "expires_at")),
        "sqlagent": _review_facts(state),
    }


def clarification(state: State, interrupt_id: str = "") -> dict[str, Any]:
    """The payload of clarify's interrupt.  Without `action_requests`, which Agent Inbox would let nobody respond to."""
    asks, choices = _text(state, "asks"), _texts(state, "choices")
    words = fenced(_clarification_lines(state, asks, choices), "question")
    return {
        "type": "clarification",
        "question": asks,
        "choices": choices,
        "action_request": {"action": CLARIFY, "args": {"question": asks, "choices": choices}},
        "config": {"allow_accept": False, "allow_edit": False, "allow_respond": True, "allow_ignore": False},
        "description": words,
        "reason": "input_required",
        **_of_ag_ui(interrupt_id, words, _reply(choices), ""),
        "sqlagent": {
            "v": VERSION,
            "thread": _text(state, "thread"),
            "question": _text(state, "question"),
            "asked": _number(state, "asked", 1),
            "requested_by": _text(state, "requested_by"),
            "problem": _text(state, "problem") or None,
        },
    }


def _of_ag_ui(interrupt_id: str, message: str, response: dict[str, Any], expires_at: str) -> dict[str, Any]:
    return {"id": interrupt_id, "message": message, "responseSchema": response, "expiresAt": expires_at or None}


def _approval(digest: str) -> dict[str, Any]:
    """The form that a client of AG-UI makes of it sends the digest back without anybody typing it."""
    return {
        "type": "object",
        "properties": {
            "approved": {"type": "boolean"},
            "digest": {"const": f"sha256:{digest}"},
            "editedArgs": {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]},
            "reason": {"type": "string"},
        },
        "required": ["approved", "digest"],
    }


def _reply(choices: list[str]) -> dict[str, Any]:
    answer = {"type": "string"} | ({"examples": choices} if choices else {})
    return {"type": "object", "properties": {"answer": answer}, "required": ["answer"], "additionalProperties": False}


def _review_facts(state: State) -> dict[str, Any]:
    return {
        "v": VERSION,
        "thread": _text(state, "thread"),
        "proposal": _text(state, "proposal"),
        "digest": f"sha256:{_text(state, 'digest')}",
        "question": _text(state, "question"),
        "author": _text(state, "author"),
        "risk": _text(state, "risk"),
        "tables": _texts(state, "tables"),
        "effect": {"changes": _objects(state, "effect")},
        "words": _texts(state, "words"),
        "undo": _text(state, "undo") or None,
        "stage": _number(state, "stage", 1),
        "stages": _number(state, "stages", 1),
        "stage_name": _text(state, "stage_name"),
        "approvals": _objects(state, "approvals"),
        "requested_by": _text(state, "requested_by"),
        "requested_at": _text(state, "requested_at"),
        "expires_at": _text(state, "expires_at") or None,
        "confidence": state.get("confidence") if isinstance(state.get("confidence"), float) else None,
        "others": _texts(state, "others"),
        "drafted": _text(state, "drafted") or None,
        "corrections": _texts(state, "corrections"),
        "why_empty": _texts(state, "why_empty"),
        "part_of": _text(state, "part_of") or None,
        "rejected": _texts(state, "rejected"),
        "stale": _text(state, "stale") or None,
        "problem": _text(state, "problem") or None,
    }


# ---- words for people ----------------------------------------------------------------------------------------------


def _described(place: int, entries: list[str], words: str) -> str:
    if len(entries) == 1:
        return words
    where = f"Statement {place} of {len(entries)}."
    return f"{where}  One decision alone can only reject them all.\n\n{words}" if place == 1 else where


def _review_lines(state: State) -> list[str]:
    stage, stages = _number(state, "stage", 1), _number(state, "stages", 1)
    name = _text(state, "stage_name")
    lines = [f"asked by {_text(state, 'requested_by')}: {_text(state, 'question')}"]
    lines += [f"corrected {'; '.join(said)}"] if (said := _texts(state, "corrections")) else []
    lines += [f"in words: {said}" for said in _texts(state, "words")[:_MOST_LINES]]
    lines += [f"comes back empty: {why}" for why in _texts(state, "why_empty")]
    lines += [_change(change) for change in _objects(state, "effect")[:_MOST_LINES]]
    lines += [f"undo: {_text(state, 'undo')}"] if _text(state, "undo") else []
    lines += [f"stage {stage} of {stages}{f': {name}' if name else ''}"] if stages > 1 else []
    lines += [_said(approval) for approval in _objects(state, "approvals")]
    lines += [f"part of {_text(state, 'part_of')}, rejected: {r}" for r in _texts(state, "rejected")]
    lines += [f"stale: {_text(state, 'stale')}"] if _text(state, "stale") else []
    lines += [f"expires {_text(state, 'expires_at')}"] if _text(state, "expires_at") else []
    lines += [f"digest {_text(state, 'digest')}"]
    return lines + _problem(state)


def _clarification_lines(state: State, asks: str, choices: list[str]) -> list[str]:
    numbered = [f"{place}. {choice}" for place, choice in enumerate(choices, 1)]
    return [asks, *numbered, f"the question was: {_text(state, 'question')}", *_problem(state)]


def _problem(state: State) -> list[str]:
    problem = _text(state, "problem")
    return [f"the last answer was not accepted: {problem}"] if problem else []


def _change(change: dict[str, Any]) -> str:
    rows, of, via = change.get("rows"), change.get("of"), change.get("via")
    size = "rows unknown" if rows is None else f"{rows} of {_rows(of)}" if of is not None else _rows(rows)
    return f"{change.get('verb', '')} {change.get('table', '')}: {size}{f', via {via}' if via else ''}"


def _rows(count: object) -> str:
    return counted(count, "row") if isinstance(count, int) else f"{count} rows"


def _said(approval: dict[str, Any]) -> str:
    what = "passed on" if approval.get("escalated") else f"approved by {approval.get('by', '')}"
    name = approval.get("name") or ""
    return f"stage {approval.get('stage', '')}{f', {name},' if name else ''} {what} at {approval.get('at', '')}"


def fenced(lines: list[str], headline: str) -> str:
    """Lines that a model, a database or a person wrote, fenced so that no renderer takes them for links or images."""
    body = "\n".join(" ".join(_spelled(line).split()) for line in lines)
    longest = max(map(len, re.findall("`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"**{_spelled(headline)}**\n\n{fence}text\n{body}\n{fence}"


def _spelled(text: str) -> str:
    shown = text if text.isascii() and text.isprintable() else "".join(map(_character, text))
    return shown if len(shown) <= 2_000 else f"{shown[:2_000]}..."


def _character(char: str) -> str:
    return f"\u27e8U+{ord(char):04X}\u27e9" if char not in "\n\t" and is_hidden(char) else char


# ---- a state of any shape ------------------------------------------------------------------------------------------


def _text(state: State, key: str) -> str:
    value = state.get(key)
    return value if isinstance(value, str) else ""


def _number(state: State, key: str, default: int) -> int:
    value = state.get(key)
    return value if isinstance(value, int) else default


def _texts(state: State, key: str) -> list[str]:
    value = state.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _objects(state: State, key: str) -> list[dict[str, Any]]:
    value = state.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
