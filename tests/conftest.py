"""What every test stands on: a clean environment, a home of its own, and the parts that several tests ask for."""

from __future__ import annotations

import os
import re

import pytest
from config_folders import folders
from openai_server import openai_server

__all__ = ["folders", "openai_server"]

_SETTINGS = re.compile(
    r"(SQLAGENT_|OPENAI_|AZURE_OPENAI_|LANGSMITH|LANGCHAIN|LANGGRAPH|PG)\w*"
    r"|CI|NO_COLOR|FORCE_COLOR|PAGER|LESS|EDITOR|VISUAL|COLUMNS|LINES"
)


@pytest.fixture(autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it, CI's `CI=true` included, nor writes outside its own folders."""
    for name in list(os.environ):
        if _SETTINGS.fullmatch(name):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for folder in ("config", "state", "cache", "data"):
        monkeypatch.setenv(f"XDG_{folder.upper()}_HOME", str(home / folder))
