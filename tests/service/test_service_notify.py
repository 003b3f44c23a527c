"""A program of the user's is told of what waits: once, in time, and whatever becomes of it the session waits."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_shop import Asked
from cli_shop import Shop as CliShop
from config_folders import Folders
from journal_builders import a_journal
from shops import SELL, Shop, a_shop, in_child

from sqlagent.core.errors import ConfigError, StoreError
from sqlagent.core.nouns.session import Report, Status
from sqlagent.service import Agent, Listener
from sqlagent.service.notify import Hook
from sqlagent.store.journal import Journal
from sqlagent.store.notices import Notices

Payload = dict[str, Any]


class Ear:
    """A program that writes down what it hears, and what was said of it."""

    def __init__(self, folder: Path) -> None:
        self.shop: Shop = a_shop(folder / "shop")
        self.path = folder / "heard.jsonl"
        self.program = self.script(f'cat >> "{self.path}"')
        self.notes: list[str] = []

    def script(self, *lines: str, name: str = "ear") -> str:
        path = self.shop.folder.parent / name
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(0o700)
        return str(path)

    def agent(self, *command: str, **settings: Any) -> Agent:
        return self.shop.agent(
            on_pending=command or (self.program,), listener=Listener(note=self.notes.append), **settings
        )

    def asked(self, *command: str, sql: str = SELL, title: str = "sell an apple", **settings: Any) -> Report:
        with self.agent(*command, **settings) as agent:
            return agent.run(sql, title=title)

    @property
    def heard(self) -> list[Payload]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    @property
    def said(self) -> list[tuple[str, Payload]]:
        """What the record has of it."""
        with self.shop.agent() as agent:
            entries = [e for e in agent.journal.audit() if "notified" in e.what]
        return [(e.what, json.loads(e.detail)) for e in entries]


@pytest.fixture
def ear(tmp_path: Path) -> Ear:
    return Ear(tmp_path)


def digest_of(report: Report) -> str:
    assert report.proposal is not None
    return report.proposal.digest


# ---- what is told, and how often ---------------------------------------------------------------------------------


def test_it_is_told_what_waits_with_what_an_answer_needs(ear: Ear) -> None:
    asked = ear.asked()
    (payload,) = ear.heard
    assert (payload["type"], payload["args"]) == ("tool_approval", {"sql": SELL})
    facts = payload["sqlagent"]
    assert (facts["thread"], facts["proposal"]) == (asked.thread, f"{asked.thread}.1")
    assert facts["digest"] == f"sha256:{digest_of(asked)}"
    assert facts["question"] == "sell an apple"
    assert ear.said == [("notified", {"proposal": f"{asked.thread}.1", "stage": 1})]
    assert ear.notes == []


def test_a_thread_that_is_resumed_many_times_is_told_of_once(ear: Ear) -> None:
    asked = ear.asked()
    for _ in range(3):
        with ear.agent() as agent:
            assert agent.resume(asked.thread).status is Status.PENDING
            assert agent.resume(asked.thread).status is Status.PENDING
    assert in_child(lambda: ear.agent().resume(asked.thread)) == 0
    assert len(ear.heard) == len(ear.said) == 1


def test_a_thread_that_waited_before_there_was_a_program_is_told_of_when_it_is_resumed(ear: Ear) -> None:
    with ear.shop.agent() as agent:
        asked = agent.run(SELL)
    with ear.agent() as agent:
        agent.resume(asked.thread)
    assert [p["sqlagent"]["thread"] for p in ear.heard] == [asked.thread]


def test_another_proposal_of_the_thread_is_told_of_too(ear: Ear) -> None:
    asked = ear.asked()
    with ear.agent() as agent:
        edited = agent.edit(asked.thread, digest_of(asked), "UPDATE stock SET left = 5 WHERE id = 2")
        assert agent.approve(asked.thread, digest_of(edited)).status is Status.EXECUTED
    assert [p["tool_call_id"] for p in ear.heard] == [f"{asked.thread}.1", f"{asked.thread}.2"]


def test_what_became_stale_is_told_of_as_it_is_now(ear: Ear) -> None:
    asked = ear.asked()
    ear.shop.rows("UPDATE stock SET left = 7 WHERE id = 1")
    with ear.agent() as agent:
        assert agent.approve(asked.thread, digest_of(asked)).status is Status.STALE
    assert [bool(p["sqlagent"]["stale"]) for p in ear.heard] == [False, True]


def test_every_stage_is_told_of_once(ear: Ear, tmp_path: Path) -> None:
    rules = tmp_path / "policy.toml"
    rules.write_text(
        '[roles]\ndba = ["ben"]\nowner = ["cleo"]\n[[rule]]\nid = "two"\nwhy = "two of us"\n'
        'then = { ask = { stages = [{ name = "technical", role = "dba" }, { name = "business", role = "owner" }] } }\n'
    )
    asked = ear.asked(policy=str(rules))
    assert asked.proposal is not None
    assert asked.proposal.stages == 2
    with ear.agent(policy=str(rules), by="ben") as agent:
        report = agent.approve(asked.thread, digest_of(asked))
        assert report.status is Status.PENDING
        agent.resume(asked.thread)
    assert [(p["sqlagent"]["stage"], p["sqlagent"]["stage_name"]) for p in ear.heard] == [
        (1, "technical"), (2, "business"),
    ]  # fmt: skip


def test_what_the_model_asks_back_is_told_of_once_each_time(ear: Ear, model: Asked) -> None:
    model.answers("ASK: Which apple? | red | green", "ASK: How many? | one | all", SELL)
    with ear.agent() as agent:
        asked = agent.ask("sell apples")
        assert asked.asks is not None
        agent.resume(asked.thread)
        agent.answer(asked.thread, "red")
        agent.resume(asked.thread)
        assert agent.answer(asked.thread, "one").proposal is not None
    assert [(p["type"], p.get("question", "")) for p in ear.heard] == [
        ("clarification", "Which apple?"), ("clarification", "How many?"), ("tool_approval", ""),
    ]  # fmt: skip


def test_nobody_is_told_of_what_waits_for_nobody(ear: Ear) -> None:
    assert ear.asked(sql="SELECT 1", reads="allow").status is Status.EXECUTED
    assert ear.asked(sql="ATTACH 'x' AS y").status is Status.DENIED
    assert ear.asked(auto_reject=True).status is Status.PENDING
    assert (ear.heard, ear.said) == ([], [])


def test_of_many_processes_one_tells(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    assert Notices(journal).claim("k7f3.0", 1)
    journal.close()
    racers = [_racer(lambda: Notices(Journal(journal.path)).claim("k7f3.1", 1)) for _ in range(8)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(racer, 0)[1]) for racer in racers]
    assert sorted(codes) == [0] * 7 + [1]


def _racer(work: Callable[[], bool]) -> int:
    """A process that ends with what it found."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = int(work())
        finally:
            os._exit(code)
    return child


