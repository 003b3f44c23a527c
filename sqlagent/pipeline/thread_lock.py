"""One process at a time works on a thread; the kernel frees the lock of a process that dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlagent.core.errors import Busy, StoreError
from sqlagent.store import private

WAIT_SECONDS = 20.0
"""Longer than any step but the model's and a long statement's; a second process then says so instead of waiting on."""


@contextmanager
def thread_lock(folder: Path, thread: str, *, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the thread's lock; raises Busy when another process keeps it for longer than `wait` seconds."""
    handle = _open(folder, thread)
    try:
        _take(handle, thread, time.monotonic() + wait)
        yield
    finally:
        os.close(handle)


def _open(folder: Path, thread: str) -> int:
    try:
        private.make_subfolder(folder)
        return private.open_file(folder / f"{thread}.lock", os.O_RDWR)
    except OSError as e:
        raise StoreError(
            f"the lock of {thread} in {folder} cannot be written: {(e.strerror or str(e)).lower()}",
            hint="name another folder: --state-dir DIR",
        ) from e


def _take(handle: int, thread: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Busy(
                    f"another process is working on {thread}", hint=f"look at it meanwhile: sqlagent show {thread}"
                ) from None
            time.sleep(0.05)
