"""Plan files: what would be approved, written down to be shown elsewhere; every byte of one is hostile until it fits.

A plan carries the proposal as it was first put, and what was said of it since.  Its digest is computed anew from all
that a screen shows, so that a plan that was edited is none; whoever runs it has the proposal on their own record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from sqlagent.core.approval.seats import Decided, first_digest, standing
from sqlagent.core.approval.signed import Signed
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.session import Proposal

FORMAT = "sqlagent-plan-v1"
LARGEST = 16 * 1024 * 1024
"""Bytes; SQL of that length is a migration, which has a tool of its own."""
_MOST_SEATS = 400
_HINT = "ask for it anew: sqlagent plan THREAD -o FILE"


@dataclass(frozen=True, slots=True)
class Plan:
    """A proposal in a file, to be shown and approved on another machine."""

    first: Proposal
    """As it was put to the first seat."""
    schema: str
    """The fingerprint of the schema that it was measured on."""
    decided: tuple[Decided, ...] = ()
    """What was said at the seats before the one that is asked."""

    @property
    def asked(self) -> Proposal:
        """The proposal at the seat that is asked now."""
        return standing(self.first, self.decided)

    def after(self, said: Sequence[Signed]) -> Plan:
        """The plan once these approvals count, which nobody here can verify; raises UsageError for one of other."""
        plan = self
        for signed in said:
            now = plan.asked
            if (signed.digest, signed.stage) != (now.digest, now.stage):
                raise UsageError(
                    f"the approval of {signed.approver} is of stage {signed.stage}, {signed.digest[:12]}, and this plan"
                    f" stands at stage {now.stage}, {now.digest[:12]}",
                    hint="name the approvals with --after in the order of their stages",
                )
            plan = replace(plan, decided=(*plan.decided, Decided(now.stage, signed.decision, signed.time)))
        return plan


class _File(msgspec.Struct, forbid_unknown_fields=True):
    sqlagent: str
    proposal: Proposal
    schema: str
    decided: tuple[Decided, ...]


def written(plan: Plan, *, rows: bool = False) -> bytes:
    """The text of a plan file; `rows` says whether sampled rows of the database go along."""
    first = plan.first if rows else _without_rows(plan.first)
    file = _File(FORMAT, first, plan.schema, plan.decided)
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def read(data: bytes) -> Plan:
    """The plan that a file is; raises UsageError for anything else."""
    if len(data) > LARGEST:
        raise _none(f"it has {len(data):,} bytes, and {LARGEST:,} is the most")
    try:
        file = msgspec.json.decode(data, type=_File)
        same = msgspec.json.decode(msgspec.json.encode(file)) == msgspec.json.decode(data)
    except (ValueError, RecursionError) as e:  # what msgspec raises is one
        raise _none(f"it cannot be read: {_short(str(e))}") from None
    if file.sqlagent != FORMAT:
        raise _none(f"it is of format {_short(file.sqlagent)}, and this sqlagent reads {FORMAT}")
    if not same:
        raise _none("it says more than a plan does")
    if why := _unsound(file.proposal):
        raise _none(why)
    first = file.proposal
    if first_digest(first, target=first.target, schema=file.schema) != first.digest:
        raise _none("it is not what its digest is of: it was changed after it was written")
    plan = Plan(first, file.schema, file.decided)
    if [one.stage for one in plan.decided] != [*range(1, plan.asked.stage)]:
        raise _none("what was said before is not of the seats that were asked")
    return plan


def _unsound(first: Proposal) -> str:
    """What no proposal is, though each of its facts is of the right kind."""
    analysis, measured = first.analysis.statements, first.measurement
    if not 1 <= len(first.seats) <= _MOST_SEATS or first.approvals:
        return "it does not begin at a first seat"
    if (first.stage, first.stages) != (1, len(first.seats)):
        return "it has other stages than seats"
    if not first.thread.isalnum() or not first.thread.isascii() or len(first.thread) > 32:
        return "it has no session's name"
    if first.id.rpartition(".")[0] != first.thread:
        return "its session and its proposal are two"
    if not analysis or [s.index for s in analysis] != [*range(1, len(analysis) + 1)]:
        return "its statements are not in order"
    if measured is not None and len(measured.effects) != len(analysis):
        return "it does not say of each statement what it does"
    if not first.undo_of and not _in_order([s.sql for s in analysis], first.sql):
        return "its statements are not those of its SQL"
    times = filter(None, (first.created_at, first.expires_at))
    return "" if all(map(_is_time, times)) and first.created_at else "it has no time"


def _in_order(pieces: Sequence[str], text: str) -> bool:
    at = 0
    for piece in pieces:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _without_rows(first: Proposal) -> Proposal:
    if first.measurement is None:
        return first
    effects = tuple(replace(effect, samples=()) for effect in first.measurement.effects)
    return replace(first, measurement=replace(first.measurement, effects=effects))


def _short(text: str) -> str:
    return ascii(text[:120])[1:-1]


def _none(why: str) -> UsageError:
    return UsageError(f"that is no plan: {why}", hint=_HINT)
