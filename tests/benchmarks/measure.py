"""Whole processes measured by the operating system's own accounting: CPU, wall time and peak memory, as medians."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the runs."""

    cpu: float
    """Seconds, user and system."""
    wall: float
    """Seconds."""
    memory: int
    """Bytes, the peak of the process itself."""
    spread: str
    """Least and greatest CPU, for the noise of the machine."""

    def __str__(self) -> str:
        return f"cpu {self.cpu:6.3f} s ({self.spread})  wall {self.wall:6.3f} s  peak {self.memory / 1e6:6.1f} MB"


def run_once(
    command: Sequence[str], env: Mapping[str, str], *, stdout: Path | None = None, code: int = 0
) -> tuple[float, float, int]:
    """CPU seconds, wall seconds and peak bytes of one run, which must exit with `code`."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(command, env, stdout)
    peak = 0
    while (ended := os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is None:
        peak = _peak_of(child) or peak  # of the program itself, once it has taken the place of its parent
        time.sleep(0.01)
    assert ended.si_pid == child
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - began
    assert os.waitstatus_to_exitcode(status) == code, f"{command} exited with {os.waitstatus_to_exitcode(status)}"
    return usage.ru_utime + usage.ru_stime, wall, peak


def _peak_of(pid: int) -> int:
    """Peak bytes of the program that runs now; the kernel's own account counts the parent's memory from before exec."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def _become(command: Sequence[str], env: Mapping[str, str], stdout: Path | None) -> None:
    """The program, with its modules compiled as an installation has them: by the run that is not counted."""
    nothing = os.open(os.devnull, os.O_RDWR)
    out = nothing if stdout is None else os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for source, target in ((nothing, 0), (out, 1), (nothing, 2)):
        os.dup2(source, target)
    os.execvpe(command[0], list(command), {k: v for k, v in env.items() if k != "PYTHONDONTWRITEBYTECODE"})


def measure(
    command: Callable[[], Sequence[str]] | Sequence[str],
    env: Mapping[str, str],
    *,
    runs: int = 5,
    stdout: Path | None = None,
    code: int = 0,
) -> Figures:
    """Medians of `runs` runs after one that is not counted."""
    made = command if callable(command) else lambda: command
    run_once(made(), env, stdout=stdout, code=code)
    taken = [run_once(made(), env, stdout=stdout, code=code) for _ in range(runs)]
    cpu, wall, memory = (statistics.median(figures) for figures in zip(*taken, strict=True))
    least, most = min(t[0] for t in taken), max(t[0] for t in taken)
    return Figures(cpu, wall, int(memory), f"{least:.3f} to {most:.3f}")


def say(what: str, figures: Figures | str) -> None:
    """One line of the benchmark's report."""
    print(f"{what:<44} {figures}")
