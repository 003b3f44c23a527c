"""`sqlagent demo`: a database server to try things on, with nothing installed and nothing left behind."""

from __future__ import annotations

from typing import Annotated

import typer

from sqlagent.cli.call import Call
from sqlagent.cli.options import takes
from sqlagent.core.errors import ConnectError, UsageError
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.out import say

_ENGINES = ("postgres", "postgresql")


@takes()
def demo(
    call: Call,
    engine: Annotated[str, typer.Argument(help="postgres: the one there is.", metavar="ENGINE")] = "postgres",
    stop: Annotated[bool, typer.Option("--stop", help="End the server, and remove all of it.")] = False,
) -> ExitCode:
    """Start a throw-away PostgreSQL server with a sample shop.

    \b
    sqlagent demo postgres
    sqlagent demo postgres --stop
    """
    if engine not in _ENGINES:
        raise UsageError(f"there is no demo of {engine}", hint="sqlagent demo postgres; SQLite's is ./sample.db")
    try:
        from sqlagent.databases.postgres.throwaway import demo as server  # with psycopg, which no other command needs
    except ImportError as e:
        raise ConnectError(
            "the demo needs PostgreSQL and its driver", hint='pip install "sqlagent[postgres,demo]"'
        ) from e
    state = call.settings.state_dir
    if stop:
        say("stopped, and removed" if server.stop(state) else "no demo runs")
        return ExitCode.OK
    running = server.start(state)
    if call.json:
        call.print_json({"url": running.url, "folder": str(running.folder), "started": running.started})
        return ExitCode.OK
    say(f"PostgreSQL {'runs now' if running.started else 'runs already'}, with a shop of 2,000 orders; try:\n")
    say(f"  export SQLAGENT_DB='{running.url}'")
    say("""  sqlagent ask "who are the best customers"
  sqlagent run --sql "UPDATE orders SET state = 'cancelled' WHERE state = 'pending' AND created_on < '2024-03-01'"
  sqlagent demo postgres --stop""")
    return ExitCode.OK
