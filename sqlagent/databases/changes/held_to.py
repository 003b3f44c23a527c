"""The errors of a run that is held to what was approved, and does something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlagent.core.nouns.effect import Measurement, Touched
from sqlagent.core.nouns.verbs import Basis
from sqlagent.core.text.counted import counted
from sqlagent.databases.base import EffectDiffers

NOTHING = "nothing was changed"


def other_rows(expected: Measurement, touched: Sequence[Touched]) -> EffectDiffers:
    """The error of a run that changes other rows than were approved, or to other values."""
    now = sum(t.rows for t in touched)
    message = _another_number(expected.changes, now)
    if now == expected.changes:
        message = f"it would change {counted(now, 'row')} as approved, but other rows or to other values"
    return EffectDiffers(message, hint=NOTHING, touched=touched)


def more_rows(approved: int, changed: int, touched: Sequence[Touched], *, statement: str = "") -> EffectDiffers:
    """The error of a run that changes more rows than were counted; `statement` says by which, as ` by statement 2`."""
    return EffectDiffers(_another_number(approved, changed, statement), hint=NOTHING, touched=touched)


def _another_number(approved: int, changed: int, statement: str = "") -> str:
    """`it would now change 13 rows; 10 were approved`."""
    was = "was" if approved == 1 else "were"
    return f"it would now change {counted(changed, 'row')}{statement}; {approved:,} {was} approved"


def check_counts(expected: Measurement, changed: Sequence[int], touched: Callable[[], Sequence[Touched]]) -> None:
    """Raise EffectDiffers where a statement changed more rows than were counted when it was approved.

    `changed` are rows by statement, as the engine counts them; `touched` is asked for the words of the error alone.
    """
    for number, (effect, rows) in enumerate(zip(expected.effects, changed, strict=False), 1):
        approved = sum(t.rows for t in effect.touched if not t.via)
        if effect.basis is Basis.COUNTED and rows > approved:
            where = f" by statement {number}" if len(changed) > 1 else ""
            raise more_rows(approved, rows, touched(), statement=where)


def no_longer_measured(why: str) -> EffectDiffers:
    """The error of a run that was measured when it was approved, and cannot be measured now."""
    return EffectDiffers(f"it can no longer be told what it changes: {why}", hint=NOTHING, touched=())
