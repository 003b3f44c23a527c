"""A team on one store: one asks, another approves from elsewhere, a third runs, and the record proves it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread as Running
from typing import Any

import pytest
from checkout import FIXTURES
from cli_shop import SHOP
from postgres_server import Pg
from shared_store import WORKER, Store

from sqlagent import Agent
from sqlagent.core.errors import Busy, ConfigError, NotPermitted, SqlagentError, StoreError
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.graph import open_graph
from sqlagent.service.work import Worker
from sqlagent.store.shared.connection import VERSION, Session
from sqlagent.store.shared.lease import lease

WRITE = "UPDATE orders SET status = 'paid' WHERE status = 'pending'"
POLICY = """
[roles]
dba = ["ben", "cyd"]
[[rule]]
id = "changes"
when = { risk = ">=write" }
then = { ask = { name = "tech", role = "dba", not_requester = true } }
"""


@pytest.fixture
def shop_db(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.executescript(SHOP)
    db.close()
    return path


@contextmanager
def agent(store: Store, who: str, database: Path | None, *, machine: str = "", **settings: object) -> Iterator[Agent]:
    """Somebody's program on a machine of their own: a state folder that they share with nobody."""
    policy = store.folder.parent / "team.toml"
    policy.write_text(POLICY)
    state = store.folder.parent / f"state-{machine or who}"
    made = Agent.open(
        str(database) if database else None, store=store.url_of(who), state_dir=str(state), policy=[str(policy)],
        **settings,
    )  # fmt: skip
    with made:
        yield made


def asked(store: Store, shop_db: Path) -> Report:
    with agent(store, "ana", shop_db) as ana:
        report = ana.run(WRITE)
    assert report.status is Status.PENDING
    assert report.proposal is not None
    return report


def digest(report: Report) -> str:
    assert report.proposal is not None
    return report.proposal.digest


def paid(shop_db: Path) -> int:
    db = sqlite3.connect(shop_db)
    try:
        return int(db.execute("SELECT count(*) FROM orders WHERE status = 'pending'").fetchone()[0])
    finally:
        db.close()


def test_one_asks_another_approves_without_the_database_a_worker_runs_it_and_the_record_proves_it(
    store: Store, shop_db: Path
) -> None:
    waits = asked(store, shop_db)
    with agent(store, "ana", shop_db) as ana, pytest.raises(NotPermitted, match="ana asked for it"):
        ana.approve(waits.thread, digest(waits), run=False)
    with agent(store, "ben", None) as ben:
        assert [t.id for t in ben.pending()] == [waits.thread]
        assert ben.approve(waits.thread, digest(waits), run=False).status is Status.PENDING
    assert paid(shop_db) == 10
    with agent(store, WORKER, shop_db) as porter:
        (ran,) = Worker(porter).run()
        assert isinstance(ran, Report)
        assert ran.status is Status.EXECUTED
        assert list(Worker(porter).run()) == []
    assert paid(shop_db) == 0
    with agent(store, "cyd", None) as cyd:
        assert cyd.journal.verified().problem == ""
        told = [(e.who, e.what) for e in cyd.journal.audit(thread=waits.thread)]
    assert [t for t in told if t[1] not in ("shown", "refused")] == [
        ("ana", "asked"), ("ana", "analyzed"), ("ben", "approved"), (WORKER, "claimed"), (WORKER, "committed"),
    ]  # fmt: skip
    assert ("ana", "refused") in told


def test_whoever_asked_may_run_it_too_once_it_is_approved(store: Store, shop_db: Path) -> None:
    waits = asked(store, shop_db)
    with agent(store, "ben", None) as ben:
        ben.approve(waits.thread, digest(waits), run=False)
    with agent(store, "ana", shop_db) as ana:
        assert ana.resume(waits.thread).status is Status.EXECUTED
    assert paid(shop_db) == 0


