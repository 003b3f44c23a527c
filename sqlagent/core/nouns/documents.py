"""What programs are told of a session: the same facts as the screens, under the same names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from sqlagent.core.nouns.analysis import Finding, Operation, Statement
from sqlagent.core.nouns.draft import Attempt
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.verbs import Verb

if TYPE_CHECKING:
    from sqlagent.core.approval.seats import Decided
    from sqlagent.core.nouns.session import Outcome, Proposal, Report, Rowset, Thread

FORMAT_VERSION = 1


def report_json(report: Report) -> dict[str, Any]:
    """Where a thread stands."""
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "thread": report.thread,
        "status": report.status.value,
        "database": report.database,
        "question": report.question,
        "asked_at": report.asked_at,
        "asks": to_builtins(report.asks),
        "message": report.message,
        "hint": report.hint,
        "decided_by": report.decided_by,
        "how": report.how,
        "reason": report.reason,
        "attempts": [_attempt(attempt) for attempt in report.attempts],
        "audit_head": report.audit_head,
        "undoable": report.undoable,
    }
    if report.proposal is not None:
        document |= proposal_json(report.proposal)
    if report.outcome is not None:
        document["outcome"] = _outcome(report.outcome, report.proposal)
    if report.rowsets:
        document["results"] = [result_json(rowset) for rowset in report.rowsets]
    return document


def decision_json(proposal: Proposal, one: Decided) -> dict[str, Any]:
    """What was decided at one stage of a proposal: by whom, through which door, and what."""
    decision = one.decision
    return {
        "format_version": FORMAT_VERSION, "type": "decision", "thread": proposal.thread, "proposal": proposal.id,
        "digest": decision.digest, "database": proposal.database, "question": proposal.question, "sql": proposal.sql,
        "requested_by": proposal.requested_by, "stage": one.stage, "stages": len(proposal.seats),
        "choice": decision.choice.value, "by": decision.by, "how": decision.how, "at": one.at,
        "reason": decision.reason, "edited": decision.sql, "kept": list(decision.keep), "retry": decision.retry,
    }  # fmt: skip


def result_json(rowset: Rowset) -> dict[str, Any]:
    """Rows of what JSON can hold: a BLOB is `{"$blob": "53514c"}`, an infinity `{"$float": "inf"}`."""
    return {"columns": list(rowset.columns), "rows": [[_cell(value) for value in row] for row in rowset.rows]}


def _cell(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"$float": repr(value)}
        case bytes() | bytearray() | memoryview():
            return {"$blob": bytes(value).hex()}
        case list() | tuple():
            return [_cell(item) for item in value]
        case dict():
            return {str(key): _cell(item) for key, item in value.items()}
        case _:
            return str(value)


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """What waits for a person, and what an approval of it is bound to."""
    return {
        "proposal": proposal.id,
        "digest": proposal.digest,
        "risk": proposal.analysis.risk.name,
        "sql": proposal.sql,
        "statements": [statement_json(statement) for statement in proposal.analysis.statements],
        "denied": list(proposal.analysis.denied),
        "target": proposal.target,
        "requested_by": proposal.requested_by,
        "author": proposal.author,
        "created_at": proposal.created_at,
        "expires_at": proposal.expires_at,
        "policy": proposal.policy,
        "stage": proposal.stage,
        "stages": proposal.stages,
        "note": proposal.note,
        "drafted": proposal.drafted or None,
        "corrections": list(proposal.corrections),
        "why_empty": list(proposal.why_empty),
        "previous": proposal.previous,
        "edited_by": proposal.edited_by,
        "stale": proposal.stale,
        "measurement": _measurement(proposal.measurement),
        "undo_of": proposal.undo_of or None,
        "on_conflict": proposal.on_conflict or None,
        "read_only": proposal.read_only,
        "seats": [to_builtins(seat) for seat in proposal.seats],
        "approvals": [to_builtins(approval) for approval in proposal.approvals],
        "why": proposal.why,
        "environment": proposal.environment,
        "confidence": proposal.confidence,
        "drafts": proposal.drafts,
        "chance": proposal.chance,
        "others": list(proposal.others),
        "clarified": [to_builtins(c) for c in proposal.clarified],
        "part_of": proposal.part_of or None,
        "rejected": list(proposal.rejected),
        "cautions": list(proposal.cautions),
        "attempts": [_attempt(attempt) for attempt in proposal.attempts],
    }


def _measurement(measurement: Measurement | None) -> dict[str, Any] | None:
    """In a sampled cell null is NULL, and what was not there has no key."""
    if measurement is None:
        return None
    document: dict[str, Any] = to_builtins(measurement)
    for sample in (sample for effect in document["effects"] for sample in effect["samples"]):
        absent = {Verb.INSERT.value: "before", Verb.DELETE.value: "after"}.get(sample["verb"])
        for cell in sample["cells"] if absent else ():
            del cell[absent]
    return document


def statement_json(statement: Statement) -> dict[str, Any]:
    """One statement, as `sqlagent check` prints it too."""
    return {
        "index": statement.index,
        "sql": statement.sql,
        "line": statement.line,
        "kind": statement.kind.value,
        "risk": statement.risk.name,
        "reads": list(statement.reads),
        "writes": list(statement.writes),
        "bound": statement.bound.value,
        "operations": [_operation(operation) for operation in statement.operations],
        "findings": [_finding(finding) for finding in statement.findings],
        "opinions": dict(statement.opinions),
        "columns": list(statement.columns),
        "plan": list(statement.plan),
        "denied": statement.denied or None,
        "words": statement.words or None,
        "assumes": list(statement.assumes),
    }


def threads_json(threads: Sequence[Thread]) -> dict[str, Any]:
    """What `pending` and `sessions` list."""
    return {"format_version": FORMAT_VERSION, "threads": [_thread(thread) for thread in threads]}


def _thread(thread: Thread) -> dict[str, Any]:
    return {
        "thread": thread.id,
        "status": thread.status.value,
        "risk": thread.risk,
        "digest": thread.digest,
        "database": thread.database,
        "target": thread.target,
        "source": thread.source.value,
        "question": thread.question,
        "requested_by": thread.requested_by,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
        "expires_at": thread.expires_at,
        "turn": thread.turn,
        "model": thread.model,
        "proposal": thread.proposal,
        "stage": thread.stage,
        "stages": thread.stages,
        "asks": thread.asks,
        "message": thread.message,
        "hint": thread.hint,
    }


def _operation(operation: Operation) -> dict[str, Any]:
    size = operation.size
    return {
        "verb": operation.verb.value,
        "target": operation.target,
        "via": operation.via,
        "rows": size.rows,
        "of": size.of,
        "basis": size.basis.value,
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {"rule": finding.rule, "severity": finding.severity.value, "message": finding.message}


def _attempt(attempt: Attempt) -> dict[str, str]:
    return {"sql": attempt.sql, "error": attempt.error}


def _outcome(outcome: Outcome, proposal: Proposal | None) -> dict[str, Any]:
    measurement = proposal.measurement if proposal is not None else None
    exact = measurement is not None and measurement.is_exact and bool(outcome.results)
    results = [
        {"index": item.index, "changed": item.changed, "returned": item.returned, "truncated": item.truncated}
        for item in outcome.results
    ]
    return {
        "results": results,
        "seconds": outcome.seconds,
        "settled": outcome.settled,
        "unwritten": outcome.unwritten,
        "why_empty": list(outcome.why_empty),
        "seen_later": outcome.seen_later,
        "rows_changed": measurement.rows_by_table if measurement is not None and exact else None,
    }
