"""How soon a person gets an answer: commands that only look, and the way from `ask` to the prompt."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from measure import measure, say
from openai_server import OpenAIServer

from sqlagent import Agent

LANGGRAPH = "import langgraph.graph, langchain_openai, langgraph.checkpoint.sqlite"
CHAT = "from langchain_openai import ChatOpenAI; import langgraph.graph, langgraph.checkpoint.sqlite"
PYTHON = sys.executable

pytestmark = pytest.mark.benchmark


def _sqlagent(*arguments: str) -> list[str]:
    return [PYTHON, "-m", "sqlagent", *arguments]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "sample.db", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_that_only_look(shop: Path) -> None:
    with Agent.open("sample.db") as agent:
        thread = agent.run("UPDATE products SET stock = 0 WHERE id = 1").thread
    bare = measure([PYTHON, "-c", LANGGRAPH], os.environ)
    say("imports of langgraph, langchain_openai, saver", bare)
    for arguments in (("--help",), ("pending",), ("show", thread)):
        figures = measure(_sqlagent(*arguments), os.environ)
        say(f"sqlagent {' '.join(arguments)}", f"{figures}  ratio 1/{bare.cpu / figures.cpu:.1f}")
        assert figures.cpu > 0


def test_from_ask_to_the_prompt_with_an_instant_model(shop: Path) -> None:
    bare = measure([PYTHON, "-c", CHAT], os.environ)
    say("imports of langgraph, ChatOpenAI, saver", bare)
    with OpenAIServer("SELECT count(*) FROM customers") as server:
        env = dict(os.environ) | server.env()
        figures = measure(_sqlagent("ask", "how many customers?", "--no-input"), env, code=8)
        assert len(server.requests) == 6
    say(
        "sqlagent ask, up to the prompt",
        f"{figures}  ratio {figures.cpu / bare.cpu:.2f} cpu, {figures.wall / bare.wall:.2f} wall",
    )
