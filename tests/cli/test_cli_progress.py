"""While a long approved statement runs a person sees how far it is, and what comes after stands on lines of its own."""

from __future__ import annotations

import re

from cli_process import Terminal
from cli_shop import Shop

STEPS = "(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < (SELECT steps FROM knob)) "
WRITE = f"UPDATE customers SET country = 'AT' WHERE id = 1 AND {STEPS} SELECT count(*) FROM n) > 1"
READ = f"SELECT name FROM customers WHERE id = {STEPS} SELECT 1 + min(1, count(*)) FROM n)"
COUNTRY = "SELECT country FROM customers WHERE id = 1"
LONG, ENDLESS = 30_000_000, 10**12
SAID = re.compile(r"^  running the statement, \d+\.\d s$")


def approved(shop: Shop, sql: str, steps: int, **more: object) -> Terminal:
    """Quick while it is looked at, and then approved when it takes so many steps."""
    shop.write("CREATE TABLE knob (steps INTEGER); INSERT INTO knob VALUES (10)")
    terminal = shop.terminal("run", "--sql", sql, **more).prompt()
    assert "running the statement" not in terminal.seen
    shop.write(f"UPDATE knob SET steps = {steps}")
    terminal.child.sendline("a")
    return terminal


def test_a_long_change_says_how_far_it_is_and_its_receipt_follows_on_its_own_line(shop: Shop) -> None:
    terminal = approved(shop, WRITE, LONG)
    terminal.see("running the statement, 1.")
    assert terminal.end() == 0
    assert len([line for line in terminal.lines if SAID.match(line)]) == 1
    assert terminal.seen.count("running the statement") > 2  # in place
    place = next(i for i, line in enumerate(terminal.lines) if SAID.match(line))
    assert [line for line in terminal.lines[place + 1 :] if "1 row changed" in line]
    assert shop.rows(COUNTRY) == [("AT",)]


def test_ctrl_c_in_a_long_change_takes_it_back_and_says_so_on_its_own_line(shop: Shop) -> None:
    terminal = approved(shop, WRITE, ENDLESS)
    terminal.see("running the statement, 1.").press("c")
    assert terminal.end() == 130
    assert "nothing was changed" in terminal.lines[-3] + terminal.lines[-2]
    assert not [line for line in terminal.lines if "running the statement" in line and "changed" in line]
    assert shop.rows(COUNTRY) == [("DE",)]
    assert shop.status(terminal.thread) == "failed"


def test_a_long_read_is_told_of_on_the_screen_and_its_rows_alone_are_in_the_output(shop: Shop) -> None:
    out = shop.folder / "rows"
    terminal = approved(shop, READ, LONG, out=out)
    terminal.see("running the statement, 1.")
    assert terminal.end() == 0
    assert out.read_text().split() == ["name", "------", "Ben"]
    assert len([line for line in terminal.lines if SAID.match(line)]) == 1


def test_ctrl_c_in_a_long_read_ends_it(shop: Shop) -> None:
    terminal = approved(shop, READ, ENDLESS)
    terminal.see("running the statement, 1.").press("c")
    assert terminal.end() == 130
    assert shop.status(terminal.thread) == "failed"


def test_a_short_run_says_nothing_of_its_progress(shop: Shop) -> None:
    terminal = approved(shop, WRITE, 20)
    assert terminal.end() == 0
    assert "running the statement" not in terminal.seen