def test_the_graph_on_a_teams_checkpoints_is_called_asynchronously_too(store: Store, shop_db: Path) -> None:
    waits = asked(store, shop_db)
    with agent(store, "ben", None) as ben:
        ben.approve(waits.thread, digest(waits), run=False)
    settings = {"store": store.url_of("ana"), "state_dir": str(store.folder.parent / "state-ana")}

    async def stands() -> Any:
        with open_graph(database=str(shop_db), policy=[str(store.folder.parent / "team.toml")], **settings) as opened:
            return await opened.aget_state({"configurable": {"thread_id": waits.thread}})

    assert asyncio.run(stands()).values["proposal"] == waits.proposal.id  # type: ignore[union-attr] # it waits


def test_a_rejection_from_elsewhere_ends_it(store: Store, shop_db: Path) -> None:
    waits = asked(store, shop_db)
    with agent(store, "ben", None) as ben:
        no = Decision(Choice.REJECT, digest(waits), ben.by, "flag", reason="no")
        assert ben.decide(waits.thread, no, run=False).status is Status.REJECTED
    with agent(store, WORKER, shop_db) as porter:
        assert list(Worker(porter).run()) == []
    assert paid(shop_db) == 10


def test_many_workers_run_each_approval_once(store: Store, shop_db: Path) -> None:
    for _ in range(3):
        waits = asked(store, shop_db)
        with agent(store, "ben", None) as ben:
            ben.approve(waits.thread, digest(waits), run=False)
    worked: list[Report | SqlagentError] = []

    def work(machine: str) -> None:
        with agent(store, WORKER, shop_db, machine=machine) as porter:
            worked.extend(Worker(porter).run())

    racing = [Running(target=work, args=(f"m{n}",)) for n in range(3)]
    for each in racing:
        each.start()
    for each in racing:
        each.join()
    with agent(store, "ana", None) as ana:
        claims = [e.detail for e in ana.journal.audit() if e.what == "claimed"]
        assert ana.journal.verified().problem == ""
        assert all(t.status in (Status.EXECUTED, Status.PENDING) for t in ana.sessions())
    assert len(claims) == len(set(claims))
    assert paid(shop_db) == 0


def test_a_worker_opens_no_database_that_its_own_config_does_not_name(store: Store, shop_db: Path) -> None:
    other = shop_db.with_name("other.db")
    shutil.copy(shop_db, other)
    waits = asked(store, shop_db)
    with agent(store, "ben", None) as ben:
        ben.approve(waits.thread, digest(waits), run=False)
    with agent(store, WORKER, other) as porter:
        assert Worker(porter).ready() == ()
    assert paid(shop_db) == 10


def test_a_forged_checkpoint_runs_nothing(store: Store, shop_db: Path) -> None:
    waits = asked(store, shop_db)
    with agent(store, "cyd", shop_db) as cyd:
        graph = cyd._parts.driver._graph
        config = {"configurable": {"thread_id": waits.thread}}
        graph.update_state(config, {"decision": {"choice": "approve", "digest": digest(waits)}, "verdict": "allow"})  # type: ignore[arg-type]
        graph.update_state(config, {"end": "executed", "status": "executed"}, as_node="execute")  # type: ignore[arg-type]
        with suppress(SqlagentError):  # refused is as good
            assert cyd.resume(waits.thread).status is not Status.EXECUTED
    assert paid(shop_db) == 10
    assert store.owner("SELECT count(*) FROM sqlagent.runs") == [(0,)]


def test_a_thread_is_one_machine_s_at_a_time_and_free_when_its_process_has_died(store: Store) -> None:
    ana, dead = Session(store.url_of("ana")), Session(store.url_of("ana"))
    busy = pytest.raises(Busy, match="ana is working on k7f3")
    with lease(ana, "k7f3", holder="a"), busy, lease(ana, "k7f3", holder="b", wait=0.0):
        pass
    assert dead.call("lease", "k7f3", "a", 100.0) == [""]
    with lease(ana, "k7f3", holder="a", wait=0.0):  # the same folder's own lock says that the other one is gone
        pass
    assert dead.call("lease", "k7f3", "a", 0.0) == [""]
    with lease(ana, "k7f3", holder="b", wait=5.0):
        pass
    ana.close()
    dead.close()


