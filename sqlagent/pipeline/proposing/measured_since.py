"""What has changed since a waiting proposal was measured, told by measuring it once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlagent.core.nouns.analysis import Analysis, Verb
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.session import Proposal, Source, Thread
from sqlagent.core.text.counted import counted
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing import undo_proposal
from sqlagent.pipeline.proposing.analysis import measured

_MOST = 4


def changed_since(proposal: Proposal, row: Thread, x: Context) -> str:
    """The difference in words; empty where the SQL would do today what it would have done then."""
    measurement: Measurement | None
    if row.source is Source.UNDO:
        analysis, measurement = undo_proposal.planned(row, x.database(), x)
    else:
        analysis, measurement = measured(proposal.sql, x.database(), x)
    assert proposal.measurement is not None  # what was not measured is not measured again
    found = list(_differences(proposal.analysis, proposal.measurement, analysis, measurement))
    more = f" and {len(found) - _MOST:,} more" if len(found) > _MOST else ""
    return "; ".join(found[:_MOST]) + more


def _differences(then: Analysis, before: Measurement, now: Analysis, after: Measurement | None) -> Iterator[str]:
    """What anybody would have decided by."""
    if after is None:
        yield "it cannot be measured any more"
        return
    if now.risk is not then.risk:
        yield f"{then.risk.name} then, {now.risk.name} now"
    if before.is_exact and not after.is_exact:
        yield f"it can no longer be measured: {after.how}"
        return
    rows, rows_now = _rows(then), _rows(now)
    different = [key for key in {**rows, **rows_now} if rows.get(key, 0) != rows_now.get(key, 0)]
    for verb, table in different:
        known, today = rows.get((verb, table), 0), rows_now.get((verb, table), 0)
        was = "? rows" if known is None else counted(known, "row")
        yield f"{verb} {table} {was} then, {'?' if today is None else f'{today:,}'} now"
    if after.is_exact and not before.is_exact:
        yield "it is measured exactly now"
    elif after.fingerprint != before.fingerprint and not different:
        yield "as many rows as then, but other rows or to other values"


Rows = dict[tuple[str, str], int | None]


def _rows(analysis: Analysis) -> Rows:
    """Rows by verb and table, of all statements together; None where they are not known."""
    known: Counter[tuple[str, str]] = Counter()
    unknown = set()
    for operation in (o for s in analysis.statements for o in s.operations if o.verb is not Verb.READ):
        key = (operation.verb.value, operation.target)
        if operation.size.rows is None:
            unknown.add(key)
        known[key] += operation.size.rows or 0
    return {key: None if key in unknown else count for key, count in known.items()}
