"""The published JSON Schemas of what the program prints, asks and accepts: `sqlagent help json` lists them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

NAMES = {
    "report": "ask, run, resume, undo, show --json: where one session stands, and what of it waits for a person",
    "each": "run --each --json: the report of every statement that was begun, and how many were not",
    "threads": "pending, sessions --json",
    "check": "a line of check --json: what one statement would do",
    "schema": "schema --json: the tables of a database",
    "undoable": "undo --list --json",
    "doctor": "doctor --json",
    "audit": "audit --json",
    "entry": "a line of audit export",
    "verified": "audit verify --json",
    "expired": "expire --json",
    "worked": "work --once --json",
    "store": "store check --json: what is wrong with a team's store; `mend` is empty where nothing is",
    "upgraded": "store init, store upgrade --json: its version before and after",
    "moved": "store copy --json",
    "planned": "plan -o FILE --json",
    "signed": "approve --json",
    "fits": "check --plan --json",
    "rules": "policy check --json",
    "ruling": "policy explain --json, policy test SQL-FILE --json",
    "cases": "policy test CASES --json",
    "examples": "examples list --json",
    "forgotten": "examples forget --json",
    "conversations": "examples export --json",
    "settings": "config show --json",
    "problems": "config check --json",
    "models": "model list, model status --json",
    "pulled": "model pull --json",
    "stopped": "model stop --json",
    "help": "help --json",
    "error": "what --json prints on stderr where something went wrong",
    "review": "what a session that waits asks of a program: the payload of LangGraph's interrupt",
    "decision": "what `on_decided` is told: who decided what, and how",
    "answer": "what a program may answer to that",
    "clarification": "what a session asks where the question reads two ways",
    "clarified": "what a program may answer to that",
}
"""Each schema, and what it is the schema of."""


def text(name: str) -> str:
    """A schema as it is published; its name is one of NAMES."""
    return (files(__name__) / f"{name}.json").read_text("utf-8")


@cache
def load(name: str) -> dict[str, Any]:
    """The same as a JSON object; treat it as read-only."""
    import json  # only where a program wants the object

    schema: dict[str, Any] = json.loads(text(name))
    return schema
