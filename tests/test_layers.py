"""The layer contracts hold, and each of them would notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from checkout import ROOT

CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]

BREAKS = {
    "Layers point down; siblings never meet": ("store/tables.py", "import sqlagent.llm"),
    "The core is pure: no database, no network, no terminal, no graph, no clock": ("core/errors.py", "import sqlite3"),
    "LangGraph is known to pipeline/ alone": ("service.py", "import langgraph"),
    "The model's client is known to llm/ alone": ("pipeline/thread/nodes.py", "def f() -> None:\n    import openai"),
    "rich is known to ui/ alone, typer to cli/ alone": ("store/tables.py", "import rich"),
    "typer is not known to ui/": ("ui/visible.py", "import typer"),
    "SQLite's rooms: connection < opinion < effect < run < undo": (
        "databases/sqlite/opinion/inspect.py",
        "import sqlagent.databases.sqlite.run.transaction",
    ),
    "PostgreSQL's rooms: connection < opinion < effect < run < undo": (
        "databases/postgres/effect/measure.py",
        "import sqlagent.databases.postgres.run.transaction",
    ),
    "DuckDB's rooms: connection < opinion < run": (
        "databases/duckdb/opinion/schema.py",
        "import sqlagent.databases.duckdb.run.reading",
    ),
    "What any engine does alike knows no engine": ("databases/changes/samples.py", "import apsw"),
    "The core's analysis: text < analysis < rules < analyze, which brings the rules": (
        "core/analysis/verdict.py",
        "import sqlagent.core.rules",
    ),
    "No circle among the modules of llm/": ("llm/catalogue.py", "import sqlagent.llm.weights"),
    "No circle among the modules of the pipeline and the databases": (
        "pipeline/proposing/opinions.py",
        "import sqlagent.pipeline.proposing.looking",
    ),
    "The pipeline's rooms: proposing < running < thread": (
        "pipeline/proposing/refusal.py",
        "import sqlagent.pipeline.thread.driver",
    ),
    "No circle among the rooms of the core": ("core/nouns/verbs.py", "import sqlagent.core.policy"),
}


LONGEST = 400
"""Lines of a module, tests and what makes the fixtures included."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports as lint; raise SystemExit(lint(no_cache=True, no_logo=True))"
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project's modules and contracts, to be broken."""
    shutil.copytree(ROOT / "sqlagent", tmp_path / "sqlagent", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_kept(copy: Path) -> None:
    result = lint(copy)

    assert result.returncode == 0, result.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in result.stdout


def test_every_contract_has_a_break_that_proves_it() -> None:
    assert list(BREAKS) == CONTRACTS


@pytest.mark.parametrize("contract", BREAKS)
def test_a_contract_notices_a_forbidden_import(copy: Path, contract: str) -> None:
    module, code = BREAKS[contract]
    with (copy / "sqlagent" / module).open("a") as file:
        file.write(f"\n{code}\n")

    result = lint(copy)

    assert result.returncode == 1
    assert f"{contract} BROKEN" in result.stdout


def test_a_module_that_no_layer_names_is_noticed(copy: Path) -> None:
    (copy / "sqlagent" / "utils.py").write_text("")

    result = lint(copy)

    assert result.returncode == 1
    assert "utils" in result.stdout


def test_no_module_is_longer_than_a_person_keeps_in_mind() -> None:
    """Four hundred lines; what is longer is cut at its subject."""
    lines = {
        str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines())
        for folder in ("sqlagent", "tests", "fixtures")
        for file in (ROOT / folder).rglob("*.py")
    }
    assert len(lines) > 600
    assert {file: count for file, count in lines.items() if count > LONGEST} == {}
