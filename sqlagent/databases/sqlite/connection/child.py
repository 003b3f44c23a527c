"""Work on a database done in a process of its own, which can be ended whatever the engine does.

SQLite looks at the clock between the steps of its program, and one call of LIKE, replace or trim inside a step may last
for ever; no limit of SQLite bounds those that does not also refuse rows as people have them.  A process can be ended.
Its CPU time and SQLite's memory are bounded by the system and by SQLite, its time on the clock by whoever waits for it.

It is forked: nothing has to be started, and what it is to do need not be sent.  A connection does not cross a fork, so
the work opens its own.
"""

from __future__ import annotations

import ctypes
import gc
import marshal
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from math import ceil
from multiprocessing import connection as pipes
from time import monotonic
from typing import Any, Generic, TypeVar

import apsw

from sqlagent.fork_gate import GATE

_T = TypeVar("_T")
_ROWS_AT_ONCE = 512
_GRACE = 1.0  # seconds: what stops by itself between two steps is let do so
_MEMORY = 1_000_000_000
"""Bytes that SQLite may take."""
_DONE, _RAISED, _TOLD, _WRITE, _CALL, _ENOUGH = "done", "raised", "told", "write", "call", "enough"
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


_OPEN: set[pipes.Connection[Any, Any]] = set()
"""This process's ends of the pipes to all that it forked, which the next one inherits."""


class Ended(Exception):
    """The work was ended from outside, or its process died; the text says why: `past 5 s`."""


class OutOfTime(Ended):
    """Its time on the clock, or of the processor, was over."""


class OutOfMemory(Ended):
    """It asked for more memory than it may have."""


class Cancelled(Ended):
    """Somebody interrupted it."""


class Refused(Exception):
    """What the parent was asked to do raised an error, which the parent keeps to raise it itself."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long one piece of work may take on the clock, and how much processor time."""

    seconds: float | None
    """On the clock; None for no limit."""
    cpu_seconds: float | None = None
    """Of work, however busy the machine is."""


@dataclass(slots=True)
class Parent:
    """The process that waits for the work, as the work sees it."""

    wire: pipes.Connection[Any, Any]

    def tell(self, words: str) -> None:
        """Tell of progress; nobody answers."""
        self.wire.send((_TOLD, words))

    def call(self, name: str, *arguments: Any) -> Any:
        """Have the parent do it, and wait for the answer."""
        self.wire.send((_CALL, name, arguments))
        return self._answer()

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """The sink's: the first rows at once, the others a few hundred at a time, until it has seen enough."""
        self.wire.send((_WRITE, tuple(columns)))
        many = 1
        try:
            while (some := list(islice(rows, many))) and not self.wire.poll():
                self.wire.send(marshal.dumps(some))  # SQLite's values are its own; pickling them takes twice as long
                many = min(2 * many, _ROWS_AT_ONCE)
        except BaseException as e:
            self.wire.send(_sent(e))
            raise
        self.wire.send(b"")
        return int(self._answer())

    def _answer(self) -> Any:
        while (answer := self.wire.recv()) == _ENOUGH:  # of rows that were all sent by then
            pass
        is_done, value = answer
        if not is_done:
            raise Refused(value)
        return value


