"""Measuring once more what waits for a person, on the database as it is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlagent.core.nouns.session import Report, Status
from sqlagent.databases.base import MeasureBudget
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing.measured_since import changed_since
from sqlagent.service.parts import Parts


def measured_again(
    parts: Parts, thread: str, x: Context, *, show: Callable[[str], Report], budget: MeasureBudget | None
) -> Report:
    """The thread as it stands; STALE, with what changed since, where a new proposal took the place of the old one."""
    row, report = parts.journal.thread(thread), show(thread)
    proposal = report.proposal
    if row.status is not Status.PENDING or report.decided_by or proposal is None or proposal.measurement is None:
        return report
    parts.database_of(row)
    x = x if budget is None else replace(x, budget=budget)
    changed = changed_since(proposal, row, x)
    if not changed:
        return report
    parts.driver.drive(row.id, x, again=changed)
    after = show(thread)
    return replace(after, status=Status.STALE, message=changed) if after.status is Status.PENDING else after
