"""Who said yes to a proposal, who is still to be asked, and by when."""

from __future__ import annotations

from collections.abc import Iterable

from sqlagent.core.nouns.session import Approval, Proposal
from sqlagent.core.policy import Seat
from sqlagent.ui.layout import Line, local, paragraph
from sqlagent.ui.visible import one_line

_MOST_NAMED = 5
_ANYBODY = "anybody"


def approval_words(approval: Approval, stages: int) -> str:
    """`2026-03-30 10:04  by ana (typed), stage 1 of 2, technical, digest 9f2c41d0`."""
    place = f"stage {approval.stage} of {stages}" + (f", {one_line(approval.name)}" if approval.name else "")
    if approval.escalated:
        return f"{local(approval.at)}  nobody came in time; passed on, {place}"
    how = f"{one_line(approval.how)}, {one_line(approval.key)}" if approval.key else one_line(approval.how)
    return f"{local(approval.at)}  by {one_line(approval.by)} ({how}), {place}, digest {approval.digest[:8]}"


def asked_words(proposal: Proposal) -> str:
    """Whom the seat that is asked takes; empty where it takes anybody."""
    seat, takers = proposal.seat, _takers(proposal, proposal.seat)
    name = f", {one_line(seat.stage)}," if seat.stage else ""
    signed = "the signature of " if seat.signed else ""
    if takers == _ANYBODY and not signed:
        return ""
    return f"stage {proposal.stage} of {proposal.stages}{name} takes {signed}{takers}"


def whom(proposal: Proposal) -> str:
    """Who may fill the seat that is asked: `dba: ben, cyd`, `anybody but ana`."""
    return _takers(proposal, proposal.seat)


def _takers(proposal: Proposal, seat: Seat) -> str:
    without = [a.by for a in proposal.approvals if not a.escalated]
    if seat.not_requester:
        without += [proposal.requested_by] + ([proposal.edited_by] if proposal.edited_by else [])
    if seat.who is None:
        rest = f" but {_list(dict.fromkeys(without))}" if without else ""
        return f"{_ANYBODY}{rest}"
    people = _list([p for p in seat.who if p not in without]) or "nobody who is left"
    return f"{one_line(seat.role)}: {people}" if seat.role else people


def _list(names: Iterable[str]) -> str:
    named = [one_line(name) for name in names]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return ", ".join(named[:_MOST_NAMED]) + more


def people_lines(proposal: Proposal, columns: int) -> list[Line]:
    """What was said before, and who is asked now, for the approval screen."""
    lines: list[Line] = []
    for approval in proposal.approvals:
        verb = "escalated" if approval.escalated else "approved"
        lines += paragraph(f"{verb} {approval_words(approval, proposal.stages)}", columns)
    if asked := asked_words(proposal):
        lines += paragraph(asked, columns)
    for reason in proposal.rejected:
        lines += paragraph(f"left out: {one_line(reason) or 'no reason was given'}", columns)
    for clarified in proposal.clarified:
        lines += paragraph(f"asked back: {one_line(clarified.question)}: {one_line(clarified.answer)}", columns)
    return lines


def still_needed(proposal: Proposal) -> str:
    """`approved by ana, stage 1 of 2; waiting for one more person (owner: eva)`; empty before the first approval."""
    if not proposal.approvals:
        return ""
    last = proposal.approvals[-1]
    count = proposal.stages - proposal.stage + 1
    people = "one more person" if count == 1 else f"{count} more people"
    seat = proposal.seat
    whom = f" ({_takers(proposal, seat)})" if seat.who is not None else ""
    done = "was passed on" if last.escalated else f"approved by {one_line(last.by)}"
    return f"{done}, stage {last.stage} of {proposal.stages}; waiting for {people}{whom}"
