"""Locks: who waits for whom is said, and a preview gives way before anybody waits for it longer than is set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import psycopg
import pytest
from postgres_pooler import Pooler
from postgres_server import Pg
from postgres_writes import Target

from sqlagent.core.errors import ConnectError
from sqlagent.databases.base import MeasureBudget, OnConflict
from sqlagent.databases.postgres.effect.undo_record import decoded
from sqlagent.databases.postgres.run import transaction
from sqlagent.databases.postgres.undo import undo

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE);
INSERT INTO customers SELECT g, 'c' || g, 'town' FROM generate_series(1, 20) g;
INSERT INTO orders SELECT g, 1 + g % 20 FROM generate_series(1, 60) g;
"""
SECRET = "UPDATE customers SET city = 'hunter2' WHERE id = 1"
DELETE = ["DELETE FROM customers WHERE id = 1"]
SLOW = ["WITH u AS (UPDATE customers SET city = 'z' WHERE id = 1 RETURNING id) SELECT pg_sleep(20) FROM u"]
GAVE_WAY = "another session waited for what it locks (200 ms), so it gave way"
DELETES = "WITH d AS (DELETE FROM customers WHERE id = 1 RETURNING id) SELECT pg_sleep(20) FROM d"
SLEEPING = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND backend_xid IS NOT NULL"
PATIENT = MeasureBudget(seconds=30)


@contextmanager
def held(target: Target, *statements: str) -> Iterator[None]:
    """By another session that is not done yet."""
    with psycopg.connect(target.around or target.url, application_name="nightly job") as db:
        for sql in statements:
            db.execute(sql.encode())
        yield
        db.rollback()


@pytest.mark.parametrize(
    "statements",
    [
        [SECRET],
        ["LOCK TABLE customers IN SHARE MODE"],
        ["INSERT INTO orders VALUES (99, 1)"],  # a key that refers to the row
        ["ALTER TABLE orders ADD note text"],
    ],
)
def test_who_holds_what_a_preview_waits_for_is_named(pg_of: Callable[[str], Pg], statements: list[str]) -> None:
    target = Target(pg_of(SHOP).url)
    with held(target, *statements):
        begun = monotonic()
        measured = target.measure(DELETE, MeasureBudget())
        waited = monotonic() - begun

    assert measured.how.startswith("rows are locked by postgres with nightly job (process ")
    assert "), whose statement began at " in measured.how
    assert measured.how.endswith("(waited 200 ms)")
    assert "hunter2" not in measured.how
    assert waited < 5  # on a machine that does much else


def test_a_transaction_that_is_prepared_and_not_committed_is_named(pg_of: Callable[[str], Pg]) -> None:
    pg = pg_of(SHOP)
    pg.run(f"BEGIN; {SECRET}; PREPARE TRANSACTION 'stranded'")
    measured = Target(pg.url).measure(DELETE, MeasureBudget())
    pg.run("ROLLBACK PREPARED 'stranded'")

    assert measured.how == "rows are locked by a prepared transaction of postgres, 'stranded' (waited 200 ms)"


def test_a_role_that_may_not_see_others_statements_is_told_who_all_the_same(pg_of: Callable[[str], Pg]) -> None:
    pg = pg_of(SHOP)
    pg.run(f"CREATE ROLE app_{pg.name} LOGIN; GRANT ALL ON customers, orders TO app_{pg.name}")
    target = Target(pg.as_role(f"app_{pg.name}"), around=pg.url)
    with held(target, SECRET):
        measured = target.measure(DELETE, MeasureBudget())

    assert measured.how.startswith("rows are locked by postgres with nightly job (process ")
    assert measured.how.endswith(") (waited 200 ms)")


