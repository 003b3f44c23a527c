"""Whether approving a part of a batch also approves the proposal that holds only that part."""

from __future__ import annotations

from sqlagent.core.approval.batch import differences
from sqlagent.core.errors import NotPermitted, Stale
from sqlagent.core.nouns.session import Choice, Decision, Proposal
from sqlagent.pipeline.context import Context


def carry_over(proposal: Proposal, x: Context) -> None:
    """Let the approval of a batch's part stand for the proposal that holds only that part, if it does just the same.

    Otherwise it waits, and is shown as it is now, with the reason: see `unlike`, whose word it bears.
    """
    if proposal.stale:
        return
    whole = x.journal.proposal(proposal.part_of)
    partial = x.journal.decision(whole.id, whole.stage)
    if partial is None or partial.choice is not Choice.PARTIAL:
        return
    how = f"part of {whole.id}"
    try:
        x.journal.decide(proposal, Decision(Choice.APPROVE, proposal.digest, partial.by, how, reason=partial.reason))
    except (NotPermitted, Stale):
        return  # it is on record, and the proposal waits


def unlike(part: Proposal, number: int, x: Context) -> str:
    """Why the approval of a batch's part does not stand for `part`, the thread's proposal of this number.

    Empty where it does.  It stands once, for the very next proposal: whoever can write the checkpoints could name an
    approval that was used up long ago, or one of another thread.
    """
    whole = x.journal.proposal(part.part_of)
    partial = x.journal.decision(whole.id, whole.stage)
    if partial is None or partial.choice is not Choice.PARTIAL or whole.id != f"{part.thread}.{number - 1}":
        return f"what was approved of {whole.id} was not this"
    if whole.approvals:
        return f"{', '.join(a.by for a in whole.approvals)} approved the whole of it, and not this part"
    if part.seats != whole.seats:
        return "the policy asks others about what is left"
    return differences(whole, partial.keep, part)
