"""Through a PgBouncer in transaction mode: all of it works, nothing stays on a session that others get next."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import psycopg
import pytest
from postgres_pooler import Pooler
from postgres_proxy import Proxy
from postgres_schemas import SCHEMAS, a_script
from postgres_server import Pg
from postgres_writes import Target, whole_way
from sqlite_files import Kept

from sqlagent.core.errors import ConnectError, OutcomeUnknown, QueryError, SqlagentError
from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases.base import Limits, MeasureBudget, Verdict
from sqlagent.databases.open import open_database
from sqlagent.databases.postgres.effect import two_sessions
from sqlagent.ui.diagnostics import ExitCode, exit_code_for

STOCK = "CREATE TABLE stock (id int PRIMARY KEY, v int NOT NULL); INSERT INTO stock VALUES (1, 0), (2, 0);"
SALE = ["UPDATE stock SET v = v + 1 WHERE id = 1"]
LEFT = """
SELECT (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
  (SELECT count(*) FROM pg_listening_channels()),
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
  (SELECT count(*) FROM pg_settings WHERE source = 'session'
    AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings'))"""
"""What would be left on a session of the server.  The settings named are those that PgBouncer itself sets for each."""


def through(pooler: Pooler, pg: Pg) -> Target:
    return Target(pooler.url(pg.name), around=pg.url)


def test_nothing_stays_on_a_session_that_is_given_to_others(
    pg_of: Callable[[str], Pg], pooler_of: Callable[..., Pooler]
) -> None:
    pooler, pg = pooler_of(settings="default_pool_size = 3\n"), pg_of(STOCK)
    db = open_database(pooler.url(pg.name), name="shop")
    for _ in range(2):
        db.fingerprint()
        db.schema(examples=2)
        db.inspect(["SELECT * FROM stock", *SALE])
        db.read("SELECT * FROM stock", sink=Kept(), limits=Limits())
        assert whole_way(through(pooler, pg), SALE) == "exact"
        with psycopg.connect(pooler.url(pg.name), prepare_threshold=None) as somebody:
            assert somebody.execute(LEFT).fetchall() == [(0, 0, 0, 0, 0)]
    db.close()


def test_writes_are_measured_run_and_taken_back_as_without_it(pg_of: Callable[[str], Pg], pooler: Pooler) -> None:
    pg = pg_of(SCHEMAS["int key"][0])

    assert whole_way(through(pooler, pg), ["UPDATE a SET x = 7 WHERE id < 5", "DELETE FROM a WHERE id > 9"]) == "exact"


def test_a_run_whose_answer_was_lost_is_found_out(pg_of: Callable[[str], Pg], pooler: Pooler) -> None:
    pg = pg_of(STOCK)
    for number, lost in enumerate(({"to_server": 0}, {"to_server": 5}, {"to_client": 0})):
        proxy = Proxy(pooler.port)
        struck = Target(pooler.url(pg.name).replace(f":{pooler.port}/", f":{proxy.port}/"))
        expected = struck.measure(SALE)

        def strike(point: str, proxy: Proxy = proxy, lost: dict[str, int] = lost) -> None:
            if point == "kept":
                proxy.arm(**lost)

        with pytest.raises((OutcomeUnknown, ConnectError)):
            struck.apply(SALE, expected, reached=strike)
        proxy.close()
        whole = Target(pooler.url(pg.name), kept=struck.kept)
        applied = pg.rows("SELECT v FROM stock WHERE id = 1") == [(number + 1,)]
        assert whole.told() is (Verdict.APPLIED if applied else Verdict.NOT_APPLIED)
        pg.run(f"UPDATE stock SET v = {number + 1} WHERE id = 1")


def test_the_servers_session_of_a_run_is_not_ended_once_it_serves_somebody_else(
    pg_of: Callable[[str], Pg], pooler_of: Callable[..., Pooler]
) -> None:
    pooler, pg = pooler_of(settings="default_pool_size = 4\n"), pg_of(STOCK)
    target = through(pooler, pg)
    target.apply(SALE, target.measure(SALE))
    others = [psycopg.connect(pooler.url(pg.name), prepare_threshold=None) for _ in range(3)]
    try:
        for other in others:  # one of them has the session that the run had
            other.execute("SELECT pg_current_xact_id()")
        assert target.told() is Verdict.APPLIED
        assert [other.execute("SELECT 1").fetchone() for other in others] == [(1,)] * 3
    finally:
        for other in others:
            other.close()


def test_a_read_is_cancelled_through_it(pg_of: Callable[[str], Pg], pooler: Pooler) -> None:
    pg = pg_of(STOCK)
    db = open_database(pooler.url(pg.name), name="shop")
    asked = threading.Thread(target=lambda: _until_it_runs(pg, db.interrupt))
    asked.start()
    limits = Limits(seconds=60)
    with pytest.raises(QueryError, match="cancelled"):
        db.read("SELECT count(*) FROM generate_series(1, 1000000000) g", sink=Kept(), limits=limits)
    asked.join()
    db.close()


def _until_it_runs(pg: Pg, then: Callable[[], None]) -> None:
    while not pg.rows("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1000000000%'"
                      " AND pid <> pg_backend_pid()"):  # fmt: skip
        pass
    then()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"mode": "statement"}, "the pooler is in statement mode, which has no transactions"),
        ({"settings": "max_client_conn = 0\n"}, "the pooler takes no more sessions: max_client_conn"),
    ],
)
def test_a_pooler_that_cannot_serve_is_refused_in_words(
    pg_of: Callable[[str], Pg], pooler_of: Callable[..., Pooler], how: dict[str, str], words: str
) -> None:
    pooler, pg = pooler_of(**how), pg_of(STOCK)

    assert words in refused(pooler.url(pg.name)).message


