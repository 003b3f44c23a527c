"""Removes copies that no undo needs: of attempts that died before their COMMIT, and of runs that kept nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sqlagent.core.errors import Busy
from sqlagent.pipeline.thread_lock import thread_lock
from sqlagent.store.journal import Journal, RunState

_COPY = re.compile(r"(?P<run>(?P<thread>\w+)\.\d+)\.db(-journal)?")


def sweep(folder: Path, journal: Journal, *, locks: Path, older_than: float) -> None:
    """Remove those last written before a time (seconds since 1970); never one of a run whose end was not seen.

    Each under the lock of its thread, so that no attempt can begin to write the file that is removed.
    """
    for path, run, thread in _old(folder, older_than):
        try:
            with thread_lock(locks, thread, wait=0.0):
                if _is_left_over(run, journal) and _written(path) < older_than:
                    path.unlink(missing_ok=True)
        except Busy:
            continue  # it is at work: what it leaves is looked at another time


def _old(folder: Path, older_than: float) -> Iterator[tuple[Path, str, str]]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = _COPY.fullmatch(path.name)
        if name is not None and _written(path) < older_than:
            yield path, name["run"], name["thread"]


def _written(path: Path) -> float:
    """When; a file that is gone was never too long ago."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _is_left_over(run_id: str, journal: Journal) -> bool:
    run = journal.run(run_id)
    return (run is None or run.state is not RunState.STARTED) and journal.kept(run_id) is None