def test_a_process_that_dies_while_it_tells_leaves_it_told(ear: Ear) -> None:
    deadly = ear.script(f'cat >> "{ear.path}"; kill -9 $PPID', name="deadly")
    assert in_child(lambda: ear.asked(deadly)) == -signal.SIGKILL
    ((thread,),) = _threads(ear)
    with ear.agent() as agent:
        assert agent.resume(str(thread)).status is Status.PENDING
    assert len(ear.heard) == 1


def _threads(ear: Ear) -> list[tuple[Any, ...]]:
    db = ear.shop.journal()
    try:
        return list(db.execute("SELECT id FROM threads").fetchall())
    finally:
        db.close()


# ---- how it is run -----------------------------------------------------------------------------------------------


def hook(*command: str, folder: Path, seconds: float = 60, **env: str) -> Hook:
    return Hook(command, folder, {**os.environ, **env}, seconds)


PYTHON = "import sys, os; "


def test_it_hears_one_line_of_ascii_whatever_was_asked(ear: Ear) -> None:
    hostile = '"; touch pwned; $(touch pwned) `touch pwned`\n\x1b[31m\x00\x07' + "‮日本🙂'"
    ear.asked(title=hostile)
    assert ear.path.read_bytes().isascii()
    (payload,) = ear.heard
    assert payload["sqlagent"]["question"] == hostile
    assert not list(ear.shop.folder.parent.rglob("pwned"))


