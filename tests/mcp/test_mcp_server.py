"""The MCP server before the official client, in both eras of the protocol: it looks, proposes, and never approves."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult, Implementation

from sqlagent.config import load
from sqlagent.core.nouns.session import Status
from sqlagent.mcp.server import server
from sqlagent.service import Agent

CHANGE = "UPDATE products SET stock = 0 WHERE id < 3"
SCHEMA = """
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, stock INTEGER);
INSERT INTO products VALUES (1, 'a', 5), (2, 'b', 6), (3, 'c', 7);
CREATE TABLE log (at TEXT);
CREATE TRIGGER logged AFTER UPDATE ON products BEGIN INSERT INTO log VALUES (new.name); END;
"""


class Shop:
    """A database and a state folder, and clients of a server on them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.db"
        self.folder = folder
        connection = sqlite3.connect(self.path)
        connection.executescript(SCHEMA)
        connection.close()

    def settings(self, **more: Any) -> Any:
        flags = {"database": str(self.path), "state_dir": self.folder / "state", "reads": "allow", **more}
        return load(flags, os.environ, self.folder)

    @asynccontextmanager
    async def client(self, name: str = "tester", **more: Any) -> AsyncIterator[Client]:
        async with Client(
            server(self.settings(**more)),
            client_info=Implementation(name=name, version="1"),
            elicitation_callback=_accepts_everything,
        ) as client:
            yield client

    def process(self, *more: str) -> StdioServerParameters:
        command = ["-m", "sqlagent", "mcp", "--db", str(self.path), "--state-dir", str(self.folder / "state"), *more]
        env = {**os.environ, "SQLAGENT_READS": "allow"}
        return StdioServerParameters(command=sys.executable, args=command, env=env, cwd=str(self.folder))

    def stock(self) -> list[int]:
        connection = sqlite3.connect(self.path)
        try:
            return [row[0] for row in connection.execute("SELECT stock FROM products ORDER BY id")]
        finally:
            connection.close()

    def agent(self) -> Agent:
        return Agent(self.settings())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path)


async def _accepts_everything(context: Any, params: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={"approve": True, "confirm": "yes", "digest": "0" * 64})


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    anyio.run(scene)


def said(result: Any) -> dict[str, Any]:
    assert not result.is_error, result.content[0].text
    return dict(result.structured_content)


# ---- over standard input and output ------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_client_of_either_era_looks_proposes_and_withdraws(shop: Shop, era: str) -> None:
    async def scene() -> None:
        async with Client(shop.process(), mode=era) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == {"schema", "query", "propose", "status", "withdraw"}
            read = said(await client.call_tool("query", {"sql": "SELECT name, stock FROM products WHERE id = 1"}))
            assert read["results"] == [{"columns": ["name", "stock"], "rows": [["a", 5]]}]
            proposed = said(await client.call_tool("propose", {"sql": CHANGE, "why": "sold out"}))
            assert (proposed["status"], proposed["risk"]) == ("pending", "WRITE")
            assert {(e["verb"], e["table"], e["rows"], e["cause"]) for e in proposed["effect"]} == {
                ("update", "products", 2, "the statement itself"), ("insert", "log", 2, "trigger logged"),
            }  # fmt: skip
            assert proposed["undo"]["how"] == "exact"
            gone = said(await client.call_tool("withdraw", {"thread": proposed["thread"]}))
            assert gone["status"] == "rejected"

    run(scene)
    assert shop.stock() == [5, 6, 7]


def test_the_server_ends_with_its_client_and_writes_nothing_else_to_its_output(shop: Shop) -> None:
    import subprocess

    parameters = shop.process()
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
    }  # fmt: skip
    done = subprocess.run(
        [parameters.command, *parameters.args], input=json.dumps(hello) + "\n", capture_output=True, text=True,
        timeout=60, check=True, env=parameters.env, cwd=parameters.cwd,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["id"] for a in answers] == [1]
    assert answers[0]["result"]["serverInfo"]["name"] == "sqlagent"


# ---- what it refuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        CHANGE,
        "SELECT 1; DELETE FROM products",
        "PRAGMA user_version = 3",
        "ATTACH 'other.db' AS o",
        "WITH x AS (SELECT 1) UPDATE products SET stock = 1",
        "EXPLAIN SELECT 1; DROP TABLE products",
        "SELECT nothing FROM nowhere",
        "",
    ],
)
def test_a_query_runs_nothing_but_a_proven_read_and_leaves_no_proposal(shop: Shop, sql: str) -> None:
    async def scene() -> None:
        async with shop.client() as client:
            assert (await client.call_tool("query", {"sql": sql})).is_error

    run(scene)
    assert shop.stock() == [5, 6, 7]
    with shop.agent() as agent:
        assert agent.sessions() == ()


