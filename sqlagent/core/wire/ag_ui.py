"""AG-UI's answers, put into our own words: an entry of `resume`, or what its LangGraph adapter makes of one.

The adapter sends the payload alone, takes the id off, and has two forms of its own: for an entry that was cancelled and
for several entries.  An approval has to echo the digest in each of them: none says by itself what was on a screen.
"""

from __future__ import annotations

from typing import Any

from sqlagent.core.wire.strict_fields import Invalid, exactly, only, shown, text

_CANCELLED = "__agui_cancelled__"
_SEVERAL = "__agui_resume_map__"
_PAYLOAD = '{"approved": true, "digest": "<the pending digest>"} or {"approved": false}; sqlagent help json-answer'


def decision(raw: Any, *, interrupt_id: str, sql: str) -> Any:
    """What an answer of AG-UI's says of `sql`, as an answer of ours; any other answer as it is.  Raises Invalid."""
    entry = _entry(raw)
    if entry is None:
        bare = type(raw) is dict and "approved" in raw
        return _decided(raw, sql) if bare else raw
    if _status(entry, interrupt_id) == "cancelled":
        return {"type": "reject"}
    return _decided(entry.get("payload"), sql)


def words_back(raw: Any, *, interrupt_id: str) -> Any:
    """The same for an answer to a question back; a payload that is a text is taken as those words."""
    entry = _entry(raw)
    if entry is None:
        return raw
    if _status(entry, interrupt_id) == "cancelled":
        raise Invalid("cancelling answers no question", '"status": "resolved", with the words in "payload"')
    payload = entry.get("payload")
    return {"type": "answer", "text": payload} if type(payload) is str else payload


def _entry(raw: Any) -> dict[str, Any] | None:
    """The one entry of `resume` that it is, whichever form it came in."""
    if type(raw) is list and any(type(each) is dict and "interruptId" in each for each in raw):
        return only(raw)
    if type(raw) is not dict:
        return None
    if _SEVERAL in raw:
        by_id = exactly(raw, _SEVERAL)[_SEVERAL]
        if type(by_id) is not dict or len(by_id) != 1:
            raise Invalid(f"{shown(by_id)} answers no one interrupt", "one entry, for the interrupt that waits")
        [(name, said)] = by_id.items()
        if type(said) is not dict or "interruptId" in said:
            raise Invalid(f"an entry is {shown(said)}", '{"status": "resolved", "payload": ...}')
        # The adapter writes a payload that nobody sent as null.
        return {"interruptId": name} | {k: v for k, v in said.items() if (k, v) != ("payload", None)}
    if _CANCELLED in raw:
        if exactly(raw, _CANCELLED, "interrupt_id")[_CANCELLED] is not True:
            raise Invalid(f"{_CANCELLED} is {shown(raw[_CANCELLED])}", "true")
        return {"interruptId": raw["interrupt_id"], "status": "cancelled"}
    return raw if "interruptId" in raw else None


def _status(entry: dict[str, Any], interrupt_id: str) -> str:
    exactly(entry, "interruptId", "status", payload=True)
    name, status = entry["interruptId"], entry["status"]
    if type(name) is not str or not interrupt_id or name != interrupt_id:
        raise Invalid(f"interruptId is {shown(name)}, which does not wait", interrupt_id or "the id of what waits")
    if type(status) is not str or status not in ("resolved", "cancelled"):
        raise Invalid(f"status is {shown(status)}", '"resolved" or "cancelled"')
    if status == "cancelled" and entry.get("payload") is not None:
        raise Invalid("a cancelled entry has a payload", '"status": "cancelled" alone, or "resolved"')
    if status == "resolved" and "payload" not in entry:
        raise Invalid("a resolved entry has no payload", "the answer in it")
    return status


def _decided(payload: Any, sql: str) -> dict[str, Any]:
    """Our own shape of `{approved, editedArgs}`; the digest in it is looked at by whoever reads that."""
    if type(payload) is not dict or type(payload.get("approved")) is not bool:
        raise Invalid(f"the payload is {shown(payload)}", _PAYLOAD)
    digest = {"digest": payload["digest"]} if "digest" in payload else {}
    if not payload["approved"]:
        exactly(payload, "approved", reason=True, message=True, digest=True)
        if "reason" in payload and "message" in payload:
            raise Invalid("a rejection has a reason and a message", "one of them")
        why = [text(payload, key) for key in ("reason", "message") if key in payload]
        return {"type": "reject", "reason": "".join(why)} | digest
    exactly(payload, "approved", "digest", editedArgs=True)
    if "editedArgs" not in payload:
        return {"type": "approve"} | digest
    edited = payload["editedArgs"]
    if type(edited) is not dict:
        raise Invalid(f"editedArgs is {shown(edited)}", '{"sql": "..."}')
    given = exactly(edited, "sql")["sql"]
    same = type(given) is str and given == sql
    return ({"type": "approve"} if same else {"type": "edit", "sql": given}) | digest
