"""The one loop that moves a thread: as far as it goes without another word of a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from langgraph.types import Command, StateSnapshot

from sqlagent.core.errors import StoreError
from sqlagent.core.nouns.session import TERMINAL, Choice, Source, Status, Thread
from sqlagent.llm.conversation import tracing_off
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing import undo_proposal
from sqlagent.pipeline.proposing.analysis import at_seat
from sqlagent.pipeline.proposing.put_again import WAITS, as_recorded, asked_back
from sqlagent.pipeline.state import GRAPH_VERSION, NEW_TURN, State, on_record
from sqlagent.pipeline.thread.alone import alone
from sqlagent.pipeline.thread.checkpoints import head, open_checkpoints
from sqlagent.pipeline.thread.graph import build
from sqlagent.store.journal import RunState

STEPS = 40
"""More than the longest honest way from one word of a person to the next."""


class Driver:
    """Moves threads of a state folder or a team's store.  LangGraph is never the guard: the journal is."""

    def __init__(self, folder: Path, *, store: str = "", reached: Callable[[str], None] = lambda _point: None) -> None:
        tracing_off()  # LangGraph reads the variables of LangSmith too, also where no model is asked
        self._folder = folder
        self._saver = open_checkpoints(folder, store, reached)
        self._graph = build(self._saver)

    def close(self) -> None:
        """Close the checkpoints; no thread can be moved afterwards."""
        self._saver.close()

    def drive(self, thread_id: str, x: Context, *, again: str = "") -> State:
        """Advance the thread until it ends its turn or waits for a person; answers its state.

        Errors of the ports pass through, and the thread can be driven again: every step is at least once, and
        what must be once is guarded by the journal.  `again` says why what waits undecided is to be analyzed anew.
        """
        config: Any = {"configurable": {"thread_id": thread_id}, "recursion_limit": 25}
        with alone(self._folder, x.journal, thread_id):
            for _ in range(STEPS):
                row = x.journal.thread(thread_id)
                snapshot = head(self._graph, config, self._saver)
                step = _next(row, snapshot, x)
                if step is _STAY and again and snapshot.interrupts:
                    step, again = _anew_because(again, snapshot), ""
                if step is _STAY:
                    if _ended(snapshot):
                        self._saver.forget_past(snapshot.config)
                    return cast(State, snapshot.values)
                x.reached("driver: before a step")
                try:
                    self._graph.invoke(step, config, context=x, durability="sync")
                except (StoreError, KeyboardInterrupt):
                    if ended := _ran_anyway(thread_id, x):
                        return ended
                    raise
                x.reached("driver: after a step")
        raise StoreError(f"{thread_id} does not come to an end", hint=f"sqlagent show {thread_id}")


_STAY = object()


def _next(row: Thread, snapshot: StateSnapshot, x: Context) -> Any:
    """The input of the next call of the graph, or _STAY."""
    state = cast(State, snapshot.values)
    ended = _ended(snapshot)
    if state.get("turn", 0) > row.turn or state.get("number", 0) > x.journal.last_number(row.id):
        raise _disagree(row, "the checkpoints are ahead of the journal")
    if snapshot.metadata is None or state.get("turn", 0) < row.turn:
        return rebuilt(row, x)
    if ended and row.status in TERMINAL:
        return _STAY
    if ended:
        raise _disagree(row, f"it is {state.get('status')} there, and {row.status} here")
    if state.get("graph_version") != GRAPH_VERSION:
        return _of_another_graph(row, x)
    if snapshot.interrupts and "clarify" in snapshot.next:
        return _reply(row, snapshot, x)
    if snapshot.interrupts:
        return _answer(row, snapshot, x)
    # No task left, and no ending: somebody resumed it with an answer that the journal does not have.
    return None if snapshot.tasks else rebuilt(row, x)


def _anew_because(why: str, snapshot: StateSnapshot) -> State:
    """Have the same SQL analyzed and put to a person once more, and say why."""
    waits = cast(State, snapshot.values)
    return waits | {"proposal": "", "decision": None, "verdict": "", "problem": "", "stale": why}


