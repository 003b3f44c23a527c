"""Running what was approved: claim, check that it is still the same, run, settle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlagent.core.digest import digest
from sqlagent.core.errors import ConnectError, QueryError, Stale, TimedOut
from sqlagent.core.model import Outcome, Proposal, Status
from sqlagent.databases.base import Database, Mark
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.state import State
from sqlagent.store.journal import Refusal, Run, RunState


def run(state: State, x: Context) -> State:
    """Run the proposal that the journal says was approved, once; answers how the turn ends.

    An empty `end` means that it did not run and must be measured and asked again.
    """
    proposal = x.journal.proposal(state["proposal"])
    database = x.database()
    x.reached("execute: before the claim")
    claim = x.journal.claim(proposal, by=x.by, marked=proposal.read_only or database.marks_atomically())
    x.reached("execute: after the claim")
    match claim:
        case Refusal():
            return {"end": "", "stale": f"it was not run: {claim}"}
        case Run(state=RunState.STARTED, marked=False):
            return _in_doubt(state["thread"], claim)
        case None | Run(state=RunState.STARTED):
            return _attempt(proposal, database, x)
        case Run():
            return _known(proposal, claim)


def _attempt(proposal: Proposal, database: Database, x: Context) -> State:
    returned = _Held()
    try:
        outcome = _run(proposal, database, x, returned)
    except Stale as e:
        x.journal.failed(proposal.id, e.message)
        return {"end": "", "stale": e.message}
    except ConnectError:
        x.journal.release(proposal.id)
        raise
    except (QueryError, TimedOut) as e:
        return _rolled_back(proposal, x, _failed(type(e).__name__, e.message, e.hint))
    except KeyboardInterrupt:
        return _rolled_back(proposal, x, _failed("KeyboardInterrupt", "cancelled; nothing was changed", ""))
    x.journal.done(proposal.id, outcome)
    x.reached("execute: settled")
    for columns, rows in returned.results:
        x.sink.write(columns, iter(rows))
    return {"end": Status.EXECUTED.value, "ran_sql": proposal.sql}


def _rolled_back(proposal: Proposal, x: Context, ending: State) -> State:
    """Record a failure, unless the run was marked done first: Ctrl-C may come between COMMIT and its answer."""
    x.journal.failed(proposal.id, ending["message"])
    ended = x.journal.run(proposal.id)
    if ended is not None and ended.state is RunState.DONE:
        return {"end": Status.EXECUTED.value, "ran_sql": proposal.sql}
    return ending


class _Held:
    """Rows that a change returns, kept until its end is on record: a full disk or a closed pipe cannot blur that."""

    def __init__(self) -> None:
        self.results: list[tuple[Sequence[str], list[tuple[Any, ...]]]] = []

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        self.results.append((columns, list(rows)))
        return len(self.results[-1][1])


def _run(proposal: Proposal, database: Database, x: Context, returned: _Held) -> Outcome:
    statements = [s.sql for s in proposal.analysis.statements]

    def verify() -> None:
        _still_the_same(proposal, database)

    if proposal.read_only:
        verify()
        parts = [database.read(sql, sink=x.sink, limits=x.limits) for sql in statements]
        return Outcome(tuple(r for p in parts for r in p.results), sum(p.seconds for p in parts))
    sql, parameters = x.journal.mark(proposal.id)
    return database.apply(
        statements,
        sink=returned,
        limits=x.limits,
        mark=Mark(x.journal.path, sql, parameters),
        verify=verify,
        reached=x.reached,
    )


def _still_the_same(proposal: Proposal, database: Database) -> None:
    target = database.identity()
    if target != proposal.target:
        raise Stale(f"{proposal.database} is another database now: {target}")
    now = digest(
        proposal=proposal.id, sql=proposal.sql, target=target, schema=database.fingerprint(),
        stage=proposal.stage, stages=proposal.stages,
    )  # fmt: skip
    if now != proposal.digest:
        raise Stale(f"the schema of {proposal.database} changed since it was approved")


def _known(proposal: Proposal, run: Run) -> State:
    """How a run that began before this call ended."""
    if run.state in (RunState.DONE, RunState.SETTLED_APPLIED):
        return {"end": Status.EXECUTED.value, "ran_sql": proposal.sql}
    return _failed("QueryError", run.error or "it was rolled back, nothing was changed", "")


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
