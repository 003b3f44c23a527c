"""What every test stands on: a clean environment, a home of its own, and the parts that several tests ask for."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest
from cli_shop import model, shop, warm
from config_folders import folders
from openai_server import openai_server
from postgres_pooler import pooler, pooler_of
from postgres_server import pg, pg_of, pg_server, pg_shared, pg_template
from postgres_tls import authority, tls_server
from shared_store import store, store_of, store_template
from signals import as_at_a_terminal
from signing_desk import desk, keys
from team_typed import typed

from sqlagent.config.files import user_folder
from sqlagent.llm import catalogue, weights

__all__ = [
    "authority", "desk", "folders", "keys", "model", "openai_server", "pg", "pg_of", "pg_server", "pg_shared",
    "pg_template", "pooler", "pooler_of", "shop", "store", "store_of", "store_template", "tls_server", "typed", "warm",
]  # fmt: skip

_SETTINGS = re.compile(
    r"(SQLAGENT_|OPENAI_|AZURE_OPENAI_|LANGSMITH|LANGCHAIN|LANGGRAPH|PG)\w*"
    r"|CI|NO_COLOR|FORCE_COLOR|PAGER|LESS|EDITOR|VISUAL|COLUMNS|LINES"
)
as_at_a_terminal()
hypothesis.settings.register_profile("sqlagent", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("sqlagent")  # a slow machine is not a failure

_OLDER_EVERY = 4
"""Of the questions to an older PostgreSQL, those that are asked in the short run too."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    older = [item for item in items if "postgres-15" in item.nodeid]
    for place, item in enumerate(older):
        if place % _OLDER_EVERY:
            item.add_marker("long")


_CACHE = Path(os.environ.get("SQLAGENT_CACHE_DIR") or user_folder("cache", os.environ))
"""Where whoever runs the tests keeps weights; read before any test moves the home away."""


@pytest.fixture(scope="session")
def weights_path() -> Path:
    """The embedded model's default weights, for tests marked `model`; without them those tests are skipped."""
    if find_spec("xllamacpp") is None:
        pytest.skip("the embedded model is not installed: pip install 'sqlagent[local]'")
    found = weights.find(catalogue.named(""), _CACHE)
    if found is None:
        pytest.skip("the embedded model's weights are not here: sqlagent model pull")
    return found


@pytest.fixture(autouse=True)
def _own_environment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test sees the settings of whoever runs it, CI's `CI=true` included, nor writes outside its own folders."""
    for name in list(os.environ):
        if _SETTINGS.fullmatch(name):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for folder in ("config", "state", "cache", "data"):
        monkeypatch.setenv(f"XDG_{folder.upper()}_HOME", str(home / folder))
    if request.node.get_closest_marker("model"):
        request.getfixturevalue("weights_path")
        monkeypatch.setenv("SQLAGENT_CACHE_DIR", str(_CACHE))
