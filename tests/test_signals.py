"""Tests set the signals that they need, whatever started them."""

from __future__ import annotations

import subprocess
import sys

from checkout import ROOT

DEAF = """
import os, signal, sys
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *sys.argv[1:]])
"""
TESTS = (
    "tests/ui/test_ui_prompt.py::test_a_hangup_signal_leaves_it_pending",
    "tests/ui/test_ui_prompt.py::test_ctrl_c_leaves_it_pending",
    "tests/databases/sqlite/connection/test_sqlite_child.py",
    "tests/databases/sqlite/run/test_sqlite_read.py::test_ctrl_c_ends_a_query_that_gives_no_row",
)


def test_signals_that_whoever_started_the_tests_ignores_or_blocks_are_heard_all_the_same() -> None:
    """As `nohup` leaves SIGHUP, a shell's background SIGINT, and `trap ''` any other."""
    command = [sys.executable, "-c", DEAF, *TESTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
