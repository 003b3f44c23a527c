"""How many rows a run changed whose end was found out later, taken from what it was held to."""

from __future__ import annotations

from sqlagent.core.nouns.analysis import Risk
from sqlagent.core.nouns.session import Outcome, Proposal, Result


def figures(proposal: Proposal) -> Outcome:
    """Rows that each statement changed itself; none where what it would do was not known exactly.

    A run is rolled back unless it does just what was measured, so one that was committed did that.
    """
    measurement = proposal.measurement
    if measurement is None or not measurement.is_exact:
        return Outcome(seen_later=True)
    if proposal.undo_of:
        return Outcome((Result(1, changed=measurement.changes),), seen_later=True)
    paired = zip(proposal.analysis.statements, measurement.effects, strict=True)
    results = [
        Result(statement.index, changed=sum(t.rows for t in effect.touched if not t.via))
        for statement, effect in paired
        if statement.risk is not Risk.READ  # what it returned, nobody has seen
    ]
    return Outcome(tuple(results), seen_later=True)
