"""How many bytes a session leaves in the state folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from checkout import ROOT
from measure import say
from openai_server import OpenAIServer

from sqlagent import Agent, Status

SESSIONS = 50

pytestmark = pytest.mark.benchmark


def test_one_ask_one_approval_one_run(tmp_path: Path) -> None:
    shutil.copy(ROOT / "sample.db", tmp_path)
    state = tmp_path / "state"
    sql = "UPDATE orders SET status = 'cancelled', cancelled_at = CURRENT_TIMESTAMP WHERE id = 7"
    with OpenAIServer(sql) as server:
        agent = Agent.open(str(tmp_path / "sample.db"), base_url=server.base_url, model="x", state_dir=str(state))
        with agent:
            for _ in range(SESSIONS):
                asked = agent.ask("cancel order 7")
                assert asked.proposal is not None
                assert agent.approve(asked.thread, asked.proposal.digest).status is Status.EXECUTED
    for name in ("checkpoints.db", "journal.db"):
        say(f"{name}, a session of {SESSIONS}", f"{(state / name).stat().st_size / SESSIONS / 1e3:.1f} KB")
    total = sum(f.stat().st_size for f in state.rglob("*") if f.is_file())
    say("all files of the state folder", f"{total / SESSIONS / 1e3:.1f} KB")
    assert total > 0
