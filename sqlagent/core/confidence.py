"""How sure a draft is: from the model's own probabilities and the question's words, or from drafts that agree.

The figures were fitted on the questions of `fixtures/questions` with the embedded model's drafts, repaired; the
benchmark `test_bench_answers.py` measures them anew.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum

_AT_ZERO, _PER_LOGPROB, _PER_UNSAID = 3.7, 26.0, -1.6
SURE, FAIR = 0.85, 0.6
"""Chances from which on a single draft is called so."""
TOGETHER = 0.5
"""The chance that the first of several has to have, for all of them to be sure by agreeing."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_STEM = 6
_SHORTEST = 3
_SAYS_NOTHING = frozenset(
    "above add after all also another any are average before below best between biggest both cancel change count "
    "delete did different distinct does down each ever every fewer find first for from get give had has have "
    "highest how into largest last least less list longest lower make many mark more most move much name names "
    "never newest not number numbers oldest once only other our out over per put raise remove same set show since "
    "still sum take than that the their them then there these they this those top total turn under update value "
    "values were what when where which who whom whose with within without yet you your".split()
)
"""Words of a question that need not come back in its SQL."""


class Sureness(StrEnum):
    """A confidence in words."""

    SURE = "sure"
    FAIR = "fair"
    GUESS = "a guess"


def chance(question: str, sql: str, logprob: float) -> float:
    """How likely a draft is right, 0 to 1; `logprob` is the mean log probability of its tokens."""
    odds = _AT_ZERO + _PER_LOGPROB * logprob + _PER_UNSAID * unsaid(question, sql)
    return 1 / (1 + math.exp(-max(min(odds, 30.0), -30.0)))


def unsaid(question: str, sql: str) -> float:
    """The share of the question's words that the SQL has nothing of, 0 to 1."""
    words = [w for w in _stems(question) if w not in _SAYS_NOTHING]
    there = set(_stems(sql))
    left = [w for w in words if not any(_alike(w, t) for t in there)]
    return len(left) / len(words) if words else 0.0


def sureness(confidence: float, drafts: int, chance: float | None = None, *, is_empty: bool = False) -> Sureness:
    """In words: of one draft by its chance, of several by how many agree; a read that finds nothing is never sure.

    Of several `confidence` is the share that agrees: all, more than half, or fewer; and where the `chance` of the
    first is known, and is that of a guess, all of them may well share its mistake.
    """
    if drafts == 1:
        word = Sureness.SURE if confidence >= SURE else Sureness.FAIR if confidence >= FAIR else Sureness.GUESS
    elif confidence == 1 and (chance is None or chance >= TOGETHER):
        word = Sureness.SURE
    else:
        word = Sureness.FAIR if confidence > 0.5 else Sureness.GUESS
    return Sureness.FAIR if is_empty and word is Sureness.SURE else word


def _stems(text: str) -> list[str]:
    words = (w.lower() for w in _WORD.findall(text))
    return list(dict.fromkeys(w for w in words if len(w) >= _SHORTEST))


def _alike(word: str, there: str) -> bool:
    """`booked` and `booking`, `unpaid` and `paid`: the same first letters, or the one within the other's end."""
    if len(word) <= _SHORTEST or len(there) <= _SHORTEST:
        return word == there or word.rstrip("s") == there.rstrip("s")
    start = min(len(word), len(there), _STEM) - (1 if min(len(word), len(there)) > _SHORTEST + 1 else 0)
    return word[:start] == there[:start] or word.endswith(there)
