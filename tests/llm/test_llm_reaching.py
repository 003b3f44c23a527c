"""The way to a server: certificates, proxies and keys, each failure by its name and with the setting that mends it."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from faulty_server import FaultyServer, Played
from test_llm_faulty_servers import FINE, SHOP, SQL

from sqlagent.core.errors import AuthError, ConfigError, ConnectError, SqlagentError
from sqlagent.core.secret import Secret
from sqlagent.llm.client import ModelSpec, open_model

TLS = FIXTURES / "tls"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def ask(url: str, key: str = "k", timeout: float = 20) -> str:
    model = open_model(ModelSpec("m", url, Secret(key), timeout=timeout))
    return replace(model, sleep=lambda _seconds: None).draft("q", SHOP).sql


def failing(url: str, key: str = "k", timeout: float = 20) -> SqlagentError:
    with pytest.raises(SqlagentError) as caught:
        ask(url, key, timeout)
    return caught.value


@contextmanager
def listening(certificate: str = "") -> Iterator[int]:
    """A server that answers well, behind TLS where a certificate is named."""
    with FaultyServer([FINE]) as server:
        http = server._http
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / f"{certificate}.pem")
            http.socket = context.wrap_socket(http.socket, server_side=True)
        yield http.server_address[1]


@contextmanager
def still_there() -> Iterator[str]:
    """Comments of a stream, as fast as they are read, until nobody reads them."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None: ...

        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            while not closing.wait(0.02):
                try:
                    self.wfile.write(b": still there\n\n")
                except OSError:
                    return

    closing = threading.Event()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_address[1]}/v1"
    closing.set()
    http.shutdown()


def nobody() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Proxy(ThreadingHTTPServer):
    """Answers everything with one status."""

    def __init__(self, status: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None: ...

            def _answer(self) -> None:
                self.send_response(status)
                self.end_headers()

            do_CONNECT = do_POST = _answer

        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = True
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.mark.parametrize(
    ("certificate", "trusted", "says", "hint"),
    [
        ("own", "other", "authority that this machine trusts", "SSL_CERT_FILE=ca.pem"),
        ("own", "", "authority that this machine trusts", "SSL_CERT_FILE=ca.pem"),
        ("other", "other", "is for another name", "--base-url"),
        ("old", "old", "not valid today", "renew"),
    ],
)
def test_a_certificate_s_trouble_is_called_by_its_name(
    certificate: str, trusted: str, says: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(TLS / f"{trusted}.pem"))
    with listening(certificate) as port:
        error = failing(f"https://localhost:{port}/v1")
    assert isinstance(error, ConnectError)
    assert says in error.message
    assert hint in error.hint


def test_the_setting_that_the_hint_names_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "own.pem"))
    with listening("own") as port:
        assert ask(f"https://localhost:{port}/v1") == SQL


def test_https_to_a_plain_port_says_so() -> None:
    with listening() as port:
        error = failing(f"https://localhost:{port}/v1")
    assert "does not speak https" in error.message
    assert error.hint == f"--base-url http://localhost:{port}/v1"


def test_plain_http_to_a_port_of_tls_says_so() -> None:
    with listening("own") as port:
        error = failing(f"http://localhost:{port}/v1")
    assert isinstance(error, ConnectError)
    assert re.search(r"does not speak HTTP|closed the connection", error.message)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_are_not_there_are_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    error = failing("https://models.example/v1", timeout=0.5)
    if variable == "SSL_CERT_FILE":
        assert isinstance(error, ConfigError)
    assert variable in error.message + error.hint or isinstance(error, ConnectError)


def test_a_file_of_no_certificates_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    error = failing("https://models.example/v1")
    assert "ca.pem cannot be used" in error.message
    assert "unset SSL_CERT_FILE" in error.hint


def test_certificates_that_are_not_there_keep_nobody_from_plain_http_on_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with listening() as port:
        assert ask(f"http://127.0.0.1:{port}/v1") == SQL


