"""A person stays: `sqlagent` alone at a real terminal, line after line, through the same gate as every command."""

from __future__ import annotations

import re
import stat
import time
from typing import Self

import pytest
from cli_process import Terminal
from cli_shop import Asked, Shop
from openai_server import Reply

READ = "SELECT name FROM customers WHERE id = 1"
WRITE = "UPDATE customers SET country = 'AT' WHERE id = 1"
COUNTRY = "SELECT country FROM customers WHERE id = 1"
READY = "shop.db>\x1b[8D"
"""The prompt with nothing behind it: what is typed is drawn together with the prompt."""
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|[=>])")


class Stay:
    """A session before a person: `line` types one when the session is ready for it, `keys` in the middle of one."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def ready(self) -> Self:
        self.terminal.see(READY)
        return self

    def line(self, text: str) -> Self:
        return self.ready().keys(text + "\r")

    def keys(self, text: str) -> Self:
        self.terminal.child.send(text)
        return self

    def see(self, *texts: str) -> Self:
        for text in texts:
            self.terminal.see(text)
        return self

    def decide(self, key: str) -> Self:
        self.terminal.type(key)
        return self

    def leave(self) -> str:
        """By `\\q`; answers all that was on the screen."""
        self.line("\\q")
        assert self.terminal.end() == 0, self.text
        return self.text

    @property
    def text(self) -> str:
        return _ESCAPES.sub("", self.terminal.seen).replace("\r\n", "\n")


@pytest.fixture
def at(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PROMPT_TOOLKIT_NO_CPR", "1")  # nobody here answers where the cursor is
    return shop


def stay(shop: Shop, *arguments: str) -> Stay:
    return Stay(shop.terminal(*arguments))


def test_words_are_a_question_and_the_next_one_follows_it_up(at: Shop, model: Asked) -> None:
    model.answers(f"```sql\n{READ}\n```", "```sql\nSELECT country FROM customers WHERE id = 1\n```")
    session = stay(at)
    session.line("who is the first customer?").decide("").see("Ana")
    session.line("and where from").decide("").see("DE")
    session.leave()
    assert READ in model.last_prompt
    assert "who is the first customer?" in model.last_prompt
    assert len(at.run("sessions", "--json").document["threads"]) == 1


def test_what_ends_with_a_semicolon_is_sql_and_a_question_may_be_of_many_lines(at: Shop, model: Asked) -> None:
    model.answers(f"```sql\n{READ}\n```")
    session = stay(at)
    session.line("SELECT name").see("...").keys("FROM customers\r").keys("WHERE id = 2;\r").decide("").see("Ben")
    session.line("select customers from Germany").see("...").keys("\r").decide("").see("Ana")
    session.leave()
    assert "select customers from Germany" in model.last_prompt


def test_a_change_is_edited_run_and_taken_back(at: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = at.folder / "editor.sh"
    editor.write_text("#!/bin/sh\nsed -i 's/id = 1/id = 2/' \"$1\"\n")
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    session = stay(at)
    session.line(WRITE + ";").decide("e").decide("a").see("1 row changed")
    session.ready()
    assert at.rows("SELECT id FROM customers WHERE country = 'AT'") == [(2,)]
    session.keys("\\undo\r").decide("a").see("put back")
    session.leave()
    assert at.rows("SELECT id FROM customers WHERE country = 'AT'") == []


def test_what_was_typed_on_another_day_is_found_again_and_its_file_is_private(at: Shop) -> None:
    stay(at).line("\\pending").line(READ + ";").decide("").line(" \\d").leave()
    (kept,) = at.state.glob("typed")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert READ in kept.read_text()
    assert "\\d" not in kept.read_text().split()
    session = stay(at).ready().keys("\x12").keys("customers").see("WHERE id = 1").keys("\r").keys("\r")
    session.decide("").see("Ana")
    session.ready().keys("\x1b[A\x1b[A").see("\\q").keys("\r")  # up, twice: before what was just done
    assert session.terminal.end() == 0


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("SELECT cust\t", "customers"),
        ("SELECT * FROM orders WHERE orders.sta\t", "status"),
        ("\\pen\t", "\\pending"),
        ("\\d cus\t", "customers"),
        ("how many cou\t", "country"),
    ],
)
def test_tab_completes_tables_columns_and_commands(at: Shop, typed: str, completed: str) -> None:
    session = stay(at).ready().keys(typed).see(completed[len(re.split(r"[\s.]", typed.strip())[-1]) :])
    session.keys("\x03").leave()


def test_its_commands(at: Shop) -> None:
    pending = at.run("run", "--sql", WRITE, "--json").document["thread"]
    session = stay(at)
    session.line("\\d").see("customers | table | id, name, country", "(3 tables and views)")
    session.line("\\d orders").see("status", "total")
    session.line("\\d ordrs").see("error: no table or view named ordrs", "hint:")
    session.line("\\pending").see(pending, "(1 waiting)")
    session.line("\\undo").see("(0 runs")
    session.line("\\resume").see("error: ", "\\pending lists them")
    session.line(f"\\resume {pending}").decide("a").see("1 row changed")
    session.line(f"sqlagent show {pending}").see("executed")  # as a `next:` says it
    session.line("\\pendign").see("error: no command \\pendign", "did you mean \\pending?")
    session.line("help").see("\\undo [ID]", "Ctrl-R")
    session.line("\\o out.csv").see("goes to out.csv")
    session.line(READ + ";").decide("")
    session.line("\\o").see("goes to the screen")
    session.line(READ + ";").decide("").see("Ana")
    session.leave()
    assert "Ana" in (at.folder / "out.csv").read_text()


def test_a_result_is_drawn(at: Shop) -> None:
    session = stay(at)
    session.line("\\chart").see("the next result is drawn")
    session.line("SELECT status, count(*) AS n FROM orders GROUP BY 1;").decide("").see("█")
    session.line(READ + ";").decide("").see("Ana")
    session.leave()


@pytest.mark.parametrize("typed", ["\\chart", "c", "\\chart c.svg"])
def test_the_last_result_is_drawn(at: Shop, typed: str) -> None:
    session = stay(at)
    session.line("SELECT status, count(*) AS n FROM orders GROUP BY 1;").decide("").see("pending")
    session.line("\\d orders").see("status")
    session.line(typed).see("wrote c.svg" if typed.endswith("svg") else "█")
    session.line("SELECT name FROM customers;").decide("").see("Ana")
    session.line("c").see("no chart: no column of numbers")
    session.leave()


def test_a_line_that_fails_says_so_and_the_session_goes_on(at: Shop, model: Asked) -> None:
    model.answers(Reply.error(401))
    session = stay(at)
    session.line("SELECT name FROM nowhere;").see("error: ", "nowhere", "hint: ")
    session.line("who?").see("error: ", "hint: ")
    session.line(READ + ";").decide("").see("Ana")
    assert "Traceback" not in session.leave()


def test_ctrl_c_ends_what_is_going_on_and_nothing_else(at: Shop, model: Asked) -> None:
    model.answers(Reply(hangs=True))
    session = stay(at).ready().keys("half a quest\x03")  # in a line
    session.ready().keys("SELECT 1\r").see("...").keys("\x03")  # in the second line
    session.ready().keys("\x12half\x03\x03")  # in a search
    session.ready().keys("\\d cus\t\x03")  # in a completion
    session.line(WRITE + ";")
    session.terminal.prompt().press("c")
    session.see("stays pending; nothing ran")  # at the decision
    session.line(WRITE + ";").decide("r").see("why?")
    session.terminal.press("c")
    session.see("stays pending; nothing ran")  # at the reason
    session.line("how many?").see("asking")
    session.terminal.press("c")
    session.see("interrupted")  # while the model thinks
    text = session.line("\\pending").see("(2 waiting)", "1 begun and cut off").leave()
    assert at.rows(COUNTRY) == [("DE",)]
    assert "Traceback" not in text


def test_ctrl_c_in_a_statement_stops_it_and_the_session_goes_on(at: Shop) -> None:
    at.write("CREATE TABLE knob (steps INTEGER); INSERT INTO knob VALUES (10)")
    steps = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < (SELECT steps FROM knob)) "
    session = stay(at).line(steps + "SELECT count(*) FROM n;")
    session.terminal.prompt()
    at.write(f"UPDATE knob SET steps = {10**12}")
    session.keys("\r").see("running the statement, 1.")
    session.terminal.press("c")
    session.see("error: ")
    session.line(READ + ";").decide("").see("Ana")
    session.leave()


@pytest.mark.parametrize("place", ["line", "decision", "model"])
def test_a_closed_terminal_ends_it_and_nothing_runs(at: Shop, model: Asked, place: str) -> None:
    model.answers(Reply(hangs=True))
    session = stay(at).ready().keys(f"{WRITE};")
    if place == "decision":
        session.keys("\r")
        session.terminal.prompt()
    if place == "model":
        session.keys("\x15how many?\r").see("asking")
    session.terminal.hang_up()
    assert at.rows(COUNTRY) == [("DE",)]
    statuses = [thread["status"] for thread in at.run("pending", "--json").document["threads"]]
    assert statuses == {"line": [], "decision": ["pending"], "model": ["new"]}[place]


def test_the_end_of_input_leaves(at: Shop) -> None:
    session = stay(at, "--db", "shop.db").ready()
    session.terminal.press("d")
    assert session.terminal.end() == 0


@pytest.mark.parametrize("arguments", [(), ("--db", "shop.db"), ("shell",), ("--json",)])
def test_without_a_terminal_it_is_a_usage_error(shop: Shop, arguments: tuple[str, ...]) -> None:
    ran = shop.run(*arguments)
    assert (ran.code, ran.out) == (2, b"")
    assert "no terminal" in ran.err


def test_a_database_that_is_not_there_is_said_before_the_first_line(at: Shop) -> None:
    terminal = at.terminal("--db", "shpo.db")
    assert terminal.end() == 3
    assert "no such file" in terminal.seen


def test_two_sessions_share_what_was_typed(at: Shop) -> None:
    first, second = stay(at).ready(), stay(at).ready()
    first.keys("\\pending\r").see("(0 waiting)")
    second.keys("\\d\r").see("(3 tables and views)")
    first.leave()
    second.leave()
    typed = (at.state / "typed").read_text()
    assert "\\pending" in typed
    assert "\\d" in typed


def test_the_second_question_is_at_its_prompt_in_a_fifth_of_the_time_of_a_fresh_one(at: Shop, model: Asked) -> None:
    model.answers(f"```sql\n{READ}\n```")
    began = time.perf_counter()
    assert at.cold("ask", "who is the first?").code == 8
    fresh = time.perf_counter() - began
    session = stay(at).line("who is the first?").decide("").see("Ana").ready()
    began = time.perf_counter()
    session.keys("and again?\r")
    session.terminal.prompt()
    warm = time.perf_counter() - began
    print(f"fresh {fresh:.2f} s, second {warm:.2f} s")
    session.keys("\r").leave()
    assert warm <= fresh / 5