def test_no_shell_reads_its_arguments(tmp_path: Path) -> None:
    program = PYTHON + "open('arguments', 'w').write(repr(sys.argv[1:]))"
    assert hook(sys.executable, "-c", program, "$HOME", "a b", "*", ";", folder=tmp_path).run({}) == ""
    assert (tmp_path / "arguments").read_text() == repr(["$HOME", "a b", "*", ";"])


def test_it_is_told_no_key_of_ours_and_keeps_its_own(tmp_path: Path) -> None:
    secrets: dict[str, Any] = {
        "OPENAI_API_KEY": "sk-canary", "SQLAGENT_API_KEY_FILE": "/k", "SQLAGENT_KEY": "x", "PGPASSWORD": "x",
        "AZURE_OPENAI_API_KEY": "x",
    }  # fmt: skip
    program = PYTHON + "open('names', 'w').write('\\n'.join(os.environ))"
    assert hook(sys.executable, "-c", program, folder=tmp_path, CHAT_TOKEN="its own", **secrets).run({}) == ""
    names = set((tmp_path / "names").read_text().splitlines())
    assert names.isdisjoint(secrets)
    assert {"CHAT_TOKEN", "PATH", "HOME"} <= names


def test_nothing_that_it_prints_is_among_our_output(ear: Ear, capfd: pytest.CaptureFixture[str]) -> None:
    ear.asked(ear.script("echo out; echo err >&2", name="loud"))
    assert capfd.readouterr() == ("", "")
    assert ear.notes == []


def test_no_program_of_the_folder_is_taken_for_it(tmp_path: Path) -> None:
    trap = tmp_path / "cloned" / "notify-me"
    trap.parent.mkdir()
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    trap.chmod(0o755)
    for path in (".", "", f".:{os.environ['PATH']}", "cloned"):
        assert "no such file" in hook("notify-me", folder=trap.parent, PATH=path).run({})
    assert not (tmp_path / "pwned").exists()
    assert hook("notify-me", folder=tmp_path, PATH=f"{trap.parent}:{os.environ['PATH']}").run({}) == ""


def test_its_own_folder_is_where_the_user_is(ear: Ear) -> None:
    ear.asked(ear.script("pwd > where", name="pwd"))
    assert (ear.shop.folder / "where").read_text().strip() == str(ear.shop.folder.resolve())


def test_a_program_that_does_not_read_is_no_failure_however_much_it_is_told(tmp_path: Path) -> None:
    assert hook("true", folder=tmp_path).run({"sql": "x" * 20_000_000}) == ""


def test_a_program_that_leaves_something_running_is_not_waited_for(tmp_path: Path) -> None:
    program = PYTHON + "import subprocess; open('pid', 'w').write(str(subprocess.Popen(['sleep', '1000']).pid))"
    try:
        assert hook(sys.executable, "-c", program, folder=tmp_path).run({"sql": "x"}) == ""
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


# ---- when it fails -----------------------------------------------------------------------------------------------


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[Callable[[], bool]]:
    """Whether any process is left that has `alive` open to write."""
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    yield lambda: not select.select([reading], [], [], 20)[0]
    os.close(reading)


def test_past_its_time_it_is_ended_with_all_that_it_started(ear: Ear, alive: Callable[[], bool]) -> None:
    slow = ear.script("exec 3> alive", "sleep 1000 &", "trap '' TERM", "sleep 1000", name="slow")
    failure = hook(slow, folder=ear.shop.folder.parent, seconds=0.5).run({"sql": "x" * 1_000_000})
    assert failure == "it took longer than 0.5 s and was ended"
    assert not alive()


def test_a_ctrl_c_ends_it_too(ear: Ear, alive: Callable[[], bool]) -> None:
    slow = ear.script("exec 3> alive", "cat > /dev/null", "kill -INT $PPID", "sleep 1000", name="slow")
    with pytest.raises(KeyboardInterrupt):
        hook(slow, folder=ear.shop.folder.parent).run({})
    assert not alive()


