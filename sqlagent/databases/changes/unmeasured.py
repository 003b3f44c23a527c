"""Scripts whose effect is not known: why, and their measurement with that reason in every place that shows one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlagent.core.nouns.effect import Effect, Measurement
from sqlagent.core.nouns.verbs import Basis
from sqlagent.databases.changes.budget import Budget


class Unmeasurable(Exception):
    """The effect of a script cannot be measured exactly; the text says why."""


def unknown(count: int, why: str, meter: Budget | None = None, *, known: Sequence[Effect] = ()) -> Measurement:
    """The measurement of `count` statements, of which the first have `known` effects and the others none.

    `meter` tells how long was tried.  A run is bound to nothing by it.
    """
    missing = (Effect(Basis.UNKNOWN, why=why),) * (count - len(known))
    spent = 0.0 if meter is None else meter.spent
    return Measurement((*known, *missing), undo_why=f"it was not measured: {why}", seconds=spent, how=why)
