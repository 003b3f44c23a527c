"""LangGraph's own server with our graph in it, as `langgraph dev` starts it: a process of its own, in memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from shops import Shop

SECONDS = 120.0
"""To start in, on a machine that does other things; alone it takes four."""
_PROGRAM = (
    "import sys; from langgraph_api.cli import run_server;"
    "run_server(port=int(sys.argv[1]), graphs={'sqlagent': 'sqlagent.graph:graph'}, disable_persistence=True)"
)


@contextmanager
def dev_server(shop: Shop, **settings: str) -> Iterator[str]:
    """Its address; the shop is its database, and the shop's state folder is where it keeps its record."""
    port, log = _free_port(), shop.folder / "server.log"
    env = os.environ | {
        "SQLAGENT_DB": str(shop.db), "SQLAGENT_STATE_DIR": str(shop.state), "LANGGRAPH_NO_VERSION_CHECK": "true",
        **settings,
    }  # fmt: skip
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(port)], env=env, cwd=shop.folder, stdin=subprocess.DEVNULL,
            stdout=out, stderr=out,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, server, log)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = monotonic() + SECONDS
    while monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/ok", timeout=5):
                return
        except OSError:
            sleep(0.1)
    raise RuntimeError(f"LangGraph's server did not start:\n{log.read_text()[-4000:]}")


def card(state: dict[str, Any]) -> dict[str, Any]:
    """What a waiting thread shows, from the state that a client read."""
    (asked,) = state["__interrupt__"]
    return dict(asked["value"])


def digest(state: dict[str, Any]) -> str:
    return str(card(state)["sqlagent"]["digest"]).removeprefix("sha256:")
