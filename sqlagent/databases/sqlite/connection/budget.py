"""How long a measurement may take and how large it may grow, and the words it says meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, thread_time

import apsw

from sqlagent.core.errors import QueryError
from sqlagent.databases.sqlite.connection.progress import so_far

_STEPS_BETWEEN_LOOKS = 20_000
_BETWEEN_WORDS = 0.25  # seconds


class PastBudget(Exception):
    """It was stopped; the text says at what bound: `past 5 s`."""


class Meter:
    """The bounds of one measurement, over all its connections.

    Its seconds are of work, not of the clock: a busy machine makes nobody's change one that cannot be measured.
    """

    def __init__(self, *, seconds: float | None, changes_bytes: int, heard: Callable[[str], None] | None) -> None:
        self._seconds = seconds
        self._begun, self._worked = monotonic(), thread_time()
        self._changes_bytes = changes_bytes
        self._heard = heard
        self._next_word = self._begun + _BETWEEN_WORDS
        self._stopped = ""
        self._rows_before = 0
        self.recorded: Callable[[], int] = int
        """How many bytes of changes have been recorded just now."""
        self.doing = ""

    @property
    def spent(self) -> float:
        """Seconds of work."""
        return thread_time() - self._worked

    def check(self) -> None:
        """Between two pieces of Python's own work."""
        if self._is_over():
            raise PastBudget(self._stopped)

    def check_size(self, size: int) -> None:
        if size > self._changes_bytes:
            raise PastBudget(f"past {_megabytes(self._changes_bytes)} of changes")

    @contextmanager
    def holding(self, connection: apsw.Connection) -> Iterator[None]:
        """Stop what runs on the connection at a bound: PastBudget."""

        def look() -> bool:
            return self._is_over(connection)

        self._rows_before = connection.total_changes()
        connection.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
        try:
            yield
        except apsw.InterruptError as e:
            if self._stopped:
                raise PastBudget(self._stopped) from e
            raise QueryError("the measurement was cancelled") from e
        finally:
            connection.set_progress_handler(None)

    def _is_over(self, connection: apsw.Connection | None = None) -> bool:
        now = monotonic()
        if self._seconds is not None and self.spent > self._seconds:
            self._stopped = f"past {self._seconds:g} s"
        elif self.recorded() > self._changes_bytes:
            self._stopped = f"past {_megabytes(self._changes_bytes)} of changes"
        if self._heard is not None and now > self._next_word:
            self._next_word = now + _BETWEEN_WORDS
            rows = connection.total_changes() - self._rows_before if connection else 0
            self._heard(f"{self.doing}{so_far(rows, self.recorded())}, {now - self._begun:.1f} s")
        return bool(self._stopped)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:g} MB"
