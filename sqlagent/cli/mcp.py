"""`sqlagent mcp`: the door for models that speak MCP."""

from __future__ import annotations

from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, RULED, takes
from sqlagent.core.errors import UsageError
from sqlagent.ui.diagnostics import ExitCode


@takes(DATABASE, RULED)
def mcp(call: Call) -> ExitCode:
    """Serve MCP: a model may look and propose, a person decides.

    \b
    sqlagent mcp --db shop.db
    sqlagent help mcp
    """
    try:
        from sqlagent.mcp.server import server  # the SDK, which no other command needs
    except ModuleNotFoundError as e:
        if e.name is None or e.name.partition(".")[0] not in ("mcp", "mcp_types", "anyio"):
            raise
        raise UsageError("the MCP server is not installed", hint='pip install "sqlagent[mcp]"') from e
    server(call.settings).run("stdio")
    return ExitCode.OK
