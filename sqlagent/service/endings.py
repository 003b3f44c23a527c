"""How sessions end, and what is said of one that has ended: by whom, when, and what of it can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlagent.config import show_duration
from sqlagent.core.approval.seats import EXPIRED, Decided, ended_by
from sqlagent.core.errors import Finished, OutcomeUnknown
from sqlagent.core.nouns.effect import Undoable
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Status, Thread
from sqlagent.store.journal import Journal, Run, RunState
from sqlagent.store.rows import Kept

_DONE = {Choice.APPROVE: "approved", Choice.PARTIAL: "approved in part", Choice.REJECT: "rejected"}


def finished(journal: Journal, row: Thread) -> Finished:
    """The error for a session that has ended: `k7f3 is finished, executed: approved by ana (typed) at 10:04`."""
    decided = journal.decided(row.proposal) if row.proposal else ()
    run = journal.run(row.proposal) if row.proposal else None
    more = "; ".join(filter(None, (_by_whom(decided, run, journal.now()), row.message)))
    return Finished(
        f"{row.id} is finished, {row.status}{': ' if more else ''}{more}",
        hint=f'sqlagent show {row.id}   or   sqlagent ask --thread {row.id} "..."',
    )


def close_rejected(journal: Journal, row: Thread, proposal: Proposal, counted: Decision, *, learn: bool) -> None:
    """End a turn whose decision leaves nothing to go on with; all else of a decision is left to `resume`."""
    if counted.choice is Choice.REJECT and not counted.retry:
        status, message, hint = ended_by(row.id, counted)
        journal.finish(
            row.id, row.turn, status, message=message, hint=hint, attempts=proposal.attempts, learn=learn
        )  # fmt: skip


def doubt(row: Thread) -> OutcomeUnknown:
    """The error for a run that began, where nobody knows whether it was applied."""
    return OutcomeUnknown(row.message or f"the end of {row.id} was not seen", hint=row.hint)


def left_to_resume(thread: str, decision: Decision) -> tuple[str, str]:
    """Message and hint for a session that somebody has decided, and nobody has gone on with."""
    return f"{_SAID[decision.choice]} by {decision.by}, and not gone on with yet", f"sqlagent resume {thread}"


_SAID = {**_DONE, Choice.EDIT: "edited", Choice.ESCALATE: "passed on", Choice.LATER: "left"}


def settle(journal: Journal, thread: str, state: RunState, *, by: str) -> None:
    """Record a person's word on a run whose end was not seen, and end the thread by the word that counts.

    Raises `Finished` where there is nothing to settle.
    """
    row = journal.thread(thread)
    if row.status is not Status.UNKNOWN:
        raise Finished(f"{thread} is {row.status}, so there is nothing to settle", hint=f"sqlagent show {thread}")
    journal.require_sealed(thread)
    journal.settle(row.proposal, state, by=by)
    run = journal.run(row.proposal)  # the first word counts: somebody else's, or of who was cut off after it
    assert run is not None  # there is none to be in doubt about
    applied = run.state in (RunState.SETTLED_APPLIED, RunState.DONE)
    journal.finish(
        thread, row.turn, Status.EXECUTED if applied else Status.FAILED,
        message=f"{run.error or 'its end was seen'}: {'it was applied' if applied else 'it was not applied'}",
        ran_sql=journal.proposal(row.proposal).sql if applied else "",
    )  # fmt: skip


def run_to_undo(journal: Journal, name: str, row: Thread, kept: Sequence[Kept], *, keep_undo: float) -> Kept:
    """The run that `k7f3` means, its last that is not taken back yet, or `k7f3.2`; `kept` is what can be undone.

    Raises `Finished`, with the reason, where nothing of it was kept.
    """
    is_run = bool(name.partition(".")[2])
    runs = [k for k in kept if (k.run == name if is_run else k.thread == row.id)]
    run = next((k for k in runs if not k.undone_by), runs[0] if runs else None)
    if run is None:
        why = why_nothing_is_kept(journal, row, keep_undo=keep_undo)
        raise Finished(f"{name} has nothing to undo{why}", hint="sqlagent undo --list shows what can be undone")
    return run


def why_nothing_is_kept(journal: Journal, row: Thread, *, keep_undo: float) -> str:
    """Why a thread's run cannot be taken back, as the rest of a sentence; empty where it changed what nobody kept."""
    if row.status is not Status.EXECUTED:
        return f": it is {row.status}"
    proposal = journal.proposal(row.proposal)
    if proposal.read_only:
        return ": it only read"
    if proposal.measurement is not None and proposal.measurement.undo is Undoable.NONE:
        return f": {proposal.measurement.undo_why}" if proposal.measurement.undo_why else ""
    if proposal.measurement is not None and proposal.measurement.changes_nothing:
        return ": it changed nothing"
    return f": what a run changed is kept for {show_duration(keep_undo)}"


def _by_whom(decided: Sequence[Decided], run: Run | None, now: datetime) -> str:
    """Empty where nobody did: it expired, or was denied."""
    people = [d for d in decided if d.decision.choice in _DONE and d.decision.how != EXPIRED]
    if not people:
        return f"run by {run.run_by} {_when(run.started_at, now)}" if run else ""
    last = people[-1].decision
    same = [d.decision for d in people if d.decision.choice is last.choice]
    who = " and ".join(d.by if d.by == d.how else f"{d.by} ({d.how})" for d in same)
    ran = f", run by {run.run_by}" if run and run.run_by != last.by else ""
    return f"{_DONE[last.choice]} by {who} {_when(people[-1].at, now)}{ran}"


def _when(at: str, now: datetime) -> str:
    """The time where the person is, and the day where it is another one."""
    today = at_home(now.isoformat())[:11]
    return f"at {at_home(at).removeprefix(today)}"


def at_home(at: str) -> str:
    """`2026-03-30 10:04`, by the clock of the person; a damaged time as it stands."""
    try:
        return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return at
