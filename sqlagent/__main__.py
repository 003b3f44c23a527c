"""`python -m sqlagent`, and what the console script starts."""

from __future__ import annotations

import os
import sys

if sys.path[:1] in ([""], [os.getcwd()] if os.path.isdir(".") else []):  # noqa: PTH109, PTH112 - nothing is imported yet
    # `python -m` puts the folder that we are in there; what is imported from here on is not to come from it.
    del sys.path[0]

import gc
from contextlib import suppress

INTERRUPTED = 130
NOT_HERE = 1


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.platform == "win32":
        sys.stderr.write(
            "error: sqlagent runs on Linux and macOS: on Windows nothing tells it who may read its files\n"
            "  hint: run it in WSL: wsl --install, and then as on Linux\n"
        )
        sys.exit(NOT_HERE)
    # What is imported stays: to look for cycles in it every 700 objects takes a tenth of the way to the prompt.
    gc.set_threshold(20_000)
    from sqlagent.cli import run  # here, so that a Ctrl-C while importing is not a traceback

    code = run(sys.argv[1:])
    if code == INTERRUPTED:
        # Where a Ctrl-C came through code that Python made from text, it would end by the signal instead of the code.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
