"""A server on loopback that answers with exactly these bytes, and counts how often it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

OK = b"SELECT COUNT(*) FROM orders"


@dataclass(frozen=True, slots=True)
class Played:
    """One answer, byte for byte."""

    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    """The connection closes before the body is all there."""
    raw: bytes = b""
    """This in place of any HTTP."""


def plain(status: int = 200, **fields: Any) -> Played:
    return Played(json.dumps(fields).encode(), status)


def message(content: object = OK.decode(), finish: object = "stop", **more: Any) -> Played:
    """A whole answer, without streaming."""
    said = {"role": "assistant", "content": content, **more}
    return plain(id="1", object="chat.completion", choices=[{"index": 0, "message": said, "finish_reason": finish}])


def stream(*events: object, done: bool = True, **how: Any) -> Played:
    """Events, each an object or a line as it is."""
    lines = [e if isinstance(e, str) else f"data: {json.dumps(e)}" for e in events] + ["data: [DONE]"] * done
    return Played("".join(f"{line}\n\n" for line in lines).encode(), kind="text/event-stream", **how)


def piece(content: object = OK.decode(), finish: object = None, **more: Any) -> dict[str, Any]:
    """One event of a stream."""
    return {"id": "1", "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}]}  # fmt: skip


@dataclass(slots=True)
class Asked:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(slots=True)
class FaultyServer:
    """Plays its answers one after the other; the last one stays."""

    script: Sequence[Played]
    asked: list[Asked] = field(default_factory=list)
    _http: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        self._http = _Quiet(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def next(self) -> Played:
        return self.script[min(len(self.asked), len(self.script)) - 1]


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some plays are about."""


def _handler(server: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps quiet."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            server.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            played = server.next()
            self.close_connection = True
            if played.raw or (played.cut and not played.body):
                self.wfile.write(played.raw)
                return
            self.send_response(played.status)
            longer = 100 if played.cut else 0
            headers = {"Content-Type": played.kind, "Content-Length": str(len(played.body) + longer)}
            for name, value in {**headers, **dict(played.headers)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(played.body)

    return Handler
