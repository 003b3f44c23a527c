"""`undo` before a person and in a script: what the screen says, fits in, prints as JSON and ends with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_process import Ran
from cli_shop import Shop

RAISE = "UPDATE orders SET total = total + 1 WHERE customer = 1"


def ran(shop: Shop, sql: str = RAISE) -> str:
    """A run that was approved; its thread."""
    asked = shop.run("run", "--sql", sql, "--json").document
    done = approved(shop, asked["thread"], asked["digest"])
    assert done.document["status"] == "executed"
    return str(asked["thread"])


def approved(shop: Shop, thread: str, digest: str, *more: str) -> Ran:
    return shop.run("resume", thread, "--approve", digest, "--json", *more)


def fits(text: str, columns: int = 80) -> bool:
    return [line for line in text.splitlines() if len(line) > columns] == []


# ---- after a change ----------------------------------------------------------------------------------------------


def test_a_receipt_of_a_change_says_how_to_take_it_back(shop: Shop) -> None:
    asked = shop.run("run", "--sql", RAISE, "--json").document
    done = shop.run("resume", asked["thread"], "--approve", asked["digest"])
    became, following = done.err.splitlines()[-2:]
    assert re.fullmatch(rf"{asked['thread']} ran in \d+\.\d\d s: 13 rows changed; audit #\d+ [0-9a-f]{{8}}", became)
    assert following == f"next: sqlagent undo {asked['thread']}"
    shown = shop.run("show", asked["thread"], "--json").document
    assert shown["undoable"] is True
    assert re.fullmatch(r"\d+:[0-9a-f]{64}", shown["audit_head"])


def test_a_receipt_of_what_changed_no_row_or_only_read_says_how_to_ask_on(shop: Shop) -> None:
    for sql in ("SELECT 1", "DELETE FROM orders WHERE id = 99"):
        asked = shop.run("run", "--sql", sql, "--json").document
        done = shop.run("resume", asked["thread"], "--approve", asked["digest"])
        assert done.err.splitlines()[-1] == f'next: sqlagent ask --thread {asked["thread"]} "a question that follows"'


# ---- on a terminal -----------------------------------------------------------------------------------------------


def test_a_person_sees_what_comes_back_and_approves_it(shop: Shop) -> None:
    before = shop.rows("SELECT * FROM orders")
    thread = ran(shop, "DELETE FROM orders WHERE id < 8")
    with shop.terminal("undo", thread) as terminal:
        terminal.type("a")
        assert terminal.end() == 0
    screen = "\n".join(terminal.lines)
    assert fits(screen)
    assert re.search(
        rf"^\w{{4}}  undo {thread} \(run \d{{4}}-\d\d-\d\d \d\d:\d\d by \w+\) +WRITE  shop.db$", screen, re.M
    )
    assert f"1 -- undoes {thread}.1; rows that were edited since are kept" in screen
    assert re.search(r"^  \+  insert  orders +7 back$", screen, re.M)
    assert "undo: exact (7 rows, " in screen
    assert "[a] approve and run  [d] details  [r] reject  [l] later" in screen
    assert "[e] edit" not in screen
    undo = terminal.thread
    assert re.search(rf"^{undo} ran in \d+\.\d\d s: 7 rows put back; audit #\d+ \w{{8}}$", screen, re.M)
    assert screen.rstrip().endswith(f"next: sqlagent undo {undo}")
    assert shop.rows("SELECT * FROM orders") == before


def test_a_person_sees_which_rows_are_left_alone(shop: Shop) -> None:
    thread = ran(shop)
    shop.write("UPDATE orders SET total = 0 WHERE id IN (3, 6, 9)")
    with shop.terminal("undo", thread) as terminal:
        terminal.type("d", "e", "a")
        assert terminal.end() == 0
    screen = "\n".join(terminal.lines)
    assert fits(screen)
    said = " ".join(screen.split())
    assert "! 3 rows of orders changed since; they are left alone (id 3, id 6, id 9) [changed-since]" in said
    assert re.search(r"~  update  orders  +10 of 40 back$", screen, re.M)
    assert "leaves orders id 6 alone: it was changed since" in screen
    assert "e is none of these" in screen
    assert "10 rows put back, 3 left alone: changed since; audit #" in screen
    assert shop.rows("SELECT sum(total = 0) FROM orders") == [(3,)]


def test_objects_that_come_back_are_named(shop: Shop) -> None:
    before = shop.rows("SELECT * FROM odd")
    thread = ran(shop, "DROP TABLE odd")
    with shop.terminal("undo", thread) as terminal:
        terminal.type("a")
        assert terminal.end() == 0
    screen = "\n".join(terminal.lines)
    assert fits(screen)
    assert re.search(r"^  \+  insert  odd  6 back$", screen, re.M)
    assert re.search(r"^  \+  create  odd  - back$", screen, re.M)
    assert "undo: exact (6 rows)" in screen
    assert re.search(r"ran in \d+\.\d\d s: 6 rows put back, odd as before; audit #", screen)
    assert shop.rows("SELECT * FROM odd") == before


def test_the_receipt_counts_the_rows_of_each_table_that_came_back(shop: Shop) -> None:
    shop.write("CREATE TABLE notes (customer REFERENCES customers (id) ON DELETE CASCADE, text)")
    shop.write("INSERT INTO notes VALUES (1, 'a'), (1, 'b'); DELETE FROM orders")
    asked = shop.run("undo", ran(shop, "DROP TABLE customers"), "--json").document
    done = shop.run("resume", asked["thread"], "--approve", asked["digest"])
    became = " ".join(map(str.strip, done.err.splitlines()[-3:]))
    assert "s: 5 rows put back (notes 2, customers 3), customers as before; audit #" in became
    back = shop.run("undo", asked["thread"], "--json").document
    done = shop.run("resume", back["thread"], "--approve", back["digest"])
    assert "s: 2 rows put back, customers dropped; audit #" in " ".join(done.err.splitlines()[-3:])
    assert shop.rows("SELECT (SELECT count(*) FROM notes), count(*) FROM sqlite_schema WHERE name = 'customers'") == [
        (0, 0)
    ]


def test_leaving_it_leaves_it_pending(shop: Shop) -> None:
    thread = ran(shop)
    now = shop.rows("SELECT * FROM orders")
    with shop.terminal("undo", thread) as terminal:
        terminal.type("l")
        assert terminal.end() == 8
    assert shop.rows("SELECT * FROM orders") == now
    assert [t["source"] for t in shop.run("pending", "--json").document["threads"]] == ["undo"]


def test_the_list_fits_the_screen_whatever_was_asked(shop: Shop) -> None:
    ran(shop, f"UPDATE orders SET status = '{'long ' * 60}' WHERE id = 1")
    earlier = ran(shop)
    with shop.terminal("undo", "--list") as terminal:
        assert terminal.end() == 0
    screen = "\n".join(terminal.lines)
    assert fits(screen)
    assert f"next: sqlagent undo {earlier}" in screen
    assert re.search(r"^\(2 runs, \d+ (bytes|KB); each is kept for 7d\)$", screen, re.M)


# ---- in a script -------------------------------------------------------------------------------------------------


def test_a_script_undoes_by_digest(shop: Shop) -> None:
    before = shop.rows("SELECT * FROM orders")
    thread = ran(shop)
    asked = shop.run("undo", thread, "--json")
    assert asked.code == 8
    document = asked.document
    assert (document["undo_of"], document["on_conflict"], document["undoable"]) == (f"{thread}.1", "leave alone", False)
    done = approved(shop, document["thread"], document["digest"])
    assert done.code == 0
    assert done.document["outcome"]["results"] == [{"index": 1, "changed": 13, "returned": 0, "truncated": False}]
    assert shop.rows("SELECT * FROM orders") == before


def test_without_a_terminal_the_screen_and_the_digest_are_on_stderr(shop: Shop) -> None:
    asked = shop.run("undo", ran(shop))
    assert (asked.code, asked.out) == (8, b"")
    assert fits(asked.err.replace(re.findall(r"  digest .*", asked.err)[0], ""))
    assert "needs a person to approve it" in asked.error[0]


def test_auto_reject_rejects_an_undo(shop: Shop) -> None:
    now_undone = shop.run("undo", ran(shop), "--auto-reject", "--json")
    assert (now_undone.code, now_undone.document["status"]) == (5, "rejected")


def test_all_or_nothing_refuses_where_a_row_changed_since(shop: Shop) -> None:
    thread = ran(shop)
    shop.write("UPDATE orders SET total = 0 WHERE id = 3")
    refused = shop.run("undo", thread, "--all-or-nothing")
    assert refused.code == 1
    assert refused.error == (
        f"{thread}.1 is not undone: 1 row of orders changed since; it is left alone (id 3)",
        f"sqlagent undo {thread} leaves them alone",
    )


def test_undone_twice_says_by_whom_and_how_to_go_back(shop: Shop) -> None:
    thread = ran(shop)
    asked = shop.run("undo", thread, "--json").document
    approved(shop, asked["thread"], asked["digest"])
    again = shop.run("undo", thread)
    assert (again.code, again.error) == (
        1,
        (
            f"{thread}.1 was undone already, by {asked['thread']}",
            f"sqlagent undo {asked['thread']} puts it back again",
        ),
    )


def test_an_edit_of_an_undo_is_a_usage_error(shop: Shop, tmp_path: Path) -> None:
    asked = shop.run("undo", ran(shop), "--json").document
    file = tmp_path / "better.sql"
    file.write_text("DELETE FROM orders")
    refused = shop.run("resume", asked["thread"], "--edit", str(file))
    assert (refused.code, refused.error[0]) == (2, "an undo has no SQL to edit")
    assert shop.rows("SELECT count(*) FROM orders") == [(40,)]


@pytest.mark.parametrize(
    ("sql", "why"), [("SELECT 1", "it only read"), ("DELETE FROM orders WHERE id = 99", "it changed nothing")]
)
def test_what_has_nothing_to_undo_says_why(shop: Shop, sql: str, why: str) -> None:
    thread = ran(shop, sql)
    refused = shop.run("undo", thread)
    assert refused.code != 0
    assert refused.error == (f"{thread} has nothing to undo: {why}", "sqlagent undo --list shows what can be undone")


def test_an_unknown_thread_is_named(shop: Shop) -> None:
    assert shop.run("undo", "zzzz").error[0] == "no thread named zzzz"


def test_the_list_as_json_has_runs_and_sizes(shop: Shop) -> None:
    thread = ran(shop)
    (kept,) = shop.run("undo", "--list", "--json").document["undoable"]
    assert (kept["run"], kept["undone_by"]) == (f"{thread}.1", "")
    assert kept["size"] > 0
    shop.run("sessions")
    assert shop.run("undo", "--list", "--state-dir", str(shop.folder / "other"), "--json").document["undoable"] == []
