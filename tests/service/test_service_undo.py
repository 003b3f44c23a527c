"""What a run changed is taken back exactly, what somebody changed since is left alone, and what cannot be is said."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shops import SELL, a_shop
from shops import approved as approved_in

from sqlagent import config
from sqlagent.core.errors import Altered, Finished, Stale, UnknownThread, UsageError
from sqlagent.core.nouns.analysis import Risk, Statement, Verb
from sqlagent.core.nouns.effect import Undoable
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.databases.base import MeasureBudget, OnConflict
from sqlagent.pipeline.thread_lock import thread_lock
from sqlagent.service import Agent, parts
from sqlagent.store.journal import Marked

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, total NUMERIC);
CREATE TABLE log (what TEXT);
CREATE VIEW rich AS SELECT customer FROM orders GROUP BY customer HAVING sum(total) > 20;
CREATE INDEX orders_by_total ON orders (total);
CREATE TRIGGER renamed AFTER UPDATE ON customers BEGIN INSERT INTO log VALUES (old.name); END;
CREATE TRIGGER sold AFTER INSERT ON orders BEGIN INSERT INTO log VALUES ('sold'); END;
INSERT INTO customers VALUES (1, 'Ana'), (2, 'Ben'), (3, 'Zoë');
INSERT INTO orders VALUES (1, 1, 10), (2, 1, 20.5), (3, 2, NULL);
"""
START = datetime(2026, 3, 30, 10, 0, tzinfo=UTC)


