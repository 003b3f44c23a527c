"""One agent, many threads: whatever a call gets is its own."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from shops import SELL, Shop, a_shop, approved, once_each

from sqlagent.core.errors import QueryError, SqlagentError
from sqlagent.core.nouns.session import Report, Status
from sqlagent.fork_gate import Gate
from sqlagent.service import Agent, Listener


@pytest.fixture
def stock(tmp_path: Path) -> Shop:
    return a_shop(tmp_path / "shop")


def together(*works: Callable[[], Any]) -> list[Any]:
    """Each in a thread of its own, all let go at once."""
    start = threading.Barrier(len(works))

    def begun(work: Callable[[], Any]) -> Any:
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return [job.result() for job in [threads.submit(begun, work) for work in works]]


def values(report: Report) -> Any:
    assert report.status is Status.EXECUTED, report
    return [row for rowset in report.rowsets for row in rowset.rows]


def test_each_caller_gets_the_rows_of_its_own_question(stock: Shop) -> None:
    with stock.agent(reads="allow") as agent:
        said = together(*[lambda n=n: agent.run(f"SELECT {n}; SELECT {n} + 100") for n in range(8)])
    assert [values(report) for report in said] == [[(n,), (n + 100,)] for n in range(8)]


class Mixed:
    """Calls of every kind on one agent, each of which knows what it must come to."""

    def __init__(self, stock: Shop, agent: Agent) -> None:
        self.stock, self.agent = stock, agent
        self.sold = Counter[int]()
        self._counting = threading.Lock()

    def calls(self, seed: int, many: int) -> None:
        chance = random.Random(seed)
        for n in range(many):
            chance.choice((self.reads, self.sells, self.rejects, self.fails, self.looks))(seed * 1000 + n)

    def reads(self, n: int) -> None:
        assert values(self.agent.run(f"SELECT {n} AS n, name FROM stock WHERE id = 1")) == [(n, "apple")]

    def sells(self, n: int) -> None:
        """Somebody else may sell between the measurement and the run: then it is asked anew, and approved again."""
        asked = self.agent.run(f"INSERT INTO tickets (n) VALUES ({n}) RETURNING n")
        assert values(approved(self.agent, asked)) == [(n,)]
        with self._counting:
            self.sold[n] += 1

    def rejects(self, n: int) -> None:
        asked = self.agent.run(f"DELETE FROM stock WHERE id = {n}")
        assert asked.proposal is not None
        ended = self.agent.reject(asked.thread, asked.proposal.digest, f"no {n}")
        assert (ended.status, ended.reason, ended.rowsets) == (Status.REJECTED, f"no {n}", ())

    def fails(self, n: int) -> None:
        ended = self.agent.run(f"SELECT * FROM nowhere_{n}")
        assert (ended.status, ended.failure) == (Status.FAILED, QueryError.__name__)
        assert f"nowhere_{n}" in ended.message

    def looks(self, n: int) -> None:
        asked = self.agent.run(f"UPDATE stock SET left = {n} WHERE id = 2")
        assert asked.proposal is not None
        shown = self.agent.show(asked.thread)
        assert shown.proposal is not None
        assert (shown.proposal.digest, shown.proposal.sql) == (asked.proposal.digest, asked.proposal.sql)
        assert asked.thread in [t.id for t in self.agent.pending()]


def mixed(stock: Shop, threads: int, calls: int) -> None:
    stock.rows("CREATE TABLE tickets (id INTEGER PRIMARY KEY, n INTEGER UNIQUE)")
    with stock.agent(reads="allow", expires="1h", timeout="60s") as agent:
        work = Mixed(stock, agent)
        together(*[lambda seed=seed: work.calls(seed, calls) for seed in range(threads)])
    assert {n for (n,) in stock.rows("SELECT n FROM tickets")} == {*work.sold}
    once_each(stock)


def test_mixed_calls_of_eight_threads_do_not_meet(stock: Shop) -> None:
    mixed(stock, 8, 3)


@pytest.mark.long
def test_two_hundred_mixed_calls_of_each_of_eight_threads_do_not_meet(stock: Shop) -> None:
    mixed(stock, 8, 200)


def test_one_thread_is_answered_by_eight_and_runs_once(stock: Shop) -> None:
    with stock.agent() as agent:
        asked = agent.run(SELL)

        def answer() -> str:
            try:
                return str(approved(agent, asked).status)
            except SqlagentError as e:
                return type(e).__name__

        assert set(together(*[answer] * 8)) <= {"executed", "Finished"}
    assert stock.sold == 1


def test_each_call_may_have_a_listener_of_its_own(stock: Shop) -> None:
    heard: dict[int, list[str]] = {}

    def asked(n: int) -> Report:
        listener = Listener(unasked=lambda proposal: heard.setdefault(n, []).append(proposal.sql))
        with agent.one_call(listener) as call:
            return call.run(f"SELECT {n}")

    with stock.agent(reads="allow") as agent:
        together(*[lambda n=n: asked(n) for n in range(4)])
    assert heard == {n: [f"SELECT {n}"] for n in range(4)}


def test_a_policy_is_put_on_record_once_by_all_of_them(stock: Shop, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[[rule]]\nid = 'x'\nwhen = { risk = '>=write' }\nthen = 'deny'\n")
    with stock.agent(reads="allow", policy=str(policy)) as agent:
        together(*[lambda n=n: agent.run(f"SELECT {n}") for n in range(4)])
        assert [e.what for e in agent.journal.audit()].count("policy loaded") == 1


def test_connections_are_left_for_the_next_call_and_closed_at_the_end(stock: Shop) -> None:
    agent = stock.agent(reads="allow")
    together(*[lambda n=n: agent.run(f"SELECT {n}") for n in range(4)])
    held = len(agent._parts._idle)
    for n in range(4):
        agent.run(f"SELECT {n}")
    assert 1 <= len(agent._parts._idle) == held <= 4
    agent.close()
    assert agent._parts._idle == []
    with agent:
        assert values(agent.run("SELECT 7")) == [(7,)]  # a call afterwards opens it anew


# ---- forking among threads ------------------------------------------------------------------------------------------


def test_nobody_forks_while_another_thread_is_inside() -> None:
    gate, entered, leave, forked = Gate(), threading.Event(), threading.Event(), threading.Event()

    def inside() -> None:
        with gate.inside():
            entered.set()
            leave.wait(10)

    def fork() -> None:
        with gate.alone():
            forked.set()

    one, other = threading.Thread(target=inside), threading.Thread(target=fork)
    one.start()
    entered.wait(10)
    other.start()
    assert not forked.wait(0.05)
    leave.set()
    assert forked.wait(10)
    one.join()
    other.join()


def test_whoever_forks_may_be_inside_and_so_may_another_who_waits_for_the_same() -> None:
    gate, both = Gate(), threading.Barrier(2)

    def forks() -> bool:
        with gate.inside():
            both.wait(10)
            with gate.alone(), gate.inside():
                return True

    assert together(forks, forks) == [True, True]


def test_whoever_waits_to_fork_keeps_nobody_out_for_ever() -> None:
    """The one that is inside may wait for what another does there: a lock of the database's."""
    gate, inside, done = Gate(), threading.Event(), threading.Event()

    def holds() -> bool:
        with gate.inside():
            inside.set()
            return done.wait(10)

    def forks() -> None:
        inside.wait(10)
        with gate.alone():
            pass

    def helps() -> None:
        inside.wait(10)
        time.sleep(0.02)  # the other waits by now, mostly
        with gate.inside():
            done.set()

    assert together(holds, forks, helps)[0]
