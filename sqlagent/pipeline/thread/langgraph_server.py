"""The graph as served to LangGraph's own tools and clients: opens the ports and checks every call, without our driver.

The nodes are the same, so that a thread paused by the one is answered through the other.  Here a thread may begin with
nothing but a question, and what LangGraph would take for an answer without asking any node is refused at the door.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Annotated, Any, Protocol, cast

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import TypedDict

from sqlagent.core.errors import Busy, Finished, NeedsApproval, OutcomeUnknown, SqlagentError, UsageError
from sqlagent.core.nouns.session import TERMINAL, Thread
from sqlagent.core.wire.answers import Invalid, shown
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing.answer_arrival import is_turned_away, turned_away
from sqlagent.pipeline.state import State
from sqlagent.pipeline.thread import chat, nodes
from sqlagent.pipeline.thread.driver import rebuilt
from sqlagent.pipeline.thread.graph import wired

Write = Callable[[Any], None]
"""LangGraph's stream writer: what is written goes to whoever streams `custom`, and into no checkpoint."""


class Asked(TypedDict, total=False):
    """What a client begins a turn with: a question in words, SQL of its own, or a chat's last words.

    Or what waits already, begun at another door, by the name of its thread.
    """

    ask: str | None
    run: str | None
    resume: str | None
    messages: Annotated[list[chat.Message], chat.appended]
    refused: str | None
    """Set at the door alone: why what came begins no turn."""
    overtaken: str | None
    """Set at the door alone: what became elsewhere of what a client was asked."""


class AskedState(State, Asked, total=False):
    """What it was begun with is forgotten once it is on record."""


class Door(Protocol):
    """Where the ports of each step come from, and who is let in: opened for one step and closed behind it."""

    def open(self, thread: str, write: Write) -> AbstractContextManager[Context]:
        """The context of a thread's step; rows that it returns are written out."""
        ...

    def admit(self, thread: str, *, ask: Any, run: Any) -> Thread:
        """Put a new question or SQL on record, as the first of a thread or the next of one that has ended."""
        ...

    def refused(self, thread: str, because: str) -> None:
        """Put on record that an answer was turned away."""
        ...

    def waits(self, thread: str) -> bool:
        """Whether a thread's turn has not ended, as the journal has it; raises UnknownThread."""
        ...

    def overtaken(self, thread: str, *, turn: int, proposal: str, stage: int) -> str:
        """What the journal has of a seat that a client was asked for, in words; empty where it still waits."""
        ...


def serve(door: Door, saver: Any = None) -> Served:
    """The graph compiled; without a saver for LangGraph's server, which brings its own."""
    graph = StateGraph(AskedState, input_schema=Asked)
    in_band = saver is None
    wired(graph, lambda node: _stepped(node, door, in_band=in_band) if node in _WITH_PORTS else node)
    graph.add_node("admit", _admitting(door, in_band=in_band))
    graph.add_edge(START, "admit")
    graph.add_conditional_edges("admit", _admitted, [*nodes.STARTS, END])
    compiled = graph.compile(checkpointer=saver, name="sqlagent")
    return Served(door=door, in_band=in_band, **{k: v for k, v in vars(compiled).items() if k != "__orig_class__"})


_WITH_PORTS = (nodes.generate, nodes.hear, nodes.analyze, nodes.decide, nodes.revise, nodes.execute, nodes.finish)


def _stepped(node: Callable[[State, Runtime[Context]], State], door: Door, *, in_band: bool) -> Callable[..., State]:
    def step(state: State, runtime: Runtime[None]) -> State:
        try:
            with door.open(state.get("thread", ""), runtime.stream_writer) as context:
                change = node(state, replace(runtime, context=context))  # type: ignore[arg-type]
                said = chat.told(state, change, context)
                return {**change, "messages": said} if said else change  # type: ignore[typeddict-unknown-key]
        except Busy as e:
            if not in_band or node not in _HEARING:
                raise
            problem = f"{e.message}; {e.hint}"  # the answer was not heard, and may be given again
            again: Any = {"decision": None, "reply": None, "problem": problem, "messages": [chat.from_us(problem)]}
            return cast(State, again)

    return step


_HEARING = (nodes.decide, nodes.hear)
"""Steps that take an answer, and ask again where they could not."""


