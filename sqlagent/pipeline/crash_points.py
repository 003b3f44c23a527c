"""Named places where a test may kill the process: `SQLAGENT_CRASH_AT=NAME`, or `NAME#3` for the third time there."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path


def crash_points(at: str, listing: str = "") -> Callable[[str], None]:
    """What to call at each named point: idle where both are empty.

    Else SIGKILL to ourselves at the one named `at`; and every point that is reached becomes a line of the file
    `listing`, so that a test finds the points instead of knowing them.
    """
    if not at and not listing:
        return lambda _name: None
    name, _, times = at.partition("#")
    seen: Counter[str] = Counter()

    def reached(point: str) -> None:
        seen[point] += 1
        if listing:
            with Path(listing).open("a", encoding="utf-8") as file:
                file.write(f"{point}#{seen[point]}\n")
        if point == name and seen[point] == int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    return reached