@pytest.mark.parametrize(
    ("user", "query", "words", "code"),
    [
        ("nobody_here", "", "does not let nobody_here in", ExitCode.AUTH),
        ("postgres", "?options=-csearch_path%3Dpublic", "does not pass on `options` of the URL", ExitCode.CONNECTION),
        ("postgres", "?sslmode=require", "speaks no TLS", ExitCode.CONNECTION),
    ],
)
def test_what_a_pooler_refuses_is_said_in_words(
    pg_of: Callable[[str], Pg], pooler: Pooler, user: str, query: str, words: str, code: ExitCode
) -> None:
    error = refused(pooler.url(pg_of(STOCK).name, user=user) + query)

    assert words in error.message
    assert exit_code_for(error) is code


def test_a_database_that_is_not_there_is_told_from_behind_it(pooler: Pooler) -> None:
    assert "there is no database nope" in refused(pooler.url("nope")).message


def refused(url: str) -> SqlagentError:
    with pytest.raises(SqlagentError) as error:
        open_database(url, name="shop")
    assert error.value.hint
    return error.value


def test_a_pooler_with_one_session_to_give_says_so_and_keeps_nobody_waiting(
    pg_of: Callable[[str], Pg], pooler_of: Callable[..., Pooler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_sessions, "_FIRST_ANSWER", 0.3)
    pooler, pg = pooler_of(settings="default_pool_size = 1\n"), pg_of(STOCK)
    target = through(pooler, pg)
    measured = target.measure(SALE)

    assert measured.how.startswith("the pooler had no session of the server to give")
    assert measured.undo is Undoable.NONE
    with pytest.raises(ConnectError, match="no session of the server to give"):
        target.apply(SALE, None)
    assert pg.rows("SELECT sum(v) FROM stock") == [(0,)]


def test_a_session_mode_pooler_serves_as_well(pg_of: Callable[[str], Pg], pooler_of: Callable[..., Pooler]) -> None:
    assert whole_way(through(pooler_of(mode="session"), pg_of(STOCK)), SALE) == "exact"


def test_doctor_is_told_that_one_stands_in_between(pg_of: Callable[[str], Pg], pooler: Pooler) -> None:
    db = open_database(pooler.url(pg_of(STOCK).name), name="shop")

    assert any("a pooler stands in between" in concern.what for concern in db.concerns())
    db.close()


def test_a_server_that_goes_away_behind_it_leaves_no_doubt_before_commit(
    pg_of: Callable[[str], Pg], pooler: Pooler
) -> None:
    pg = pg_of(STOCK)
    target = through(pooler, pg)
    expected = target.measure(SALE)

    def end(point: str) -> None:
        if point == "ran 1":
            pg.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid IS NOT NULL")

    with pytest.raises(ConnectError):
        target.apply(SALE, expected, reached=end)
    assert pg.rows("SELECT v FROM stock WHERE id = 1") == [(0,)]
    assert target.measure(SALE, MeasureBudget(seconds=60)).is_exact


@pytest.mark.long
@pytest.mark.parametrize("name", SCHEMAS)
def test_generated_writes_come_to_the_same_through_it(pg_of: Callable[[str], Pg], pooler: Pooler, name: str) -> None:
    made, templates = SCHEMAS[name]
    chance, target = random.Random(name), through(pooler, pg_of(made))

    for _ in range(12):
        if whole_way(target, a_script(chance, templates)).startswith("no undo"):  # the others leave all as it was
            target = through(pooler, pg_of(made))
