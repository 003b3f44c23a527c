"""Who may fill which seat of a proposal, by when, and whether all of them are filled.

A stage of the policy is one seat or several; each seat is one visit to review, filled by one person on the digest that
was shown to them.  Everything here is decided from the proposal as it was first written down and from the decisions on
record, in the transaction that records another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlagent.core.approval.digest import digest, next_stage
from sqlagent.core.approval.shown import shown
from sqlagent.core.approval.signed import SIGNATURE, Check, nobody_signs, read, signing_key, why_not
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.policy import OnTimeout, Seat
from sqlagent.core.nouns.session import Approval, Choice, Decision, Proposal, Status

POLICY = "policy"
"""Who decides, and how, where the policy lets it run unasked."""
NOBODY = "-"
"""Who decides where time ran out."""
EXPIRED = "expired"
DOORS = ("terminal", "flag", "library", "graph", SIGNATURE)
"""What `via` may name: a person at a prompt, `--approve`, a Python program, a LangGraph client, a signed approval."""
_AT_A_TERMINAL = frozenset({"enter", "key", "typed"})
ONE_PERSON = "a state folder is one person's: nobody else can approve in it"
"""What a store that one user of one machine can write promises of people."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision on record, with the stage that it is of."""

    stage: int
    decision: Decision
    at: str
    """UTC, ISO 8601."""


def first_digest(proposal: Proposal, *, target: str, schema: str) -> str:
    """What the first stage approves, of a database that is `target` and whose schema has this fingerprint."""
    return digest(
        proposal=proposal.id,
        sql=proposal.sql,
        target=target,
        schema=schema,
        stages=len(proposal.seats),
        effect=proposal.measurement.fingerprint if proposal.measurement else "",
        policy=f"{proposal.policy}\n{_spelled(proposal.seats)}",
        shown=shown(proposal),
    )


def _spelled(seats: Sequence[Seat]) -> str:
    return "\n".join(
        f"{s.stage!r} {s.role!r} {s.who!r} {s.not_requester} {s.expires and float(s.expires)} {s.on_timeout.value}"
        + (f" {s.via!r}" if s.via is not None else "")
        + (" signed" if s.signed else "")
        for s in seats
    )


def present_digest(proposal: Proposal, *, target: str, schema: str) -> str:
    """What the seat at which it stands approves, if nothing has changed: to be compared with `proposal.digest`."""
    present = first_digest(proposal, target=target, schema=schema)
    for approval in proposal.approvals:
        present = next_stage(present, by=approval.by)
    return present


def standing(first: Proposal, decided: Sequence[Decided]) -> Proposal:
    """`first`, as it was proposed, at the seat that is asked now; at the last one once that is decided."""
    now = replace(first, stages=len(first.seats), expires_at=_deadline(first, first.seats[0], first.created_at))
    for one in sorted(decided, key=lambda d: d.stage):
        if one.stage != now.stage or not passes_on(one.decision) or now.stage == now.stages:
            break
        seat = first.seats[now.stage]
        now = replace(
            now,
            stage=now.stage + 1,
            digest=next_stage(now.digest, by=one.decision.by),
            approvals=(*now.approvals, _approval(now, one)),
            expires_at=_deadline(first, seat, one.at),
        )
    return now


def passes_on(decision: Decision) -> bool:
    """Whether the next seat is asked after it, where there is one."""
    return decision.choice in (Choice.APPROVE, Choice.ESCALATE)


def ended_by(thread: str, decision: Decision) -> tuple[Status, str, str]:
    """How a turn ends that a person's no, or time, closes: with the message and the hint for whoever asks later."""
    if decision.how == EXPIRED:
        return Status.EXPIRED, decision.reason, f"sqlagent ask --thread {thread} QUESTION asks again"
    return Status.REJECTED, decision.reason, ""


def _approval(proposal: Proposal, one: Decided) -> Approval:
    d = one.decision
    escalated = d.choice is Choice.ESCALATE
    return Approval(one.stage, proposal.seat.stage, d.by, d.how, d.digest, one.at, escalated, _key_of(d))


def _key_of(decision: Decision) -> str:
    """The key that a decision on record was signed with; empty where it was not, or nobody could have checked it."""
    try:
        return signing_key(read(decision.signed).signature).fingerprint if decision.signed else ""
    except UsageError:
        return ""


def _deadline(first: Proposal, seat: Seat, begun: str) -> str:
    """When the seat's time is up, or the proposal's, whichever comes first; empty for never."""
    own = later(begun, seat.expires) if seat.expires is not None else ""
    return min(filter(None, (first.expires_at, own)), default="")


