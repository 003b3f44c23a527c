"""Named places where a test may kill the process: `SQLAGENT_CRASH_AT=NAME`, or `NAME#3` for the third time there."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable


def crash_points(at: str) -> Callable[[str], None]:
    """What to call at each named point: idle where `at` is empty, else SIGKILL to ourselves at that one."""
    if not at:
        return lambda _name: None
    name, _, times = at.partition("#")
    seen: Counter[str] = Counter()

    def reached(point: str) -> None:
        seen[point] += 1
        if point == name and seen[point] == int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    return reached
