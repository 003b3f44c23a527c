"""What becomes of a draft that failed: another try where one is worth it, else the end, and why."""

from __future__ import annotations

from sqlagent.core.nouns.session import Status
from sqlagent.core.text.counted import counted
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.state import Failed, State

TRIES = 2
"""How many drafts a question gets before the person is told that none stood."""


def another_try(state: State, x: Context, *, sql: str, error: str, hint: str, author: str) -> State:
    """Have the model told what is wrong with its draft `sql`, once; what it writes twice it would write again."""
    before = state.get("attempts", [])
    failed: Failed = {"sql": sql, "error": error, "author": author}
    attempts = [*before, failed]
    tries = len(attempts) - state.get("retries", 0)
    if tries < TRIES and not wrote_before(sql, state):
        x.note(f"try {tries} of {TRIES} did not stand: {error}")
        return {"attempts": attempts, "author": author, "sql": "", "verdict": "again"}
    ending = _nothing_like_it(x, sql) or _none_stood(
        state, sql, f"{error} ({counted(len(attempts), 'try', 'tries')})", hint
    )
    return {"attempts": attempts, "author": author, "sql": sql, "end": Status.FAILED.value} | ending


def wrote_before(sql: str, state: State) -> bool:
    """Whether a draft of this turn that did not stand, or that a person rejected, was the same to the byte."""
    return bool(sql) and any(a["sql"] == sql for a in state.get("attempts", []))


def _nothing_like_it(x: Context, sql: str) -> State | None:
    """End a question that is about something which the database does not have."""
    from sqlagent.core.repair.missing import missing  # with sqlglot's scopes, which only such an end needs

    absent = missing(sql, x.database().schema(examples=0)) if sql else ()
    if not absent:
        return None
    near = list(dict.fromkeys(name for m in absent for name in m.nearest))
    nearest = f"; nearest: {', '.join(near)}" if near else ""
    table = f" {near[0].partition('.')[0]}" if near else ""
    return {
        "failure": "ModelError",
        "message": f"cannot answer this from these tables: {'; '.join(m.said for m in absent)}{nearest}",
        "hint": f"sqlagent schema{table} shows what there is; then ask again, with a name from there",
    }


def _none_stood(state: State, sql: str, error: str, hint: str) -> State:
    name = state["thread"]
    look = f"sqlagent show {name} has what it wrote; yours instead: sqlagent resume {name} --edit FILE"
    return {"failure": "QueryError" if sql else "ModelError", "message": error, "hint": look if sql else hint}
