"""Files that one process at a time may hold, let go by the system when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
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
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(handle)
    except OSError as e:
        os.close(handle)
        raise Held(path) from e
    return handle


def is_held(path: Path) -> bool:
    """Whether some process holds it now."""
    if not path.exists():
        return False
    try:
        os.close(try_hold(path))
    except Held:
        return True
    return False


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


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
