"""A real HTTP server on loopback that speaks the OpenAI chat protocol, and misbehaves on request.

    with OpenAIServer("SELECT 1") as server:                       # every request gets it
    with OpenAIServer(["SELECT totl", "SELECT total"]) as server:  # one after the other; the last one stays
    with OpenAIServer(lambda request: request.messages[-1]["content"]) as server:
    with OpenAIServer([Reply.error(429, retry_after="0"), "SELECT 1"]) as server:
        ... server.base_url ... server.requests[0].messages

It answers streaming and plain requests alike, with token usage, and keeps every request it got.  A request for `n`
answers gets the next `n` of the script as choices, unless the server is told to ignore `n` or to refuse it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import pytest


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, str]]:
        return list(self.body.get("messages", []))

    @property
    def system(self) -> str:
        return next((m["content"] for m in self.messages if m["role"] == "system"), "")

    @property
    def streaming(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def wanted(self) -> int:
        """How many answers it asks for."""
        return int(self.body.get("n") or 1)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, good or bad; see the class methods for the bad ones."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """This body, instead of one in the protocol."""
    finish: str = "stop"
    tokens_in: int = 12
    tokens_out: int = 7
    cached: int = 0
    hangs: bool = False
    """Says nothing until the server is closed."""
    drops: bool = False
    """Closes the connection without a word."""
    cut: bool = False
    """Closes the connection in the middle of the answer."""
    logprobs: tuple[float, ...] = ()
    """Told where they are asked for, with the last piece of a stream."""
    streams: bool = True
    """False: a request with `stream` is refused with 400, as some gateways do."""
    wait: threading.Event | None = None
    """Answers when it is set; after the first piece of text, where it streams."""

    @classmethod
    def error(cls, status: int, message: str = "no", *, retry_after: str | None = None, code: str = "") -> Reply:
        body = {"error": {"message": message, "type": "error", "code": code or None}}
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return cls(status=status, headers=headers, raw=json.dumps(body).encode())

    @classmethod
    def garbage(cls, raw: bytes = b"<html>it works</html>") -> Reply:
        return cls(raw=raw)

    @classmethod
    def hang(cls) -> Reply:
        return cls(hangs=True)

    @classmethod
    def drop(cls) -> Reply:
        return cls(drops=True)

    @classmethod
    def truncated(cls, text: str) -> Reply:
        return cls(text, cut=True)


class Batches(Enum):
    """What becomes of a request for `n` answers."""

    KNOWN = "known"
    IGNORED = "ignored"
    """It gets one, as from most small servers."""
    REFUSED = "refused"
    """It gets 400, as from llama.cpp with one slot."""


Scripted = str | Reply | Callable[[Request], "str | Reply"]


class OpenAIServer:
    """Answers from a script until it is closed; thread-safe, so several processes may ask it at once."""

    def __init__(
        self, script: Scripted | Sequence[Scripted] = "SELECT 1", *, api_key: str | None = None,
        batches: Batches = Batches.KNOWN,
    ) -> None:  # fmt: skip
        scripted = [script] if isinstance(script, str | Reply) or callable(script) else list(script)
        self.script: list[Scripted] = list(scripted)
        self.api_key = api_key
        """Where given, a request without it gets 401."""
        self.batches = batches
        self.requests: list[Request] = []
        """Every chat request, in order of arrival."""
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._http = _Listener(("127.0.0.1", 0), _handler_of(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def env(self) -> dict[str, str]:
        """What a child process needs in its environment to ask this server."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": self.api_key or "test-key"}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        if self._thread.is_alive():
            self._http.shutdown()
        self._http.server_close()

    def answers(self, request: Request) -> list[Reply]:
        """The next reply of the script, or as many as are asked for; its last one answers every later request."""
        wanted = request.wanted if self.batches is Batches.KNOWN else 1
        with self._lock:
            self.requests.append(request)
            scripted = [self.script[0] if len(self.script) == 1 else self.script.pop(0) for _ in range(wanted)]
        replies = [each(request) if callable(each) else each for each in scripted]
        return [Reply(reply) if isinstance(reply, str) else reply for reply in replies]


