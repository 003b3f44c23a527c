"""A person decides by a measurement that is no older than a minute, and a receipt says what was measured."""

from __future__ import annotations

import re

import pytest
from cli_shop import Shop

RAISE = "UPDATE orders SET total = total + 1 WHERE id <= 3"


def waits(shop: Shop, sql: str = RAISE) -> str:
    return str(shop.run("run", "--sql", sql, "--json").document["thread"])


def test_a_measurement_that_is_not_old_is_not_taken_again(shop: Shop) -> None:
    terminal = shop.terminal("resume", waits(shop)).type("l")
    assert terminal.end() == 8
    assert "If you approve  (measured just now)" in terminal.lines
    assert "measured again" not in "\n".join(terminal.lines)


def test_what_would_do_the_same_is_the_same_proposal(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_MEASURE_AGAIN", "0.001s")
    thread = waits(shop)
    digest = shop.run("show", thread, "--json").document["digest"]
    terminal = shop.terminal("resume", thread).type("l")
    assert terminal.end() == 8
    assert "  measured again: it would do the same as before" in terminal.lines
    assert shop.run("show", thread, "--json").document["digest"] == digest


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        ("DELETE FROM orders WHERE id = 2", "update orders 3 rows then, 2 now"),
        ("UPDATE orders SET total = 77 WHERE id = 1", "as many rows as then, but other rows or to other values"),
    ],
)
def test_what_changed_since_is_shown_before_anybody_approves(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, meanwhile: str, said: str
) -> None:
    monkeypatch.setenv("SQLAGENT_MEASURE_AGAIN", "0.001s")
    thread = waits(shop)
    digest = shop.run("show", thread, "--json").document["digest"]
    shop.write(meanwhile)
    terminal = shop.terminal("resume", thread).type("a")
    assert terminal.end() == 0
    screen = re.sub(r"\s+", " ", "\n".join(terminal.lines))
    assert f"stale: {said}; measured again" in screen
    assert screen.index("stale:") < screen.index("If you approve")
    assert shop.run("resume", thread, "--approve", digest).code != 0


def test_m_measures_again_at_any_time(shop: Shop) -> None:
    thread = waits(shop)
    terminal = shop.terminal("resume", thread).type("m", "l")
    assert terminal.end() == 8
    assert "  measured again: it would do the same as before" in terminal.lines
    assert shop.status(thread) == "pending"


def test_a_receipt_names_every_table_that_changed(shop: Shop) -> None:
    shop.write(
        "CREATE TABLE log (id INTEGER PRIMARY KEY, o); CREATE TRIGGER logged AFTER UPDATE ON orders "
        "BEGIN INSERT INTO log (o) VALUES (new.id); END"
    )
    asked = shop.run("run", "--sql", RAISE, "--json").document
    done = shop.run("resume", asked["thread"], "--approve", asked["digest"])
    assert "s: 6 rows changed: 3 orders, 3 log; audit #" in " ".join(done.err.split())


def test_a_script_that_would_fail_asks_for_no_word(shop: Shop) -> None:
    script = f"{RAISE};\nDELETE FROM orders;\nINSERT INTO orders (id) SELECT 1 UNION ALL SELECT 1"
    terminal = shop.terminal("run", "--sql", script).type("orders", "a", "l")
    assert terminal.end() == 8
    said = "\n".join(terminal.lines)
    assert "it would fail at statement 3, line 3: UNIQUE" in re.sub(r"\s+", " ", said)
    assert "it would fail, so there is nothing to approve" in said
    assert "type orders" not in said


def test_a_session_that_is_only_shown_says_how_old_its_measurement_is(shop: Shop) -> None:
    thread = waits(shop)
    assert "If you approve  (measured just now)" in shop.run("show", thread).text.splitlines()
    shop.run("resume", thread, "--reject", "not now")
    assert "measured just now" not in shop.run("show", thread).text


@pytest.mark.parametrize(("extra", "rows"), [("", {"orders": 3}), ("; DELETE FROM odd", {"orders": 3, "odd": 6})])
def test_a_json_receipt_has_the_rows_of_every_table_that_changed(shop: Shop, extra: str, rows: dict[str, int]) -> None:
    asked = shop.run("run", "--sql", RAISE + extra, "--json").document
    done = shop.run("resume", asked["thread"], "--approve", asked["digest"], "--json").document
    assert done["outcome"]["rows_changed"] == rows
    read = shop.run("run", "--sql", "SELECT 1", "--json").document
    read = shop.run("resume", read["thread"], "--approve", read["digest"], "--json").document
    assert read["outcome"]["rows_changed"] is None


def test_a_json_receipt_counts_what_triggers_changed(shop: Shop) -> None:
    shop.write(
        "CREATE TABLE log (id INTEGER PRIMARY KEY, o); CREATE TRIGGER logged AFTER UPDATE ON orders "
        "BEGIN INSERT INTO log (o) VALUES (new.id); END"
    )
    asked = shop.run("run", "--sql", RAISE, "--json").document
    done = shop.run("resume", asked["thread"], "--approve", asked["digest"], "--json").document
    assert done["outcome"]["rows_changed"] == {"orders": 3, "log": 3}
