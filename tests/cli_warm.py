"""
Run as a program by the tests of the command line: has everything imported, and becomes `sqlagent` when it is asked.

Each time it is a process of its own, with the terminal or the pipes, the environment and the folder that it is given,
an exit code and signals; only the second that importing takes is saved.  What depends on how Python starts or ends is
tested with a process that starts cold.
"""

from __future__ import annotations

import array
import fcntl
import io
import json
import os
import signal
import socket
import sys
import termios
from typing import Any

CHANNEL = 3
"""The file descriptor of the socket that requests come by: four descriptors each (stdin, stdout, stderr, status)."""


def main() -> None:
    import langchain_openai  # noqa: F401 - for its import alone
    import sqlglot  # noqa: F401

    import sqlagent.cli
    import sqlagent.llm.client
    import sqlagent.pipeline.thread.driver
    import sqlagent.service
    import sqlagent.ui.human  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=CHANNEL) as channel:
        channel.send(b"ready")
        while message := channel.recvmsg(1 << 20, socket.CMSG_SPACE(4 * 4)):
            data, ancillary, _flags, _address = message
            if not data:
                return
            descriptors = array.array("i")
            descriptors.frombytes(ancillary[0][2])
            if os.fork() == 0:
                channel.close()
                _watch(json.loads(data), list(descriptors))
            for descriptor in descriptors:
                os.close(descriptor)


def _watch(request: dict[str, Any], descriptors: list[int]) -> None:
    """Start the one that becomes sqlagent, say its id, wait for it, say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, status = descriptors
    child = os.fork()
    if child == 0:
        os.close(status)
        _become(request, standard)
    for descriptor in standard:
        os.close(descriptor)
    with os.fdopen(status, "w") as out:
        print(child, file=out, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=out, flush=True)
    os._exit(0)


def _become(request: dict[str, Any], standard: list[int]) -> None:
    from sqlagent.cli import run

    os.setsid()
    for wanted, descriptor in enumerate(standard):
        os.dup2(descriptor, wanted)
    for descriptor in standard:
        os.close(descriptor)
    if request["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    _open_streams()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 70
    try:
        code = run(request["arguments"])
        sys.stdout.flush()
    finally:
        os._exit(code)


def _open_streams() -> None:
    """As the interpreter does when it starts."""
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), "utf-8")
    raw = io.FileIO(1, "w", closefd=False)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", line_buffering=raw.isatty())
    out = io.BufferedWriter(io.FileIO(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(out, "utf-8", errors="backslashreplace", line_buffering=True)


if __name__ == "__main__":
    main()
