"""Policies: which statements run unasked, which people are asked about, and which nobody may approve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlagent.core.nouns.policy import (
    RELAXABLE,
    Allow,
    Ask,
    Deny,
    Facts,
    OnTimeout,
    Origin,
    Policy,
    Reads,
    Rule,
    Seat,
    Stage,
    Verdict,
    Writes,
)

if TYPE_CHECKING:
    from sqlagent.core.policy.decision import builtin_denial, decide, refusal, relax, words
    from sqlagent.core.policy.explanation import Considered, Explained, explain

__all__ = [
    "RELAXABLE",
    "Allow",
    "Ask",
    "Considered",
    "Deny",
    "Explained",
    "Facts",
    "OnTimeout",
    "Origin",
    "Policy",
    "Reads",
    "Rule",
    "Seat",
    "Stage",
    "Verdict",
    "Writes",
    "builtin_denial",
    "decide",
    "explain",
    "refusal",
    "relax",
    "words",
]

_HOME = dict.fromkeys(("builtin_denial", "decide", "refusal", "relax", "words"), "sqlagent.core.policy.decision") | (
    dict.fromkeys(("Considered", "Explained", "explain"), "sqlagent.core.policy.explanation")
)


def __getattr__(name: str) -> Any:
    """What decides is imported when it is first used: `pending` and `show` need the nouns alone."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