@pytest.mark.parametrize(
    ("lines", "failure"),
    [
        (("exit 3",), "it exited with 3"),
        (("echo 'first' >&2", "echo 'no route to chat' >&2", "exit 1"), "it exited with 1: no route to chat"),
        (("kill -SEGV $$",), "it died of signal 11"),
        (("printf '\\377\\n\\n' >&2; exit 1",), "it exited with 1: �"),
    ],
)
def test_a_failure_is_one_line_and_on_record_and_the_session_waits_all_the_same(
    ear: Ear, lines: tuple[str, ...], failure: str
) -> None:
    program = ear.script(*lines, name="fails")
    asked = ear.asked(program)
    assert asked.status is Status.PENDING
    assert ear.notes == [f"on_pending was not told of {asked.thread}: {program}: {failure}"]
    assert ear.said == [("not notified", {"proposal": f"{asked.thread}.1", "stage": 1, "because": failure})]
    with ear.agent(program) as agent:
        agent.resume(asked.thread)
    assert len(ear.notes) == 1


def test_a_program_that_is_not_there_is_one_line(ear: Ear) -> None:
    asked = ear.asked("no-such-program", "--quiet")
    assert asked.status is Status.PENDING
    assert ear.notes == [f"on_pending was not told of {asked.thread}: no-such-program: no such file or directory"]


def test_a_program_that_may_not_be_run_is_one_line(ear: Ear) -> None:
    Path(ear.program).chmod(0o600)
    asked = ear.asked()
    assert ear.notes == [f"on_pending was not told of {asked.thread}: {ear.program}: permission denied"]


def test_a_journal_that_cannot_be_written_is_a_warning_too(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_notices: Notices, _proposal: str, _stage: int) -> bool:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Notices, "claim", full)
    asked = ear.asked()
    assert asked.status is Status.PENDING
    assert ear.notes == [f"on_pending was not told of {asked.thread}: {ear.program}: the disk is full"]
    assert ear.heard == []


# ---- the setting, and the command line ---------------------------------------------------------------------------


def test_the_user_s_own_file_names_it_and_a_project_s_may_not(folders: Folders) -> None:
    folders.user('on_pending = ["notify-me", "--to", "the team"]\n')
    settings = folders.load()
    assert settings.on_pending == ("notify-me", "--to", "the team")
    assert folders.origin("on_pending").endswith("config.toml:1")
    folders.project('on_pending = ["curl", "https://evil.example"]\n')
    with pytest.raises(ConfigError, match="on_pending may not be set by a project's file"):
        folders.load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"notify-me"', "must be a list of texts"),
        ("[1]", "must be a list of texts"),
        ('[""]', "names no program"),
        ('["./notify"]', "must not depend on the folder that it is run in: ./notify"),
        ('["bin/notify"]', "must not depend on the folder that it is run in: bin/notify"),
        ('["notify", "\\u0000"]', "holds a NUL character"),
    ],
)
def test_what_is_no_command_is_said_with_its_line(folders: Folders, text: str, message: str) -> None:
    folders.user(f"\non_pending = {text}\n")
    (problem,) = folders.check()
    assert (problem.line, problem.message) == (2, f"on_pending {message}")


def test_a_program_is_found_below_the_home_too_and_none_is_none(folders: Folders, tmp_path: Path) -> None:
    folders.user("on_pending = []\n")
    assert folders.load().on_pending == ()
    program = Path.home() / "ear"
    program.write_text("#!/bin/sh\ncat > heard\n")
    program.chmod(0o700)
    assert hook("~/ear", folder=tmp_path).run({"a": 1}) == ""
    assert (tmp_path / "heard").read_text() == '{"a": 1}\n'


def test_a_command_line_says_a_failure_once_and_its_document_stays_whole(shop: CliShop, folders: Folders) -> None:
    config = shop.folder / "own.toml"
    config.write_text('on_pending = ["no-such-program"]\n')
    done = shop.run("run", "--sql", "UPDATE customers SET country = 'AT'", "--config", str(config), "--no-input")
    assert done.code == 8
    assert done.err.count("on_pending was not told of") == 1
    done = shop.run("run", "--sql", "UPDATE customers SET country = 'AT'", "--config", str(config), "--json")
    assert (done.code, done.document["status"]) == (8, "pending")
