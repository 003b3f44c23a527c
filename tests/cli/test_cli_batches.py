"""Many statements at once: approved in part, told in one line where they are alike, or taken one by one."""

from __future__ import annotations

from typing import Any

import pytest
from cli_process import Terminal
from cli_shop import Shop

MIXED = """\
UPDATE orders SET status = 'shipped' WHERE id <= 2;
DELETE FROM orders WHERE status = 'pending';
UPDATE customers SET country = 'AT' WHERE id = 1;
INSERT INTO customers (id, name) VALUES (4, 'Dan');
SELECT name FROM customers ORDER BY id;
"""
STATE = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM customers), country FROM customers WHERE id = 1"
BEFORE, ALL_BUT_2 = [(40, 3, "DE")], [(40, 4, "AT")]
READS_RUN = 'reads = "allow"\n'


def a_file(shop: Shop, sql: str, name: str = "batch.sql") -> str:
    (shop.folder / name).write_text(sql)
    return name


def waiting(shop: Shop, sql: str) -> tuple[str, str]:
    """A thread that waits with a batch, and its digest."""
    document = shop.run("run", a_file(shop, sql), "--json").document
    assert document["status"] == "pending"
    return document["thread"], document["digest"]


def audited(shop: Shop, thread: str) -> list[str]:
    entries = shop.run("audit", "--json").document["entries"]
    return [e["what"] for e in entries if e["thread"] == thread]


# ---- at the prompt -----------------------------------------------------------------------------------------------


def test_one_of_five_is_rejected_and_the_others_run_in_one_transaction(shop: Shop) -> None:
    terminal = shop.terminal("run", a_file(shop, MIXED)).type("x 2 not on a Friday", "a")
    assert terminal.end() == 0
    assert "  out   2  - delete orders: not on a Friday" in terminal.lines
    assert "  [a] approve 1,3-5 and run  [e] edit  [d] details  [r] reject all  [l] later" in terminal.lines
    assert shop.rows(STATE) == ALL_BUT_2
    assert terminal.lines.count("────────────────────────────────────────────────────────────────────────────────") == 2
    thread = terminal.thread
    assert audited(shop, thread) == [
        "asked", "analyzed", "shown", "approved in part", "analyzed", "approved", "claimed", "committed"
    ]  # fmt: skip
    shown = shop.run("show", thread, "--json").document
    assert (shown["part_of"], shown["rejected"]) == (f"{thread}.1", ["2: not on a Friday"])
    assert [s["index"] for s in shown["statements"]] == [1, 2, 3, 4]
    assert "  left out: 2: not on a Friday" in shop.run("show", thread).text.split("\n")


def test_what_ran_of_a_batch_is_undone(shop: Shop) -> None:
    terminal = shop.terminal("run", a_file(shop, MIXED)).type("x 2", "a")
    assert terminal.end() == 0
    undo = shop.terminal("undo", terminal.thread).type("a")
    assert undo.end() == 0
    assert shop.rows(STATE) == BEFORE


def test_a_rest_that_does_something_else_is_shown_again_with_the_reason_on_top(shop: Shop) -> None:
    sql = "UPDATE orders SET status = 'old' WHERE id <= 10;\nDELETE FROM orders WHERE status = 'old';\nSELECT 1"
    terminal = shop.terminal("run", a_file(shop, sql)).type("x 1 they are not", "a").prompt()
    screen = "\n".join(terminal.lines)
    said = "  asked again: without 1, statement 2 (1 below) changes 0 rows, was 10\n"
    before, _, after = screen.partition(said)
    assert before.endswith("> a\n")
    assert after.startswith("─" * 80)
    assert "  ! asked again: without 1, statement 2" in after
    terminal.child.sendline("a")
    assert terminal.end() == 0
    assert shop.rows(STATE) == BEFORE


def test_a_statement_that_others_need_is_said_and_the_rest_is_refused_kindly(shop: Shop) -> None:
    sql = (
        "CREATE TABLE tmp (id); INSERT INTO tmp SELECT id FROM orders; UPDATE customers SET country = 'AT' WHERE id = 1"
    )
    terminal = shop.terminal("run", a_file(shop, sql)).type("x 1", "a")
    terminal.see("error: what is left does not stand without 1: ").type("x 1-2 no import today", "a")
    assert terminal.end() == 0
    assert "  ! 2 needs 1: it changes tmp, which 1 creates" in terminal.lines
    assert shop.rows(STATE) == [(40, 3, "AT")]
    assert shop.rows("SELECT name FROM sqlite_master WHERE name = 'tmp'") == []


