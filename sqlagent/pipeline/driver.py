"""The one loop that moves a thread: as far as it goes without another word of a person."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from langgraph.types import Command, StateSnapshot

from sqlagent.core.errors import StoreError
from sqlagent.core.model import TERMINAL, Decision, Source, Status, Thread
from sqlagent.pipeline.checkpoints import guarded, never_before, open_saver
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.graph import build
from sqlagent.pipeline.locks import thread_lock
from sqlagent.pipeline.state import GRAPH_VERSION, NEW_TURN, State

STEPS = 40
"""More than the longest honest way from one word of a person to the next."""


class Driver:
    """Moves threads whose checkpoints are in one file.  LangGraph is never the guard: the journal is."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "checkpoints.db"
        self._locks = folder / "locks"
        self._saver = open_saver(self._path)
        self._graph = build(self._saver)

    def close(self) -> None:
        self._saver.conn.close()

    def drive(self, thread_id: str, x: Context) -> State:
        """Advance the thread until it ends its turn or waits for a person; answers its state.

        Errors of the ports pass through, and the thread can be driven again: every step is at least once, and
        what must be once is guarded by the journal.
        """
        config: Any = {"configurable": {"thread_id": thread_id}, "recursion_limit": 25}
        with thread_lock(self._locks, thread_id), guarded(self._path):
            for _ in range(STEPS):
                row = x.journal.thread(thread_id)
                snapshot = self._graph.get_state(config)
                never_before(snapshot)
                step = self._next(row, snapshot, x)
                if step is _STAY:
                    return cast(State, snapshot.values)
                x.reached("driver: before a step")
                self._graph.invoke(step, config, context=x, durability="sync")
                x.reached("driver: after a step")
        raise StoreError(f"{thread_id} does not come to an end", hint=f"sqlagent show {thread_id}")

    def _next(self, row: Thread, snapshot: StateSnapshot, x: Context) -> Any:
        """The input of the next call of the graph, or _STAY."""
        state = cast(State, snapshot.values)
        if snapshot.metadata is None:
            if row.status is not Status.NEW or row.turn > 1 or row.proposal:
                raise _disagree(row, "the journal knows it, and the checkpoints do not")
            return _first(row)
        if state.get("graph_version") != GRAPH_VERSION and not _ended(snapshot):
            return _again(row, state)
        if state.get("turn", 0) < row.turn:
            return _first(row) | {"number": state.get("number", 0)}
        if state.get("turn", 0) > row.turn:
            raise _disagree(row, "the checkpoints are ahead of the journal")
        if _ended(snapshot):
            return _STAY
        return _answer(row, snapshot, x)


_STAY = object()


def _ended(snapshot: StateSnapshot) -> bool:
    """Our own terminal status and no task left; LangGraph's `next == ()` may also mean a step cut short."""
    return snapshot.values.get("status") in TERMINAL and not snapshot.tasks


def _first(row: Thread) -> State:
    turn: State = {
        "graph_version": GRAPH_VERSION, "thread": row.id, "turn": row.turn, "source": row.source.value,
        "question": row.question, "requested_by": row.requested_by,
    }  # fmt: skip
    if row.source is Source.PERSON:
        turn |= {"sql": row.sql, "author": row.requested_by}
    return NEW_TURN | turn


def _again(row: Thread, state: State) -> State:
    """A turn of an older graph, begun anew with the SQL that it had: analyzed and asked again.

    New input on a paused thread abandons its pending approval, which is what is wanted here.
    """
    return _first(row) | {"sql": state.get("sql", ""), "author": state.get("author", ""),
                          "number": state.get("number", 0)}  # fmt: skip


def _answer(row: Thread, snapshot: StateSnapshot, x: Context) -> Any:
    """Resume a waiting review by its interrupt's own id with the journal's decision; else go on where it stopped."""
    if not snapshot.interrupts:
        return None
    asked = snapshot.interrupts[0]
    proposal = asked.value.get("tool_call_id", "")
    if proposal != row.proposal:
        raise _disagree(row, f"it waits for {proposal or 'nothing'}, and the journal for {row.proposal or 'nothing'}")
    decision = x.journal.decision(proposal, asked.value["sqlagent"]["stage"])
    return _STAY if decision is None else Command(resume={asked.id: _wire(decision)})


def _wire(decision: Decision) -> dict[str, Any]:
    return asdict(decision) | {"choice": decision.choice.value, "how": str(decision.how)}


def _disagree(row: Thread, what: str) -> StoreError:
    return StoreError(
        f"the checkpoints and the journal disagree about {row.id}: {what}",
        hint=f"nothing was run; see sqlagent show {row.id}, and ask again in a new thread",
    )
