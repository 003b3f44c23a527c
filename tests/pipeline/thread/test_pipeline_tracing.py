"""LangSmith's tracing is off unless sqlagent's own setting turns it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from shops import SELL, Shop, shop

__all__ = ["shop"]


class _Collector(ThreadingHTTPServer):
    """Where LangSmith's client would send questions and SQL."""

    def __init__(self) -> None:
        self.got: list[str] = []
        super().__init__(("127.0.0.1", 0), _Collecting)


class _Collecting(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, _Collector)
        self.server.got.append(self.path)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PATCH = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def collector() -> Iterator[_Collector]:
    with _Collector() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


TRACED = ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING")


@pytest.mark.parametrize(("wanted", "sent"), [("", False), ("1", True)])
def test_a_stray_variable_sends_nothing_anywhere(shop: Shop, collector: _Collector, wanted: str, sent: bool) -> None:
    """With our own flag it does send, which shows that this test would see it."""
    address = f"http://127.0.0.1:{collector.server_address[1]}"
    env = os.environ | dict.fromkeys(TRACED, "true") | {
        "LANGSMITH_ENDPOINT": address, "LANGCHAIN_ENDPOINT": address, "LANGSMITH_API_KEY": "k",
        "LANGCHAIN_API_KEY": "k", "SQLAGENT_TRACING": wanted,
    }  # fmt: skip
    program = [sys.executable, "-m", "sqlagent", "run", "--db", str(shop.db), "--state-dir", str(shop.state),
               "--json", "--sql", SELL]  # fmt: skip
    finished = subprocess.run(program, env=env, capture_output=True, text=True, check=False)
    assert json.loads(finished.stdout)["status"] == "pending", finished.stderr
    assert bool(collector.got) is sent