def test_two_hundred_alike_are_told_in_one_line_and_run(shop: Shop) -> None:
    for more, of in ((40, 40), (80, 80), (160, 40)):
        shop.write(f"INSERT INTO orders SELECT id + {more}, 1, 'paid', 0 FROM orders WHERE id <= {of}")
    updates = ";\n".join(f"UPDATE orders SET total = {n} WHERE id = {n}" for n in range(1, 201))
    terminal = shop.terminal("run", a_file(shop, f"DELETE FROM odd WHERE id = 1;\n{updates}"), "--no-pager")
    terminal.type("x 1,3-199 too many", "a")
    assert terminal.end() == 0
    (line,) = [line for line in terminal.lines if "2-201" in line and "update" in line]
    assert line.split() == ["2-201", "~", "update", "orders", "1", "each,", "200", "of", "200", "in", "all", "WRITE"]
    assert "  [a] approve 2,200-201 and run" in terminal.lines
    assert shop.rows("SELECT id FROM orders WHERE total = id") == [(1,), (199,), (200,)]
    assert shop.rows("SELECT count(*) FROM odd") == [(6,)]


# ---- by a script -------------------------------------------------------------------------------------------------


def test_a_script_approves_some_and_says_why_not_the_others(shop: Shop) -> None:
    thread, digest = waiting(shop, MIXED)
    ran = shop.run("resume", thread, "--approve", digest, "--only", "1,3-5", "--because", "not on a Friday", "--json")
    assert ran.code == 0
    assert (ran.document["status"], ran.document["part_of"]) == ("executed", f"{thread}.1")
    assert (ran.document["rejected"], ran.document["how"]) == (["2: not on a Friday"], f"part of {thread}.1")
    assert ran.document["results"][0]["rows"] == [["Ana"], ["Ben"], ["Zoë"], ["Dan"]]
    assert shop.rows(STATE) == ALL_BUT_2


def test_a_script_is_told_why_the_rest_waits(shop: Shop) -> None:
    thread, digest = waiting(shop, "UPDATE odd SET value = 1 WHERE id = 1; DELETE FROM odd WHERE value = 1")
    ran = shop.run("resume", thread, "--approve", digest, "--only", "2")
    assert ran.code == 8
    said = " ".join(ran.err.split())
    assert f"{thread} waits again: without 1, statement 2 (1 below) changes 0 rows, was 1 next: sqlagent resume" in said
    assert shop.rows("SELECT count(*) FROM odd") == [(6,)]


def test_only_all_of_them_is_all_of_them(shop: Shop) -> None:
    thread, digest = waiting(shop, MIXED)
    assert shop.run("resume", thread, "--approve", digest, "--only", "1-5").code == 0
    assert "approved in part" not in audited(shop, thread)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--only", "6"], "there is no statement 6"),
        (["--only", "two"], "two names no statements"),
        (["--only", ""], "nothing names no statements"),
    ],
)
def test_numbers_that_are_none_decide_nothing(shop: Shop, flags: list[str], said: str) -> None:
    thread, digest = waiting(shop, MIXED)
    ran = shop.run("resume", thread, "--approve", digest, *flags)
    assert (ran.code, ran.error[0]) == (2, said)
    assert shop.status(thread) == "pending"


@pytest.mark.parametrize("flags", [["--only", "1"], ["--because", "no"], ["--reject", "no", "--only", "1"]])
def test_only_is_said_of_an_approval(shop: Shop, flags: list[str]) -> None:
    thread, _ = waiting(shop, MIXED)
    ran = shop.run("resume", thread, *flags)
    assert ran.code == 2
    assert "--only" in ran.error[0]
    assert shop.status(thread) == "pending"


def test_the_rest_of_an_old_digest_is_refused(shop: Shop) -> None:
    thread, digest = waiting(shop, MIXED)
    assert shop.run("resume", thread, "--approve", "0" * 64, "--only", "1").code == 7
    shop.run("resume", thread, "--approve", digest, "--only", "1,3")
    assert shop.run("resume", thread, "--approve", digest, "--only", "2").code == 2  # it is finished
    assert shop.rows("SELECT count(*) FROM orders") == [(40,)]


# ---- one by one --------------------------------------------------------------------------------------------------


def each(shop: Shop, sql: str, *more: str) -> dict[str, Any]:
    document = shop.run("run", a_file(shop, sql), "--each", "--json", *more).document
    return {**document, "statuses": [one["status"] for one in document["each"]]}


def threads(terminal: Terminal) -> list[str]:
    return [
        line.split()[0]
        for line in terminal.lines
        if "batch.sql, " in line and line.startswith(tuple("abcdefghijklmnopqrstuvwxyz"))
    ]


