"""The graph for LangGraph's own tools and clients, which have no driver of ours: who opens the ports, who is let in.

The nodes are the same, so that a thread paused by the one is answered through the other.  Here a thread may begin with
nothing but a question, and what LangGraph would take for an answer without asking any node is refused at the door.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import TypedDict

from sqlagent.core.errors import Finished, NeedsApproval, SqlagentError, UsageError
from sqlagent.core.nouns.session import Thread
from sqlagent.core.wire.answers import Invalid, shown
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.state import State
from sqlagent.pipeline.thread import nodes
from sqlagent.pipeline.thread.driver import anew
from sqlagent.pipeline.thread.graph import wired

Write = Callable[[Any], None]
"""LangGraph's stream writer: what is written goes to whoever streams `custom`, and into no checkpoint."""


class Asked(TypedDict, total=False):
    """What a client begins a turn with, one of the two: a question in words, or SQL of its own."""

    ask: str | None
    run: str | None


class AskedState(State, Asked, total=False):
    """What it was begun with is forgotten once it is on record."""


class Door(Protocol):
    """Where the ports come from; opened for one step and closed behind it, since steps run in any thread."""

    def open(self, thread: str, write: Write) -> AbstractContextManager[Context]:
        """The context of a thread's step; rows that it returns are written out."""
        ...

    def admit(self, thread: str, *, ask: Any, run: Any) -> Thread:
        """Put a new question or SQL on record, as the first of a thread or the next of one that has ended."""
        ...

    def refused(self, thread: str, because: str) -> None:
        """Put on record that an answer was turned away."""
        ...


def serve(door: Door, saver: Any = None) -> Served:
    """The graph compiled; without a saver for LangGraph's server, which brings its own."""
    graph = StateGraph(AskedState, input_schema=Asked)
    wired(graph, lambda node: _stepped(node, door) if node in _WITH_PORTS else node)
    graph.add_node("admit", _admitting(door))
    graph.add_edge(START, "admit")
    graph.add_conditional_edges("admit", nodes.from_start, ["generate", "analyze", "decide"])
    compiled = graph.compile(checkpointer=saver, name="sqlagent")
    return Served(door=door, **{k: v for k, v in vars(compiled).items() if k != "__orig_class__"})


_WITH_PORTS = (nodes.generate, nodes.hear, nodes.analyze, nodes.decide, nodes.revise, nodes.execute, nodes.finish)


def _stepped(node: Callable[[State, Runtime[Context]], State], door: Door) -> Callable[..., State]:
    def step(state: State, runtime: Runtime[None]) -> State:
        with door.open(state.get("thread", ""), runtime.stream_writer) as context:
            return node(state, replace(runtime, context=context))  # type: ignore[arg-type]

    return step


def _admitting(door: Door) -> Callable[..., AskedState]:
    def admit(state: AskedState, runtime: Runtime[None]) -> AskedState:
        row = door.admit(state.get("thread", ""), ask=state.get("ask"), run=state.get("run"))
        with door.open(row.id, runtime.stream_writer) as context:
            return {**anew(row, context), "ask": None, "run": None}

    return admit


class Served(CompiledStateGraph[AskedState, None, Asked, AskedState]):
    """A compiled graph that looks at what it is called with before LangGraph does."""

    def __init__(self, *, door: Door, **parts: Any) -> None:
        super().__init__(**parts)
        self.door = door

    def stream(self, input: Any, config: Any = None, **how: Any) -> Iterator[Any]:
        stored = self.checkpointer is not None and _has_thread(config)
        let_in = self._let_in(input, self.get_state(config) if stored else None)
        yield from super().stream(let_in, config, **(_durable(how) if stored else how))

    async def astream(self, input: Any, config: Any = None, **how: Any) -> AsyncIterator[Any]:
        stored = self.checkpointer is not None and _has_thread(config)
        state = await self.aget_state(config) if stored else None
        let_in = await asyncio.to_thread(self._let_in, input, state)  # it may write to the journal
        async for part in super().astream(let_in, config, **(_durable(how) if stored else how)):
            yield part

    def _let_in(self, said: Any, snapshot: Any) -> Any:
        """What LangGraph may be called with; raises where it would go wrong, fall silent or forget what waits."""
        waits = {i.id for i in snapshot.interrupts} if snapshot is not None else set()
        thread = str(snapshot.values.get("thread", "")) if snapshot is not None else ""
        try:
            if isinstance(said, Command):
                _answerable(said, waits, thread)
                return said
            if said is not None and waits:
                raise NeedsApproval(f"{thread} waits for an answer", hint=f"sqlagent show {thread}")
            return said if said is None else _begun(said)
        except SqlagentError as e:
            if thread:
                self.door.refused(thread, e.message)
            raise


def _answerable(command: Command[Any], waits: set[str], thread: str) -> None:
    if command.update is not None or command.goto or command.graph is not None:
        raise UsageError("an answer may not change where the thread stands", hint="Command(resume=...), and no more")
    answer = command.resume
    if answer is None or (isinstance(answer, dict) and not answer):
        raise Invalid(f"{shown(answer)} is no answer", "one of those in sqlagent help json-answer")
    if not waits:
        raise Finished(f"nothing waits in {thread or 'this thread'}", hint="sqlagent pending lists what does")
    by_id = isinstance(answer, dict) and all(isinstance(key, str) and _is_id(key) for key in answer)
    if by_id and not set(answer) <= waits:
        raise Invalid(f"{shown(next(iter(set(answer) - waits)))} is not the interrupt that waits", ", ".join(waits))


def _begun(said: Any) -> Asked:
    """A turn's beginning, with nothing left of one that failed before it was on record."""
    if not isinstance(said, dict) or not said or not set(said) <= {"ask", "run"}:
        raise UsageError(f"{shown(said)} begins no turn", hint='{"ask": "..."} or {"run": "..."}')
    return {"ask": said.get("ask"), "run": said.get("run")}


def _is_id(key: str) -> bool:
    """As LangGraph tells a map of interrupts from an answer that is an object."""
    return re.fullmatch("[0-9a-f]{32}", key) is not None


def _has_thread(config: Any) -> bool:
    return bool((config or {}).get("configurable", {}).get("thread_id"))


def _durable(how: dict[str, Any]) -> dict[str, Any]:
    """Every step on disk before the next, unless the caller has a reason."""
    return how if how.get("durability") is not None else how | {"durability": "sync"}