@dataclass(slots=True)
class Child(Generic[_T]):
    """One piece of work in a process, and who answers what it asks."""

    work: Callable[[Parent], _T]
    bounds: Bounds
    heard: Callable[[str], None] | None = None
    write: Callable[[Sequence[str], Iterator[tuple[Any, ...]]], int] | None = None
    answers: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    is_committing: bool = False
    """From here on it is waited for, however long it takes: how it ends must be known."""
    _pid: int = 0
    _ending: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever sends it a signal, so that none goes to a process that has ended."""
    _interrupted_at: float = 0.0
    _deadline: float | None = None
    _raised: BaseException | None = None

    def run(self) -> _T:
        """Run the work; answers what it returned or raises what it raised, Ended where it did not come to its end."""
        with GATE.alone(), _ctrl_c_noted() as pressed:
            mine, its = pipes.Pipe()
            _OPEN.add(mine)
            pid = os.fork()
            if pid == 0:
                for theirs in _OPEN:  # a pipe ends where nobody else has it open
                    theirs.close()
                _be_the_child(self.work, its, self.bounds)
            its.close()
            self._pid = pid
        self.restart()
        with mine:
            try:
                if pressed:
                    signal.raise_signal(signal.SIGINT)
                return self._waited_for(mine)
            finally:
                self._end()
                _OPEN.discard(mine)

    def restart(self) -> None:
        """Count the time from here: what was waited for until now was no work."""
        self._deadline = None if self.bounds.seconds is None else monotonic() + self.bounds.seconds + _GRACE

    def interrupt(self) -> None:
        """Have it cancel what it does; any thread may.  What does not stop between two steps is ended."""
        with self._ending:
            if self._pid and not self.is_committing:
                self._interrupted_at = self._interrupted_at or monotonic()
                os.kill(self._pid, signal.SIGTERM)

    # ---- waiting ------------------------------------------------------------------------------------------------

    def _waited_for(self, wire: pipes.Connection[Any, Any]) -> _T:
        while True:
            match self._next(wire):
                case [kind, value] if kind == _DONE:
                    return value  # type: ignore[no-any-return]  # it is what the work returned
                case [kind, error] if kind == _RAISED:
                    raise self._error(error)
                case [kind, words] if kind == _TOLD:
                    self._hear(words)
                case [kind, columns] if kind == _WRITE:
                    ends = () if self.is_committing else (KeyboardInterrupt,)
                    self._respond(wire, partial(self._written, wire, columns), ends=ends)
                case [kind, name, arguments] if kind == _CALL:
                    self._respond(wire, partial(self.answers[name], *arguments))

    def _next(self, wire: pipes.Connection[Any, Any]) -> Any:
        """What it says next; a Ctrl-C meanwhile ends it, unless it is committing."""
        try:
            while not wire.poll(self._patience()):
                if self.is_committing:
                    continue
                if self._interrupted_at and monotonic() > self._interrupted_at + _GRACE:
                    raise Cancelled("it was cancelled")
                if self._deadline is not None and monotonic() >= self._deadline:
                    raise OutOfTime(f"past {self.bounds.seconds:g} s")
            return wire.recv()
        except (EOFError, ConnectionError):
            raise self._death() from None
        except KeyboardInterrupt:
            if not self.is_committing:
                self._stop(wire)
                raise
            return self._next(wire)

    def _patience(self) -> float:
        """Seconds until something else than a message is to be seen to: time that is up, or another thread's word."""
        left = _GRACE if self._deadline is None or self.is_committing else self._deadline - monotonic()
        return min(max(left, 0.0), _GRACE)

    def _stop(self, wire: pipes.Connection[Any, Any]) -> None:
        """Let it take back what it did, where it can."""
        self.interrupt()
        until = monotonic() + _GRACE
        with suppress(EOFError, OSError):
            while wire.poll(max(until - monotonic(), 0)) and wire.recv()[:1] not in ((_DONE,), (_RAISED,)):
                pass

    def _death(self) -> Ended:
        with self._ending:
            _, status = os.waitpid(self._pid, 0)
            self._pid = 0
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGXCPU:
            return OutOfTime(f"past {self.bounds.cpu_seconds or 0:g} s")
        if self._interrupted_at:
            return Cancelled("it was cancelled")  # before it could do so by itself
        return Ended(f"its process died ({signal.strsignal(-code) if code < 0 else code})")

    def _respond(
        self, wire: pipes.Connection[Any, Any], do: Callable[[], Any], *, ends: tuple[type[BaseException], ...] = ()
    ) -> None:
        try:
            answer = True, do()
        except ends:
            raise
        except BaseException as e:  # noqa: BLE001 - it is raised again when the work has taken itself back
            self._raised = e
            answer = False, str(e) or type(e).__name__
        with suppress(OSError):
            wire.send(answer)

    def _written(self, wire: pipes.Connection[Any, Any], columns: Sequence[str]) -> int:
        left = self._rows(wire)
        assert self.write is not None
        try:
            count = self.write(columns, left)
        except KeyboardInterrupt:
            if self.is_committing:
                self._leave(wire, left)
            raise
        except BaseException:
            self._leave(wire, left)
            raise
        self._leave(wire, left)
        return count

    def _rows(self, wire: pipes.Connection[Any, Any]) -> Iterator[tuple[Any, ...]]:
        return chain.from_iterable(self._batches(wire))  # a row takes no step of Python

    def _batches(self, wire: pipes.Connection[Any, Any]) -> Iterator[list[tuple[Any, ...]]]:
        while some := self._next(wire):
            if isinstance(some, tuple):
                raise self._error(some[1])
            yield marshal.loads(some)  # noqa: S302 - from a process that was forked of this one

    def _leave(self, wire: pipes.Connection[Any, Any], left: Iterator[tuple[Any, ...]]) -> None:
        """Have it send no more rows, and take what is on the way."""
        if next(left, None) is None:
            return
        wire.send(_ENOUGH)
        for _ in left:
            pass

    def _hear(self, words: str) -> None:
        try:
            if self.heard is not None:
                self.heard(words)
        except (OSError, ValueError):  # a screen that is gone is no reason to take an approved run back
            self.heard = None

    def _error(self, packed: Any) -> BaseException:
        kind, arguments, known = packed
        if kind is Refused and self._raised is not None:
            return self._raised
        error: BaseException = kind.__new__(kind, *arguments)
        error.args = arguments
        error.__dict__.update(known)
        return error

    def _end(self) -> None:
        with self._ending:
            if self._pid:
                with suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                self._pid = 0


@contextmanager
def _ctrl_c_noted() -> Iterator[list[int]]:
    """A Ctrl-C during the block is in the list, for after it.

    Where a process forks, Python runs what others have registered for that moment and drops what is raised in it: a
    KeyboardInterrupt there would be lost, and the statement go on.
    """
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # no other hears a Ctrl-C
        yield pressed
        return
    before = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


# ---- in the child ---------------------------------------------------------------------------------------------------


def _be_the_child(work: Callable[[Parent], object], wire: pipes.Connection[Any, Any], bounds: Bounds) -> None:
    """Never returns, and runs nothing of what the parent would do at its end."""
    try:
        _bound(bounds)
        try:
            message: tuple[Any, ...] = (_DONE, work(Parent(wire)))
        except apsw.NoMemError:
            message = _sent(OutOfMemory(f"past {_MEMORY / 1e9:g} GB of memory"))
        except BaseException as e:  # noqa: BLE001 - the parent raises it
            message = _sent(e)
        with suppress(OSError):
            wire.send(message)
    finally:
        os._exit(0)


def _bound(bounds: Bounds) -> None:
    parent = os.getppid()
    gc.disable()  # no connection of the parent's may be closed here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both, and the parent decides
    with suppress(AttributeError, OSError):  # Linux alone has it; elsewhere the pipe's end is noticed
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    apsw.hard_heap_limit(_MEMORY)
    if bounds.cpu_seconds is not None:
        most = ceil(bounds.cpu_seconds * 1.2) + 1  # what stops by itself between two steps is let do so
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _sent(error: BaseException) -> tuple[Any, ...]:
    return _RAISED, (type(error), error.args, dict(error.__dict__))