class Shop:
    """A database, an agent of its own, and a clock that stands where it is put."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.db"
        self.state = folder / "state"
        self.now = START
        self.execute(SHOP)
        self.agent = self.agent_with()

    def agent_with(self, **flags: Any) -> Agent:
        flags = {"database": str(self.path), "state_dir": str(self.state), **flags}
        return Agent(config.load(flags, {}, self.path.parent), now=lambda: self.now)

    def execute(self, script: str) -> None:
        connection = sqlite3.connect(self.path)
        connection.executescript(script)
        connection.close()

    def execute_sorting(self, script: str) -> None:
        """As a program does that has an order of its own."""
        connection = sqlite3.connect(self.path)
        connection.create_collation("LOCALIZED", lambda a, b: (a > b) - (a < b))
        connection.executescript(script)
        connection.close()

    def content(self) -> set[str]:
        """Every row and every object; SQLite lists objects in the order of their making, which is nothing to keep."""
        connection = sqlite3.connect(self.path)
        dump = set(connection.iterdump())
        connection.close()
        return dump

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path)
        found = connection.execute(sql).fetchall()
        connection.close()
        return found

    def ran(self, sql: str) -> Report:
        return self.approved(self.agent.run(sql))

    def undone(self, thread: str) -> Report:
        return self.approved(self.agent.undo(thread))

    def approved(self, asked: Report) -> Report:
        assert asked.status is Status.PENDING, asked.message
        assert asked.proposal is not None
        done = self.agent.approve(asked.thread, asked.proposal.digest)
        assert done.status is Status.EXECUTED, done.message
        return done


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    opened = Shop(tmp_path)
    yield opened
    opened.agent.close()


def findings(report: Report) -> list[str]:
    assert report.proposal is not None
    return [f.message for s in report.proposal.analysis.statements for f in s.findings]


# ---- exactly as it was -------------------------------------------------------------------------------------------


CHANGES = pytest.mark.parametrize(
    "sql",
    [
        "UPDATE orders SET total = total * 2, customer = 3",
        "INSERT INTO orders (customer, total) VALUES (2, 5), (3, 6)",
        "DELETE FROM orders WHERE total IS NULL",
        "UPDATE customers SET name = upper(name)",
        "DELETE FROM customers WHERE id = 1",
        "INSERT INTO log VALUES ('twice'), ('twice')",
        "REPLACE INTO customers VALUES (2, 'Bea'), (4, 'Eve')",
        "UPDATE orders SET total = 1; DELETE FROM orders WHERE id = 2; INSERT INTO orders VALUES (2, 3, 9)",
        "DROP TABLE orders",
        "DROP TABLE customers",
        "DROP INDEX orders_by_total; DROP VIEW rich; DROP TRIGGER sold",
        "ALTER TABLE orders ADD COLUMN paid INTEGER DEFAULT 1",
        "ALTER TABLE customers RENAME COLUMN name TO title",
        "ALTER TABLE log RENAME TO notes",
        "CREATE TABLE more (x); INSERT INTO more VALUES (1)",
        "UPDATE customers SET name = 'x'; DROP TABLE log",
    ],
)


@CHANGES
def test_an_undo_leaves_the_database_as_it_was(shop: Shop, sql: str) -> None:
    before = shop.content()
    ran = shop.ran(sql)
    assert shop.content() != before
    shop.undone(ran.thread)
    assert shop.content() == before


def test_a_dropped_table_comes_back_with_its_rows_index_and_triggers_and_the_view_works(shop: Shop) -> None:
    dropped = shop.ran("DROP TABLE orders")
    assert dropped.undoable
    shop.undone(dropped.thread)
    connection = sqlite3.connect(shop.path)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    assert {"orders", "orders_by_total", "sold", "rich"} <= names
    assert connection.execute("SELECT * FROM rich").fetchall() == [(1,)]
    assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(3,)]
    connection.close()


@CHANGES
def test_an_undo_can_be_undone_and_that_too(shop: Shop, sql: str) -> None:
    before = shop.content()
    ran = shop.ran(sql)
    after = shop.content()
    first = shop.undone(ran.thread)
    assert shop.content() == before
    second = shop.undone(first.thread)
    assert shop.content() == after
    shop.undone(second.thread)
    assert shop.content() == before


def test_it_says_how_many_rows_came_back_by_trigger_and_cascade_too(shop: Shop) -> None:
    undone = shop.undone(shop.ran("DELETE FROM customers WHERE id = 1").thread)
    assert undone.outcome is not None
    assert [r.changed for r in undone.outcome.results] == [3]


def test_rows_that_come_back_with_their_table_and_by_its_cascade_are_counted(shop: Shop) -> None:
    dropped = shop.ran("DROP TABLE customers")
    undone = shop.undone(dropped.thread)
    assert operations(undone) == [
        (Verb.INSERT, "orders", 3), (Verb.INSERT, "customers", 3), (Verb.CREATE, "customers", None),
        (Verb.CREATE, "renamed", None),
    ]  # fmt: skip
    assert undone.outcome is not None
    assert [r.changed for r in undone.outcome.results] == [6]
    again = shop.undone(undone.thread)
    assert operations(again)[0] == (Verb.DELETE, "orders", 3)
    assert (Verb.DROP, "customers", 3) in operations(again)


def operations(report: Report) -> list[tuple[Verb, str, int | None]]:
    assert report.proposal is not None
    return [(o.verb, o.target, o.size.rows) for s in report.proposal.analysis.statements for o in s.operations]


def test_an_undo_of_a_drop_that_could_not_be_undone_in_turn_says_so_before(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shop.content()
    dropped = shop.ran("CREATE TABLE copied AS SELECT * FROM orders")
    monkeypatch.setattr(parts, "MeasureBudget", lambda: MeasureBudget(undo_bytes=10))
    asked = shop.agent.undo(dropped.thread)
    assert asked.proposal is not None
    assert asked.proposal.measurement is not None
    assert asked.proposal.measurement.undo_why == "what it drops or alters is larger than 1e-05 MB"
    assert (asked.proposal.measurement.undo, asked.proposal.analysis.risk) == (Undoable.NONE, Risk.SEVERE)
    undone = shop.approved(asked)
    assert (shop.content(), undone.undoable) == (before, False)
    assert not (shop.state / "kept").exists() or [*(shop.state / "kept").iterdir()] == []


# ---- rows that somebody changed since ----------------------------------------------------------------------------


def test_rows_changed_since_are_left_alone_and_named(shop: Shop) -> None:
    ran = shop.ran("UPDATE orders SET total = 1")
    shop.execute("UPDATE orders SET total = 77 WHERE id = 2; DELETE FROM orders WHERE id = 3")
    asked = shop.agent.undo(ran.thread)
    assert sorted(findings(asked)) == [
        "1 row of orders changed since; it is left alone (id 2)",
        "1 row of orders deleted since; it is left alone (id 3)",
    ]
    shop.approved(asked)
    connection = sqlite3.connect(shop.path)
    assert connection.execute("SELECT id, total FROM orders ORDER BY id").fetchall() == [(1, 10), (2, 77)]
    connection.close()


def test_all_or_nothing_refuses_and_names_them(shop: Shop) -> None:
    ran = shop.ran("UPDATE orders SET total = 1")
    shop.execute("UPDATE orders SET total = 77 WHERE id = 2")
    now = shop.content()
    refused = shop.agent.undo(ran.thread, on_conflict=OnConflict.REFUSE)
    assert refused.status is Status.FAILED
    assert refused.message.endswith("is not undone: 1 row of orders changed since; it is left alone (id 2)")
    assert shop.content() == now


def test_a_row_changed_between_approval_and_run_is_asked_about_again(shop: Shop) -> None:
    asked = shop.agent.undo(shop.ran("UPDATE orders SET total = 1").thread)
    assert asked.proposal is not None
    shop.execute("UPDATE orders SET total = 77 WHERE id = 2")
    now = shop.content()
    stale = shop.agent.approve(asked.thread, asked.proposal.digest)
    assert (stale.status, shop.content()) == (Status.STALE, now)
    assert findings(stale) == ["1 row of orders changed since; it is left alone (id 2)"]


def test_what_a_drop_deleted_elsewhere_is_held_to_what_was_approved_too(shop: Shop) -> None:
    asked = shop.agent.undo(shop.ran("DROP TABLE customers").thread)
    assert asked.proposal is not None
    shop.execute("INSERT INTO orders VALUES (2, 1, 99)")
    now = shop.content()
    stale = shop.agent.approve(asked.thread, asked.proposal.digest)
    assert (stale.status, shop.content()) == (Status.STALE, now)
    assert findings(stale) == ["1 row of orders: another row has its key now; it is left alone (id 2)"]
    assert (stale.message, stale.proposal.stale if stale.proposal else "") == ("approved 6 rows, now 5",) * 2
    assert stale.proposal is not None
    shop.agent.approve(stale.thread, stale.proposal.digest)
    assert shop.rows("SELECT id, total FROM orders ORDER BY id") == [(1, 10), (2, 99), (3, None)]
    assert shop.rows("SELECT count(*) FROM customers") == [(3,)]


def test_nothing_is_left_to_undo_where_all_was_changed_since(shop: Shop) -> None:
    ran = shop.ran("UPDATE orders SET total = 1 WHERE id = 1")
    shop.execute("UPDATE orders SET total = 2 WHERE id = 1")
    refused = shop.agent.undo(ran.thread)
    assert refused.status is Status.FAILED
    assert "is left to undo: 1 row of orders changed since" in refused.message


@pytest.mark.parametrize("sql", ["UPDATE orders SET total = 1", "DROP TABLE log", "INSERT INTO log VALUES ('x')"])
def test_what_was_undone_is_not_undone_twice(shop: Shop, sql: str) -> None:
    ran = shop.ran(sql)
    first = shop.undone(ran.thread)
    once = shop.content()
    again = shop.agent.undo(ran.thread)
    assert again.status is Status.FAILED
    assert again.message == f"{ran.thread}.1 was undone already, by {first.thread}"
    assert shop.content() == once
    assert [k.run for k in shop.agent.undoable()] == [f"{first.thread}.1"]


# ---- what cannot be undone ---------------------------------------------------------------------------------------


def test_what_changed_nothing_has_nothing_to_undo_and_it_is_said_why(shop: Shop) -> None:
    read = shop.approved(shop.agent.run("SELECT * FROM orders")).thread
    none = shop.ran("DELETE FROM orders WHERE id = 99").thread
    asked = shop.agent.run("DELETE FROM orders")
    assert asked.proposal is not None
    waiting = asked.thread
    why = {read: "it only read", none: "it changed nothing", waiting: "it is pending"}
    for thread, words in why.items():
        with pytest.raises(Finished, match=f"{thread} has nothing to undo: {words}"):
            shop.agent.undo(thread)
    shop.agent.reject(waiting, asked.proposal.digest)
    failed = shop.agent.run("SELECT nothing FROM orders")
    for thread, words in {waiting: "it is rejected", failed.thread: "it is failed"}.items():
        with pytest.raises(Finished, match=f"{thread} has nothing to undo: {words}"):
            shop.agent.undo(thread)
    with pytest.raises(UnknownThread):
        shop.agent.undo("zzzz")
    assert shop.agent.undoable() == ()


def test_a_follow_up_question_does_not_hide_the_run_before_it(shop: Shop) -> None:
    before = shop.content()
    ran = shop.ran("UPDATE orders SET total = 1")
    shop.approved(shop.agent.run("SELECT * FROM orders", thread=ran.thread))
    shop.undone(ran.thread)
    assert shop.content() == before


def test_of_several_runs_the_last_is_undone_and_then_the_one_before(shop: Shop) -> None:
    before = shop.content()
    ran = shop.ran("UPDATE orders SET total = 1")
    between = shop.content()
    shop.approved(shop.agent.run("DELETE FROM orders", thread=ran.thread))
    shop.undone(ran.thread)
    assert shop.content() == between
    shop.undone(ran.thread)
    assert shop.content() == before


def test_an_earlier_run_is_undone_by_its_own_id(shop: Shop) -> None:
    ran = shop.ran("UPDATE customers SET name = 'x' WHERE id = 1")
    shop.approved(shop.agent.run("UPDATE orders SET total = 1", thread=ran.thread))
    shop.undone(f"{ran.thread}.1")
    connection = sqlite3.connect(shop.path)
    assert connection.execute("SELECT name FROM customers WHERE id = 1").fetchall() == [("Ana",)]
    assert connection.execute("SELECT DISTINCT total FROM orders").fetchall() == [(1,)]
    connection.close()


def test_what_is_kept_is_listed_with_its_size_and_forgotten_after_its_time(shop: Shop) -> None:
    ran = shop.ran("DROP TABLE orders")
    (kept,) = shop.agent.undoable()
    (copy,) = (shop.state / "kept").iterdir()
    assert (kept.run, kept.run_by, kept.kept_at[:10]) == (f"{ran.thread}.1", shop.agent.by, "2026-03-30")
    assert kept.size > copy.stat().st_size
    shop.now = START + timedelta(days=6, hours=23)
    assert shop.agent.undoable() == (kept,)
    shop.now = START + timedelta(days=7, seconds=1)
    with pytest.raises(Finished, match="what a run changed is kept for 7d"):
        shop.agent.undo(ran.thread)
    assert shop.agent.undoable() == ()
    assert not copy.exists()


def old_copy(shop: Shop, run: str) -> Path:
    """As an attempt leaves it behind that dies before its COMMIT; last written in 2020."""
    path = shop.state / "kept" / f"{run}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return aged(path)


def aged(path: Path) -> Path:
    os.utime(path, (1577836800, 1577836800))
    return path


def test_an_old_copy_that_belongs_to_no_run_is_removed_and_no_other(shop: Shop) -> None:
    kept = shop.ran("DROP TABLE log")
    nobodys, begun = old_copy(shop, "zzzz.1"), old_copy(shop, "zzzz.1").with_name("zzzz.1.db-journal")
    begun.write_bytes(b"")
    young = shop.state / "kept" / "zzzz.2.db"
    young.write_bytes(b"")
    mine = shop.state / "kept" / "notes.db"
    mine.write_bytes(b"")
    its = shop.state / "kept" / f"{kept.thread}.1.db"
    for path in (begun, mine, its):
        aged(path)
    shop.now = datetime.now(UTC)
    kept_again = shop.ran("DROP INDEX orders_by_total")
    assert (nobodys.exists(), begun.exists(), young.exists(), mine.exists()) == (False, False, True, True)
    assert not its.exists()  # its run is forgotten as well: it was in March
    assert shop.agent.journal.kept(f"{kept_again.thread}.1") is not None


def test_a_copy_of_a_run_that_is_kept_stays_however_old_it_is(shop: Shop) -> None:
    kept = shop.ran("DROP TABLE log")
    copy = aged(shop.state / "kept" / f"{kept.thread}.1.db")
    shop.agent.undoable()
    assert copy.exists()
    shop.undone(kept.thread)


def test_a_copy_of_a_run_in_flight_stays(shop: Shop) -> None:
    """One whose end was not seen, and one whose process is at work: it has the lock of its thread."""
    asked = shop.agent.run("DROP TABLE log")
    assert asked.proposal is not None
    copy = old_copy(shop, asked.proposal.id)
    with thread_lock(shop.state / "locks", asked.thread):
        shop.agent.undoable()
        assert copy.exists()
    shop.agent.journal.decide(asked.proposal, Decision(Choice.APPROVE, asked.proposal.digest, shop.agent.by, "library"))
    assert shop.agent.journal.claim(asked.proposal, by=shop.agent.by, marked=Marked.BESIDE) is None
    shop.agent.undoable()
    assert copy.exists()
    shop.agent.journal.release(asked.proposal.id)
    shop.agent.undoable()
    assert not copy.exists()


# ---- approved like any other change ------------------------------------------------------------------------------


def test_an_undo_waits_for_a_person_and_nothing_is_undone_before(shop: Shop) -> None:
    ran = shop.ran("UPDATE orders SET total = 1")
    now = shop.content()
    asked = shop.agent.undo(ran.thread)
    assert asked.proposal is not None
    assert (asked.status, asked.proposal.undo_of) == (Status.PENDING, f"{ran.thread}.1")
    assert shop.content() == now
    with pytest.raises(Stale):
        shop.agent.approve(asked.thread, "0" * 64)
    with pytest.raises(UsageError, match="an undo has no SQL to edit"):
        shop.agent.edit(asked.thread, asked.proposal.digest, "DELETE FROM orders")
    assert shop.content() == now
    assert shop.agent.reject(asked.thread, asked.proposal.digest).status is Status.REJECTED
    assert shop.content() == now


def test_an_approved_undo_runs_once(shop: Shop) -> None:
    before = shop.content()
    asked = shop.agent.undo(shop.ran("INSERT INTO log VALUES ('x')").thread)
    assert asked.proposal is not None
    shop.approved(asked)
    with pytest.raises(Finished):
        shop.agent.approve(asked.thread, asked.proposal.digest)
    with pytest.raises(Finished):
        shop.agent.resume(asked.thread)
    assert shop.content() == before


def test_a_read_only_database_denies_its_undo(shop: Shop, tmp_path: Path) -> None:
    ran = shop.ran("UPDATE orders SET total = 1")
    now = shop.content()
    file = tmp_path / "own.toml"
    file.write_text(f'[databases.shop]\nurl = "{shop.path}"\nread_only = true\n')
    with shop.agent_with(config=str(file)) as careful:
        denied = careful.undo(ran.thread)
    assert (denied.status, shop.content()) == (Status.DENIED, now)
    assert "read_only" in denied.message


@pytest.mark.parametrize("damaged", ["", "soon", "9999-99-99T00:00:00"])
def test_a_damaged_time_of_a_run_is_named_and_no_traceback(tmp_path: Path, damaged: str) -> None:
    shop = a_shop(tmp_path)
    with shop.agent() as agent:
        done = approved_in(agent, agent.run(SELL))
    db = shop.journal()
    db.execute("UPDATE runs SET started_at = ?", (damaged,))
    db.close()
    with shop.agent() as agent:
        assert [(kept.run, kept.ran_at) for kept in agent.undoable()] == [(f"{done.thread}.1", damaged)]
        with pytest.raises(Altered, match=f"runs {done.thread}.1 was changed behind the log"):
            agent.undo(done.thread)


# ---- what is promised, and what is offered afterwards ----------------------------------------------------------------


def test_what_a_drop_takes_from_others_is_hidden_in_its_text(shop: Shop) -> None:
    shop.execute("""CREATE TABLE Items (id INTEGER PRIMARY KEY, o REFERENCES ORDERS ON DELETE CASCADE);
        CREATE TABLE gifts (i REFERENCES items ON DELETE SET NULL); CREATE TABLE apart (c);
        INSERT INTO items VALUES (1, 1), (2, 2); INSERT INTO gifts VALUES (2)""")  # fmt: skip
    statement = analyzed(shop, "DROP TABLE customers")
    assert [f.message for f in statement.findings if f.rule == "hidden-write"] == [
        "deletes from orders, which the SQL does not mention (by foreign key of customers)",
        "deletes from Items, which the SQL does not mention (by foreign key of orders)",
        "updates gifts, which the SQL does not mention (by foreign key of Items)",
    ]
    rows = {(o.verb, o.target): o.size.rows for o in statement.operations if o.via}
    assert rows == {(Verb.DELETE, "orders"): 3, (Verb.DELETE, "Items"): 2, (Verb.UPDATE, "gifts"): 1}
    assert "hidden-write" not in [f.rule for f in analyzed(shop, "DROP TABLE apart").findings]


def analyzed(shop: Shop, sql: str) -> Statement:
    asked = shop.agent.run(sql)
    assert asked.proposal is not None
    return asked.proposal.analysis.statements[0]


def promised(asked: Report) -> Undoable:
    assert asked.proposal is not None
    assert asked.proposal.measurement is not None
    return asked.proposal.measurement.undo


IN_AN_ORDER_OF_ITS_OWN = "CREATE TABLE places (name TEXT COLLATE LOCALIZED); INSERT INTO places VALUES ('Öland')"


@pytest.mark.parametrize(
    ("sql", "undo"),
    [
        ("DROP TABLE places", Undoable.NONE),
        ("UPDATE raw SET b = b || 'x'", Undoable.EXACT),
        ("DROP TABLE raw", Undoable.NONE),
        ("DELETE FROM orders", Undoable.EXACT),
    ],
)
def test_an_undo_is_offered_afterwards_where_it_was_promised(shop: Shop, sql: str, undo: Undoable) -> None:
    shop.execute_sorting(f"{IN_AN_ORDER_OF_ITS_OWN}; CREATE TABLE raw (b); INSERT INTO raw VALUES (x'e9')"
                        ", (CAST(x'e9ff' AS TEXT))")  # fmt: skip
    asked = shop.agent.run(sql)
    assert promised(asked) is undo
    ran = shop.approved(asked)
    assert (ran.status, ran.undoable) == (Status.EXECUTED, undo is Undoable.EXACT)
    if undo is Undoable.NONE:
        with pytest.raises(Finished, match="has nothing to undo: "):
            shop.agent.undo(ran.thread)
    else:
        assert shop.undone(ran.thread).status is Status.EXECUTED


def test_what_was_too_large_to_measure_is_expected_and_offered(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MeasureBudget", lambda: MeasureBudget(changes_bytes=1))
    asked = shop.agent.run("UPDATE orders SET total = 1")
    assert promised(asked) is Undoable.EXPECTED
    ran = shop.approved(asked)
    assert ran.undoable
    assert shop.undone(ran.thread).status is Status.EXECUTED
    asked = shop.agent.run("UPDATE orders SET total = 2; DROP TABLE orders")  # of which a copy would have to be made
    assert promised(asked) is Undoable.NONE
