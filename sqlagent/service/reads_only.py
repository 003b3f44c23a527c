"""`run(sql, only="read")`: what is no proven read is refused before anything of it is on record."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from sqlagent.core.errors import NotPermitted, UsageError
from sqlagent.core.nouns.analysis import Risk

if TYPE_CHECKING:
    from sqlagent.service.agent import Agent


def require(only: str, sql: str, agent: Agent) -> None:
    """Raise NotPermitted, put on record, for SQL that is not a proven read."""
    if only != "read":
        raise UsageError(f"only is {only!r}, and there is no such kind", hint='only="read", or nothing')
    if not sql.strip():
        return  # which is said as ever
    risk = agent.weigh(sql).analysis.risk
    if risk is not Risk.READ:
        why = f"this is no proven read: {risk.name}"
        digest = sha256(sql.encode("utf-8", "surrogatepass")).hexdigest()
        agent.journal.note("refused", who=agent.by, thread="", sql_sha256=digest, because=why)
        raise NotPermitted(why, hint='run it without only="read", and a person decides')