@pytest.mark.parametrize("of", ["a run", "an undo"])
def test_who_holds_what_a_run_waits_for_is_named(
    pg_of: Callable[[str], Pg], monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    monkeypatch.setattr(transaction, "_LOCK_SECONDS", 1.5)
    target = Target(pg_of(SHOP).url)
    if of == "an undo":
        target.apply(["UPDATE customers SET name = 'x' WHERE id = 1"], None)
    kept, expected = target.kept, target.measure(DELETE)

    def go() -> None:
        if of == "a run":
            target.apply(DELETE, expected)
        else:
            undo.apply(target._run(None), decoded(kept), OnConflict.REFUSE)

    with held(target, SECRET), pytest.raises(ConnectError, match="locked by postgres with nightly job") as refused:
        go()
    assert refused.value.message.endswith("(waited 1.5 s)")
    assert "hunter2" not in refused.value.message
    assert (refused.value.hint, refused.value.sqlstate) == ("nothing was changed", "55P03")


def test_who_holds_a_table_that_a_run_empties_is_named(
    pg_of: Callable[[str], Pg], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "_LOCK_SECONDS", 1.5)
    target, sql = Target(pg_of(SHOP).url), ["TRUNCATE orders"]
    expected = target.measure(sql)
    with held(target, "SELECT * FROM orders"), pytest.raises(ConnectError, match="with nightly job"):
        target.apply(sql, expected)


# ---- a preview gives way --------------------------------------------------------------------------------------------


def waited_for(target: Target, sql: str, preview: Callable[[], str]) -> tuple[str, float]:
    """What a preview said, and how long another session waited for it: it begins once the preview holds its locks."""
    waited, previewing = [0.0], threading.Event()
    previewing.set()

    def other() -> None:
        with target.plain() as db:
            while not db.execute(SLEEPING).fetchone() and previewing.is_set():
                pass
            begun = monotonic()
            db.execute(sql.encode())
            waited[0] = monotonic() - begun

    thread = threading.Thread(target=other)
    thread.start()
    said = preview()
    previewing.clear()
    thread.join()
    return said, waited[0]


@pytest.mark.parametrize("sql", ["UPDATE customers SET name = 'theirs' WHERE id = 1", "ALTER TABLE customers ADD x int",
                                 "INSERT INTO orders VALUES (99, 1)"])  # fmt: skip
def test_a_preview_gives_way_to_who_waits_for_its_rows(pg_of: Callable[[str], Pg], sql: str) -> None:
    """It would hold them for seconds; the other session has them after a fraction of one, and is never cancelled."""
    target = Target(pg_of(SHOP).url)
    slow = [DELETES] if "orders" in sql else SLOW  # a new row only waits for a row that it refers to
    said, waited = waited_for(target, sql, lambda: target.measure(slow, PATIENT).how)

    assert said == GAVE_WAY
    assert waited < 5  # of 20 s


def test_it_gives_way_through_a_pooler(pg_of: Callable[[str], Pg], pooler: Pooler) -> None:
    pg = pg_of(SHOP)
    target = Target(pooler.url(pg.name), around=pg.url)
    sql = "UPDATE customers SET name = 'theirs' WHERE id = 1"
    said, waited = waited_for(target, sql, lambda: target.measure(SLOW, PATIENT).how)

    assert said == GAVE_WAY
    assert waited < 5


def test_what_looks_at_an_undo_gives_way_too(pg_of: Callable[[str], Pg]) -> None:
    pg = pg_of(SHOP)
    target = Target(pg.url)
    target.apply(["UPDATE customers SET name = 'x' WHERE id = 1"], None)
    pg.run("""CREATE FUNCTION slow(text) RETURNS boolean LANGUAGE plpgsql AS
      $$ BEGIN IF $1 = 'c1' THEN PERFORM pg_sleep(20); END IF; RETURN true; END $$;
      ALTER TABLE customers ADD CHECK (slow(name)) NOT VALID""")

    def preview() -> str:
        plan = undo.plan(target.connect, decoded(target.kept), budget=PATIENT, heard=None)
        return plan.measurement.how

    said, waited = waited_for(target, "UPDATE customers SET city = 'theirs' WHERE id = 1", preview)
    assert said == GAVE_WAY
    assert waited < 5


def test_a_preview_in_a_deadlock_is_the_one_that_ends(pg_of: Callable[[str], Pg]) -> None:
    target = Target(pg_of(SHOP).url)
    with target.plain() as db, db.transaction():
        db.execute("SET LOCAL deadlock_timeout = '30s'")
        db.execute("UPDATE customers SET city = 'x' WHERE id = 2")
        measured = target.measure(
            ["UPDATE customers SET city = 'y' WHERE id = 1", "UPDATE customers SET city = 'y' WHERE id = 2"],
            MeasureBudget(),
        )
        db.execute("UPDATE customers SET city = 'x' WHERE id = 1")

    assert measured.how.startswith("rows are locked by postgres")