class _Listener(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what some tests are about; anything else is a fault of this file."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _handler_of(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps quiet: a test's own output is what its reader wants to see."""

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "test-model", "object": "model"}]})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            if server.api_key and self.headers.get("Authorization") != f"Bearer {server.api_key}":
                self._send(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
                return
            request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            if request.wanted > 1 and server.batches is Batches.REFUSED:
                server.requests.append(request)
                self._send(400, {"error": {"message": "Field 'n': Value must be between 1 <= value <= 1"}})
                return
            try:
                self._answer(request, *server.answers(request))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _answer(self, request: Request, reply: Reply, *more: Reply) -> None:
            """What is wrong with the first of several replies is wrong with the whole answer."""
            if reply.hangs:
                server.closing.wait()
            if reply.hangs or reply.drops:
                self.close_connection = True
            elif request.streaming and not reply.streams:
                self._send(400, {"error": {"message": "stream is not supported", "param": "stream"}})
            elif reply.raw is not None:
                self._send_bytes(reply.status, reply.raw, reply.headers)
            elif request.streaming:
                self._stream(reply, request)
            else:
                self._plain(reply, request, more)

        def _plain(self, reply: Reply, request: Request, more: Sequence[Reply] = ()) -> None:
            if reply.wait:
                reply.wait.wait()
            choices = [
                {"index": i, "message": {"role": "assistant", "content": r.text}, **_ending(r, request)}
                for i, r in enumerate((reply, *more))
            ]
            body = json.dumps(
                {**_envelope("chat.completion", request), "choices": choices, "usage": _usage(reply, *more)}
            ).encode()
            self._head(reply.status, "application/json", {**reply.headers, "Content-Length": str(len(body))})
            self.wfile.write(body[: len(body) // 2] if reply.cut else body)
            self.close_connection = self.close_connection or reply.cut

        def _stream(self, reply: Reply, request: Request) -> None:
            self._head(reply.status, "text/event-stream", {**reply.headers, "Transfer-Encoding": "chunked"})
            for place, piece in enumerate(_pieces(reply)):
                delta = {"content": piece} | ({"role": "assistant"} if place == 0 else {})
                self._event(request, [{"index": 0, "delta": delta, "finish_reason": None}])
                if reply.wait and place == 0:
                    reply.wait.wait()
            if reply.cut:
                self.close_connection = True
                return
            self._event(request, [{"index": 0, "delta": {}, **_ending(reply, request)}])
            if (request.body.get("stream_options") or {}).get("include_usage"):
                self._event(request, [], usage=_usage(reply))
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")

        def _event(self, request: Request, choices: list[dict[str, Any]], **more: Any) -> None:
            event = {**_envelope("chat.completion.chunk", request), "choices": choices, **more}
            self._chunk(f"data: {json.dumps(event)}\n\n".encode())

        def _chunk(self, data: bytes) -> None:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def _send(self, status: int, body: dict[str, Any]) -> None:
            self._send_bytes(status, json.dumps(body).encode(), {})

        def _send_bytes(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self._head(status, "application/json", {**headers, "Content-Length": str(len(body))})
            self.wfile.write(body)

        def _head(self, status: int, kind: str, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, **headers}.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler


def _envelope(kind: str, request: Request) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": request.body.get("model", "")}


def _ending(reply: Reply, request: Request) -> dict[str, Any]:
    told = [{"token": "x", "logprob": p} for p in reply.logprobs] if request.body.get("logprobs") else []
    return {"finish_reason": reply.finish} | ({"logprobs": {"content": told}} if told else {})


def _usage(reply: Reply, *more: Reply) -> dict[str, Any]:
    """The prompt is counted once, however many answers there are to it."""
    written = sum(each.tokens_out for each in (reply, *more))
    cached = {"cached_tokens": reply.cached}
    return {
        "prompt_tokens": reply.tokens_in,
        "completion_tokens": written,
        "total_tokens": reply.tokens_in + written,
        "prompt_tokens_details": cached,
    }


def _pieces(reply: Reply) -> Iterator[str]:
    """The text in the portions that a stream delivers it in; a cut stream stops half-way."""
    text = reply.text[: max(1, len(reply.text) // 2)] if reply.cut else reply.text
    yield from (text[at : at + 8] for at in range(0, len(text), 8))


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A server that answers `SELECT 1`; a test may replace its `script` before it asks."""
    with OpenAIServer() as server:
        yield server
