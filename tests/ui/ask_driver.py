"""Run in a pseudo-terminal by the tests of the prompt: asks about one proposal and prints the answer on stdout.

`python ask_driver.py NAME [offered|not-offered]`
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ui_builders import a_batch, a_proposal, a_read, a_statement

from sqlagent.core.model import Risk
from sqlagent.ui.prompt import Retry, ask
from sqlagent.ui.screen import Screen

PROPOSALS = {
    "read": a_proposal(a_read()),
    "write": a_proposal(a_statement(risk=Risk.WRITE)),
    "severe": a_proposal(),
    "unknown": a_proposal(a_statement(risk=Risk.UNKNOWN, writes=())),
    "batch": a_batch(),
    "long": a_proposal(a_statement("SELECT 1\n" + "-- line\n" * 100 + "DROP TABLE t")),
    "odd-name": a_proposal(a_statement(writes=("оrders",))),  # its first letter is Cyrillic
    "name-is-a-key": a_proposal(a_statement(writes=("l",))),
}


def main() -> None:
    """The answer goes out in `repr`, on one line, after the word that tests wait for."""
    name, *rest = sys.argv[1:]
    if sleeper := os.environ.get("WAIT_FOR"):
        print("READY", flush=True)
        Path(sleeper).open().close()  # a FIFO: the test types ahead before it lets us go on
    retry = Retry.NOT_OFFERED if rest == ["not-offered"] else Retry.OFFERED
    answer = ask(PROPOSALS[name], screen=Screen(sys.stderr), stdin=sys.stdin, retry=retry)
    line = f"ANSWER {answer.choice} {answer.how} {answer.sql!r} {answer.reason!r} {answer.retry}"
    if path := os.environ.get("ANSWER_TO"):
        Path(path).write_text(line)
    print(line, flush=True)


if __name__ == "__main__":
    main()