def later(time: str, seconds: float) -> str:
    """A time of the journal's, so many seconds after another."""
    return (datetime.fromisoformat(time) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def timed_out(first: Proposal, now: Proposal, time: str) -> Decision | None:
    """The decision that time itself makes, where the seat's or the proposal's is up."""
    if not now.expires_at or time < now.expires_at:
        return None
    ended = bool(first.expires_at) and time >= first.expires_at
    passed_on = now.seat.on_timeout is OnTimeout.ESCALATE and now.stage < now.stages and not ended
    why = f"it expired at {now.expires_at}"
    return Decision(Choice.ESCALATE if passed_on else Choice.REJECT, now.digest, NOBODY, EXPIRED, reason=why)


def refusal(proposal: Proposal, decision: Decision, *, check: Check = nobody_signs, at: str = "") -> str:
    """Why this decision may not be recorded at the seat that is asked; empty where it may.

    `check` says whether a signature is the person's, `at` when it came.  Anybody may reject or edit: the one ends it,
    the other begins anew, with every seat empty.
    """
    if decision.choice in (Choice.ESCALATE, Choice.LATER) or decision.how == EXPIRED:
        return f"only time decides that: {decision.choice}"
    if decision.choice not in (Choice.APPROVE, Choice.PARTIAL):
        return ""
    if decision.how == POLICY or decision.by == POLICY:
        allowed = decision.by == POLICY and proposal.policy.startswith("allow")
        return "" if allowed else "the policy asks for people"
    who_or_how = unfit(proposal, decision.by) or wrong_door(proposal, decision.how)
    if who_or_how or decision.how != SIGNATURE:
        return who_or_how
    return why_not(proposal, decision, check, at or proposal.created_at)


def takes_a_signature(proposal: Proposal) -> str:
    """That a key at a prompt is not enough for the seat that is asked, and what is; empty where it is."""
    if not proposal.seat.signed:
        return ""
    return f"{_named(proposal)} takes a signature: sqlagent plan {proposal.thread}, then sqlagent approve PLAN"


def wrong_door(proposal: Proposal, how: str) -> str:
    """Why the seat that is asked takes no approval that came this way; empty where it does."""
    seat = proposal.seat
    if seat.signed and door(how) != SIGNATURE:
        return f"{_named(proposal)} takes a signature, and not what came by {door(how)}"
    if seat.via is None or door(how) in seat.via:
        return ""
    return f"{_named(proposal)} is approved by {' or '.join(seat.via) or 'no door at all'}, not by {door(how)}"


def door(how: str) -> str:
    """The door that a decision came through, of `DOORS`; a dialect of a LangGraph client is `graph`."""
    if how in _AT_A_TERMINAL:
        return "terminal"
    return how if how in DOORS else "graph"


def unfit(proposal: Proposal, person: str) -> str:
    """Why a person may not fill the seat that is asked; empty where they may."""
    seat, who = proposal.seat, _named(proposal)
    if any(a.by == person for a in proposal.approvals):
        return f"{person} has approved stage {next(a.stage for a in proposal.approvals if a.by == person)} already"
    if seat.not_requester and person == proposal.requested_by:
        return f"{person} asked for it, and {who} takes somebody else"
    if seat.not_requester and person in (proposal.author, proposal.edited_by):
        return f"{person} wrote it, and {who} takes somebody else"
    if seat.who is not None and person not in seat.who:
        return f"{person} is not one of those who may: {who} takes {_takers(seat)}"
    return ""


def _named(proposal: Proposal) -> str:
    name = f", {proposal.seat.stage}," if proposal.seat.stage else ""
    return f"stage {proposal.stage} of {proposal.stages}{name}"


def _takers(seat: Seat) -> str:
    people = ", ".join(seat.who or ()) or "nobody"
    return f"{seat.role} ({people})" if seat.role else people


def unfilled(first: Proposal, decided: Sequence[Decided], *, check: Check = nobody_signs) -> str:
    """Why the proposal may not run: the seat that is not filled as it must be; empty where all are.

    Each is checked again as when it was filled, so that a row that somebody else wrote is worth nothing.
    """
    by_stage = {d.stage: d for d in decided}
    before: list[Decided] = []
    for place, seat in enumerate(first.seats, 1):
        one = by_stage.get(place)
        if one is None:
            return f"stage {place} of {len(first.seats)} is not decided"
        now = standing(first, before)
        if one.decision.digest != now.digest:
            return f"stage {place} was decided on another digest"
        if one.decision.choice is Choice.ESCALATE:
            by_time = (one.decision.by, one.decision.how) == (NOBODY, EXPIRED)
            if place == len(first.seats) or seat.on_timeout is not OnTimeout.ESCALATE or not by_time:
                return f"stage {place} may not be passed on"
        elif one.decision.choice is not Choice.APPROVE:
            return f"stage {place} was not approved"
        elif why := refusal(now, one.decision, check=check, at=one.at):
            return why
        before.append(one)
    return ""


def unproven_seat(first: Proposal, decided: Sequence[Decided], *, check: Check) -> str:
    """The first approval that had to be signed, or says that it is, and is not; empty where all are proven."""
    for one in sorted(decided, key=lambda d: d.stage):
        now = standing(first, [d for d in decided if d.stage < one.stage])
        approves = one.decision.choice is Choice.APPROVE and now.stage == one.stage
        meant = now.seat.signed or one.decision.how == SIGNATURE or one.decision.signed
        if approves and meant and (why := refusal(now, one.decision, check=check, at=one.at)):
            return f"stage {one.stage}: {why}"
    return ""


def cover(have: Sequence[Seat], want: Sequence[Seat]) -> bool:
    """Whether filling the seats of `have` fills those of `want` too, each by a different person."""
    left = list(have)
    for wanted in sorted(want, key=lambda s: (s.who is None, not s.not_requester)):
        taken = next((seat for seat in left if _as_strict(seat, wanted)), None)
        if taken is None:
            return False
        left.remove(taken)
    return True


def _as_strict(seat: Seat, wanted: Seat) -> bool:
    who = wanted.who is None or (seat.who is not None and set(seat.who) <= set(wanted.who))
    escapes = seat.on_timeout is OnTimeout.ESCALATE and wanted.on_timeout is not OnTimeout.ESCALATE
    doors = wanted.via is None or (seat.via is not None and set(seat.via) <= set(wanted.via))
    signed = seat.signed or not wanted.signed
    return who and doors and signed and not escapes and (seat.not_requester or not wanted.not_requester)