def _ended(snapshot: StateSnapshot) -> bool:
    """Our own terminal status and no task left; LangGraph's `next == ()` may also mean a step cut short."""
    return snapshot.values.get("status") in TERMINAL and not snapshot.tasks


def rebuilt(row: Thread, x: Context) -> State:
    """The turn as the journal has it, for where the checkpoints have nothing of it that could be gone on from.

    What waits is put to people again as what it is, under the digest that they were shown: an answer counts wherever
    it is given.  What was decided stands, and what was claimed is seen through and never asked a second time.
    New input on a paused thread abandons its pending task, which is what is wanted here.
    """
    state = _begun(row, x)
    if not row.proposal:
        return state | asked_back(row, x)
    last = x.journal.proposal(row.proposal)
    decision = x.journal.decision(last.id, last.stage)
    state |= as_recorded(last) | at_seat(last) | {"proposal": last.id}
    if decision is None:
        return state | {"verdict": WAITS}
    return state | {"decision": on_record(decision)}


def _begun(row: Thread, x: Context) -> State:
    """The turn as it began."""
    state: State = NEW_TURN | {
        "graph_version": GRAPH_VERSION, "thread": row.id, "turn": row.turn, "source": row.source.value,
        "question": row.question, "requested_by": row.requested_by, "number": x.journal.last_number(row.id),
    }  # fmt: skip
    if row.source is Source.PERSON:
        state |= {"sql": row.sql, "author": row.requested_by}
    if row.source is Source.UNDO:
        state |= {"sql": undo_proposal.text(row), "author": row.requested_by}
    return state


def _of_another_graph(row: Thread, x: Context) -> State:
    """The turn of a thread that a graph of another meaning paused: an approval that was not used by then is void."""
    state = rebuilt(row, x)
    decided: Any = state.get("decision")
    if decided and (decided["choice"] != Choice.APPROVE or x.journal.run(row.proposal) is not None):
        return state
    return state | {"proposal": "", "decision": None, "verdict": "", "asks": "", "choices": [], "stale": ""}


def _answer(row: Thread, snapshot: StateSnapshot, x: Context) -> Any:
    """Resume a waiting review by its interrupt's own id with the journal's decision, or stay."""
    asked: Any = snapshot.interrupts[0]
    value = getattr(asked, "value", None)  # None where somebody changed the bytes
    if not isinstance(value, dict) or value.get("tool_call_id") != row.proposal:
        return rebuilt(row, x)  # a fork of an earlier checkpoint, which the journal has long left behind
    decision = x.journal.decision(row.proposal, snapshot.values.get("stage", 1))
    return _STAY if decision is None else Command(resume={asked.id: on_record(decision)})


def _reply(row: Thread, snapshot: StateSnapshot, x: Context) -> Any:
    """Resume a question back with the journal's answer, or stay."""
    known, number = x.journal.clarifications(row.id, row.turn), snapshot.values.get("asked", 0)
    if not 0 < number <= len(known) or known[number - 1].question != snapshot.values.get("asks"):
        return rebuilt(row, x)
    reply = known[number - 1].answer
    return Command(resume={snapshot.interrupts[0].id: {"type": "answer", "text": reply}}) if reply else _STAY


def _ran_anyway(thread_id: str, x: Context) -> State | None:
    """How the turn ended where its run is on record as done, whatever became of the checkpoints after it."""
    row = x.journal.thread(thread_id)
    run = x.journal.run(row.proposal) if row.proposal else None
    if run is None or run.state is not RunState.DONE:
        return None
    try:
        x.journal.finish(thread_id, row.turn, Status.EXECUTED, ran_sql=x.journal.proposal(row.proposal).sql)
    except StoreError as e:
        raise StoreError(
            f"it was run, and that could not be recorded: {e.message}",
            hint=f"do not run it again; {e.hint}, then: sqlagent resume {thread_id}",
        ) from e
    return {"status": Status.EXECUTED.value}


def _disagree(row: Thread, what: str) -> StoreError:
    return StoreError(
        f"the checkpoints and the journal disagree about {row.id}: {what}",
        hint=f"nothing was run; see sqlagent show {row.id}, and ask again in a new thread",
    )
