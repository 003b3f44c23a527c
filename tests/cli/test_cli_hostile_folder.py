"""In a folder that an adversary made, nothing outside it changes, nothing of it is started, nothing is sent."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from build_hostile_folder import MODULES, PROGRAMS, build, config_texts
from checkout import ROOT
from cli_shop import Shop
from openai_server import OpenAIServer

SELECT = "SELECT count(*) FROM t"


class Trapped:
    """The folder, what lies outside it, and a port that nobody should connect to."""

    def __init__(self, place: Path) -> None:
        self.folder, self.outside = place / "cloned", place / "outside"
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.port = self.listening.getsockname()[1]
        build(self.folder, self.outside)
        self.before = self.state()

    def state(self) -> dict[str, str]:
        return {p.name: sha256(p.read_bytes()).hexdigest() for p in self.outside.rglob("*") if p.is_file()}

    @property
    def connected(self) -> bool:
        try:
            self.listening.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def check(self, what: object) -> None:
        assert (what, self.state(), self.connected) == (what, self.before, False)


@pytest.fixture
def trapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trapped]:
    made = Trapped(tmp_path)
    monkeypatch.chdir(made.folder)
    yield made
    made.listening.close()


def test_there_are_thirty_traps(trapped: Trapped) -> None:
    databases = [p for p in trapped.folder.iterdir() if p.suffix == ".db"]
    texts = config_texts(trapped.folder, trapped.outside, trapped.port)
    assert len(MODULES) + len(PROGRAMS) >= 20
    assert len(databases) >= 12
    assert len(texts) >= 10


COLD = [
    ["schema"], ["doctor"], ["config", "show"], ["check", "evil.sql", "--db", "./sample.db"],
    ["run", "--sql", "DELETE FROM t"], ["run", "--sql", "SELECT * FROM v"], ["ask", "how many"],
]  # fmt: skip


def test_a_command_as_a_user_types_it_there_runs_no_code_of_the_folder(
    trapped: Trapped, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "sqlagent"
    program.parent.mkdir()
    program.write_text("from sqlagent.__main__ import main\nmain()\n")  # as pip makes it: its own folder is on the path
    openai_server.script = [SELECT]
    proxy = f"http://127.0.0.1:{trapped.port}"
    env = {
        **os.environ, **openai_server.env(), "PYTHONPATH": str(ROOT), "PATH": f".:{os.environ['PATH']}",
        "HTTP_PROXY": proxy, "NO_PROXY": "127.0.0.1", "SQLAGENT_READS": "allow",
    }  # fmt: skip
    for arguments in COLD:
        model = ["--model", "test-model"] if arguments[0] == "ask" else []
        ran = subprocess.run(
            [sys.executable, str(program), *arguments, *model],
            cwd=trapped.folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert b"a fault of sqlagent" not in ran.stderr
        assert b"\x1b]0" not in ran.stdout + ran.stderr
        assert b"\n::set-output" not in ran.stdout + ran.stderr
        trapped.check(arguments)


def test_every_database_of_it_is_looked_at_and_nothing_else_happens(
    trapped: Trapped, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trapped.folder)
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    for path in sorted(trapped.folder.glob("*.db")):
        for arguments in (["schema"], ["check", "--sql", SELECT], ["run", "--sql", SELECT]):
            ran = shop.run(*arguments, "--db", str(path))
            assert "a fault of sqlagent" not in ran.err
            trapped.check((path.name, arguments))


def test_no_config_file_of_it_gains_anything(trapped: Trapped, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trapped.folder)
    file = trapped.folder / "sqlagent.toml"
    for what, text in config_texts(trapped.folder, trapped.outside, trapped.port).items():
        file.write_text(text)
        for arguments in (["config", "show"], ["run", "--sql", "DELETE FROM t"]):
            ran = shop.run(*arguments)
            assert "a fault of sqlagent" not in ran.err
            trapped.check((what, arguments))
    for odd in ("silent", "/dev/zero"):
        file.unlink()
        file.symlink_to(odd)
        assert "not a file" in shop.run("schema").err
