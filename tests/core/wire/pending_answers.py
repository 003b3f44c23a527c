"""A proposal that waits, a batch that does, and answers to either in the dialects of several programs."""

from __future__ import annotations

from typing import Any

from sqlagent.core.wire.answers import Pending

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
