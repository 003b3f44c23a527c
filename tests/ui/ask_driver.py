"""Run in a pseudo-terminal by the tests of the prompt: asks about one proposal and prints the answer on stdout.

`python ask_driver.py NAME [offered|not-offered]`
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from ui_builders import a_batch, a_long_batch, a_proposal, a_read, a_statement, a_table_made_and_read

from sqlagent.core.nouns.analysis import Risk
from sqlagent.core.nouns.session import Approval
from sqlagent.core.policy import Seat
from sqlagent.ui.prompt import Retry, ask
from sqlagent.ui.screen import Screen

FIRST = Approval(1, "", "eva", "key", "9f2c41d07b3a55e8" * 4, "2026-03-30T10:04:00+00:00")
PROPOSALS = {
    "read": a_proposal(a_read()),
    "write": a_proposal(a_statement(risk=Risk.WRITE)),
    "severe": a_proposal(),
    "unknown": a_proposal(a_statement(risk=Risk.UNKNOWN, writes=())),
    "batch": a_batch(),
    "alike": a_long_batch(),
    "needs": a_table_made_and_read(),
    "staged": replace(a_batch(), stages=2, stage=2, seats=(Seat(), Seat()), approvals=(FIRST,)),
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
    answer = ask(
        PROPOSALS[name], screen=Screen(sys.stderr), stdin=sys.stdin, retry=retry, unfit=os.environ.get("UNFIT", "")
    )
    line = f"ANSWER {answer.choice} {answer.how} {answer.sql!r} {answer.reason!r} {answer.retry} {answer.keep}"
    if path := os.environ.get("ANSWER_TO"):
        Path(path).write_text(line)
    print(line, flush=True)


if __name__ == "__main__":
    main()
