"""Everything that matters is in the log when it happens, with who did it, and the chain holds throughout."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_shop import Asked

from sqlagent import config
from sqlagent.core.errors import Finished, OutcomeUnknown, Stale
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.service import Agent
from sqlagent.store.audit import verify
from sqlagent.store.journal import Marked, RunState

SQL = "UPDATE stock SET left = 1"


class Watched:
    """An agent, and what its log has had since it was last looked at."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.db"
        self.execute("CREATE TABLE stock (id INTEGER PRIMARY KEY, left INTEGER CHECK (left >= 0));"
                     "INSERT INTO stock VALUES (1, 10), (2, 20)")  # fmt: skip
        self.now = datetime(2026, 3, 30, 10, 0, tzinfo=UTC)
        self._folder = folder
        self._read = 0
        self.agent = self.agent_with()

    def agent_with(self, **flags: Any) -> Agent:
        flags = {"database": str(self.path), "state_dir": str(self._folder / "state"), **flags}
        agent = Agent(config.load(flags, os.environ, self._folder), now=lambda: self.now)
        agent.by = "ana"
        return agent

    def execute(self, script: str) -> None:
        connection = sqlite3.connect(self.path)
        connection.executescript(script)
        connection.close()

    def logged(self) -> list[str]:
        return [what for what, _, _ in self.details()]

    def details(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What, who, detail of each new entry; they are sealed, and the clock's time is on them."""
        assert verify(self.agent.journal.audit()).problem == ""
        entries = list(self.agent.journal.audit())[self._read :]
        self._read += len(entries)
        assert {e.at[:10] for e in entries} <= {f"{self.now:%Y-%m-%d}"}
        return [(e.what, e.who, json.loads(e.detail)) for e in entries]

    def run(self, sql: str = SQL) -> tuple[str, str]:
        """Thread and digest of what waits."""
        report = self.agent.run(sql)
        assert report.proposal is not None
        return report.thread, report.proposal.digest


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def digest_of(report: Report) -> str:
    assert report.proposal is not None
    return report.proposal.digest


def test_a_question_is_followed_from_asking_to_undoing(model: Asked, watched: Watched) -> None:
    agent = watched.agent
    model.answers(SQL)
    asked = agent.ask("sell all but one")
    assert asked.proposal is not None
    asking, drafting, analyzing = watched.details()
    assert asking[:2] == ("asked", "ana")
    assert (asking[2]["question"], asking[2]["source"]) == ("sell all but one", "ask")
    assert drafting[:2] == ("drafted", "gpt-5-mini")
    assert len(drafting[2]["prompt_sha256"]) == len(drafting[2]["sql_sha256"]) == 64
    assert drafting[2]["tokens_in"] > 0
    assert drafting[2]["tokens_out"] > 0
    assert analyzing[0] == "analyzed"
    assert (analyzing[2]["digest"], analyzing[2]["policy"]) == (digest_of(asked), "ask")

    agent.shown(asked.proposal)
    edited = agent.edit(asked.thread, digest_of(asked), "UPDATE stock SET left = 2")
    assert watched.logged() == ["shown", "edited", "analyzed"]
    with pytest.raises(Stale):
        agent.approve(asked.thread, digest_of(asked))
    done = agent.approve(asked.thread, digest_of(edited))
    refused, approved, claimed, committed = watched.details()
    assert refused[0] == "refused"
    assert "is not what waits" in refused[2]["because"]
    assert approved[:2] == ("approved", "ana")
    assert {k: approved[2][k] for k in ("digest", "how", "stage")} == {
        "digest": digest_of(edited), "how": "library", "stage": "1/1",
    }  # fmt: skip
    assert (claimed[0], claimed[2]["digest"]) == ("claimed", digest_of(edited))
    assert (committed[0], committed[2]["changed"]) == ("committed", [2])
    head = agent.journal.head()
    assert head is not None
    assert done.audit_head == f"{head.number}:{head.hash}"
    with pytest.raises(Finished):
        agent.approve(asked.thread, digest_of(edited))
    assert watched.logged() == ["refused"]

    undo = agent.undo(asked.thread)
    agent.approve(undo.thread, digest_of(undo))
    undoing = watched.details()
    assert [what for what, _, _ in undoing] == ["asked", "analyzed", "approved", "claimed", "committed"]
    assert undoing[0][2]["source"] == "undo"
    assert undoing[-1][2]["changed"] == [2]
    agent.close()


def test_what_does_not_run_is_followed_too(watched: Watched) -> None:
    agent = watched.agent
    thread, digest = watched.run()
    agent.reject(thread, digest, "not today")
    *_, rejected = watched.details()
    assert (rejected[0], rejected[1], rejected[2]["reason"]) == ("rejected", "ana", "not today")

    thread, digest = watched.run()
    watched.execute("UPDATE stock SET left = 5 WHERE id = 1")
    assert agent.approve(thread, digest).status is Status.STALE
    *_, stale, analyzed = watched.details()
    assert stale[0] == "stale"
    assert stale[2]["because"] == analyzed[2]["stale"]
    assert "released" not in watched.logged()

    thread, digest = watched.run("UPDATE stock SET left = -1")
    assert agent.approve(thread, digest).status is Status.FAILED
    *_, rolled_back, failed = watched.details()
    assert (rolled_back[0], failed[0]) == ("rolled back", "failed")
    assert "CHECK" in rolled_back[2]["because"]

    assert agent.run("ATTACH 'x' AS y").status is Status.DENIED
    assert watched.logged()[-1] == "denied"
    agent.close()


def test_what_ran_out_of_time_is_in_the_log_as_that(watched: Watched) -> None:
    with watched.agent_with(expires="30m") as hasty:
        asked = hasty.run(SQL)
        watched.now += timedelta(minutes=31)
        assert hasty.approve(asked.thread, digest_of(asked)).status is Status.EXPIRED
    *_, rejected, expired = watched.details()
    assert (rejected[0], rejected[2]["how"]) == ("rejected", "expired")
    assert expired[0] == "expired"
    watched.agent.close()


def test_a_run_whose_end_was_not_seen_is_in_the_log_until_it_is_settled(watched: Watched) -> None:
    agent = watched.agent
    thread, digest = watched.run()
    proposal = agent.journal.proposal(f"{thread}.1")
    agent.journal.decide(proposal, Decision(Choice.APPROVE, digest, "ana", "key"))
    assert agent.journal.claim(proposal, by="ana", marked=Marked.NOWHERE) is None
    agent.journal.keep(proposal.id, b"")  # its process died at its COMMIT, and could keep nothing to tell by
    assert agent.resume(thread).status is Status.UNKNOWN
    with pytest.raises(OutcomeUnknown):
        agent.approve(thread, digest)
    agent.settle(thread, RunState.SETTLED_NOT_APPLIED)
    *_, unknown, settled, _failed = watched.details()
    assert unknown[0] == "unknown"
    assert (settled[0], settled[1], settled[2]["as_"]) == ("settled", "ana", "settled-not-applied")
    agent.close()
