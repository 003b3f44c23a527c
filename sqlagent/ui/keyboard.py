"""A line from the terminal, typed after it was asked for."""

from __future__ import annotations

import os
import select
import signal
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol, TextIO

from sqlagent.ui.screen import Screen

_MOST = 65_536


class NothingTyped(Exception):
    """End of input, Ctrl-C, a closed terminal or somebody else's word: how it ended is `str` of it."""


class Watch(Protocol):
    """Whether something else than the keyboard ends a question."""

    seconds: float
    """How long until it is to be asked again, where nothing came by then."""

    def descriptors(self) -> list[int]:
        """What can be read once there may be news."""
        ...

    def has_ended(self) -> bool:
        """Whether the question is none any more."""
        ...


class Keyboard:
    """Reads whole lines from a terminal's file descriptor, past Python's buffers, which read ahead."""

    def __init__(self, stdin: TextIO, watch: Watch | None = None) -> None:
        self._stdin = stdin
        self._fd = stdin.fileno()
        self._watch = watch

    @property
    def is_watching(self) -> bool:
        """Whether somebody else's word may end the question."""
        return self._watch is not None

    def forget(self) -> None:
        """Drop what was typed before the question was on the screen: it cannot be an answer to it."""
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except termios.error as gone:
            raise NothingTyped("hangup") from gone

    def line(self) -> str:
        """What was typed up to Enter, without it; anything else raises NothingTyped."""
        typed = b""
        while not typed.endswith(b"\n"):
            piece = self._read()
            if not piece or len(typed) > _MOST:
                raise NothingTyped("eof")
            typed += piece
        # A byte that is no text becomes U+FFFD, which matches no key and no name.
        return typed.decode(self._stdin.encoding or "utf-8", "replace").rstrip("\r\n").strip(" \t")

    def _read(self) -> bytes:
        try:
            while self._watch is not None and not self._is_typed(self._watch):
                if self._watch.has_ended():
                    raise NothingTyped("elsewhere")
            return os.read(self._fd, 4096)
        except KeyboardInterrupt as pressed:
            raise NothingTyped("interrupt") from pressed
        except OSError as gone:  # EIO: the terminal was closed
            raise NothingTyped("hangup") from gone

    def _is_typed(self, watch: Watch) -> bool:
        """Whether a line was typed, once it or anything else has happened, or for a while nothing has."""
        ready, _, _ = select.select([self._fd, *watch.descriptors()], [], [], watch.seconds)
        return self._fd in ready


def say_it_waits(thread: str, screen: Screen, how: str) -> None:
    """That nothing was decided, and how to come back; `how` is what was done instead: `enter`, `key`, `eof`, ..."""
    try:
        if how not in ("enter", "key"):
            screen.line()  # the cursor still stands behind the prompt
        screen.line(f"  {thread} stays pending; nothing ran")
        screen.line(f"  next: sqlagent resume {thread}")
    except OSError:
        return  # the terminal is gone, and with it whom to tell


@contextmanager
def signals_leave_it_pending() -> Iterator[None]:
    """Within it, Ctrl-C and a closing terminal raise NothingTyped, whatever handlers the program has otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {number: signal.getsignal(number) for number in _ENDINGS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as `nohup` leaves it
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_ENDINGS = {signal.SIGHUP: "hangup", signal.SIGINT: "interrupt"}


def _end(number: int, _frame: FrameType | None) -> None:
    raise NothingTyped(_ENDINGS[signal.Signals(number)])
