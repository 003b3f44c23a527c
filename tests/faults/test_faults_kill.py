"""`kill -9` at any time while an approved change runs: after resume it was applied once."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Callable

import pytest
from aftermath import How, Tally, approves, judge, kept_shop
from shops import in_child


@pytest.mark.parametrize("kills", [20, pytest.param(300, marks=pytest.mark.long)])
@pytest.mark.parametrize("how", How, ids=lambda how: how.value)
def test_a_change_that_is_killed_at_any_time_was_applied_once_after_resume(how: How, kills: int) -> None:
    chance = random.Random(f"{how.value} {kills}")
    tally = Tally()
    with kept_shop(how) as (shop, asked, kept):

        def approve() -> None:
            approves(shop, asked)

        durations = []
        for _ in range(5):
            shop.restore(kept)
            begun = time.monotonic()
            assert in_child(approve) == 0
            durations.append(time.monotonic() - begun)
        longest = statistics.median(durations)
        while tally.points < kills:
            shop.restore(kept)
            after = chance.uniform(0, longest)
            if killed(approve, after):
                judge(shop, asked, f"{after * 1000:.1f} of {longest * 1000:.1f} ms", tally)
    print(f"\nkill -9 {how.value}, {longest * 1000:.0f} ms a run: {tally}")
    assert not tally.bad, f"{tally}\n" + "\n".join(tally.bad)


def killed(work: Callable[[], None], after: float) -> bool:
    """Whether it was still at it then."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    time.sleep(after)  # the one thing that is tested here: any time
    os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code != 0
