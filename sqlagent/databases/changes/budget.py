"""How long a measurement may take and how large it may grow, and the words it says meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from sqlagent.core.text.counted import counted

_BETWEEN_WORDS = 0.25  # seconds


class PastBudget(Exception):
    """A measurement was stopped at one of its bounds; the text says which: `past 5 s`."""


class Budget:
    """The bounds of one measurement, over all its connections."""

    def __init__(
        self, *, seconds: float | None, changes_bytes: int, heard: Callable[[str], None] | None,
        clock: Callable[[], float] = monotonic,
    ) -> None:  # fmt: skip
        """`clock` is what the seconds are told by: another one counts work, where nobody waits for what it holds."""
        self._seconds = seconds
        self._clock = clock
        self._begun, self._first = monotonic(), clock()
        self._changes_bytes = changes_bytes
        self._heard = heard
        self._next_word = self._begun + _BETWEEN_WORDS
        self.stopped = ""
        """At what bound, once it is over."""
        self.recorded: Callable[[], int] = int
        """How many bytes of changes have been recorded just now."""
        self.doing = ""

    @property
    def spent(self) -> float:
        """Seconds used so far, by its clock."""
        return self._clock() - self._first

    @property
    def left(self) -> float | None:
        """Seconds that are left; None where there is no bound."""
        return None if self._seconds is None else max(self._seconds - self.spent, 0.0)

    def check(self) -> None:
        """Raise PastBudget where a bound is reached; to be called between two pieces of work."""
        if self.is_over():
            raise PastBudget(self.stopped)

    def check_size(self, size: int) -> None:
        """Raise PastBudget where the changes are larger than the bound."""
        if size > self._changes_bytes:
            raise PastBudget(f"past {megabytes(self._changes_bytes)} of changes")

    def is_over(self, rows: int = 0) -> bool:
        """Whether a bound is reached; says how far it is, with the rows so far."""
        now = monotonic()
        if self._seconds is not None and self.spent > self._seconds:
            self.stopped = f"past {self._seconds:g} s"
        elif self.recorded() > self._changes_bytes:
            self.stopped = f"past {megabytes(self._changes_bytes)} of changes"
        if self._heard is not None and now > self._next_word:
            self._next_word = now + _BETWEEN_WORDS
            self._heard(f"{self.doing}{so_far(rows, self.recorded())}, {now - self._begun:.1f} s")
        return bool(self.stopped)


def so_far(rows: int, recorded: int) -> str:
    """How much is changed: `, 12,000 rows`, or the bytes while the rows are not known; empty while nothing is."""
    if rows:
        return f", {counted(rows, 'row')}"
    return f", {recorded / 1e6:,.1f} MB of changes" if recorded else ""


def megabytes(size: int) -> str:
    """A number of bytes as a person reads it: `64 MB`."""
    return f"{size / 1e6:g} MB"
