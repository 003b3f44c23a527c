"""What a run changed is taken back exactly, once and as approved; what somebody changed since is left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from shops import SELL, a_shop
from shops import approved as approved_in
from undo_shop import Shop, findings, shop

from sqlagent.core.errors import Altered, Finished, Stale, UsageError
from sqlagent.core.nouns.analysis import Risk, Verb
from sqlagent.core.nouns.effect import Undoable
from sqlagent.core.nouns.session import Report, Status
from sqlagent.databases.base import MeasureBudget, OnConflict
from sqlagent.service import parts

__all__ = ["shop"]

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
    monkeypatch.setattr(parts, "MeasureBudget", lambda **_: MeasureBudget(undo_bytes=10))
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
    assert (stale.message, stale.proposal.stale if stale.proposal else "") == (
        "it would now change 5 rows; 6 were approved",
    ) * 2
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
