"""Where a thread stands, told from the journal alone."""

from __future__ import annotations

from sqlagent.core.nouns.session import Report, Status
from sqlagent.service.endings import left_to_resume
from sqlagent.store.journal import Journal


def report_of(journal: Journal, thread: str) -> Report:
    """What the journal knows of a thread; raises `Altered` where it is not as its log has it."""
    told = journal.whole(thread)
    row, proposal, run = told.row, told.proposal, told.run
    decision = next((d.decision for d in told.decided if proposal and d.stage == proposal.stage), None)
    message, hint = row.message, row.hint
    if row.status is Status.PENDING and decision is not None:
        message, hint = left_to_resume(thread, decision)
    return Report(
        thread=thread, status=row.status, database=row.database, question=row.question, proposal=proposal,
        outcome=run.outcome if run else None, message=message, hint=hint,
        decided_by=decision.by if decision else "", reason=decision.reason if decision else "",
        how=decision.how if decision else "",
        asks=told.asked[-1] if row.asks and told.asked else None, requested_by=row.requested_by,
        asked_at=row.created_at, attempts=told.attempts,
        audit_head=run.audit_head if run else "", undoable=told.undoable,
    )  # fmt: skip