def _admitting(door: Door, *, in_band: bool) -> Callable[..., AskedState]:
    def admit(state: AskedState, runtime: Runtime[None]) -> AskedState:
        if because := state.get("refused"):
            return {"problem": because, "messages": [chat.from_us(because)]}
        if name := state.get("resume"):
            with door.open(name, runtime.stream_writer) as context:
                return cast(AskedState, {**rebuilt(context.journal.thread(name), context), **_TAKEN_UP})
        if became := state.get("overtaken"):
            with door.open(state["thread"], runtime.stream_writer) as context:
                return _caught_up(state, became, context)
        try:
            row = door.admit(state.get("thread", ""), ask=state.get("ask"), run=state.get("run"))
        except (NeedsApproval, OutcomeUnknown) as e:  # it was gone on with elsewhere, and waits there
            if not in_band:
                raise
            with door.open(state["thread"], runtime.stream_writer) as context:
                return _caught_up(state, e.message, context)
        with door.open(row.id, runtime.stream_writer) as context:
            return cast(AskedState, {**rebuilt(row, context), **_TAKEN_UP})

    return admit


def _caught_up(state: AskedState, became: str, x: Context) -> AskedState:
    """Where the journal says that the thread stands, in place of where it stood in these checkpoints."""
    row = x.journal.thread(state["thread"])
    now: State = {"turn": row.turn, "proposal": row.proposal, "status": row.status.value, "end": row.status.value,
                  "message": row.message, "hint": row.hint}  # fmt: skip
    now = now if row.status in TERMINAL else rebuilt(row, x)
    said = [chat.from_us(became), *chat.told(state, now, x)]
    return cast(AskedState, {**now, **_TAKEN_UP, "problem": became, "messages": said})


_TAKEN_UP: Asked = {"ask": None, "run": None, "resume": None, "overtaken": None}
"""What a turn was begun with, once it is on record."""


def _admitted(state: AskedState) -> str:
    return END if state.get("refused") or state.get("status") else nodes.from_start(state)


class Served(CompiledStateGraph[AskedState, None, Asked, AskedState]):
    """A compiled graph that checks what it is called with before LangGraph does."""

    def __init__(self, *, door: Door, in_band: bool, **parts: Any) -> None:
        super().__init__(**parts)
        self.door = door
        self.in_band = in_band
        """Whether a refusal is told in the state: LangGraph's server tells its clients nothing of an exception."""

    def stream(self, input: Any, config: Any = None, **how: Any) -> Iterator[Any]:
        """LangGraph's `stream`, after the call was looked at; what is stored is stored at every step."""
        stored = self._is_stored(config)
        let_in = self._let_in(input, self.get_state(config) if stored else None, nested=_is_nested(config))
        yield from super().stream(let_in, config, **(_durable(how) if stored else how))

    async def astream(self, input: Any, config: Any = None, **how: Any) -> AsyncIterator[Any]:
        """LangGraph's `astream`, after the call was looked at beside the event loop."""
        stored = self._is_stored(config)
        state = await self.aget_state(config) if stored else None
        nested = _is_nested(config)
        let_in = await asyncio.to_thread(self._let_in, input, state, nested=nested)  # it may write to the journal
        async for part in super().astream(let_in, config, **(_durable(how) if stored else how)):
            yield part

    def _is_stored(self, config: Any) -> bool:
        return self.checkpointer is not None and _has_thread(config) and not _is_nested(config)

    def _let_in(self, said: Any, snapshot: Any, *, nested: bool) -> Any:
        """What LangGraph may be called with, in place of what it would go wrong with, fall silent on or forget by."""
        asked = {i.id: i.value for i in snapshot.interrupts} if snapshot is not None else {}
        state: AskedState = snapshot.values if snapshot is not None else {}
        thread = str(state.get("thread", ""))
        try:
            if asked and (became := self._overtaken(state, asked)):
                return self._gone_on(said, became, thread)
            return self._checked(said, asked, thread, nested=nested)
        except SqlagentError as e:
            if not self.in_band:
                if thread:
                    self.door.refused(thread, e.message)
                raise
            if asked:  # the step that takes answers says no to it, and asks again
                return Command(resume={name: turned_away(e.message, e.hint) for name in asked})
            if thread:
                self.door.refused(thread, e.message)
            return {"ask": None, "run": None, "refused": f"{e.message}; {e.hint}" if e.hint else e.message}

    def _overtaken(self, state: AskedState, asked: dict[str, Any]) -> str:
        """What became elsewhere of what waits in these checkpoints, as the journal has it; empty where it waits."""
        [value, *_] = asked.values()
        card = value.get("tool_call_id", "") if isinstance(value, dict) else ""
        return self.door.overtaken(
            str(state.get("thread", "")), turn=state.get("turn", 0), proposal=str(card), stage=state.get("stage", 1)
        )

    def _gone_on(self, said: Any, became: str, thread: str) -> Any:
        """A turn of its own where the one that waited has ended elsewhere; else on to where the journal stands.

        What came was meant for something that waits no longer: it decides nothing, and is told so.
        """
        if isinstance(said, dict) and not self.door.waits(thread):
            try:
                return self._begun(said)
            except SqlagentError as e:
                became = f"{became}; {e.message}"
        if said is not None:
            self.door.refused(thread, became)
        return {"overtaken": became}

    def _begun(self, said: Any) -> Asked:
        begun = _begun(said)
        if (name := begun.get("resume")) and not self.door.waits(name):
            raise Finished(f"nothing waits in {name}", hint="sqlagent pending lists what does")
        return begun

    def _checked(self, said: Any, asked: dict[str, Any], thread: str, *, nested: bool) -> Any:
        if isinstance(said, Command):
            _answerable(said, set(asked), thread)
            return said
        if said is None:
            return said
        own = {k: v for k, v in said.items() if k in _BEGINS} if nested and isinstance(said, dict) else said
        if not asked:
            return self._begun(own)
        if said_back := _said_back(own, asked):
            return said_back
        raise NeedsApproval(f"{thread} waits for an answer", hint=f"sqlagent show {thread}")