@pytest.mark.parametrize("url", ["http://models.example/v1", "https://models.example/v1"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_that_does_not_answer_is_named_with_its_variable(
    url: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = f"http://ana:hunter2@127.0.0.1:{nobody()}"
    if variable != "ALL_PROXY":
        monkeypatch.setenv("HTTP_PROXY" if url.startswith("http:") else "https_proxy", proxy)
    else:
        monkeypatch.setenv(variable, proxy)
    error = failing(url)
    assert isinstance(error, ConnectError)
    assert "the proxy http://127.0.0.1" in error.message
    assert "_proxy" in error.message.lower()
    assert "NO_PROXY=models.example" in error.hint
    assert "hunter2" not in error.message + error.hint


@pytest.mark.parametrize("url", ["http://models.example/v1", "https://models.example/v1"])
def test_a_proxy_that_wants_a_password_is_said_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy(407)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    error = failing(url)
    assert isinstance(error, AuthError)
    assert "wants a user and a password" in error.message
    assert "ALL_PROXY=" in error.hint


def test_a_proxy_that_does_not_let_through_is_no_missing_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", Proxy(403).url)
    error = failing("https://models.example/v1")
    assert "does not let through" in error.message
    assert "HTTPS_PROXY" in error.message


@pytest.mark.parametrize(
    ("proxy", "says", "hint"),
    [
        ("socks5://127.0.0.1:1", "SOCKS proxy", "pip install socksio"),
        ("socks5h://127.0.0.1:1", "SOCKS proxy", "pip install socksio"),
        ("socks4://127.0.0.1:1", "only socks5", "unset HTTPS_PROXY"),
        ("ftp://127.0.0.1:1", "of an unknown kind", "unset HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_cannot_be_spoken_to_is_a_matter_of_settings(
    proxy: str, says: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    error = failing("https://models.example/v1")
    assert isinstance(error, ConfigError)
    assert says in error.message
    assert hint in error.hint


def test_loopback_needs_no_proxy_whatever_is_said_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_PROXY"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:1")
    with listening() as port:
        for host in ("127.0.0.1", "localhost", "0.0.0.0", "127.1"):
            assert ask(f"http://{host}:{port}/v1") == SQL


@pytest.mark.parametrize("key", ["schlüssel-123", "sk-…abc", "sk-1\nsk-2", "sk 1", "sk-\u200b1"])
def test_a_key_that_no_header_can_carry_is_not_a_server_s_fault(key: str) -> None:
    error = failing("http://127.0.0.1:9/v1", key)
    assert isinstance(error, AuthError)
    assert re.search(r"the key has a .* at place \d+ of \d+", error.message)
    assert key not in error.message + error.hint


def test_a_host_that_does_not_exist_is_named() -> None:
    error = failing("http://no-such-host.invalid/v1")
    assert "there is no host no-such-host.invalid" in error.message


def test_nobody_there_is_asked_once() -> None:
    error = failing(f"http://127.0.0.1:{nobody()}/v1")
    assert "no model answers" in error.message
    assert "tries" not in error.message


def test_signs_of_life_are_no_answer() -> None:
    """A gateway that only says that it is still there, for ever."""
    with still_there() as url:
        error = failing(url, timeout=0.3)
    assert "did not answer within 0.3 s" in error.message


def test_debug_shows_the_exchange_and_never_the_key() -> None:
    said: list[str] = []
    key = "sk-canary-123456"
    bad = Played(f'{{"error": {{"message": "bad key {key}"}}}}'.encode(), 401)
    with FaultyServer([bad]) as server, pytest.raises(AuthError):
        open_model(ModelSpec("m", server.url, Secret(key)), trace=said.append).draft("how many orders", SHOP)
    text = "\n".join(said)
    assert "POST http://127.0.0.1" in text
    assert "how many orders" in text
    assert "< 401" in text
    assert "bad key ****" in text
    assert key not in text
