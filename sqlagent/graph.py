"""The graph as LangGraph's own tools and clients take it: `langgraph dev`, Studio, Agent Inbox, a program of yours.

`graph` is compiled without a checkpointer, for a server that brings its own:

    {"dependencies": ["."], "graphs": {"sqlagent": "sqlagent.graph:graph"}}         langgraph.json

`open_graph` has the checkpoints of the command line, so that what waits in `sqlagent pending` can be answered:

    with open_graph() as graph:
        answer = {"type": "approve", "digest": "9f2c..."}
        graph.invoke(Command(resume=answer), {"configurable": {"thread_id": "k7f3"}})

A turn begins with {"ask": "how many customers are there?"}, {"run": "DELETE FROM ..."} or, as chat clients have it,
{"messages": [...]}, of which the last human one is the question.  {"resume": "k7f3"} takes up what waits in a thread
that another door began, under the same digest; and whatever a client says to a thread that was decided elsewhere, the
thread goes on to what the journal has.  What `graph` refuses it says in `problem` and in
`messages`, and the thread goes on waiting; `open_graph` raises it.  Database, model, policy and
state folder come from the environment and the config files of the process, never from a client; the person is the user
that the process runs as.  Rows are written to the stream `custom`, and stored nowhere unless `chat_rows` lets so many
into `messages`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlagent import config
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.session import TERMINAL, Status, Thread
from sqlagent.core.wire.answers import shown
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.thread import chat
from sqlagent.pipeline.thread.alone import alone
from sqlagent.pipeline.thread.checkpoints import open_checkpoints
from sqlagent.pipeline.thread.langgraph_server import Served, Write, serve
from sqlagent.service import Agent
from sqlagent.service.endings import doubt, finished
from sqlagent.ui.formats import json_value

__all__ = ["graph", "make_graph", "open_graph"]


def json_rows(rows: list[tuple[Any, ...]]) -> Any:
    """Rows of what JSON can hold: a BLOB is `{"$blob": "53514c"}`."""
    import json  # only where there are rows

    return json.loads(json_value(rows))


@dataclass(frozen=True, slots=True)
class _Settings:
    """Opens what one step needs, from settings that are read when it begins."""

    given: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def open(self, thread: str, write: Write) -> Iterator[Context]:
        with self.agent() as agent, alone(agent.settings.state_dir, agent.journal, thread):
            sink = chat.Streamed(write, json_rows, agent.settings.chat_rows)
            yield agent.context(thread, sink=sink)

    def admit(self, thread: str, *, ask: Any, run: Any) -> Thread:
        for name, text in (("ask", ask), ("run", run)):
            if text is not None and not isinstance(text, str):
                raise UsageError(f"{name} is {shown(text)}", hint=f'text: {{"{name}": "..."}}')
        with self.agent() as agent:
            return agent.admit(ask=ask, run=run, thread=thread)

    def refused(self, thread: str, because: str) -> None:
        with self.agent() as agent:
            agent.refused(thread, "", because)

    def waits(self, thread: str) -> bool:
        with self.agent() as agent:
            return agent.journal.thread(thread).status in (Status.NEW, Status.PENDING)

    def overtaken(self, thread: str, *, turn: int, proposal: str, stage: int) -> str:
        with self.agent() as agent:
            row = agent.journal.thread(thread)
            if row.status is Status.UNKNOWN:
                return doubt(row).message
            if row.status in TERMINAL:
                return finished(agent.journal, row).message
            if (row.turn, row.proposal) != (turn, proposal):
                return f"{proposal or thread} is not what waits any more: {row.proposal or row.asks or row.status} is"
            decision = agent.journal.decision(proposal, stage) if proposal else None
            return f"{decision.by} decided first: {decision.choice}" if decision else ""

    def agent(self) -> Agent:
        return Agent(config.load(self.given, os.environ, Path.cwd()))


graph: Served = serve(_Settings())


def make_graph(config: Any = None) -> Served:  # noqa: ARG001 - what a client configures decides nothing here
    """The same, for tools that call a factory."""
    return graph


@contextmanager
def open_graph(**settings: Any) -> Iterator[Served]:
    """The graph on the checkpoints of the command line; settings by their names in the config file."""
    door = _Settings(settings)
    with door.agent() as agent:
        saver = open_checkpoints(agent.settings.state_dir, agent.settings.store)
    try:
        yield serve(door, saver)
    finally:
        saver.close()
