"""What a person decided once: which statements run alone, which are asked and of whom, which nobody may approve."""

from __future__ import annotations

from sqlagent.core.policy.decide import RELAXABLE, builtin_denial, decide, refusal, relax, words
from sqlagent.core.policy.explain import Considered, Explained, explain
from sqlagent.core.policy.model import (
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