_BEGINS = {"ask", "run", "resume", "messages"}


def _said_back(said: Any, asked: dict[str, Any]) -> Command[Any] | None:
    """What a person writes in a chat while a question back waits is the answer to it."""
    [(name, value), *_] = asked.items()
    if not isinstance(value, dict) or value.get("type") != "clarification":
        return None
    if not isinstance(said, dict) or set(said) != {"messages"}:
        return None
    return Command(resume={name: {"type": "answer", "text": chat.last_human(said["messages"])["content"]}})


def _answerable(command: Command[Any], waits: set[str], thread: str) -> None:
    if command.update is not None or command.goto or command.graph is not None:
        raise UsageError("an answer may not change where the thread stands", hint="Command(resume=...), and no more")
    answer = command.resume
    if answer is None or (isinstance(answer, dict) and not answer):
        raise Invalid(f"{shown(answer)} is no answer", "one of those in sqlagent help json-answer")
    if not waits:
        raise Finished(f"nothing waits in {thread or 'this thread'}", hint="sqlagent pending lists what does")
    if any(is_turned_away(each) for each in (answer, *(answer.values() if isinstance(answer, dict) else ()))):
        raise Invalid(f"{shown(answer)} is no answer", "one of those in sqlagent help json-answer")
    by_id = isinstance(answer, dict) and all(isinstance(key, str) and _is_id(key) for key in answer)
    if by_id and not set(answer) <= waits:
        raise Invalid(f"{shown(next(iter(set(answer) - waits)))} is not the interrupt that waits", ", ".join(waits))


def _begun(said: Any) -> Asked:
    """A turn's beginning, with nothing left of one that failed before it was on record."""
    if not isinstance(said, dict) or not said or not set(said) <= _BEGINS:
        raise UsageError(f"{shown(said)} begins no turn", hint=_BEGINNING)
    begun: Asked = {
        "ask": said.get("ask"), "run": said.get("run"), "resume": said.get("resume"),
        "refused": None, "overtaken": None,
    }  # fmt: skip
    texts = {name: text for name, text in begun.items() if text is not None}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise UsageError(f"{name} is {shown(text)}", hint=f'text: {{"{name}": "..."}}')
        if not text.strip():
            raise UsageError("there is nothing in it", hint=_BEGINNING)
    if not texts and "messages" in said:
        message = chat.last_human(said["messages"])
        return begun | {"ask": message["content"], "messages": [message]}
    if len(texts) != 1:
        raise UsageError("a turn begins with a question or with SQL", hint=_BEGINNING)
    return begun


_BEGINNING = '{"ask": "..."} or {"run": "..."}, or {"resume": "k7f3"} for what waits'


def _is_id(key: str) -> bool:
    """Whether a key is an interrupt's id, as LangGraph tells a map of answers from one answer."""
    return re.fullmatch("[0-9a-f]{32}", key) is not None


def _has_thread(config: Any) -> bool:
    return bool((config or {}).get("configurable", {}).get("thread_id"))


def _is_nested(config: Any) -> bool:
    """Whether another graph runs this one as a step of its own, on its own state."""
    return "__pregel_task_id" in ((config or {}).get("configurable") or {})


def _durable(how: dict[str, Any]) -> dict[str, Any]:
    """Every step on disk before the next, unless the caller has a reason."""
    return how if how.get("durability") is not None else how | {"durability": "sync"}
