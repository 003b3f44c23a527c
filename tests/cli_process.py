"""The real command line as a process: before a person at a terminal, or between pipes; and in this very process."""

from __future__ import annotations

import array
import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import pexpect
from checkout import ROOT
from pexpect import fdpexpect

PROMPT = "\n  > "
STATUSES = {"new", "pending", "executed", "rejected", "denied", "stale", "expired", "unknown", "failed"}


@dataclass(frozen=True, slots=True)
class Ran:
    """One command line, and what came of it."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        document = json.loads(self.out)
        assert document["format_version"] == 1
        assert document.get("status", "new") in STATUSES
        return dict(document)

    @property
    def error(self) -> tuple[str, str]:
        """Message and hint of a failure: the last two lines, and nowhere else a word of an error."""
        *before, message, hint = self.err.splitlines()
        assert message.startswith("error: "), self.err
        assert hint.startswith("  hint: "), self.err
        assert not [line for line in before if "error: " in line or "Traceback" in line], self.err
        return message.removeprefix("error: "), hint.removeprefix("  hint: ")

    @property
    def thread(self) -> str:
        """The one that its output speaks of."""
        found = re.search(r"sqlagent (?:resume|ask --thread|show) (\w{4})\b", self.err)
        assert found, self.err
        return found[1]


class Warm:
    """Starts command lines from a process that has imported everything."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs.fileno()), str(Path(__file__).with_name("cli_warm.py"))],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
        )
        theirs.close()
        assert self._channel.recv(16) == b"ready"

    def close(self) -> None:
        self._channel.close()
        self._process.wait(20)

    def start(self, arguments: Sequence[str], *, standard: Sequence[int], terminal: bool, folder: Path) -> Running:
        ours, theirs = os.pipe()
        request = {"arguments": list(arguments), "folder": str(folder), "env": dict(os.environ), "terminal": terminal}
        descriptors = array.array("i", [*standard, theirs])
        self._channel.sendmsg([json.dumps(request).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        os.close(theirs)
        return Running(os.fdopen(ours))


_START = "import os, runpy, sys; os.dup2(int(sys.argv[1]), 3); runpy.run_path(sys.argv[2], run_name='__main__')"


class Running:
    """A started process."""

    def __init__(self, status: IO[str]) -> None:
        self._status = status
        self.pid = int(status.readline())

    def wait(self) -> int:
        """Its exit code; minus the signal that ended it."""
        with self._status:
            return int(self._status.readline())


class Terminal:
    """A command line before a person: `see` waits for words, `type` answers a prompt."""

    def __init__(self, warm: Warm, *arguments: str, folder: Path, out: Path | None = None, columns: int = 80) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        stdout = slave if out is None else os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.running = warm.start(arguments, standard=(slave, stdout, slave), terminal=True, folder=folder)
        os.close(slave)
        if out is not None:
            os.close(stdout)
        self.child = fdpexpect.fdspawn(self._master, timeout=30, encoding="utf-8")
        self.child.delaybeforesend = None
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.child.closed:
            self.child.close()

    def see(self, text: str) -> Self:
        found = self.child.expect_exact([text, pexpect.EOF, pexpect.TIMEOUT])
        assert found == 0, f"{text!r} did not come:\n{self.seen}{self.child.before}"
        self.seen += self.child.before + text
        return self

    def prompt(self) -> Self:
        return self.see(PROMPT)

    def type(self, *lines: str) -> Self:
        for line in lines:
            self.prompt()
            self.child.sendline(line)
        return self

    def answer(self, question: str, line: str) -> Self:
        self.see(question)
        self.child.sendline(line)
        return self

    def press(self, key: str) -> Self:
        """A control character: `c`, `d`."""
        self.child.send(chr(ord(key) & 31))
        return self

    def hang_up(self) -> int:
        """Close the window; answers the exit code."""
        self.child.close()
        return self.running.wait()

    def end(self) -> int:
        """See it through to its end; answers the exit code."""
        self.child.expect(pexpect.EOF)
        self.seen += self.child.before
        return self.running.wait()

    @property
    def lines(self) -> list[str]:
        """All that was on the screen, less what was written over."""
        return [line.split("\r")[-1] for line in self.seen.replace("\r\n", "\n").split("\n")]

    @property
    def thread(self) -> str:
        found = re.search(r"^([a-z]\w{3})  .*(?:READ|WRITE|SEVERE|UNKNOWN)  ", "\n".join(self.lines), re.M)
        assert found, self.seen
        return found[1]


def cold(*arguments: str, folder: Path, stdin: str | None = None, prelude: str = "") -> Ran:
    """A process that starts as a user's does; `prelude` runs in it first."""
    program = f"{prelude}\nimport sys\nfrom sqlagent.__main__ import main\nsys.argv[0] = 'sqlagent'\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=None if stdin is None else stdin.encode(),
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())
