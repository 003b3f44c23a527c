"""One agent on a PostgreSQL database, many threads: whatever a call gets is its own, and a change runs once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from postgres_server import Pg
from test_service_threads import together, values

from sqlagent import config
from sqlagent.core.errors import Finished, QueryError
from sqlagent.core.nouns.session import Status
from sqlagent.service import Agent

SCHEMA = "CREATE TABLE tickets (n int PRIMARY KEY); CREATE TABLE stock (id int PRIMARY KEY, name text)"


@pytest.fixture
def pg(pg_of: Callable[[str], Pg]) -> Pg:
    made = pg_of(SCHEMA)
    made.run("INSERT INTO stock VALUES (1, 'apple')")
    return made


def an_agent(pg: Pg, folder: Path) -> Agent:
    return Agent(
        config.load({"database": pg.url, "state_dir": str(folder / "state"), "reads": "allow"}, os.environ, folder)
    )


def mixed(agent: Agent, seed: int, calls: int) -> int:
    """Reads, changes that are approved or rejected, and what the database refuses; answers how many were sold."""
    sold = 0
    for n in range(seed * 1000, seed * 1000 + calls):
        assert values(agent.run(f"SELECT {n} AS n, name FROM stock")) == [(n, "apple")]
        asked = agent.run(f"INSERT INTO tickets (n) VALUES ({n}) RETURNING n")
        assert asked.proposal is not None
        if n % 3 == 0:
            assert agent.reject(asked.thread, asked.proposal.digest).status is Status.REJECTED
        else:
            assert values(agent.approve(asked.thread, asked.proposal.digest)) == [(n,)]
            sold += 1
        assert agent.run(f"SELECT {n} FROM no_such_table").failure == QueryError.__name__
    return sold


@pytest.mark.parametrize("calls", [2, pytest.param(25, marks=pytest.mark.long)])
def test_mixed_calls_of_eight_threads_do_not_meet(pg: Pg, tmp_path: Path, calls: int) -> None:
    with an_agent(pg, tmp_path) as agent:
        sold = together(*[lambda seed=seed: mixed(agent, seed, calls) for seed in range(8)])
        assert values(agent.run("SELECT count(*) FROM tickets")) == [(sum(sold),)]
        assert agent.journal.verified().problem == ""


def test_one_thread_is_answered_by_eight_and_runs_once(pg: Pg, tmp_path: Path) -> None:
    with an_agent(pg, tmp_path) as agent:
        asked = agent.run("INSERT INTO tickets VALUES (1)")
        digest = asked.proposal.digest if asked.proposal else ""

        def approve() -> str:
            try:
                return agent.approve(asked.thread, digest).status.value
            except Finished as e:
                return e.message

        told = together(*[approve] * 8)
        assert all(t == "executed" or "is finished, executed" in t for t in told), told
        assert values(agent.run("SELECT count(*) FROM tickets")) == [(1,)]
