"""The tools and resources of the MCP server, over standard input and output.

There is no tool that approves, and no question to the client that could: an elicited yes is a line of code away.  A
person approves elsewhere, at a terminal, in a shared store or with a signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from sqlagent import __version__
from sqlagent.core.errors import NotPermitted, UsageError
from sqlagent.core.nouns.session import Choice, Decision, Status
from sqlagent.mcp import answers
from sqlagent.mcp.calls import Refused, call
from sqlagent.service import Agent

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlagent.config import Settings

INSTRUCTIONS = """\
Look at the database with `schema` and `query`.  Whatever changes anything goes through `propose`: it is measured
on a copy and waits for a person, who decides outside this conversation.  You cannot approve it.  `status` says how
it stands.
"""
_LOOKS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_PROPOSES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_WITHDRAWS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_LAST_ENTRIES = 200


def server(settings: Settings) -> MCPServer[Any]:
    """The server for the database and state folder that the settings name."""
    mcp: MCPServer[Any] = MCPServer("sqlagent", version=__version__, instructions=INSTRUCTIONS, log_level="ERROR")

    async def do(context: Context[Any, Any] | None, work: Callable[[Agent], dict[str, Any]]) -> dict[str, Any]:
        client, progress = (_client(context), context.report_progress) if context else ("", _unheard)
        try:
            return await call(settings, work, client=client, progress=progress)
        except Refused as e:
            raise ToolError(str(e)) from e

    @mcp.tool(annotations=_LOOKS, title="Describe the database")
    async def schema(context: Context[Any, Any], table: str = "") -> dict[str, Any]:
        """Tables, columns, types, keys and comments; of one table, or of all.  No rows."""
        return await do(context, lambda agent: _schema(agent, table))

    @mcp.tool(annotations=_LOOKS, title="Run a proven read")
    async def query(context: Context[Any, Any], sql: str) -> dict[str, Any]:
        """Run one or more statements that are proven to read only, and give their rows.

        Anything else is refused: use `propose`.  Where this user's settings ask about reads too, it waits for a person.
        """
        return await do(context, lambda agent: _query(agent, sql))

    @mcp.tool(annotations=_PROPOSES, title="Propose a change")
    async def propose(context: Context[Any, Any], sql: str, why: str) -> dict[str, Any]:
        """Measure what SQL would change, on a copy, and leave it for a person to decide.  Nothing is changed by this.

        `why` is one line for the person who decides.
        """
        return await do(context, lambda agent: _propose(agent, sql, why))

    @mcp.tool(annotations=_LOOKS, title="Say how a proposal stands")
    async def status(context: Context[Any, Any], thread: str) -> dict[str, Any]:
        """Whether a proposal waits, was approved and run, was rejected, or went stale; and what it would do."""
        return await do(context, lambda agent: answers.report(agent.show(thread)))

    @mcp.tool(annotations=_WITHDRAWS, title="Withdraw a proposal")
    async def withdraw(context: Context[Any, Any], thread: str, why: str = "") -> dict[str, Any]:
        """Take back a proposal that was made here and that nobody has decided."""
        return await do(context, lambda agent: _withdraw(agent, thread, why))

    @mcp.resource("sqlagent://proposals", mime_type="application/json")
    async def proposals() -> dict[str, Any]:
        """What waits for a person."""
        return await do(None, _waiting)

    @mcp.resource("sqlagent://proposals/{thread}", mime_type="application/json")
    async def proposal(context: Context[Any, Any], thread: str) -> dict[str, Any]:
        """One proposal, and what became of it."""
        return await do(context, lambda agent: answers.report(agent.show(thread)))

    @mcp.resource("sqlagent://record", mime_type="application/json")
    async def record() -> dict[str, Any]:
        """The newest entries of the record: who asked, saw, decided and ran what."""
        return await do(None, _record)

    return mcp


async def _unheard(_done: float, _total: float | None, _words: str | None) -> None:
    """A resource that is always there has no call to report progress to."""


def _client(context: Context[Any, Any]) -> str:
    """The name that the client gave itself, as a word that a policy can name; a claim, and on record as one."""
    info = context.request_context.session.client_params
    name = info.client_info.name if info is not None else ""
    return "".join(c for c in name if c.isalnum() or c in "-_. ")[:60].strip()


def _schema(agent: Agent, table: str) -> dict[str, Any]:
    from sqlagent.llm.prompt import schema_text

    facts = agent.database.schema(examples=0)
    names = [t.name for t in facts.tables]
    if table and table not in names:
        raise UsageError(f"no table or view named {table}", hint=f"there are {', '.join(names[:40])}")
    return {"dialect": facts.dialect, "schema": schema_text(facts, table or None).strip()}


def _query(agent: Agent, sql: str) -> dict[str, Any]:
    try:
        told = agent.run(sql, title="a read over MCP", only="read")
    except NotPermitted as e:
        raise NotPermitted(e.message, hint="propose it, and a person decides") from e
    return answers.rows(told) if told.status is Status.EXECUTED else answers.report(told)


def _propose(agent: Agent, sql: str, why: str) -> dict[str, Any]:
    return answers.report(agent.run(sql, title=" ".join(why.split())[:200] or "SQL over MCP"))


def _withdraw(agent: Agent, thread: str, why: str) -> dict[str, Any]:
    told = agent.show(thread)
    if told.proposal is None or told.status is not Status.PENDING:
        raise UsageError(f"{thread} does not wait: it is {told.status}", hint="status says how it stands")
    if told.proposal.environment.partition(":")[0] != "mcp":
        raise NotPermitted(f"{thread} was not proposed over MCP", hint="a person rejects it: sqlagent resume " + thread)
    reason = " ".join(why.split()) or "withdrawn"
    return answers.report(
        agent.decide(thread, Decision(Choice.REJECT, told.proposal.digest, agent.by, "mcp", reason=reason))
    )


def _waiting(agent: Agent) -> dict[str, Any]:
    return {
        "waiting": [
            {"thread": t.id, "status": t.status.value, "question": t.question, "requested_by": t.requested_by,
             "database": t.database, "since": t.updated_at}
            for t in agent.pending(limit=_LAST_ENTRIES)
        ]
    }  # fmt: skip


def _record(agent: Agent) -> dict[str, Any]:
    from collections import deque

    return {"entries": [answers.entry(e) for e in deque(agent.journal.audit(), maxlen=_LAST_ENTRIES)]}
