"""A run that is struck at any point is told apart afterwards: never lost, never run twice, never half of it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import psycopg
import pytest
from postgres_crashes import SCHEMA, Struck, strikes
from postgres_standby import Standby
from postgres_writes import Target

from sqlagent.core.errors import ConnectError
from sqlagent.databases.base import Mark, Verdict
from sqlagent.databases.postgres.effect.undo_record import decoded
from sqlagent.databases.postgres.run import in_doubt, marker_table
from sqlagent.databases.postgres.throwaway.server import ThrowawayServer

_POINTS = 520  # of the long run, half of them with a marker table


@pytest.fixture
def server() -> Iterator[ThrowawayServer]:
    """One that may be crashed."""
    own = ThrowawayServer(addresses="127.0.0.1", settings="autovacuum = off\nshared_buffers = 16MB\n")
    with psycopg.connect(own.loopback_url(), autocommit=True) as db:
        db.execute("CREATE DATABASE shop")
    with psycopg.connect(own.loopback_url("shop"), autocommit=True) as db:
        db.execute(SCHEMA)
    yield own
    own.close()


def test_a_run_struck_at_any_point_is_told_apart(server: ThrowawayServer) -> None:
    struck = Struck(server, "shop", random.Random(1))
    for way in ("terminate", "kill -9", "cut to client"):
        struck.strike(way, "kept")
    struck.strike("immediate stop", "kept")
    struck.strike("cut to server", "ran 1")

    assert not struck.wrong
    assert not any("cannot tell" in found for found in struck.found), struck.found


@pytest.mark.long
@pytest.mark.parametrize("marker", [False, True])
def test_of_many_strikes_none_is_told_wrong(server: ThrowawayServer, marker: bool) -> None:
    struck = Struck(server, "shop", random.Random(2), marker)
    strikes(struck, _POINTS // 2)

    assert not struck.wrong


@pytest.fixture
def standby(server: ThrowawayServer) -> Iterator[Standby]:
    """Streams from the server, and may be promoted."""
    own = Standby(server)
    yield own
    own.close()


@pytest.mark.parametrize("reached_standby", [True, False])
def test_after_a_failover_the_mark_tells_and_the_server_does_not(
    server: ThrowawayServer, standby: Standby, reached_standby: bool
) -> None:
    """A COMMIT that was answered may be lost by it: the standby had not got it yet."""
    target, sql, mark = Target(server.loopback_url("shop")), ["UPDATE stock SET v = 7"], Mark("r1", "then", "digest")
    with target.connect() as session:
        marker_table.Marker(session, mark).prepare()
    standby.wait_for(server)
    if not reached_standby:
        standby.stop("immediate")
    target.apply(sql, target.measure(sql), mark=mark)
    if reached_standby:
        standby.wait_for(server)
    server.stop("immediate")
    if not reached_standby:
        standby.start()
    promoted = Target(standby.loopback_url("shop"), kept=target.kept)
    with pytest.raises(ConnectError, match="is a standby, and takes no writes"):
        Target(promoted.url).apply(sql, None)
    asked_of_standby, measured_there = promoted.told(), promoted.measure(sql)
    standby.promote()
    with promoted.plain() as db:
        for _ in range(5):
            db.execute("UPDATE busy SET n = n + 1")  # takes the numbers of transactions that were lost
        applied = db.execute("SELECT count(*) FROM stock WHERE v = 7").fetchone() == (5,)

    assert asked_of_standby is Verdict.CANNOT_TELL
    assert measured_there.how == "a standby cannot measure; point `measure_url` at the primary"
    assert applied is reached_standby
    assert promoted.told() is Verdict.CANNOT_TELL
    looks = in_doubt.decided(promoted.connect, decoded(target.kept))
    assert looks is (Verdict.APPLIED if applied else Verdict.NOT_APPLIED)
    with promoted.connect() as session:
        assert marker_table.marked(session, mark) is (Verdict.APPLIED if applied else Verdict.NOT_APPLIED)
