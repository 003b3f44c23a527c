"""Commands that only look start fast: they never load the graph, a model's client or a parser."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
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
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def loaded(result: subprocess.CompletedProcess[str]) -> set[str]:
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("MODULES ")]
    return set(line.split()[1:])


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


@pytest.mark.parametrize("command", [("pending",), ("sessions",), ("config", "show"), ("pending", "--json")])
def test_looking_at_threads_loads_nothing_heavy(shop: Shop, command: tuple[str, ...]) -> None:
    result = sqlagent(shop.folder, *command)
    assert result.returncode == 0, result.stderr
    assert loaded(result).isdisjoint(HEAVY)


def test_showing_a_thread_loads_nothing_heavy(shop: Shop) -> None:
    result = sqlagent(shop.folder, "show", shop.thread)
    assert result.returncode == 0, result.stderr
    assert loaded(result).isdisjoint(HEAVY)


def test_the_check_notices_the_graph_where_it_is_needed(shop: Shop) -> None:
    assert {"langgraph", "sqlglot"} <= loaded(shop.asking)


@pytest.mark.parametrize("module", ["sqlagent", "sqlagent.config", "sqlagent.core.model", "sqlagent.service"])
def test_importing_a_part_is_cheap(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in result.stdout.split()}.isdisjoint({*HEAVY, "rich", "typer"})
