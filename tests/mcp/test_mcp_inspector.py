"""The MCP Inspector, where it is installed, before `sqlagent mcp`: what it lists, and that it can only ask."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from node_programs import node, program

from sqlagent.config import load
from sqlagent.core.nouns.session import Status
from sqlagent.service import Agent


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.executescript("CREATE TABLE products (id INTEGER PRIMARY KEY, stock INTEGER);"
                                 "INSERT INTO products VALUES (1, 5), (2, 6)")  # fmt: skip
    connection.close()
    return path


def inspected(db: Path, *asked: str) -> dict[str, Any]:
    node(at_least=(22, 19))
    served = [sys.executable, "-m", "sqlagent", "mcp", "--db", str(db), "--state-dir", str(db.parent / "state")]
    done = subprocess.run(
        [program("mcp-inspector"), "--cli", "-e", "SQLAGENT_READS=allow", *served, *asked],
        capture_output=True, text=True, check=False, timeout=120, env=os.environ, cwd=db.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_it_lists_what_looks_and_what_proposes_and_nothing_that_approves(db: Path) -> None:
    tools = {tool["name"]: tool["annotations"] for tool in inspected(db, "--method", "tools/list")["tools"]}
    assert {"schema", "query", "propose", "status", "withdraw"} <= set(tools)
    assert not [name for name in tools if "approve" in name]
    assert tools["query"]["readOnlyHint"]
    assert not tools["propose"]["readOnlyHint"]


def test_what_it_proposes_waits_for_a_person(db: Path) -> None:
    called = ["--method", "tools/call", "--tool-name", "propose"]
    told = inspected(db, *called, "--tool-arg", "sql=DELETE FROM products", "why=a trial")
    assert not told.get("isError"), told
    thread = told["structuredContent"]["thread"]
    with Agent(load({"database": str(db), "state_dir": db.parent / "state"}, os.environ, db.parent)) as agent:
        report = agent.show(thread)
    assert report.status is Status.PENDING
    assert report.proposal is not None
    assert report.proposal.digest not in json.dumps(told)
    connection = sqlite3.connect(db)
    assert connection.execute("SELECT count(*) FROM products").fetchone() == (2,)
    connection.close()
