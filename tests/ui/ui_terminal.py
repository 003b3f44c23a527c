"""The driver of the prompt in a pseudo-terminal, as a person has it before them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pexpect
from checkout import ROOT

HERE = Path(__file__).parent
PROMPT = "\r\n  > "


class Terminal:
    """One run of the driver, and what it answered."""

    def __init__(self, proposal: str, *arguments: str, nohup: bool = False, **env: str) -> None:
        path = os.pathsep.join([str(HERE), str(ROOT / "tests"), str(ROOT)])
        surroundings = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "TERM": "xterm", "NO_COLOR": "1", **env}
        self.child = pexpect.spawn(
            sys.executable,
            [str(HERE / "ask_driver.py"), proposal, *arguments],
            env=surroundings,
            timeout=20,
            encoding="utf-8",
            dimensions=(40, 80),
            echo=True,
            ignore_sighup=nohup,
        )
        self.child.delaybeforesend = None

    def type(self, *lines: str, after: str = PROMPT) -> Terminal:
        """Each line as the answer to a prompt that has come."""
        for line in lines:
            self.child.expect_exact(after)
            self.child.sendline(line)
        return self

    def answer(self) -> str:
        self.child.expect(r"ANSWER ([^\r\n]*)\r\n")
        return str(self.child.match.group(1))

    def see(self, text: str) -> Terminal:
        self.child.expect_exact(text)
        return self
