"""Files that one process at a time may hold, let go by the system when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Held(Exception):
    """Another process holds the file."""


def private_folder(folder: Path) -> Path:
    """The folder, made for its owner alone where it is not there yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def try_hold(path: Path) -> int:
    """Hold the file and answer its descriptor, which holds it until it is closed; `Held` where another does."""
    private_folder(path.parent)
    return _locked(path, fcntl.LOCK_EX)


def is_held(path: Path) -> bool:
    """Whether some process holds it now; looking keeps nobody else from looking."""
    if not path.exists():
        return False
    try:
        os.close(_locked(path, fcntl.LOCK_SH))
    except Held:
        return True
    return False


def _locked(path: Path, how: int) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError as e:
        os.close(handle)
        raise Held(path) from e
    return handle


@contextmanager
def held(path: Path, *, wait: Callable[[float], None], on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the file for a while, after whoever holds it now; `on_wait` is called once if there is somebody."""
    waited = False
    while True:
        try:
            handle = try_hold(path)
            break
        except Held:
            if not waited:
                on_wait()
            waited = True
            wait(0.05)
    try:
        yield
    finally:
        os.close(handle)
