"""sqlagent: ask your database in plain words, see what it would really do; nothing runs until you say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlagent.core.nouns.analysis import Risk
    from sqlagent.core.nouns.session import Choice, Decision, Report, Status
    from sqlagent.service import Agent

__version__ = "0.1.0"
__all__ = ["Agent", "Choice", "Decision", "Report", "Risk", "Status", "__version__"]

_HOME = dict.fromkeys(("Choice", "Decision", "Report", "Status"), "sqlagent.core.nouns.session") | {
    "Agent": "sqlagent.service",
    "Risk": "sqlagent.core.nouns.analysis",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that `sqlagent --help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