def test_each_is_decided_run_and_undone_by_itself(shop: Shop) -> None:
    terminal = shop.terminal("run", a_file(shop, MIXED), "--each")
    terminal.type("a", "r").answer("why?", "never").type("a", "a", "")
    assert terminal.end() == 5
    assert [line.split("  ")[1] for line in terminal.lines if ", 3 of 5" in line] == ["batch.sql, 3 of 5"]
    assert "not begun" not in terminal.seen
    first, second, third, *_ = threads(terminal)
    assert [shop.status(t) for t in (first, second, third)] == ["executed", "rejected", "executed"]
    assert shop.rows(STATE) == ALL_BUT_2
    assert shop.terminal("undo", third).type("a").end() == 0
    assert shop.rows(STATE) == [(40, 4, "DE")]


@pytest.mark.parametrize(("press", "code"), [("l", 8), ("c", 130)])
def test_later_stops_and_says_what_was_not_begun(shop: Shop, press: str, code: int) -> None:
    terminal = shop.terminal("run", a_file(shop, MIXED), "--each").type("a")
    terminal = terminal.type("l") if press == "l" else terminal.prompt().press("c")
    assert terminal.end() == code
    assert terminal.lines[-2] == "(2 of 5 begun; not begun: 3-5, line 3 of batch.sql on)"
    assert len(shop.run("sessions", "--json").document["threads"]) == 2
    assert [shop.status(t) for t in threads(terminal)] == ["executed", "pending"]


def test_one_that_fails_stops_the_others(shop: Shop) -> None:
    sql = "UPDATE odd SET value = 1 WHERE id = 1;\nINSERT INTO nowhere VALUES (1);\nDELETE FROM odd"
    terminal = shop.terminal("run", a_file(shop, sql), "--each").type("a")
    assert terminal.end() == 1
    assert terminal.lines[-2] == "(2 of 3 begun; not begun: 3, line 3 of batch.sql on)"
    assert shop.rows("SELECT count(*) FROM odd") == [(6,)]


def test_with_nobody_to_ask_what_is_allowed_runs_and_what_asks_waits(shop: Shop) -> None:
    (shop.folder / "own.toml").write_text(READS_RUN)
    sql = "SELECT 1; UPDATE odd SET value = 1 WHERE id = 1; SELECT name FROM customers; DELETE FROM orders WHERE id = 1"
    document = each(shop, sql, "--config", str(shop.folder / "own.toml"))
    assert (document["statuses"], document["not_begun"]) == (["executed", "pending", "executed", "pending"], 0)
    assert [len(result["rows"]) for result in document["results"]] == [1, 3]
    assert len({one["thread"] for one in document["each"]}) == 4


def test_nothing_goes_ahead_of_what_waits_and_works_on_the_same_tables(shop: Shop) -> None:
    (shop.folder / "own.toml").write_text(READS_RUN)
    sql = "UPDATE odd SET value = 1 WHERE id = 1;\nSELECT * FROM odd;\nSELECT 1"
    ran = shop.run("run", a_file(shop, sql), "--each", "--config", str(shop.folder / "own.toml"))
    assert ran.code == 8
    assert ran.err.splitlines()[-1] == (
        "(1 of 3 begun; not begun: 2-3, line 2 of batch.sql on: 2 works on odd as 1 does, which waits)"
    )


def test_what_needs_one_that_waits_is_not_begun(shop: Shop) -> None:
    document = each(shop, "CREATE TABLE tmp (id); INSERT INTO tmp VALUES (1)")
    assert (document["statuses"], document["not_begun"]) == (["pending"], 1)


def test_the_highest_code_wins(shop: Shop) -> None:
    sql = "UPDATE odd SET value = 1 WHERE id = 1; ATTACH 'other.db' AS other; DELETE FROM orders"
    ran = shop.run("run", a_file(shop, sql), "--each", "--json")
    assert (ran.code, [one["status"] for one in ran.document["each"]]) == (8, ["pending", "denied"])
    assert ran.document["not_begun"] == 1


def test_auto_reject_stops_at_the_first_that_would_ask(shop: Shop) -> None:
    ran = shop.run("run", a_file(shop, MIXED), "--each", "--auto-reject", "--json")
    assert (ran.code, [one["status"] for one in ran.document["each"]], ran.document["not_begun"]) == (
        5,
        ["rejected"],
        4,
    )


def test_a_file_of_nothing_is_nothing_to_run(shop: Shop) -> None:
    ran = shop.run("run", a_file(shop, "-- nothing\n;"), "--each")
    assert (ran.code, ran.error[0]) == (2, "there is no SQL in it")
