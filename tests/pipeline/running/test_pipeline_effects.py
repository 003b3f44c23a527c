"""What is approved is what is done: drift in between is told and asked again, and what does not matter is not."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
from shops import SELL, UNKEPT, Shop, a_shop, approved, audited, in_child, in_order, once_each, unkept, waiting

from sqlagent.core.errors import Stale
from sqlagent.core.nouns.analysis import Basis
from sqlagent.core.nouns.session import Report, Status
from sqlagent.databases.base import MeasureBudget
from sqlagent.service import parts as service_parts
from sqlagent.store.journal import RunState

HALVE = "UPDATE stock SET left = left / 2 WHERE left >= 10"
MORE = """
CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP, chance INTEGER);
CREATE TABLE seen (body TEXT, at TEXT);
CREATE TRIGGER noted AFTER INSERT ON notes BEGIN INSERT INTO seen VALUES (NEW.body, CURRENT_TIMESTAMP); END;
INSERT INTO notes (id, body, at, chance) VALUES (1, 'a', '', 0), (2, 'b', '', 0);
"""


@pytest.fixture(params=[False, True], ids=["rollback", "wal"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Shop:
    return a_shop(tmp_path / "shop", wal=request.param)


def elsewhere(shop: Shop, sql: str) -> None:
    """Another program, in a process of its own, changes the database."""
    assert in_child(lambda: shop.rows(sql)) == 0


def content(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows("SELECT 'stock', id, name, left FROM stock UNION ALL SELECT 'sale', id, stock_id, was FROM sales")


def decide(shop: Shop, asked: Report) -> Report:
    with shop.agent() as agent:
        return approved(agent, asked)


def stale(shop: Shop, asked: Report, says: str) -> Report:
    """Nothing was changed, it is said what is different, and it is asked again under another digest."""
    before = content(shop)
    report = decide(shop, asked)
    assert asked.proposal is not None
    assert report.proposal is not None
    assert (report.status, report.message, report.proposal.stale) == (Status.STALE, says, says)
    assert content(shop) == before
    assert (report.proposal.id, report.proposal.sql) == (f"{asked.thread}.2", asked.proposal.sql)
    assert report.proposal.digest != asked.proposal.digest
    with shop.agent() as agent:
        assert agent.journal.run(asked.proposal.id) is None
        with pytest.raises(Stale, match="is not what waits"):
            agent.approve(asked.thread, asked.proposal.digest)
    assert content(shop) == before
    return report


def runs(shop: Shop, asked: Report) -> None:
    assert decide(shop, asked).status is Status.EXECUTED
    once_each(shop)


# ---- drift between the preview and the approval ------------------------------------------------------------------


def test_an_effect_of_more_rows_is_asked_again_with_both_numbers(shop: Shop) -> None:
    elsewhere(shop, "UPDATE stock SET left = 1 WHERE id = 3")
    asked = waiting(shop, HALVE)
    elsewhere(shop, "INSERT INTO stock SELECT value, 'box', 10 FROM json_each('[11, 12, 13]')")
    again = stale(
        shop, asked, "it would now change 10 rows; 4 were approved"
    )  # each row, and the one that its trigger writes
    assert again.proposal is not None
    assert again.proposal.measurement is not None
    assert again.proposal.measurement.changes == 10
    runs(shop, again)
    assert shop.rows("SELECT left, count(*) FROM stock GROUP BY left") == [(1, 1), (5, 5)]


def test_numbers_are_grouped_for_people(shop: Shop) -> None:
    many = "INSERT INTO sales (stock_id, was) SELECT 2, 7 FROM stock a, stock b, stock c, stock d, stock e, stock f"
    elsewhere(shop, many)
    asked = waiting(shop, "DELETE FROM sales WHERE was = 7")
    elsewhere(shop, many)
    runs(shop, stale(shop, asked, "it would now change 1,458 rows; 729 were approved"))
    assert shop.rows("SELECT count(*) FROM sales WHERE was = 7") == [(0,)]


def test_an_effect_of_fewer_rows_is_asked_again(shop: Shop) -> None:
    asked = waiting(shop, HALVE)
    elsewhere(shop, "UPDATE stock SET left = 1 WHERE id = 3")
    runs(shop, stale(shop, asked, "it would now change 4 rows; 6 were approved"))


def test_as_many_rows_with_other_values_are_asked_again(shop: Shop) -> None:
    asked = waiting(shop, HALVE)
    elsewhere(shop, "UPDATE stock SET left = 12 WHERE id = 3")
    runs(shop, stale(shop, asked, "it would change 6 rows as approved, but other rows or to other values"))
    assert shop.rows("SELECT left FROM stock ORDER BY id") == [(5,), (5,), (6,)]


def test_a_value_that_would_be_lost_is_asked_again_though_the_new_one_is_the_same(shop: Shop) -> None:
    asked = waiting(shop, "UPDATE stock SET name = 'sold out' WHERE id = 2")
    elsewhere(shop, "UPDATE stock SET name = 'a better pear' WHERE id = 2")
    runs(shop, stale(shop, asked, "it would change 2 rows as approved, but other rows or to other values"))


def test_a_row_that_a_trigger_writes_counts_as_well(shop: Shop) -> None:
    elsewhere(
        shop,
        "DROP TRIGGER sold; CREATE TRIGGER sold AFTER UPDATE ON stock BEGIN INSERT INTO sales (stock_id, was)"
        " SELECT OLD.id, count(*) FROM stock WHERE name = 'fig'; END",
    )
    asked = waiting(shop, "UPDATE stock SET left = 9 WHERE id = 1")
    elsewhere(shop, "INSERT INTO stock VALUES (4, 'fig', 1)")
    runs(shop, stale(shop, asked, "it would change 2 rows as approved, but other rows or to other values"))


def test_changes_of_others_that_make_no_difference_keep_the_approval(shop: Shop) -> None:
    asked = waiting(shop, SELL)
    elsewhere(shop, "UPDATE stock SET left = 3 WHERE id = 2")
    elsewhere(shop, "INSERT INTO sales (stock_id, was) VALUES (3, 1), (3, 1)")
    elsewhere(shop, "UPDATE stock SET left = 99 WHERE id = 1")
    elsewhere(shop, "UPDATE stock SET left = 10 WHERE id = 1; DELETE FROM sales WHERE stock_id <> 3")
    runs(shop, asked)
    assert shop.sold == 1


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE stock ADD COLUMN price INTEGER",
        "DROP TRIGGER sold",
        "CREATE TRIGGER also AFTER UPDATE ON stock BEGIN DELETE FROM sales; END",
        "CREATE VIEW fruit AS SELECT name FROM stock",
    ],
)
def test_a_schema_that_changed_is_asked_again(shop: Shop, change: str) -> None:
    asked = waiting(shop)
    elsewhere(shop, change)
    runs(shop, stale(shop, asked, "the schema of shop.db changed since it was approved"))


def test_a_file_that_was_replaced_is_asked_again_where_it_would_do_something_else(shop: Shop) -> None:
    asked = waiting(shop)
    other = a_shop(shop.folder / "other")
    other.rows("UPDATE stock SET left = 5 WHERE id = 1; DELETE FROM sales")
    replaced_by(shop, other)
    again = stale(shop, asked, "it would change 2 rows as approved, but other rows or to other values")
    runs(shop, again)
    assert shop.rows("SELECT left FROM stock WHERE id = 1") == [(4,)]


def test_a_file_that_is_replaced_under_an_open_agent_is_the_one_that_is_judged(shop: Shop) -> None:
    other = a_shop(shop.folder / "other")
    other.rows("UPDATE stock SET left = 5 WHERE id = 1; DELETE FROM sales")
    with shop.agent() as agent:
        asked = agent.run(SELL)
        replaced_by(shop, other)
        assert approved(agent, asked).status is Status.STALE
    assert shop.rows("SELECT left FROM stock WHERE id = 1") == [(5,)]


def replaced_by(shop: Shop, other: Shop) -> None:
    """As somebody does who puts another file in its place; what belonged to the old one goes with it."""
    for file in shop.folder.glob("shop.db-*"):
        file.unlink()
    other.db.rename(shop.db)


def test_a_stale_approval_is_on_record_as_one(shop: Shop) -> None:
    asked = waiting(shop, HALVE)
    elsewhere(shop, "UPDATE stock SET left = 12 WHERE id = 3")
    again = decide(shop, asked)
    decide(shop, again)
    in_order(
        shop, asked.thread, "asked", "analyzed", "approved", "claimed", "stale", "analyzed", "approved", "claimed",
        "committed",
    )  # fmt: skip
    renewed = [entry for entry in audited(shop) if entry.what == "analyzed"][1]
    assert "but other rows or to other values" in renewed.detail


# ---- clocks and chance -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE notes SET body = 'c', at = CURRENT_TIMESTAMP WHERE id = 1",
        "UPDATE notes SET at = strftime('%Y-%m-%d %H:%M:%f', 'now')",
        "INSERT INTO notes (body) VALUES ('by its DEFAULT, and by a trigger')",
        "UPDATE notes SET chance = random()",
        "INSERT INTO notes (body, chance) SELECT hex(randomblob(8)), abs(random()) FROM stock",
    ],
)
def test_a_clock_or_chance_does_not_make_an_approval_stale(shop: Shop, sql: str) -> None:
    shop.rows(MORE)
    asked = waiting(shop, sql)
    assert asked.proposal is not None
    assert asked.proposal.measurement is not None
    assert asked.proposal.measurement.is_exact
    assert asked.proposal.measurement.volatile
    runs(shop, asked)


def test_what_is_not_of_the_clock_counts_beside_it(shop: Shop) -> None:
    shop.rows(MORE)
    asked = waiting(shop, "UPDATE notes SET body = body || '!', at = CURRENT_TIMESTAMP WHERE id = 1")
    elsewhere(shop, "UPDATE notes SET body = 'z' WHERE id = 1")
    stale(shop, asked, "it would change 1 row as approved, but other rows or to other values")


# ---- where it could not be measured ------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [MeasureBudget(seconds=0.0), MeasureBudget(changes_bytes=1)], ids=["time", "size"])
def test_past_the_budget_the_approved_count_is_a_ceiling(
    shop: Shop, budget: MeasureBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_parts, "MeasureBudget", lambda **_: budget)
    asked = waiting(shop, HALVE)
    counted(asked, 3)
    elsewhere(shop, "INSERT INTO stock VALUES (4, 'plum', 10)")
    again = stale(shop, asked, "it would now change 4 rows; 3 were approved")
    counted(again, 4)
    elsewhere(shop, "DELETE FROM stock WHERE id = 4")
    runs(shop, again)
    assert shop.rows("SELECT left FROM stock") == [(5,), (5,), (5,)]


def counted(asked: Report, rows: int) -> None:
    assert asked.proposal is not None
    assert asked.proposal.measurement is not None
    assert not asked.proposal.measurement.is_exact
    (statement,) = asked.proposal.analysis.statements
    own = statement.operations[0].size
    assert (own.rows, own.basis) == (rows, Basis.COUNTED)


def test_a_change_that_no_run_can_keep_has_its_count_as_a_ceiling_too(shop: Shop) -> None:
    asked = unkept(shop)
    counted(asked, 1)
    elsewhere(shop, "INSERT INTO counters VALUES ('back', 0)")
    runs(shop, stale(shop, asked, "it would now change 2 rows; 1 was approved"))
    assert shop.rows("SELECT hits FROM counters") == [(1,), (1,)]
    with shop.agent() as agent:
        assert agent.journal.kept(f"{asked.thread}.2") is None, "what says that it came to its COMMIT is not kept"
        assert not agent.undoable()


def test_of_a_script_the_statement_is_named_that_would_change_more(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_parts, "MeasureBudget", partial(MeasureBudget, seconds=0.0))
    asked = waiting(shop, f"DELETE FROM sales; {HALVE}")
    elsewhere(shop, "INSERT INTO stock VALUES (4, 'plum', 10)")
    stale(shop, asked, "it would now change 4 rows by statement 2; 3 were approved")


def test_a_statement_that_works_on_what_the_script_writes_is_not_held_to_what_there_was_before(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No number of rows would be right, and the approval could never be used."""
    monkeypatch.setattr(service_parts, "MeasureBudget", partial(MeasureBudget, seconds=0.0))
    runs(shop, waiting(shop, "INSERT INTO stock VALUES (4, 'plum', 1); UPDATE stock SET left = 0 WHERE id = 4"))
    assert shop.rows("SELECT left FROM stock WHERE id = 4") == [(0,)]


