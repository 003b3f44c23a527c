"""A program of the user's is told of every decision: by whom and what, once; the decision stands whatever it does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from config_folders import Folders
from jsonschema import Draft202012Validator
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from shops import SELL, Shop, a_shop, in_child, once_each

from sqlagent import schemas
from sqlagent.core.errors import ConfigError
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.graph import graph
from sqlagent.service import Agent, Listener

EDITED = "UPDATE stock SET left = 5 WHERE id = 2"


class Ear:
    """A program that writes down what it hears, and what was said of it."""

    def __init__(self, folder: Path) -> None:
        self.shop: Shop = a_shop(folder / "shop")
        self._heard = folder / "heard.jsonl"
        self.program = self.script(f'cat >> "{self._heard}"')
        self.notes: list[str] = []

    def script(self, line: str, name: str = "ear") -> str:
        path = self.shop.folder.parent / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o700)
        return str(path)

    def agent(self, *command: str, **settings: Any) -> Agent:
        listener = Listener(note=self.notes.append)
        return self.shop.agent(on_decided=command or (self.program,), listener=listener, **settings)

    @property
    def heard(self) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self._heard.read_text().splitlines()] if self._heard.exists() else []
        for each in found:
            assert [e.message for e in Draft202012Validator(schemas.load("decision")).iter_errors(each)] == []
        return found


@pytest.fixture
def ear(tmp_path: Path) -> Ear:
    return Ear(tmp_path)


def digest(report: Report) -> str:
    assert report.proposal is not None
    return report.proposal.digest


def test_an_approval_is_told_of_once_with_who_gave_it_and_to_what(ear: Ear) -> None:
    with ear.agent() as agent:
        asked = agent.run(SELL)
        assert ear.heard == []
        assert agent.approve(asked.thread, digest(asked)).status is Status.EXECUTED
    with ear.agent(by="ben") as agent:
        agent.show(asked.thread)
        second = agent.run("SELECT 1", thread=asked.thread)
        agent.resume(asked.thread)
    (told,) = ear.heard
    assert (told["choice"], told["by"], told["how"], told["sql"]) == ("approve", "ana", "library", SELL)
    assert (told["thread"], told["proposal"], told["digest"]) == (asked.thread, f"{asked.thread}.1", digest(asked))
    assert (told["stage"], told["stages"], told["requested_by"]) == (1, 1, "ana")
    with ear.shop.agent() as agent:
        said = [json.loads(e.detail) for e in agent.journal.audit() if e.what == "notified"]
    assert said == [{"proposal": f"{asked.thread}.1", "stage": 1, "of": "decision"}]
    assert second.status is Status.PENDING
    once_each(ear.shop)


@pytest.mark.parametrize(
    ("choice", "more", "told_more"),
    [
        (Choice.REJECT, {"reason": "not today"}, {"reason": "not today"}),
        (Choice.EDIT, {"sql": EDITED}, {"edited": EDITED}),
        (Choice.PARTIAL, {"keep": (2,), "reason": "that one"}, {"kept": [2]}),
    ],
)
@pytest.mark.parametrize("run", [True, False], ids=["and goes on", "and leaves it"])
def test_every_kind_of_decision_is_told_of(
    ear: Ear, choice: Choice, more: dict[str, Any], told_more: dict[str, Any], run: bool
) -> None:
    with ear.agent() as agent:
        asked = agent.run(f"{SELL}; DELETE FROM stock WHERE id = 3")
        agent.decide(asked.thread, Decision(choice, digest(asked), "ana", "typed", **more), run=run)
    told = ear.heard[0]
    assert (told["choice"], told["by"], told["how"]) == (choice.value, "ana", "typed")
    assert told_more.items() <= told.items()


def test_what_time_decided_and_what_a_stage_decided_is_told_of_too(ear: Ear, tmp_path: Path) -> None:
    rules = tmp_path / "policy.toml"
    rules.write_text('[[rule]]\nid = "two"\nthen = { ask = { people = 2, expires = "1h" } }\n')
    at = datetime(2026, 3, 30, 10, tzinfo=UTC)
    with ear.agent(policy=str(rules), now=lambda: at) as agent:
        asked = agent.run(SELL)
        agent.approve(asked.thread, digest(asked))
    with ear.agent(policy=str(rules), now=lambda: at + timedelta(hours=2)) as agent:
        agent.expire()
        agent.expire()
    assert [(t["stage"], t["choice"], t["by"], t["how"]) for t in ear.heard] == [
        (1, "approve", "ana", "library"), (2, "reject", "-", "expired"),
    ]  # fmt: skip


def test_what_the_policy_lets_run_alone_is_no_decision_of_anybodys(ear: Ear) -> None:
    with ear.agent(reads="allow") as agent:
        assert agent.run("SELECT 1").status is Status.EXECUTED
    assert ear.heard == []


def test_a_decision_of_a_process_that_died_is_told_of_by_the_next(ear: Ear) -> None:
    with ear.shop.agent() as agent:
        asked = agent.run(SELL)

    def dies() -> None:
        os.environ["SQLAGENT_CRASH_AT"] = "execute: before the claim"
        with ear.agent() as agent:
            agent.approve(asked.thread, digest(asked))

    assert in_child(dies) < 0
    with ear.agent(by="ben") as agent:
        assert agent.resume(asked.thread).status is Status.EXECUTED
    assert [t["by"] for t in ear.heard] == ["ana"]


def test_a_decision_is_told_of_though_its_run_fails(ear: Ear) -> None:
    with ear.agent() as agent:
        asked = agent.run("INSERT INTO stock VALUES (1, 'twice', 1)")
        if asked.status is Status.PENDING:
            agent.approve(asked.thread, digest(asked))
    assert [t["choice"] for t in ear.heard] == ["approve"]


def test_what_a_langgraph_client_decides_is_told_of(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ear.shop.folder / "own.toml"
    own.write_text(f'on_decided = ["{ear.program}"]\n')
    for name, value in {"DB": ear.shop.db, "STATE_DIR": ear.shop.state, "CONFIG": own}.items():
        monkeypatch.setenv(f"SQLAGENT_{name}", str(value))
    served = graph.copy({"checkpointer": InMemorySaver()})
    at: Any = {"configurable": {"thread_id": "a-uuid"}}
    asked = served.invoke({"run": SELL}, at)
    served.invoke(Command(resume={"type": "approve", "digest": asked["digest"]}), at)
    assert [(t["choice"], t["digest"]) for t in ear.heard] == [("approve", asked["digest"])]


FAILURES: dict[str, Callable[[Ear], str]] = {
    "is not there": lambda _ear: "no-such-program",
    "fails": lambda ear: ear.script("echo no network >&2; exit 3", "bad"),
    "never ends": lambda ear: ear.script("sleep 600", "slow"),
}


@pytest.mark.parametrize("program", FAILURES.values(), ids=FAILURES)
def test_a_program_that_does_not_hear_it_changes_nothing_of_the_decision(
    ear: Ear, program: Callable[[Ear], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sqlagent.service.notify.Hook.__init__.__defaults__", (0.3,))
    with ear.agent(program(ear)) as agent:
        asked = agent.run(SELL)
        assert agent.approve(asked.thread, digest(asked)).status is Status.EXECUTED
    assert ear.shop.sold == 1
    (note,) = ear.notes
    assert note.startswith(f"on_decided was not told of {asked.thread}: {program(ear)}: ")


def test_it_comes_from_the_users_own_files_alone(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.user('on_decided = ["tell", "the team"]\n')
    assert folders.load().on_decided == ("tell", "the team")
    folders.project('on_decided = ["curl", "https://evil.example"]\n')
    with pytest.raises(ConfigError, match="on_decided may not be set by a project's file"):
        folders.load()
