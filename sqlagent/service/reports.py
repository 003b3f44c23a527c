"""Where a thread stands, told from the journal alone."""

from __future__ import annotations

from sqlagent.core.nouns.session import Report, Status
from sqlagent.service.endings import left_to_resume
from sqlagent.store.journal import Journal


def report_of(journal: Journal, thread: str) -> Report:
    """Raises `Altered` where it is not as its log has it."""
    row = journal.thread(thread)
    journal.require_sealed(thread)
    proposal = journal.proposal(row.proposal) if row.proposal else None
    decision = journal.decision(proposal.id, proposal.stage) if proposal else None
    asked = journal.clarifications(thread, row.turn) if row.asks else ()
    run = journal.run(proposal.id) if proposal else None
    message, hint = row.message, row.hint
    if row.status is Status.PENDING and decision is not None:
        message, hint = left_to_resume(thread, decision)
    return Report(
        thread=thread, status=row.status, database=row.database, question=row.question, proposal=proposal,
        outcome=run.outcome if run else None, message=message, hint=hint,
        decided_by=decision.by if decision else "", reason=decision.reason if decision else "",
        how=decision.how if decision else "",
        asks=asked[-1] if asked else None, requested_by=row.requested_by,
        asked_at=row.created_at, attempts=journal.attempts(thread, row.turn),
        audit_head=run.audit_head if run else "",
        undoable=run is not None and journal.is_undoable(run.id),
    )  # fmt: skip
