"""A batch that was approved in part: what is left of it, and whether it still does what was approved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from sqlagent.core.effect import Effect
from sqlagent.core.errors import NotPermitted, Stale, UsageError
from sqlagent.core.model import Statement
from sqlagent.core.session import Choice, Decision, Proposal
from sqlagent.core.split import joined
from sqlagent.core.verbs import Basis
from sqlagent.databases.base import Database
from sqlagent.pipeline.analysis import heard
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.refusal import Refused


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
            f"{', '.join(map(str, keep)) or 'nothing'} is no part of {len(there)} statements",
            hint="name some of them, not all: 1,3-5",
        )
    try:
        heard(left_of(proposal, keep), database)
    except Refused as e:
        gone = ", ".join(str(s.index) for s in proposal.analysis.statements if s.index not in keep)
        raise Refused(
            f"what is left does not stand without {gone}: {e.message}", hint=f"sqlagent show {proposal.thread}"
        ) from e


def carry_over(proposal: Proposal, x: Context) -> None:
    """Let the approval of a batch's part stand for the proposal that holds only that part, if it does just the same.

    Otherwise it waits, and is shown as it is now: a statement may have needed one that was rejected.
    """
    whole = x.journal.proposal(proposal.part_of)
    partial = x.journal.decision(whole.id, whole.stage)
    if partial is None or partial.choice is not Choice.PARTIAL:
        return
    if whole.approvals or proposal.seats != whole.seats or not same(whole, partial.keep, proposal):
        return
    how = f"part of {whole.id}"
    try:
        x.journal.decide(proposal, Decision(Choice.APPROVE, proposal.digest, partial.by, how, reason=partial.reason))
    except (NotPermitted, Stale):
        return  # it is on record, and the proposal waits


def same(whole: Proposal, keep: Sequence[int], part: Proposal) -> bool:
    """Whether the statements that are left do to the rows what they were shown to do among the others."""
    kept = [s for s in whole.analysis.statements if s.index in keep]
    return part.target == whole.target and all(
        before is not None and after is not None and _same(before, _effect(whole, before), after, _effect(part, after))
        for before, after in zip_longest(kept, part.analysis.statements)
    )


def _effect(proposal: Proposal, statement: Statement) -> Effect | None:
    measured = proposal.measurement
    return measured.effects[statement.index - 1] if measured is not None else None


def _same(before: Statement, effect: Effect | None, after: Statement, now: Effect | None) -> bool:
    if before.sql != after.sql or after.risk > before.risk:
        return False
    if not before.writes and not after.writes:
        return True
    if effect is None or now is None or now.basis is not Basis.EXACT or not effect.fingerprint:
        return False
    return (effect.fingerprint, effect.breaks) == (now.fingerprint, now.breaks)
