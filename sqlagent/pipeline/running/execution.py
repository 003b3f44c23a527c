"""Running what was approved: claim, check that it is still the same, run, settle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from sqlagent.core import policy
from sqlagent.core.approval.seats import present_digest
from sqlagent.core.errors import ConnectError, QueryError, Stale, StoreError, TimedOut
from sqlagent.core.nouns.session import Outcome, Proposal, Status
from sqlagent.databases.base import Database, Mark, Verdict
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing import undo_proposal
from sqlagent.pipeline.proposing.looking import FIRST_ROWS, holds_nothing, looking
from sqlagent.pipeline.proposing.put_again import wants_more
from sqlagent.pipeline.running.recovered_figures import figures
from sqlagent.pipeline.state import State
from sqlagent.store import private
from sqlagent.store.journal import Marked, Refusal, Run, RunState


def run(state: State, x: Context) -> State:
    """Run the proposal that the journal says was approved, once; answers how the turn ends.

    An empty `end` means that it did not run and must be measured and asked again.
    """
    proposal = x.journal.proposal(state["proposal"])
    if proposal.thread != state["thread"]:
        return {"end": "", "stale": f"it was not run: {proposal.id} is of another thread"}
    database = x.database()
    x.reached("execute: before the claim")
    marked = _marked(proposal, database)
    claim = x.journal.claim(proposal, by=x.by, marked=marked)
    x.reached("execute: after the claim")
    match claim:
        case Refusal():
            return {"end": "", "stale": f"it was not run: {claim}"}
        case None:
            return _attempt(proposal, database, x)
        case Run(state=RunState.STARTED):
            return _begun_before(proposal, claim, database, x) or _again(state, proposal, claim, marked, database, x)
        case Run():
            return _known(proposal, claim)


def _marked(proposal: Proposal, database: Database) -> Marked:
    """Where the next attempt will leave its mark."""
    if proposal.read_only or database.marks_atomically():
        return Marked.BESIDE
    return Marked.TARGET if database.marks_in_itself() else Marked.NOWHERE


def _again(state: State, proposal: Proposal, run_before: Run, marked: Marked, database: Database, x: Context) -> State:
    """Another attempt of a run that did not come to its commit."""
    if run_before.marked is not marked:  # where this one leaves its mark is part of the claim
        x.journal.release(proposal.id)
        return run(state, x)
    x.journal.forget(proposal.id)
    return _attempt(proposal, database, x)


def _attempt(proposal: Proposal, database: Database, x: Context) -> State:
    held = _Held(_before_commit(proposal, x))
    try:
        outcome = _run(proposal, database, x, held)
    except Stale as e:
        x.journal.stale(proposal.id, because=e.message)
        return {"end": "", "stale": e.message}
    except ConnectError as e:
        x.journal.release(proposal.id, because=e.message)
        raise
    except (QueryError, TimedOut) as e:
        return _rolled_back(proposal, x, _failed(type(e).__name__, e.message, e.hint))
    except KeyboardInterrupt:
        if not held.committed and not _is_marked(proposal, database, x):  # it may come between COMMIT and its answer
            return _rolled_back(proposal, x, _failed("KeyboardInterrupt", "cancelled; nothing was changed", ""))
        outcome = figures(proposal)
    _settle(proposal, x, outcome)
    for columns, rows in held.results:
        x.sink.write(columns, iter(rows))
    return {"end": Status.EXECUTED.value, "ran_sql": proposal.sql}


def _settle(proposal: Proposal, x: Context, outcome: Outcome) -> None:
    try:
        try:
            x.journal.done(proposal.id, outcome)
        except KeyboardInterrupt:  # it is known here and now that it ran, and perhaps nowhere else
            x.journal.done(proposal.id, outcome)
    except StoreError as e:
        raise StoreError(
            f"it was run, and that could not be recorded: {e.message}",
            hint=f"do not run it again; {e.hint}, then: sqlagent resume {proposal.thread}",
        ) from e
    _mark_file(proposal.id, x).unlink(missing_ok=True)
    x.reached("execute: settled")


def _rolled_back(proposal: Proposal, x: Context, ending: State) -> State:
    """Record a failure, of which nothing is left."""
    x.journal.failed(proposal.id, ending["message"])
    _mark_file(proposal.id, x).unlink(missing_ok=True)
    return ending


def _before_commit(proposal: Proposal, x: Context) -> Callable[[str], None]:
    """Check that the approval still counts, and put on record that the run commits where it may not be able to
    keep what it changes.

    Without that a run that was killed long before its COMMIT would look like one that nothing can decide.
    """
    last = f"ran {len(proposal.analysis.statements)}"
    exact = proposal.measurement is not None and proposal.measurement.is_exact

    def reached(point: str) -> None:
        if point == last:
            x.journal.require_approved(proposal.id)
        if point == last and not exact:
            x.journal.keep(proposal.id, b"")  # until the change itself takes its place, where it can be kept
        x.reached(point)

    return reached


class _Held:
    """Rows that a change returns, kept until its end is on record: a full disk or a closed pipe cannot blur that."""

    def __init__(self, reached: Callable[[str], None]) -> None:
        self.results: list[tuple[Sequence[str], list[tuple[Any, ...]]]] = []
        self.committed = False
        self._reached = reached

    def reached(self, point: str) -> None:
        """What comes after COMMIT, a Ctrl-C too, no longer undoes it."""
        self.committed = self.committed or point == "committed"
        self._reached(point)

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        self.results.append((columns, list(rows)))
        return len(self.results[-1][1])


class _Streamed:
    """Rows of a read, printed as they come: what was said of its progress ends before them."""

    def __init__(self, x: Context) -> None:
        self._x = x
        self._first: list[tuple[Any, ...]] = []

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        self._x.ended()
        first = list(islice(rows, FIRST_ROWS))
        self._first += first
        return self._x.sink.write(columns, chain(first, rows))

    @property
    def holds_nothing(self) -> bool:
        return holds_nothing(self._first)


def _why_empty(proposal: Proposal, database: Database, x: Context) -> tuple[str, ...]:
    """Looked for where one read came back empty."""
    if len(proposal.analysis.statements) != 1:
        return ()
    from sqlagent.pipeline.proposing.empty_reads import why_empty  # with sqlglot's scopes, for such a read alone

    return why_empty(proposal.sql, database.schema(examples=0), looking(proposal.requested_by, x))


def _run(proposal: Proposal, database: Database, x: Context, held: _Held) -> Outcome:
    try:
        return _carry_out(proposal, database, x, held)
    finally:
        x.ended()


def _carry_out(proposal: Proposal, database: Database, x: Context, held: _Held) -> Outcome:
    statements = [s.sql for s in proposal.analysis.statements]

    def verify() -> None:
        _still_the_same(proposal, database, x)

    if proposal.read_only:
        verify()
        sink = _Streamed(x)
        parts = [database.read(sql, sink=sink, limits=x.limits, heard=x.so_far) for sql in statements]
        outcome = Outcome(tuple(r for p in parts for r in p.results), sum(p.seconds for p in parts))
        return replace(outcome, why_empty=_why_empty(proposal, database, x)) if sink.holds_nothing else outcome
    claimed = x.journal.run(proposal.id)
    mark = _mark(proposal, claimed, x) if claimed else None
    if proposal.undo_of:
        return undo_proposal.take_back(
            proposal, database, x, limits=x.limits, mark=mark, verify=verify, reached=held.reached,
            copy_to=_copy_to(proposal, x), heard=x.so_far,
        )  # fmt: skip
    return database.apply(
        statements,
        sink=held,
        limits=x.limits,
        mark=mark,
        verify=verify,
        reached=held.reached,
        expected=proposal.measurement,
        keep=lambda changes: x.journal.keep(proposal.id, changes),
        copy_to=_copy_to(proposal, x),
        heard=x.so_far,
    )


def _copy_to(proposal: Proposal, x: Context) -> Path | None:
    """Where the run puts what its DROP and ALTER lose."""
    if proposal.measurement is None or not proposal.measurement.needs_copy:
        return None
    private.make_subfolder(x.kept)
    path = x.kept / f"{proposal.id}.db"
    path.unlink(missing_ok=True)  # of an attempt that died before its COMMIT: this one runs because that did not
    return path


def _still_the_same(proposal: Proposal, database: Database, x: Context) -> None:
    target = database.identity()
    if target != proposal.target:
        raise Stale(f"{proposal.database} is another database now: {target}")
    if present_digest(proposal, target=target, schema=database.fingerprint()) != proposal.digest:
        raise Stale(f"the schema of {proposal.database} changed since it was approved")
    x.journal.require_approved(proposal.id)
    _still_permitted(proposal, x)


def _still_permitted(proposal: Proposal, x: Context) -> None:
    """Hold the run to the policy of whoever runs it now: the strictest rule counts, wherever it is from."""
    verdict = policy.decide(proposal.analysis, x.policy, proposal.facts(x.journal.now()))
    if wanted := wants_more(verdict, proposal):
        raise Stale(wanted)


def _known(proposal: Proposal, run: Run) -> State:
    """How a run that began before this call ended."""
    if run.state in (RunState.DONE, RunState.SETTLED_APPLIED):
        return {"end": Status.EXECUTED.value, "ran_sql": proposal.sql}
    return _failed("QueryError", run.error or "it was rolled back, nothing was changed", "")


def _mark(proposal: Proposal, run: Run, x: Context) -> Mark:
    beside = None
    if run.marked is Marked.BESIDE:
        beside = _mark_file(proposal.id, x)
        private.make_subfolder(beside.parent)
    return Mark(proposal.id, run.started_at, proposal.digest, beside)


def _mark_file(run: str, x: Context) -> Path:
    """Where the mark of a run is, while its end is not on record."""
    return x.journal.path.with_name("marks") / f"{run}.db"


def _begun_before(proposal: Proposal, run: Run, database: Database, x: Context) -> State | None:
    """How a run stands whose end was not seen; None where it did not come to its commit."""
    match _verdict(proposal, run, database, x):
        case Verdict.APPLIED:
            _settle(proposal, x, figures(proposal))
            return {"end": Status.EXECUTED.value, "ran_sql": proposal.sql}
        case Verdict.NOT_APPLIED:
            return None
        case Verdict.CANNOT_TELL:
            return _in_doubt(proposal, run, database, x)


def _verdict(proposal: Proposal, run: Run, database: Database, x: Context) -> Verdict:
    """Whether a run was committed, by what only the run can have written: its record, its mark, or the engine's log.

    What it changes is kept before its COMMIT, so a run that kept nothing did not come to it, or had nothing to change.
    """
    changes = x.journal.kept(proposal.id)
    if changes is None:
        return Verdict.NOT_APPLIED
    told = Verdict.CANNOT_TELL if run.marked is Marked.NOWHERE else database.marked(_mark(proposal, run, x))
    return _told_by(changes, database.committed) if told is Verdict.CANNOT_TELL else told


def _is_marked(proposal: Proposal, database: Database, x: Context) -> bool:
    run = x.journal.run(proposal.id)
    return run is not None and _verdict(proposal, run, database, x) is Verdict.APPLIED


def _in_doubt(proposal: Proposal, run: Run, database: Database, x: Context) -> State:
    """A person is asked, and told what the rows look like: that proves nothing, since others may write them too."""
    thread = proposal.thread
    return {
        "end": Status.UNKNOWN.value,
        "failure": "OutcomeUnknown",
        "message": f"{thread} was started by {run.run_by} at {run.started_at} and its end was not seen;"
        f" it may have been applied{_LOOKS_LIKE[_told_by(x.journal.kept(proposal.id), database.decided)]}",
        "hint": f"look, then: sqlagent settle {thread} --applied   or   --not-applied",
    }


_LOOKS_LIKE = {
    Verdict.APPLIED: " (the rows are as it would have left them, which somebody else may have done too)",
    Verdict.NOT_APPLIED: " (the rows are as they were before it, which somebody else may have done too)",
    Verdict.CANNOT_TELL: "",
}


def _told_by(changes: bytes | None, tells: Callable[[bytes], Verdict]) -> Verdict:
    try:
        return tells(changes) if changes else Verdict.CANNOT_TELL
    except StoreError:  # what it kept is damaged
        return Verdict.CANNOT_TELL


def _failed(failure: str, message: str, hint: str) -> State:
    return {"end": Status.FAILED.value, "failure": failure, "message": message, "hint": hint}
