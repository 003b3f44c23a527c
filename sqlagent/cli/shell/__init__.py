"""`sqlagent` alone: a session at a terminal on one database, a thin caller of the service as every command is."""

from __future__ import annotations

from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, MODEL, PERSON, ROWS, takes
from sqlagent.core.errors import UsageError
from sqlagent.ui.diagnostics import ExitCode

_SHOWN = {name: option for name, option in ROWS.items() if name not in ("output", "force", "chart")}
"""Where a result goes is said in the session, by `\\o FILE` and `\\chart`."""


@takes(DATABASE, MODEL, PERSON, _SHOWN)
def shell(call: Call) -> ExitCode:
    """Stay on one database: ask, run SQL, follow up; `sqlagent` alone is the same.

    \b
    sqlagent
    sqlagent --db shop.db
    """
    if not call.interactive:
        raise UsageError(
            "`sqlagent` alone is a session, and there is no terminal for it",
            hint='sqlagent ask "how many customers are there?", or sqlagent --help',
        )
    from sqlagent.cli.shell.session import hold  # with prompt_toolkit, which no other command needs

    return hold(call)
