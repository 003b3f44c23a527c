"""Commands that only look start fast: they never load the graph, a model's client or a parser."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from checkout import ROOT

HEAVY = (
    *("langgraph", "langchain", "langchain_core", "langchain_openai", "openai", "sqlglot", "xllamacpp", "httpx"),
    *("psycopg", "prompt_toolkit", "duckdb", "python_calamine"),
)
RULING = (
    "sqlagent.config.conditions",
    "sqlagent.config.policies",
    "sqlagent.core.policy.conditions",
    "sqlagent.core.policy.decision",
    "sqlagent.core.policy.explanation",
    "sqlagent.core.policy.rulebook",
)
"""What reads rules and rules by them."""
PROPOSAL_AND_ROWS = {
    *(f"sqlagent.ui.{name}" for name in ("batch", "chart", "export", "formats", "human", "paging", "prompt", "tables")),
    *("sqlagent.cli.rows_out", "sqlagent.cli.topics", "sqlagent.core.approval.batch", "sqlagent.service.admitting"),
    "html",
}
"""What draws a proposal, takes rows, asks, or begins a turn."""
OTHERS = tuple(
    f"sqlagent.cli.{name}" for name in ("asking", "auditing", "checking", "doctor", "examples", "machinery", "policy")
)
"""Commands that do not look at threads."""
PROGRAM = """
import sys
from sqlagent.cli import run
code = run(sys.argv[1:])
print("MODULES", *sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def sqlagent(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def loaded(result: subprocess.CompletedProcess[str]) -> set[str]:
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("MODULES ")]
    names = line.split()[1:]
    return {*names, *(name.partition(".")[0] for name in names)}


@dataclass(frozen=True)
class Shop:
    """A folder with a database, which is a home too, and a thread in it that waits."""

    folder: Path
    thread: str
    asking: subprocess.CompletedProcess[str]
    """What made the thread."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    with sqlite3.connect(folder / "sample.db") as connection:
        connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
    asking = sqlagent(folder, "run", "--sql", "SELECT name FROM customers", "--json")
    assert asking.returncode == 8, asking.stderr
    return Shop(folder, str(json.loads(asking.stdout)["thread"]), asking)


@pytest.mark.parametrize("command", [("--help",), ("--version",), ("ask", "--help"), ("help", "exit-codes")])
def test_help_loads_nothing_heavy(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = sqlagent(tmp_path, *command)
    assert result.returncode == 0, result.stderr
    assert loaded(result).isdisjoint({*HEAVY, "rich"})


@pytest.mark.parametrize("command", [("--help",), ("--version",)])
def test_what_the_program_says_of_itself_loads_no_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = sqlagent(tmp_path, *command)
    assert result.returncode == 0, result.stderr
    ours = {"sqlagent.config", "sqlagent.core.nouns.session", "sqlagent.service", "sqlagent.store"}
    assert loaded(result).isdisjoint({*ours, *OTHERS, "sqlagent.cli.looking", "pydantic"})


@pytest.mark.parametrize("command", [("pending",), ("sessions",), ("config", "show"), ("pending", "--json")])
def test_looking_at_threads_loads_nothing_heavy(shop: Shop, command: tuple[str, ...]) -> None:
    result = sqlagent(shop.folder, *command)
    assert result.returncode == 0, result.stderr
    assert loaded(result).isdisjoint({*HEAVY, "pydantic", "asyncio"})


def test_showing_a_thread_loads_nothing_heavy(shop: Shop) -> None:
    result = sqlagent(shop.folder, "show", shop.thread)
    assert result.returncode == 0, result.stderr
    assert loaded(result).isdisjoint({*HEAVY, "pydantic", "asyncio"})


@pytest.mark.parametrize("command", [("pending",), ("pending", "--json"), ("sessions",)])
def test_a_listing_loads_nothing_that_draws_a_proposal_takes_rows_or_asks(shop: Shop, command: tuple[str, ...]) -> None:
    result = sqlagent(shop.folder, *command)
    assert result.returncode == 0, result.stderr
    assert shop.thread in result.stdout
    spells_values = {"sqlagent.ui.formats", "sqlagent.ui.tables"} if "--json" in command else set()
    assert loaded(result).isdisjoint(PROPOSAL_AND_ROWS - spells_values)


@pytest.mark.parametrize("command", ["pending", "sessions", "show"])
def test_looking_loads_neither_rules_nor_other_commands(shop: Shop, command: str) -> None:
    result = sqlagent(shop.folder, command, *([shop.thread] if command == "show" else []))
    assert result.returncode == 0, result.stderr
    assert loaded(result).isdisjoint(
        {*RULING, *(f"sqlagent.cli.{name}" for name in OTHERS), "sqlagent.databases.sqlite"}
    )


def test_the_check_notices_what_is_loaded_where_it_is_needed(shop: Shop) -> None:
    assert loaded(shop.asking).isdisjoint({"duckdb", "python_calamine", "psycopg"}), "of other engines"
    assert {"langgraph", "sqlglot", "sqlagent.cli.asking", "sqlagent.core.policy.rulebook"} <= loaded(shop.asking)
    assert "sqlagent.config.conditions" not in loaded(shop.asking), "there is no policy file to read"
    ruled = sqlagent(shop.folder, "policy", "test", "nowhere.toml")
    assert {*RULING} <= loaded(ruled)


def test_prompt_toolkit_is_known_to_the_session_alone() -> None:
    users = {
        path.relative_to(ROOT / "sqlagent").parent.as_posix()
        for path in (ROOT / "sqlagent").rglob("*.py")
        if re.search(r"^\s*(from|import) prompt_toolkit", path.read_text(), re.MULTILINE)
    }
    assert users == {"cli/shell"}


@pytest.mark.parametrize("module", ["sqlagent", "sqlagent.config", "sqlagent.core.nouns.analysis", "sqlagent.service"])
def test_importing_a_part_is_cheap(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in result.stdout.split()}.isdisjoint({*HEAVY, "rich", "typer"})
