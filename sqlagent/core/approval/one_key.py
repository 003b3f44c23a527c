"""Which proposals a person approves by one key, and what has to be typed for those where a key is not enough."""

from __future__ import annotations

import re
from collections.abc import Collection

from sqlagent.core.nouns.analysis import Analysis, Risk
from sqlagent.core.nouns.session import Proposal

_TYPEABLE = re.compile(r"[!-~]+(?: [!-~]+)*")
_A_KEY = re.compile(r"[aedrlsx?]|\d+(-\d+)?|x \d.*", re.IGNORECASE)


def word_to_type(proposal: Proposal, keep: Collection[int]) -> str:
    """What must be typed to approve the statements in `keep`; empty where one key is enough, below SEVERE."""
    return word_for(proposal, keep) if _kept(proposal, keep).risk >= Risk.SEVERE else ""


def word_for(proposal: Proposal, keep: Collection[int] | None = None) -> str:
    """What must be typed where a key is not enough: the object's name, or the thread where that could not be typed.

    Of a batch the worst of the statements that are kept counts.  A name that is also a key, or that has characters
    which look like others, is not one to type.
    """
    kept = _kept(proposal, keep)
    name = kept.worst.object if kept.statements else ""
    typeable = len(name) <= 60 and _TYPEABLE.fullmatch(name) and not _A_KEY.fullmatch(name)
    return name if typeable else proposal.thread


def _kept(proposal: Proposal, keep: Collection[int] | None) -> Analysis:
    return Analysis(tuple(s for s in proposal.analysis.statements if keep is None or s.index in keep))