def test_a_client_that_accepts_everything_never_causes_a_write(shop: Shop, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rule]]\nid = "free"\nwhen = { risk = ">=read" }\nthen = "allow"\n')

    async def scene() -> None:
        async with shop.client(policy=[str(policy)]) as client:
            thread = said(await client.call_tool("propose", {"sql": CHANGE, "why": "x"}))["thread"]
            attempts: list[tuple[str, dict[str, Any]]] = [
                ("query", {"sql": CHANGE}),
                ("propose", {"sql": CHANGE, "why": "again", "approve": True}),
                ("status", {"thread": thread, "approve": "yes"}),
                ("approve", {"thread": thread}),
                ("decide", {"thread": thread, "choice": "approve"}),
                ("withdraw", {"thread": thread, "why": '{"type": "approve"}'}),
            ]
            for name, arguments in attempts:
                with suppress(MCPError):  # there is no tool of that name
                    await client.call_tool(name, arguments)

    run(scene)
    assert shop.stock() == [5, 6, 7]


def test_the_digest_is_in_no_answer_and_in_no_resource(shop: Shop) -> None:
    async def scene() -> None:
        async with shop.client() as client:
            proposed = await client.call_tool("propose", {"sql": CHANGE, "why": "x"})
            thread = said(proposed)["thread"]
            with shop.agent() as agent:
                proposal = agent.show(thread).proposal
                assert proposal is not None
            texts = [str(proposed), str(await client.call_tool("status", {"thread": thread}))]
            for uri in ("sqlagent://proposals", f"sqlagent://proposals/{thread}", "sqlagent://record"):
                texts.append(str(await client.read_resource(uri)))
            assert thread in texts[-1]
            assert not [text for text in texts if proposal.digest[:8] in text]

    run(scene)


def test_only_what_was_proposed_here_can_be_withdrawn_here(shop: Shop) -> None:
    with shop.agent() as agent:
        mine = agent.run(CHANGE).thread

    async def scene() -> None:
        async with shop.client() as client:
            assert (await client.call_tool("withdraw", {"thread": mine})).is_error
            assert (await client.call_tool("withdraw", {"thread": "zzzz"})).is_error

    run(scene)
    with shop.agent() as agent:
        assert agent.show(mine).status is Status.PENDING


# ---- who asks ------------------------------------------------------------------------------------------------------


def test_the_client_s_name_is_on_record_and_in_policy(shop: Shop, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rule]]\nid = "not-from-rob"\nwhen = { environment = "mcp:rob" }\nthen = "deny"\n')

    async def scene() -> None:
        async with shop.client("rob", policy=[str(policy)]) as client:
            assert said(await client.call_tool("propose", {"sql": CHANGE, "why": "x"}))["status"] == "denied"
        async with shop.client("eve", policy=[str(policy)]) as client:
            proposed = said(await client.call_tool("propose", {"sql": CHANGE, "why": "x"}))
            assert (proposed["status"], proposed["environment"]) == ("pending", "mcp:eve")

    run(scene)


def test_reads_are_asked_where_the_user_s_settings_ask(shop: Shop) -> None:
    async def scene() -> None:
        async with shop.client(reads="ask") as client:
            told = said(await client.call_tool("query", {"sql": "SELECT 1"}))
            assert told["status"] == "pending"
            assert "sqlagent resume" in told["next"]

    run(scene)


def test_what_the_tools_say_of_themselves_is_what_they_do(shop: Shop) -> None:
    async def scene() -> None:
        async with shop.client() as client:
            tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
            read_only = {name for name, hints in tools.items() if hints is not None and hints.read_only_hint}
            assert read_only == {"schema", "query", "status"}
            assert not any(hints.destructive_hint for hints in tools.values() if hints is not None)

    run(scene)


def test_a_cancelled_query_stops_in_the_database(shop: Shop) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"

    async def scene() -> None:
        async with shop.client(timeout=60) as client:
            with anyio.move_on_after(2) as scope:
                await client.call_tool("query", {"sql": endless})
            assert scope.cancelled_caught
            read = await client.call_tool("query", {"sql": "SELECT 1"})
            assert not read.is_error

    run(scene)


def test_progress_is_heard(shop: Shop) -> None:
    heard: list[str] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async def scene() -> None:
        async with shop.client() as client:
            await client.call_tool("propose", {"sql": CHANGE, "why": "x"}, progress_callback=listen)

    run(scene)
    assert heard


def test_the_schema_has_no_rows_and_a_wrong_table_is_said(shop: Shop) -> None:
    async def scene() -> None:
        async with shop.client() as client:
            told = said(await client.call_tool("schema", {}))
            assert "products" in told["schema"]
            wrong = await client.call_tool("schema", {"table": "product"})
            assert wrong.is_error
            assert "products" in str(wrong.content)

    run(scene)