def test_rows_that_chance_picks_are_held_to_no_number(shop: Shop) -> None:
    runs(shop, waiting(shop, "UPDATE stock SET left = 1 WHERE random() % 2"))


def test_a_statement_that_would_fail_is_said_before_and_changes_nothing(shop: Shop) -> None:
    asked = waiting(shop, f"{HALVE}; INSERT INTO stock VALUES (1, 'twice', 1); DELETE FROM stock")
    assert asked.proposal is not None
    assert asked.proposal.measurement is not None
    assert "it would fail at statement 2, line 1: UNIQUE constraint failed: stock.id" in asked.proposal.measurement.how
    before = content(shop)
    report = decide(shop, asked)
    assert (report.status, report.failure) == (Status.FAILED, "QueryError")
    assert "statement 2 of 3" in report.message
    assert "UNIQUE constraint failed: stock.id" in report.message
    assert content(shop) == before
    with shop.agent() as agent:
        run = agent.journal.run(asked.proposal.id)
        assert run is not None
        assert run.state is RunState.FAILED
        assert agent.journal.kept(asked.proposal.id) is None
    once_each(shop)


def test_a_statement_that_fails_only_since_is_rolled_back_with_all_before_it(shop: Shop) -> None:
    """It was measured and approved when it worked; the thread can be asked again afterwards."""
    asked = waiting(shop, f"{HALVE}; INSERT INTO stock VALUES (4, 'plum', 1)")
    elsewhere(shop, "INSERT INTO stock VALUES (4, 'quince', 1)")
    before = content(shop)
    report = decide(shop, asked)
    assert (report.status, report.failure) == (Status.FAILED, "QueryError")
    assert "statement 2 of 2" in report.message
    assert content(shop) == before
    with shop.agent() as agent:
        again = agent.run(f"{HALVE}; INSERT INTO stock VALUES (5, 'plum', 1)", thread=asked.thread)
        assert again.status is Status.PENDING
    runs(shop, again)


