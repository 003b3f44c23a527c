"""Running what was approved: claim, check that it is still the same, run, settle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlagent.core import policy
from sqlagent.core.approval.seats import cover, present_digest
from sqlagent.core.errors import ConnectError, QueryError, Stale, StoreError, TimedOut
from sqlagent.core.nouns.session import Outcome, Proposal, Status
from sqlagent.databases.base import Database, Mark, OwnMark, Verdict
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing import undo_proposal
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
            return _known(proposal, claim, x)


def _marked(proposal: Proposal, database: Database) -> Marked:
    """Where the next attempt will leave its mark."""
    if proposal.read_only or database.marks_atomically():
        return Marked.JOURNAL
    if not database.marks_in_itself():
        return Marked.NOWHERE
    return Marked.NEW_TABLE if database.marked(OwnMark(proposal.id, "", "")) is None else Marked.TARGET


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
        if not held.committed:
            return _rolled_back(proposal, x, _failed("KeyboardInterrupt", "cancelled; nothing was changed", ""))
        outcome = figures(proposal)
    _settle(proposal, x, outcome)
    for columns, rows in held.results:
        x.sink.write(columns, iter(rows))
    return {"end": Status.EXECUTED.value, "ran_sql": proposal.sql}


def _settle(proposal: Proposal, x: Context, outcome: Outcome) -> None:
    try:
        x.journal.done(proposal.id, outcome)
    except StoreError as e:
        raise StoreError(
            f"it was run, and that could not be recorded: {e.message}",
            hint=f"do not run it again; {e.hint}, then: sqlagent resume {proposal.thread}",
        ) from e
    x.reached("execute: settled")


def _rolled_back(proposal: Proposal, x: Context, ending: State) -> State:
    """Record a failure, unless the run was marked done first: Ctrl-C may come between COMMIT and its answer."""
    x.journal.failed(proposal.id, ending["message"])
    ended = x.journal.run(proposal.id)
    return _known(proposal, ended, x) if ended is not None and ended.state is RunState.DONE else ending


def _before_commit(proposal: Proposal, x: Context) -> Callable[[str], None]:
    """Put on record that a run comes to its COMMIT where it may not be able to keep what it changes.

    Without it a run that was killed long before its COMMIT would look like one that nothing can decide.
    """
    last = f"ran {len(proposal.analysis.statements)}"
    exact = proposal.measurement is not None and proposal.measurement.is_exact

    def reached(point: str) -> None:
        if point == last and not exact and (run := x.journal.run(proposal.id)) and run.marked is not Marked.JOURNAL:
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

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        self._x.ended()
        return self._x.sink.write(columns, rows)


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
        parts = [database.read(sql, sink=_Streamed(x), limits=x.limits, heard=x.so_far) for sql in statements]
        return Outcome(tuple(r for p in parts for r in p.results), sum(p.seconds for p in parts))
    sql, parameters = x.journal.mark(proposal.id)
    claimed = x.journal.run(proposal.id)
    mark = Mark(x.journal.path, sql, parameters, _own_mark(proposal, claimed) if claimed else None)
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
    _still_permitted(proposal, x)


def _still_permitted(proposal: Proposal, x: Context) -> None:
    """Hold it to the policy of whoever runs it, at this moment: the strictest word counts, from wherever."""
    verdict = policy.decide(proposal.analysis, x.policy, proposal.facts(x.journal.now()))
    if isinstance(verdict, policy.Deny):
        raise Stale(f"the policy denies it now: {verdict.why}  [{verdict.rule}]")
    asked_nobody = proposal.policy.startswith("allow")
    if isinstance(verdict, policy.Ask) and (asked_nobody or not cover(proposal.seats, verdict.seats)):
        raise Stale(f"the policy asks other people now: {policy.words(verdict)}")


def _known(proposal: Proposal, run: Run, x: Context) -> State:
    """How a run that began before this call ended."""
    if run.state is RunState.DONE and not run.audit_head:
        # its own transaction marked it, and nobody came to log it
        _settle(proposal, x, run.outcome or figures(proposal))
    if run.state in (RunState.DONE, RunState.SETTLED_APPLIED):
        return {"end": Status.EXECUTED.value, "ran_sql": proposal.sql}
    return _failed("QueryError", run.error or "it was rolled back, nothing was changed", "")


def _own_mark(proposal: Proposal, run: Run) -> OwnMark:
    return OwnMark(proposal.id, run.started_at, proposal.digest)


def _begun_before(proposal: Proposal, run: Run, database: Database, x: Context) -> State | None:
    """How a run stands whose end was not seen; None where it did not come to its commit."""
    match _verdict(proposal, run, database, x):
        case Verdict.APPLIED:
            _settle(proposal, x, figures(proposal))
            return {"end": Status.EXECUTED.value, "ran_sql": proposal.sql}
        case Verdict.NOT_APPLIED:
            return None
        case Verdict.CANNOT_TELL:
            return _in_doubt(proposal.thread, run)


def _verdict(proposal: Proposal, run: Run, database: Database, x: Context) -> Verdict:
    """Told by its mark; where it left none, by the rows that it kept before its commit."""
    if run.marked is Marked.JOURNAL:
        return Verdict.NOT_APPLIED  # or it would not be `started`
    if run.marked is not Marked.NOWHERE:
        stands = database.marked(_own_mark(proposal, run))
        if stands is not None or run.marked is Marked.NEW_TABLE:
            return Verdict.APPLIED if stands else Verdict.NOT_APPLIED
    changes = x.journal.kept(proposal.id)
    # It is kept before COMMIT, so a run that kept nothing did not come to its COMMIT, or had nothing to change.
    return Verdict.NOT_APPLIED if changes is None else _told_by(changes, database)


def _told_by(changes: bytes, database: Database) -> Verdict:
    try:
        return database.decided(changes) if changes else Verdict.CANNOT_TELL
    except StoreError:  # what it kept is damaged
        return Verdict.CANNOT_TELL


def _in_doubt(thread: str, run: Run) -> State:
    return {
        "end": Status.UNKNOWN.value,
        "failure": "OutcomeUnknown",
        "message": f"{thread} was started by {run.run_by} at {run.started_at} and its end was not seen;"
        " it may have been applied",
        "hint": f"look, then: sqlagent settle {thread} --applied   or   --not-applied",
    }


def _failed(failure: str, message: str, hint: str) -> State:
    return {"end": Status.FAILED.value, "failure": failure, "message": message, "hint": hint}
