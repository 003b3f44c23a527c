"""Commands that only look start fast: they never load the graph, a model's client or a parser."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("langgraph", "langchain", "langchain_core", "langchain_openai", "openai", "sqlglot", "xllamacpp", "httpx")
PROGRAM = """
import sys
from sqlagent.cli import run
code = run(sys.argv[1:])
print("MODULES", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""


def sqlagent(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def loaded(result: subprocess.CompletedProcess[str]) -> set[str]:
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("MODULES ")]
    return set(line.split()[1:])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database."""
    folder = tmp_path_factory.mktemp("shop")
    with sqlite3.connect(folder / "sample.db") as connection:
        connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
    return folder


def pending_thread(shop: Path) -> str:
    result = sqlagent(shop, "run", "--sql", "SELECT name FROM customers", "--json")
    assert result.returncode == 8, result.stderr
    return str(json.loads(result.stdout)["thread"])


@pytest.mark.parametrize("command", [("--help",), ("--version",), ("ask", "--help"), ("help", "exit-codes")])
def test_help_loads_nothing_heavy(shop: Path, command: tuple[str, ...]) -> None:
    result = sqlagent(shop, *command)
    assert result.returncode == 0, result.stderr
    assert loaded(result).isdisjoint({*HEAVY, "rich"})


@pytest.mark.parametrize("command", [("pending",), ("sessions",), ("config", "show"), ("pending", "--json")])
def test_looking_at_threads_loads_nothing_heavy(shop: Path, command: tuple[str, ...]) -> None:
    pending_thread(shop)
    result = sqlagent(shop, *command)
    assert result.returncode == 0, result.stderr
    assert loaded(result).isdisjoint(HEAVY)


def test_showing_a_thread_loads_nothing_heavy(shop: Path) -> None:
    thread = pending_thread(shop)
    result = sqlagent(shop, "show", thread)
    assert result.returncode == 0, result.stderr
    assert loaded(result).isdisjoint(HEAVY)


def test_the_check_would_notice_the_graph(shop: Path) -> None:
    result = sqlagent(shop, "run", "--sql", "SELECT name FROM customers", "--json")
    assert {"langgraph", "sqlglot"} <= loaded(result)


@pytest.mark.parametrize("module", ["sqlagent", "sqlagent.config", "sqlagent.core.model", "sqlagent.service"])
def test_importing_a_part_is_cheap(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in result.stdout.split()}.isdisjoint({*HEAVY, "rich", "typer"})