# ---- what a preview leaves ---------------------------------------------------------------------------------------

DOES = [SELL, HALVE, "DELETE FROM stock", "DROP TABLE sales", "CREATE TABLE more (x)", "ALTER TABLE stock RENAME TO s",
        f"{HALVE}; DROP TRIGGER sold; DELETE FROM stock"]  # fmt: skip


@pytest.mark.parametrize("copy_bytes", [200_000_000, 0], ids=["on a copy", "in the file"])
def test_a_preview_leaves_the_target_as_it_was_to_the_byte(
    shop: Shop, copy_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_parts, "MeasureBudget", partial(MeasureBudget, copy_bytes=copy_bytes))
    before = shop.db.read_bytes()
    for sql in DOES:
        asked = waiting(shop, sql)
        assert asked.proposal is not None
        assert asked.proposal.measurement is not None
        assert asked.proposal.measurement.is_exact, sql
        assert asked.proposal.measurement.how == ("private copy" if copy_bytes else "rolled back")
        assert shop.db.read_bytes() == before, sql
    assert not list(shop.state.glob("kept/*"))


def test_what_a_run_changed_is_kept_before_its_commit_and_of_a_rolled_back_one_nothing_is(shop: Shop) -> None:
    asked = waiting(shop)
    assert asked.proposal is not None
    seen: dict[str, tuple[bool, int]] = {}
    with shop.agent() as agent:
        journal = agent.journal
        run_id = asked.proposal.id
        agent._parts.__dict__["reached"] = lambda name: seen.setdefault(
            name, (journal.kept(run_id) is not None, shop.sold)
        )
        approved(agent, asked)
        assert journal.kept(run_id) is not None
    assert seen["ran 1"] == (False, 0)
    assert seen["kept"] == (True, 0)
    assert seen["committed"] == (True, 1)


def test_a_measured_proposal_says_so_after_a_restart(shop: Shop, tmp_path: Path) -> None:
    """What was measured is part of the record: whoever opens it next week sees the same."""
    asked = waiting(shop, HALVE)
    assert shop.report(asked.thread).proposal == asked.proposal
    shop.keep(tmp_path / "kept")
    shutil.rmtree(shop.folder)
    shop.restore(tmp_path / "kept")
    runs(shop, asked)


def test_the_change_that_cannot_be_kept_is_what_these_tests_say(shop: Shop) -> None:
    asked = unkept(shop)
    assert asked.proposal is not None
    assert (asked.proposal.sql, asked.proposal.measurement and asked.proposal.measurement.how) == (
        UNKEPT, "counters has no key, and a column that is called _rowid_")  # fmt: skip
