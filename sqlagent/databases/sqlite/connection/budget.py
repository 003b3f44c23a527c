"""The budget of a measurement on SQLite: it counts work, and stops what runs on a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import thread_time

import apsw

from sqlagent.core.errors import QueryError
from sqlagent.databases.changes.budget import Budget, PastBudget

_STEPS_BETWEEN_LOOKS = 20_000


class Meter(Budget):
    """The bounds of one measurement, over all its connections.

    Its seconds are of work, not of the clock: a busy machine makes nobody's change one that cannot be measured.
    """

    def __init__(self, *, seconds: float | None, changes_bytes: int, heard: Callable[[str], None] | None) -> None:
        super().__init__(seconds=seconds, changes_bytes=changes_bytes, heard=heard, clock=thread_time)

    @contextmanager
    def holding(self, connection: apsw.Connection) -> Iterator[None]:
        """Stop what runs on the connection at a bound: PastBudget."""

        def look() -> bool:
            return self.is_over(connection.total_changes() - before)

        before = connection.total_changes()
        connection.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
        try:
            yield
        except apsw.InterruptError as e:
            if self.stopped:
                raise PastBudget(self.stopped) from e
            raise QueryError("the measurement was cancelled") from e
        finally:
            connection.set_progress_handler(None)