def test_waiting_ends_when_somebody_writes(store: Store) -> None:
    ana, ben = store.of("ana"), store.of("ben")
    waiting = Running(target=ana.wait, args=(60.0,))
    waiting.start()
    while waiting.is_alive():
        ben.note("shown", who="ben", thread="")
        waiting.join(0.2)


# ---- bad input, two lines each ------------------------------------------------------------------------------------


def says(url: str) -> tuple[str, str]:
    with pytest.raises(SqlagentError) as failure:
        Session(url).execute("SELECT 1")
    assert failure.value.hint
    return type(failure.value).__name__, failure.value.message.rpartition("/")[2].partition(" ")[2]


def test_a_store_that_cannot_be_used_says_why_and_what_to_do(store: Store, pg: Pg) -> None:
    assert says(pg.url) == ("StoreError", "has no sqlagent in it")
    assert says(store.url + "x") == ("StoreError", "is not there: the server has no such database")
    assert says("postgresql://ana@127.0.0.1:1/x")[0] == "StoreAway"
    assert says(store.url_of("nobody_there"))[0] in ("AuthError", "StoreError")
    assert says(store.url_of("nobody_known"))[1] == "gives you no rights"
    store.owner("UPDATE sqlagent.version SET number = 99")
    assert says(store.url)[1] == f"is of version 99, and this sqlagent knows {VERSION}"
    store.owner("UPDATE sqlagent.version SET number = -1")
    assert says(store.url)[1] == f"is of version -1, and this sqlagent needs {VERSION}"


def test_a_read_only_and_a_full_store_are_said(store: Store) -> None:
    store.owner(f"UPDATE sqlagent.version SET number = {VERSION}")
    session = Session(store.url_of("ana") + "?options=-cdefault_transaction_read_only%3Don")
    with pytest.raises(StoreError, match="is read-only"):
        session.call("note", "shown", "", "{}")
    store.owner(
        "CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE ="
        " '53100'; END $$; CREATE TRIGGER f BEFORE INSERT ON sqlagent.audit EXECUTE FUNCTION public.full()"
    )
    with pytest.raises(StoreError, match="has no room left"):
        Session(store.url_of("ana")).call("note", "shown", "", "{}")


@pytest.mark.parametrize(
    ("url", "says"),
    [("sqlite:x", "is no PostgreSQL URL"), ("postgresql://a:b@h/x", "carries a password"),
     ("postgresql://h/x?password=b", "carries a password"), ("postgresql://[/x", "is no PostgreSQL URL")],
)  # fmt: skip
def test_a_store_that_is_none_is_refused_where_it_is_named(url: str, says: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, SqlagentError), match=says):
        Agent.open(store=url, state_dir=str(tmp_path / "s"))


# ---- made, checked, moved -----------------------------------------------------------------------------------------


def test_a_folder_moves_into_a_store_with_its_record(store: Store, shop_db: Path, tmp_path: Path) -> None:
    from sqlagent.store.journal import Journal
    from sqlagent.store.shared.moving import move

    with Agent.open(str(shop_db), state_dir=str(tmp_path / "old")) as alone:
        waits = alone.run(WRITE)
        alone.approve(waits.thread, digest(waits))
        left = alone.run("DELETE FROM orders WHERE id = 1")
    before = Journal(tmp_path / "old" / "journal.db")
    head = move(before.path, store.url)
    ana = store.of("ana")
    assert str(ana.head()) == str(before.head()) == head
    assert ana.verified(before.head()).problem == ""
    assert list(ana.audit()) == list(before.audit())
    assert ana.thread(left.thread).status is Status.PENDING
    lines = "".join(f"{_line(e)}\n" for e in ana.audit())
    verifier = FIXTURES / "audit" / "verify.py"
    told = subprocess.run([sys.executable, verifier], input=lines, capture_output=True, text=True, check=True)
    assert "entries intact" in told.stdout
    with pytest.raises(StoreError, match="has a record of its own"):
        move(before.path, store.url)


def _line(entry: object) -> str:
    import json
    from dataclasses import asdict

    return json.dumps(asdict(entry))  # type: ignore[call-overload]
