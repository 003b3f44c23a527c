"""How long a Ctrl-C waits in a preview of a million rows, wherever in it it comes."""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from measure import say
from test_bench_effects import DELETE, UPDATE, million

__all__ = ["million"]
TIMES = 24
PREVIEWING = """
import sys, time, traceback
from sqlagent.databases.base import MeasureBudget
from sqlagent.databases.open import open_database
db = open_database(sys.argv[1], name="million")
budget = MeasureBudget(300, 1_000_000_000, copy_bytes=int(sys.argv[3]))
words = []
print("ready", flush=True)
try:
    while True:
        db.measure([sys.argv[2]], budget=budget, heard=words.append)
        print("measured", flush=True)
except KeyboardInterrupt as pressed:
    spent = time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID)
    print("interrupted", spent, traceback.extract_tb(pressed.__traceback__)[-1].name, flush=True)
"""

pytestmark = pytest.mark.benchmark


def interrupted(path: Path, sql: str, copy_bytes: int, after: float) -> tuple[float, float, str]:
    """Seconds of the processor and of the clock from the signal to the process having said so, and where it was."""
    arguments = [sys.executable, "-c", PREVIEWING, str(path), sql, str(copy_bytes)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(after)
        spent = int(Path(f"/proc/{child.pid}/schedstat").read_text().split()[0])
        pressed = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, by_then, where = next(line for line in child.stdout if line.startswith("interrupted")).split()
        return (int(by_then) - spent) / 1e9, time.monotonic() - pressed, where


def one_preview(path: Path, sql: str, copy_bytes: int) -> float:
    arguments = [sys.executable, "-c", PREVIEWING, str(path), sql, str(copy_bytes)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        begun = time.monotonic()
        child.stdout.readline()
        child.kill()
        return time.monotonic() - begun


@pytest.mark.parametrize("sql", [UPDATE, DELETE])
@pytest.mark.parametrize("how", ["private copy", "rolled back"])
def test_a_ctrl_c_at_any_moment_of_a_preview(million: Path, sql: str, how: str) -> None:
    copy_bytes = 200_000_000 if how == "private copy" else 0
    takes = one_preview(million, sql, copy_bytes)
    source = random.Random(f"{sql} {how}")
    waits = sorted(interrupted(million, sql, copy_bytes, source.uniform(0, takes)) for _ in range(TIMES))
    for figure, seconds in (("cpu", [wait[0] for wait in waits]), ("wall", [wait[1] for wait in waits])):
        each = [second * 1e3 for second in seconds]
        found = f"median {statistics.median(each):4.0f} ms  longest {max(each):4.0f} ms of {TIMES}"
        say(f"{sql[:6]}, {how}, Ctrl-C to its answer, {figure}", found)
    say("    the longest were in", ", ".join(f"{where} ({cpu * 1e3:.0f} ms)" for cpu, _, where in waits[-4:]))
