"""What an undo is promised for and offered of: what is kept of a run, how long, and why there may be nothing."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from undo_shop import START, Shop, shop

from sqlagent.core.errors import Finished, UnknownThread
from sqlagent.core.nouns.analysis import Statement, Verb
from sqlagent.core.nouns.effect import Undoable
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.databases.base import MeasureBudget
from sqlagent.pipeline.thread_lock import thread_lock
from sqlagent.service import parts
from sqlagent.store.journal import Marked

__all__ = ["shop"]

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
    monkeypatch.setattr(parts, "MeasureBudget", lambda **_: MeasureBudget(changes_bytes=1))
    asked = shop.agent.run("UPDATE orders SET total = 1")
    assert promised(asked) is Undoable.EXPECTED
    ran = shop.approved(asked)
    assert ran.undoable
    assert shop.undone(ran.thread).status is Status.EXECUTED
    asked = shop.agent.run("UPDATE orders SET total = 2; DROP TABLE orders")  # of which a copy would have to be made
    assert promised(asked) is Undoable.NONE
