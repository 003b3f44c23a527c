"""What review says to whoever answers it: one object that LangChain's middleware and Agent Inbox read as well."""

from __future__ import annotations

from typing import Any

from sqlagent.pipeline.state import State


def question(state: State) -> dict[str, Any]:
    """The interrupt's payload, made of the state alone; total, so that review cannot fail before it asks."""
    sql = state.get("sql", "")
    words = _description(state)
    return {
        "type": "tool_approval",
        "tool_call_id": state.get("proposal", ""),
        "name": "execute_sql",
        "args": {"sql": sql},
        # Agent Inbox reads `arguments` where LangChain sends `args`: hence both.
        "action_requests": [
            {"name": "execute_sql", "args": {"sql": s}, "arguments": {"sql": s}, "description": words}
            for s in state.get("statements", [])
        ],
        "review_configs": [{"action_name": "execute_sql", "allowed_decisions": ["approve", "edit", "reject"]}],
        "action_request": {"action": "execute_sql", "args": {"sql": sql}},
        "config": {"allow_accept": True, "allow_edit": True, "allow_respond": True, "allow_ignore": True},
        "description": words,
        "sqlagent": {
            "v": 1,
            "proposal": state.get("proposal", ""),
            "digest": f"sha256:{state.get('digest', '')}",
            "risk": state.get("risk", ""),
            "tables": state.get("tables", []),
            "stage": state.get("stage", 1),
            "stages": state.get("stages", 1),
            "requested_by": state.get("requested_by", ""),
            "requested_at": state.get("requested_at", ""),
            "expires_at": None,
        },
    }


def _description(state: State) -> str:
    tables = ", ".join(state.get("tables", [])) or "no table"
    return f"{state.get('risk', 'UNKNOWN')}: {tables}. Asked: {state.get('question', '')}"
