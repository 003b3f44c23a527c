"""A shop of a few rows, and three ways to run the command line on it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_process import Ran, Terminal, Warm, cold
from openai_server import OpenAIServer, Scripted

from sqlagent.cli import run
from sqlagent.store.journal import Journal, Run

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT);
INSERT INTO customers VALUES (1, 'Ana', 'DE'), (2, 'Ben', 'FR'), (3, 'Zoë', NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), status TEXT, total NUMERIC);
INSERT INTO orders SELECT value, value % 3 + 1, iif(value % 4, 'paid', 'pending'), value * 10
  FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 40) SELECT value FROM n);
CREATE TABLE odd (id INTEGER PRIMARY KEY, value);
INSERT INTO odd VALUES (1, NULL), (2, x'00ff27'), (3, 9223372036854775807), (4, 0.1), (5, 'naïve, "quoted"'), (6, '');
"""


class Shop:
    """A folder with `shop.db` in it, which is the current one and, with its own state, all that a command sees."""

    def __init__(self, folder: Path, warm: Warm, capsys: pytest.CaptureFixture[bytes]) -> None:
        self.folder = folder
        self.path = folder / "shop.db"
        self._warm = warm
        self._capsys = capsys
        with sqlite3.connect(self.path) as connection:
            connection.executescript(SHOP)
        connection.close()

    def run(self, *arguments: str) -> Ran:
        """In this process, with nobody to ask."""
        self._capsys.readouterr()
        code = run(arguments)
        out, err = self._capsys.readouterr()
        return Ran(int(code), out, err.decode())

    def terminal(self, *arguments: str, **more: Any) -> Terminal:
        """Before a person."""
        return Terminal(self._warm, *arguments, folder=self.folder, **more)

    def cold(self, *arguments: str, **more: Any) -> Ran:
        """In a process that starts as a user's does."""
        return cold(*arguments, folder=self.folder, **more)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def write(self, script: str) -> None:
        """What somebody else does to it, past sqlagent."""
        connection = sqlite3.connect(self.path)
        connection.executescript(script)
        connection.close()

    def status(self, thread: str) -> str:
        return str(self.run("show", thread, "--json").document["status"])

    def running(self, thread: str) -> Run | None:
        """What the journal knows of the run of its first proposal."""
        return Journal(self.state / "journal.db").run(f"{thread}.1")

    @property
    def state(self) -> Path:
        return Path(os.environ["XDG_STATE_HOME"]) / "sqlagent"


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    started = Warm()
    yield started
    started.close()


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: Warm, capsysbinary: pytest.CaptureFixture[bytes]
) -> Shop:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQLAGENT_DB", str(tmp_path / "shop.db"))
    monkeypatch.setenv("TERM", "dumb")
    return Shop(tmp_path, warm, capsysbinary)


class Asked:
    """A model server that the shop's commands ask; `script` is what it answers next."""

    def __init__(self, server: OpenAIServer) -> None:
        self.server = server

    def answers(self, *script: Scripted) -> None:
        self.server.script[:] = script

    @property
    def last_prompt(self) -> str:
        return "\n".join(message["content"] for message in self.server.requests[-1].messages)


@pytest.fixture
def model(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Asked:
    for name, value in openai_server.env().items():
        monkeypatch.setenv(name, value)
    return Asked(openai_server)
