"""A key and a password are in no output, no file of the state folder, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_process import Ran
from cli_shop import Asked, Shop
from openai_server import Reply

KEY = "sk-canary-4f1d9a77e0"
PASSWORD = "hunter2-canary"


def nothing_of(secret: str, *runs: Ran, shop: Shop) -> None:
    for ran in runs:
        assert secret not in ran.err
        assert secret.encode() not in ran.out
    kept = [path for folder in (shop.state, shop.folder) for path in folder.rglob("*") if path.is_file()]
    assert [path for path in kept if secret.encode() in path.read_bytes()] == []


@pytest.fixture
def keyed(shop: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return shop


def test_a_key_is_used_and_seen_nowhere(keyed: Shop, model: Asked) -> None:
    asked = keyed.run("ask", "how many?", "--debug", "--json")
    thread = asked.document["thread"]
    looked = [
        keyed.run(*words, "--debug") for words in (("show", thread), ("config", "show"), ("doctor",), ("sessions",))
    ]
    assert model.server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "set, not shown" in looked[1].text
    nothing_of(KEY, asked, *looked, shop=keyed)


@pytest.mark.parametrize(
    "reply",
    [
        Reply.error(401, f"Incorrect API key provided: {KEY}"),
        Reply.error(400, f"bad request for Authorization: Bearer {KEY}"),
        Reply.garbage(f"<html>{KEY}</html>".encode()),
        Reply(f"I cannot answer this from these tables: your key is {KEY}."),
        Reply(f"SELECT '{KEY}' AS api_key, nothing"),
    ],
)
def test_a_key_that_a_server_echoes_is_not_repeated(keyed: Shop, model: Asked, reply: Reply) -> None:
    model.answers(reply)
    ran = keyed.run("ask", "how many?", "--debug")
    assert ran.code != 0
    assert KEY not in ran.err
    assert KEY.encode() not in ran.out


def test_a_key_file_is_used_and_its_content_seen_nowhere(
    shop: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    path = tmp_path_factory.mktemp("keys") / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    monkeypatch.setenv("SQLAGENT_API_KEY_FILE", str(path))
    asked = shop.run("ask", "how many?", "--debug", "--json")
    assert model.server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    nothing_of(KEY, asked, shop.run("config", "show"), shop.run("doctor", "--json"), shop=shop)


def test_a_key_file_that_others_can_read_is_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("keys") / "key"
    path.write_text(KEY)
    path.chmod(0o644)
    monkeypatch.setenv("SQLAGENT_API_KEY_FILE", str(path))
    ran = shop.run("ask", "how many?", "--debug")
    assert ran.code in (2, 4)
    assert "chmod 600" in ran.err
    nothing_of(KEY, ran, shop=shop)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--sql", "SELECT 1", "-d", f"postgresql://ana:{PASSWORD}@127.0.0.1:1/shop"),
        ("run", "--sql", "SELECT 1", "-d", f"nosuch://ana:{PASSWORD}@127.0.0.1:1/shop"),
        ("ask", "how many?", "--base-url", f"http://ana:{PASSWORD}@127.0.0.1:9/v1"),
        ("config", "show", "-d", f"postgresql://ana:{PASSWORD}@127.0.0.1:1/shop"),
        ("config", "show", "--base-url", f"http://ana:{PASSWORD}@127.0.0.1:9/v1"),
        ("doctor", "--base-url", f"http://ana:{PASSWORD}@127.0.0.1:9/v1"),
        ("doctor", "-d", f"postgresql://ana:{PASSWORD}@127.0.0.1:1/shop"),
    ],
)
@pytest.mark.parametrize("flags", [(), ("--debug",), ("--json",)])
def test_a_password_in_a_url_is_seen_nowhere(shop: Shop, arguments: tuple[str, ...], flags: tuple[str, ...]) -> None:
    nothing_of(PASSWORD, shop.run(*arguments, *flags), shop=shop)


def test_a_password_in_a_config_file_is_seen_nowhere_else(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("config") / "own.toml"
    path.write_text(f'[databases.prod]\nurl = "postgresql://ana:{PASSWORD}@127.0.0.1:1/shop"\n')
    for command in (("config", "show"), ("config", "check"), ("doctor",), ("run", "--sql", "SELECT 1", "-d", "prod")):
        nothing_of(PASSWORD, shop.run(*command, "--config", str(path), "--debug"), shop=shop)


def test_the_state_is_for_its_owner_alone(shop: Shop) -> None:
    assert shop.run("run", "--sql", "SELECT 1").code == 8
    assert shop.state.stat().st_mode & 0o777 == 0o700
    files = [path for path in shop.state.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"journal.db", "checkpoints.db"}
    assert {path.name: path.stat().st_mode & 0o777 for path in files} == {path.name: 0o600 for path in files}


def test_a_library_that_reports_home_is_kept_from_it(
    shop: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stray LANGSMITH_TRACING would send every question away."""
    home = model.server.base_url.removesuffix("/v1")
    for name in ("LANGSMITH", "LANGCHAIN"):
        monkeypatch.setenv(f"{name}_ENDPOINT", home)
        monkeypatch.setenv(f"{name}_API_KEY", "lsv2-x")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
    assert shop.cold("ask", "how many?", "--json").code == 8
    assert {request.path for request in model.server.requests} == {"/v1/chat/completions"}
