"""One process at a time works on a thread of a team's store: a row that is renewed, and is free once it is not.

It keeps order and is no guard.  What runs once does so by its claim.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlagent.core.errors import Busy, SqlagentError
from sqlagent.store.shared.connection import Session

SECONDS = 60.0
"""How long a process that died keeps others waiting."""
WAIT_SECONDS = 20.0
_POLL = 0.25


@contextmanager
def lease(
    session: Session, thread: str, *, holder: str, wait: float = WAIT_SECONDS, seconds: float = SECONDS
) -> Iterator[None]:
    """Hold the thread's lease; raises Busy when somebody keeps it for longer than `wait` seconds.

    `holder` is the state folder, whose own lock is held: a lease that it has already is of a process that died.
    """
    _take(session, thread, holder, time.monotonic() + wait, seconds)
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(session.another(), thread, holder, seconds, done), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        with suppress(SqlagentError):  # it is free by itself in a minute
            session.call("unlease", thread, holder)


def _take(session: Session, thread: str, holder: str, deadline: float, seconds: float) -> None:
    while other := session.call("lease", thread, holder, seconds)[0]:
        if time.monotonic() > deadline:
            raise Busy(f"{other} is working on {thread}", hint=f"look at it meanwhile: sqlagent show {thread}")
        time.sleep(_POLL)


def _renew(session: Session, thread: str, holder: str, seconds: float, done: threading.Event) -> None:
    while not done.wait(seconds / 3):
        with suppress(SqlagentError):  # the next time may find the server again
            session.call("lease", thread, holder, seconds)
    session.close()
