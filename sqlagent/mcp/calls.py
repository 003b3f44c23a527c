"""One call of a tool: an agent of its own in a thread of its own, which says how far it is and can be cancelled."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio import from_thread, to_thread

from sqlagent.core.errors import SqlagentError
from sqlagent.service import Agent, Listener

if TYPE_CHECKING:
    from sqlagent.config import Settings

_T = TypeVar("_T")
Progress = Callable[[float, float | None, str | None], Coroutine[Any, Any, None]]


class Refused(Exception):
    """A tool's error and its hint, answered in the place of a result."""


async def call(settings: Settings, work: Callable[[Agent], _T], *, client: str, progress: Progress) -> _T:
    """Do `work` with an agent of its own; `client` is the name that the client gave itself.

    Raises Refused for every error of ours.  Where the call is cancelled, what the database does is interrupted, and
    nothing is done any more by then.
    """
    opened: list[Agent] = []
    gone = Event()
    steps = iter(range(1, 1_000_000))

    def say(words: str) -> None:
        with suppress(RuntimeError):  # the call was cancelled, and nobody listens any more
            from_thread.run(progress, float(next(steps)), None, words)

    def carry_out() -> _T:
        environment = f"mcp:{client}" if client else "mcp"
        listener = replace(Listener(), begin=say, so_far=say, note=say, environment=environment)
        with Agent(settings, listener=listener) as agent, agent.one_call() as one:
            opened.append(one)
            if gone.is_set():
                one.cancel()
            return work(one)

    await progress(0.0, None, "begun")
    try:
        return await to_thread.run_sync(carry_out, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        gone.set()
        with anyio.CancelScope(shield=True):
            while any(one.cancel() for one in opened):
                await anyio.sleep(0.05)
        raise
    except SqlagentError as e:
        raise Refused(f"{e.message}\nhint: {e.hint}" if e.hint else e.message) from e
