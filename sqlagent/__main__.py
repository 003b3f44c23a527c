"""`python -m sqlagent`, and what the console script starts."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # What is imported stays: to look for cycles in it every 700 objects takes a tenth of the way to the prompt.
    gc.set_threshold(20_000)
    from sqlagent.cli import run  # here, so that a Ctrl-C while importing is not a traceback

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
