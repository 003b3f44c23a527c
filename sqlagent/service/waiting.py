"""Waiting for other people's decision on a thread, with an optional limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from sqlagent.core.errors import TimedOut
from sqlagent.core.nouns.session import Report, Status

_AT_ONCE = 5.0  # seconds between looks, also where nobody tells of a change


@dataclass(slots=True)
class Waiting:
    """One wait for a decision: when to look again, and when it has lasted too long."""

    thread: str
    timeout: float | None
    _since: float = field(default_factory=monotonic)

    def goes_on(self, report: Report) -> bool:
        """Whether nobody has decided yet; raises TimedOut where it has lasted too long."""
        if report.status not in (Status.NEW, Status.PENDING) or report.decided_by:
            return False
        if self.timeout is not None and self.seconds <= 0:
            raise TimedOut(
                f"nobody has decided {self.thread} within {self.timeout:g} s", hint=f"sqlagent show {self.thread}"
            )
        return True

    @property
    def seconds(self) -> float:
        """How long until it is to be looked at again."""
        left = _AT_ONCE if self.timeout is None else self._since + self.timeout - monotonic()
        return min(left, _AT_ONCE)
