"""A batch that is approved in part: what is left of it, and whether that can stand."""

from __future__ import annotations

from collections.abc import Sequence

from sqlagent.core.approval.batch import spans
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.session import Choice, Decision, Proposal
from sqlagent.core.text.counted import counted
from sqlagent.core.text.split import joined
from sqlagent.databases.base import Database
from sqlagent.pipeline.proposing.opinions import heard
from sqlagent.pipeline.proposing.refusal import Refused


def left_of(proposal: Proposal, keep: Sequence[int]) -> str:
    """The statements that were approved, as a script."""
    return joined([s.sql for s in proposal.analysis.statements if s.index in keep])


def check_it_can_be(decision: Decision, proposal: Proposal, database: Database) -> None:
    """Raise Refused for an edit, or a part of a batch, that the database would not even prepare."""
    if decision.choice is Choice.EDIT:
        if proposal.undo_of:
            raise UsageError("an undo has no SQL to edit", hint=f"sqlagent resume {proposal.thread} --reject WHY")
        if not decision.sql.strip():
            raise UsageError("the edited SQL is empty", hint=f"sqlagent resume {proposal.thread} --reject WHY")
        heard(decision.sql, database)
    if decision.choice is Choice.PARTIAL:
        _check_part(proposal, decision.keep, database)


def _check_part(proposal: Proposal, keep: Sequence[int], database: Database) -> None:
    there = {s.index for s in proposal.analysis.statements}
    if not keep or not set(keep) < there or proposal.undo_of:
        raise UsageError(
            f"{', '.join(map(str, keep)) or 'nothing'} is no part of {counted(len(there), 'statement')}",
            hint="name some of them, not all: 1,3-5",
        )
    try:
        heard(left_of(proposal, keep), database)
    except Refused as e:
        gone = spans([s.index for s in proposal.analysis.statements if s.index not in keep])
        raise Refused(
            f"what is left does not stand without {gone}: {e.message}", hint=f"sqlagent show {proposal.thread}"
        ) from e
