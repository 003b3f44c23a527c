"""One line on stderr for what takes long: a person sees that it is alive, a log gets one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import chain, count

from sqlagent.core.text.counted import counted
from sqlagent.ui.screen import Screen
from sqlagent.ui.visible import one_line, width

_BEAT = 1.0
_LOGGED = (10, 30)
"""Seconds after which a log is told for the first times; then it is every minute."""
_QUIET = 2.0
"""Elapsed time is worth showing only after so many seconds."""


class Progress:
    """`asking MODEL about 3 of 12 tables ... 1.8 s`: begun on entry, ended on exit, on one line throughout.

    On a terminal the rest of the line, seconds and tokens, is brought up to date in place until it ends; elsewhere it
    is written once.
    """

    def __init__(self, screen: Screen, words: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._words = f"  {one_line(words)} ..."
        self._clock = clock
        self._tokens = 0
        self._shown = ""
        self._open = False
        """The cursor stands behind our line."""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._started = 0.0
        self._heart: threading.Thread | None = None

    def __enter__(self) -> Progress:
        self._started = self._clock()
        self._screen.ask(self._words)
        self._open = True
        self._heart = threading.Thread(target=self._beat if self._screen.terminal else self._log, daemon=True)
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._heart is not None and self._heart.is_alive():  # Ctrl-C may come while it is being started
            self._heart.join()
        with self._lock:
            ended = f" {self._seconds():.1f} s{self._token_words()}"
            self._rest(ended)
            self._screen.line()
            self._open = False

    def words(self, words: str) -> None:
        """What it is about became known only now (`about 3 of 12 tables`)."""
        with self._lock:
            before, self._words = self._words, f"  {one_line(words)} ..."
            if self._screen.terminal and self._open and before != self._words:
                blank = " " * width(before + self._shown)
                self._shown = ""
                self._screen.overwrite(blank, self._words)

    def tokens(self, count: int) -> None:
        """So many tokens have come in all."""
        self._tokens = count

    def note(self, text: str) -> None:
        """A line in between, such as a retry; the progress goes on below it."""
        with self._lock:
            self._screen.line()
            self._screen.line(f"  {text}")
            self._shown = ""
            self._screen.ask(self._words)

    def _log(self) -> None:
        """Off a terminal: a line of its own after 10 s, after 30 s, and then every minute."""
        for due in chain(_LOGGED, count(60, 60)):
            while (left := due - self._seconds()) > 0:
                if self._stopped.wait(min(left, _BEAT)):
                    return
            with self._lock:
                self._screen.line(f" {due} s{self._token_words()}")
                self._screen.ask(self._words)

    def _beat(self) -> None:
        while not self._stopped.wait(_BEAT):
            with self._lock:
                if self._seconds() >= _QUIET:
                    self._rest(f" {self._seconds():.0f} s{self._token_words()}")

    def _seconds(self) -> float:
        return self._clock() - self._started

    def _token_words(self) -> str:
        return f", {counted(self._tokens, 'token')}" if self._tokens else ""

    def _rest(self, text: str) -> None:
        """Put `text` behind the words, over what stood there."""
        if self._screen.terminal:
            room = self._screen.columns - width(self._words) - 1
            text = text[: max(room, 0)].ljust(min(len(self._shown), max(room, 0)))
            self._screen.overwrite(self._words + text)
        else:
            self._screen.ask(text)
        self._shown = text.rstrip()


class Live:
    """`running statement 1 of 2, 412,000 rows, 3.1 s`: in place on a terminal, a line each doubling elsewhere."""

    def __init__(self, screen: Screen, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._clock = clock
        self._started = clock()
        self._next = self._started
        self._shown = 0

    def say(self, words: str) -> None:
        """In the place of what was said before."""
        line = f"  {one_line(words)}"
        if self._screen.terminal:
            line = line[: self._screen.columns - 1]
            self._screen.overwrite(line.ljust(self._shown))
            self._shown = len(line)
        elif (now := self._clock()) >= self._next:
            self._next = now + max(now - self._started, 2.0)
            self._screen.line(line)

    def end(self) -> None:
        """The line stands as it is."""
        if self._shown:
            self._screen.line()
            self._shown = 0


class Download:
    """`WORDS ... 312 of 1,117 MB, 28 %`: in place on a terminal, a line each tenth elsewhere."""

    def __init__(self, screen: Screen, words: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self.words = words
        self._words = f"  {one_line(words)} ..."
        self._clock = clock
        self._started = clock()
        self._first: int | None = None
        self._last_drawn = float("-inf")
        self._tenth = -1
        self._shown = 0
        self._open = False

    def __enter__(self) -> Download:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            self._screen.line()
            self._open = False

    def at(self, done: int, total: int) -> None:
        """So many bytes are here, of so many."""
        if self._first is None:
            self._first = done  # what an earlier try left is not this one's speed
        if self._screen.terminal:
            self._draw(done, total)
        elif total and done * 10 // total > self._tenth:
            self._tenth = done * 10 // total
            self._screen.line(self._words + self._progress(done, total))

    def _draw(self, done: int, total: int) -> None:
        now = self._clock()
        if now - self._last_drawn < 0.1 and done < total:
            return
        self._last_drawn = now
        line = (self._words + self._progress(done, total))[: self._screen.columns - 1]
        self._screen.overwrite(line.ljust(self._shown))
        self._shown = len(line)
        self._open = True

    def _progress(self, done: int, total: int) -> str:
        words = f" {done / 1e6:,.0f} of {total / 1e6:,.0f} MB, {done * 100 // total if total else 100} %"
        seconds = self._clock() - self._started
        speed = (done - (self._first or 0)) / seconds if seconds > 0.5 else 0.0
        if speed <= 0 or done >= total:
            return words
        return f"{words}, {speed / 1e6:,.1f} MB/s, {(total - done) / speed:,.0f} s left"
