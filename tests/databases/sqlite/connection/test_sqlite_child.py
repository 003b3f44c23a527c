"""A Ctrl-C is heard whenever it comes, also while a process is being forked."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, time
from sqlagent.databases.sqlite.connection.child import Bounds, Child

def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)

os.register_at_fork({when}=press)
try:
    Child(lambda parent: time.sleep(20), Bounds(20.0)).run()
except KeyboardInterrupt:
    print("heard", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


@pytest.mark.parametrize("when", ["before", "after_in_parent"])
def test_a_ctrl_c_that_comes_while_a_process_is_forked_ends_the_work(when: str) -> None:
    command = [sys.executable, "-c", PROGRAM.format(when=when)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=True)
    assert done.stdout == "heard True\n"
    assert done.stderr == ""
