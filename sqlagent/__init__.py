"""sqlagent: ask your database in plain words, see what it would really do; nothing runs until you say so.

    from sqlagent import Agent

    with Agent.open("shop.db") as agent:
        report = agent.run("DELETE FROM orders WHERE status = 'draft'")
        print(report.status, report.proposal.analysis.risk)        # it waits; nothing was changed
        agent.approve(report.thread, report.proposal.digest)

`AsyncAgent` is the same for asyncio.  Every error is a `SqlagentError`, with a `message` and a `hint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlagent.core.errors import (
        Altered,
        AuthError,
        Busy,
        ConfigError,
        ConnectError,
        Denied,
        Finished,
        ModelError,
        NeedsApproval,
        NoDraft,
        NotPermitted,
        NotPrivate,
        OutcomeUnknown,
        QueryError,
        Rejected,
        SqlagentError,
        Stale,
        StoreAway,
        StoreError,
        TimedOut,
        UnknownThread,
        UsageError,
    )
    from sqlagent.core.nouns.analysis import Risk
    from sqlagent.core.nouns.session import Choice, Decision, Proposal, Report, Rowset, Status, Thread
    from sqlagent.service import Agent, AsyncAgent, Listener

__version__ = "0.1.0"
__all__ = [
    "Agent",
    "Altered",
    "AsyncAgent",
    "AuthError",
    "Busy",
    "Choice",
    "ConfigError",
    "ConnectError",
    "Decision",
    "Denied",
    "Finished",
    "Listener",
    "ModelError",
    "NeedsApproval",
    "NoDraft",
    "NotPermitted",
    "NotPrivate",
    "OutcomeUnknown",
    "Proposal",
    "QueryError",
    "Rejected",
    "Report",
    "Risk",
    "Rowset",
    "SqlagentError",
    "Stale",
    "Status",
    "StoreAway",
    "StoreError",
    "Thread",
    "TimedOut",
    "UnknownThread",
    "UsageError",
    "__version__",
]

_HOME = (
    dict.fromkeys(__all__, "sqlagent.core.errors")
    | dict.fromkeys(
        ("Choice", "Decision", "Proposal", "Report", "Rowset", "Status", "Thread"), "sqlagent.core.nouns.session"
    )
    | dict.fromkeys(("Agent", "AsyncAgent", "Listener"), "sqlagent.service")
    | {"Risk": "sqlagent.core.nouns.analysis"}
)


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that `sqlagent --help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
