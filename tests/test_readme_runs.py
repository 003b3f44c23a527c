"""Every example of the README is run on a real terminal of 80 columns; REWRITE_DOCS=1 writes its output in."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pexpect
import pytest
from checkout import ROOT
from openai_server import OpenAIServer, Request

from sqlagent.store.identity import current_user
from sqlagent.store.journal import Journal

README = ROOT / "README.md"
BLOCKS = re.compile(r"(<!-- runs -->\n```console\n)(.*?)(```\n<!-- /runs -->)", re.S)
ID, DIGEST = "k7f3", "9f2c41d0a8b6"
"""What the README calls the one session and the one digest of an example."""


def _fenced(name: str) -> str:
    (body,) = re.findall(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", README.read_text(), re.S)
    return str(body)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample, as the README's reader has it."""
    shutil.copy(ROOT / "sample.db", tmp_path)
    shutil.copy(ROOT / "fixtures/readme/cleanup.sql", tmp_path)
    (tmp_path / "policy.toml").write_text(_fenced("policy"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _reply(request: Request) -> str:
    known = tomllib.loads((ROOT / "fixtures/readme/replies.toml").read_text())
    asked = request.messages[-1]["content"]
    return str([sql.strip() for question, sql in known.items() if question in asked][-1])


class Terminal:
    """Runs the commands of one example, one after the other, and keeps what a person would see."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder = folder
        self._env = env | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "dumb"}
        self._journal = Path(env["XDG_STATE_HOME"]) / "sqlagent" / "journal.db"

    def type(self, command: str, answers: list[str]) -> str:
        thread, digest = self._newest()
        real = command.replace(DIGEST, digest[:12]).replace(ID, thread)
        child = pexpect.spawn(
            "bash",
            ["-c", real],
            cwd=str(self._folder),
            env=self._env,
            dimensions=(50, 80),
            encoding="utf-8",
            timeout=60,
        )
        seen = ""
        for answer in answers:
            child.expect_exact("\n  > ")
            seen += child.before + "\n  > "
            child.sendline(answer)
        child.expect(pexpect.EOF)
        return self._told(seen + child.before)

    def _newest(self) -> tuple[str, str]:
        if not self._journal.exists():
            return ID, DIGEST
        newest = Journal(self._journal).threads(limit=1)[0]
        return newest.id, newest.digest

    def _told(self, output: str) -> str:
        thread, digest = self._newest()
        lines = output.replace("\r\n", "\n").split("\n")
        text = "\n".join(line.split("\r")[-1] for line in lines)  # what was written over is not there to be seen
        text = text.replace(thread, ID)
        text = text.replace(digest[:12], DIGEST) if digest else text
        text = re.sub(rf"\b{current_user()}\b", "ana", text)
        text = re.sub(rf"({DIGEST})[0-9a-f]{{52}}", r"\1...", text)
        text = re.sub(r"audit #\d+ [0-9a-f]{8}", "audit #5 20bd733d", text)
        text = re.sub(r"(audit #\d+ )[0-9a-f]{8}", r"\g<1>20bd733d", text)
        return re.sub(r"\d+\.\d+ s\b", "0.01 s", text)


def _run(example: str, terminal: Terminal) -> str:
    """The example again, with what its commands print today."""
    steps = re.split(r"^(?=\$ )", example, flags=re.M)[1:]
    shown = ""
    for step in steps:
        command = step.split("\n", 1)[0].removeprefix("$ ")
        answers = re.findall(r"^  > (.*)$", step, re.M)
        printed = terminal.type(command, answers).rstrip("\n")
        shown += f"$ {command}\n" + (f"{printed}\n" if printed else "")
    return "\n".join(line.rstrip() for line in shown.split("\n"))


@pytest.mark.parametrize("place", range(len(BLOCKS.findall(README.read_text()))))
def test_an_example_prints_what_the_readme_shows(place: int, shop: Path) -> None:
    before, example, after = BLOCKS.findall(README.read_text())[place]
    with OpenAIServer(_reply) as server:
        terminal = Terminal(shop, dict(os.environ) | server.env() | {"SQLAGENT_MODEL": "gpt-5-mini"})
        printed = _run(example, terminal)
    if os.environ.get("REWRITE_DOCS"):
        README.write_text(README.read_text().replace(before + example + after, before + printed + after))
    else:
        assert printed == example, "run: REWRITE_DOCS=1 python -m pytest tests/test_readme_runs.py"


def test_the_python_example_runs(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(_fenced("python"), "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("update products ")
    assert printed[-2].startswith("executed ")


def test_the_policy_example_is_accepted_and_says_what_the_text_says(shop: Path) -> None:
    from sqlagent import config

    settings = config.load({"policy": str(shop / "policy.toml")}, {}, shop)
    assert [rule.id for rule in settings.rules.rules] == ["no-drops", "four-eyes"]


def test_the_command_that_tries_it_asks_what_the_readme_shows() -> None:
    (command,) = re.findall(r"^python3 -m venv .*sqlagent ask .*$", README.read_text(), re.M)
    assert '".[local]"' in command
    assert 'ask "who are the top 3 customers by revenue"' in command
