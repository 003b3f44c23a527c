"""Commands that go on: `work` runs what is approved, `pending --watch` lists what waits whenever that changes."""

from __future__ import annotations

from typing import Annotated

import typer

from sqlagent.cli.call import Call
from sqlagent.cli.looking import list_pending
from sqlagent.cli.options import DATABASE, ROWS, RULED, takes
from sqlagent.core.errors import SqlagentError, UsageError
from sqlagent.core.nouns.session import Status
from sqlagent.service.notify import Watched
from sqlagent.service.waiting import Waiting
from sqlagent.service.work import Worker
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.machine import report_json

POLL_SECONDS = 15.0
"""Where nobody tells of a change, or the word was lost."""


@takes(DATABASE, RULED, ROWS)
def work(
    call: Call,
    once: Annotated[bool, typer.Option("--once", help="Run what waits, then stop.")] = False,
) -> ExitCode:
    """Run what people have approved elsewhere, each once, on the databases of this machine's own config.

    \b
    sqlagent work
    sqlagent work --once
    sqlagent work --once --json
    """
    if call.json and not once:
        raise UsageError("--json is one document, and a worker goes on", hint="sqlagent work --once --json")
    worker = Worker(call.agent)
    if once:
        return _once(call, worker)
    call.screen.line(f"works as {call.agent.by}; Ctrl-C ends it")
    waiting = Waiting("", None)
    while True:
        with waiting.patience(call.agent):
            _once(call, worker)
            call.agent.journal.wait(POLL_SECONDS)


def _once(call: Call, worker: Worker) -> ExitCode:
    worked, failed = [], False
    for answer in worker.run():
        if isinstance(answer, SqlagentError):
            failed = True
            call.screen.line(f"{answer.thread}: {answer.message}")
            continue
        worked.append(report_json(answer))
        failed = failed or answer.status in (Status.FAILED, Status.UNKNOWN)
        if not call.json:
            words = f": {answer.message}" if answer.message else ""
            call.screen.line(f"{answer.thread}: {answer.status}{words}")
    if call.json:
        call.print_json({"worked": worked})
    return ExitCode.FAILED if failed else ExitCode.OK


def watch_pending(call: Call, limit: int) -> ExitCode:
    """List what waits, and list it again whenever that changes."""
    if call.json:
        raise UsageError("--json is one document, and --watch goes on", hint="sqlagent pending --json")
    last: object = None
    watched = Watched(call.agent)
    waiting = Waiting("", None)
    while True:
        with waiting.patience(call.agent):
            threads = call.agent.pending(limit=limit)
            watched.tell(threads)
            now = [(t.id, t.status, t.stage, t.proposal) for t in threads]
            if now != last:
                list_pending(call, limit)
            last = now
            call.agent.journal.wait(POLL_SECONDS)
