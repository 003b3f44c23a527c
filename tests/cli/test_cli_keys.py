"""Every key of the prompt, on a real terminal before the real command line: what runs, what waits, what is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_process import Terminal
from cli_shop import Asked, Shop

READ = "SELECT name FROM customers ORDER BY id"
WRITE = "UPDATE customers SET country = 'AT' WHERE id = 1"
SEVERE = "DELETE FROM orders"
UNKNOWN = "REINDEX"
COUNTRY = "SELECT country FROM customers WHERE id = 1"


def stays_pending(shop: Shop, terminal: Terminal, code: int) -> None:
    """It exited with `code`, waits, and the last line says how to come back."""
    assert terminal.end() == code
    assert terminal.lines[-2] == f"  next: sqlagent resume {terminal.thread}"
    assert shop.status(terminal.thread) == "pending"


@pytest.mark.parametrize("key", ["", "a", "A"])
def test_a_proven_read_runs_on_enter(shop: Shop, key: str) -> None:
    terminal = shop.terminal("run", "--sql", READ).type(key)
    assert terminal.end() == 0
    assert [line.strip() for line in terminal.lines[-7:-3]] == ["------", "Ana", "Ben", "Zoë"]
    assert shop.status(terminal.thread) == "executed"


def test_a_write_runs_on_a(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", WRITE).type("a")
    assert terminal.end() == 0
    assert shop.rows(COUNTRY) == [("AT",)]
    assert any(line.startswith("  ~  update  customers  1 of 3") for line in terminal.lines)
    assert "s: 1 row changed" in terminal.lines[-3]


def test_enter_leaves_a_write_pending(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", WRITE).type("")
    stays_pending(shop, terminal, 8)
    assert shop.rows(COUNTRY) == [("DE",)]


def test_the_name_is_typed_for_what_is_severe(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", SEVERE).type("a", "yes", "order", "orders")
    assert terminal.end() == 0
    assert "  `a` is not enough for SEVERE: type orders" in terminal.lines
    assert "  yes is none of these; to approve, type orders" in terminal.lines
    assert shop.rows("SELECT count(*) FROM orders") == [(0,)]
    assert "s: 40 rows changed" in terminal.lines[-3]


def test_enter_leaves_what_is_severe_pending(shop: Shop) -> None:
    stays_pending(shop, shop.terminal("run", "--sql", SEVERE).type("a", ""), 8)
    assert shop.rows("SELECT count(*) FROM orders") == [(40,)]


def test_where_nothing_has_a_name_the_thread_is_typed(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", UNKNOWN).type("a")
    terminal.prompt()
    terminal.child.sendline(terminal.thread)
    assert terminal.end() == 0
    assert f"type {terminal.thread} to approve and run" in terminal.seen
    assert shop.status(terminal.thread) == "executed"


@pytest.mark.parametrize("typed", ["approve", "y", "yes", "aa", "1", "x 1", "s", "\x1b[A", "a;a"])
def test_a_wrong_key_asks_again_and_says_so(shop: Shop, typed: str) -> None:
    terminal = shop.terminal("run", "--sql", WRITE).type(typed, "l")
    stays_pending(shop, terminal, 8)
    assert " is none of these" in terminal.seen
    assert shop.rows(COUNTRY) == [("DE",)]


@pytest.mark.parametrize("sql", [READ, WRITE, SEVERE])
def test_later_leaves_it_pending(shop: Shop, sql: str) -> None:
    stays_pending(shop, shop.terminal("run", "--sql", sql).type("l"), 8)


@pytest.mark.parametrize("sql", [READ, WRITE, SEVERE])
def test_the_end_of_input_leaves_it_pending(shop: Shop, sql: str) -> None:
    terminal = shop.terminal("run", "--sql", sql).prompt().press("d")
    stays_pending(shop, terminal, 8)


@pytest.mark.parametrize("sql", [READ, WRITE, SEVERE])
def test_ctrl_c_leaves_it_pending(shop: Shop, sql: str) -> None:
    terminal = shop.terminal("run", "--sql", sql).prompt().press("c")
    stays_pending(shop, terminal, 130)


@pytest.mark.parametrize("sql", [READ, WRITE])
def test_a_closed_terminal_leaves_it_pending(shop: Shop, sql: str) -> None:
    terminal = shop.terminal("run", "--sql", sql).prompt()
    thread = terminal.thread
    assert terminal.hang_up() == 8
    assert shop.status(thread) == "pending"
    assert shop.rows(COUNTRY) == [("DE",)]


def test_what_was_left_is_approved_when_resumed(shop: Shop) -> None:
    first = shop.terminal("run", "--sql", WRITE).type("l")
    assert first.end() == 8
    second = shop.terminal("resume", first.thread).type("a")
    assert second.end() == 0
    assert shop.rows(COUNTRY) == [("AT",)]


def test_details_come_before_the_same_question(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", WRITE).type("d", "a")
    assert terminal.end() == 0
    assert f"  details of {terminal.thread}" in terminal.lines
    assert "(approval is void if one byte changes)" in terminal.seen


def test_the_prompt_is_the_last_thing_printed_with_the_findings_above_it(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", SEVERE).prompt()
    *above, keys, prompt = terminal.lines[-12:]
    assert prompt == "  > "
    assert keys == "  type orders to approve and run, [e] edit  [d] details  [r] reject  [l] later"
    assert any(line.endswith("[no-where]") for line in above)
    assert any("40 of 40" in line for line in above)
    terminal.press("c").end()


# ---- editing -----------------------------------------------------------------------------------------------------


def editor(shop: Shop, script: str) -> str:
    path = shop.folder / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def test_an_edit_starts_over_and_shows_the_difference(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", editor(shop, "sed -i 's/id = 1/id = 2/' \"$1\""))
    (shop.folder / "move.sql").write_text(WRITE)
    terminal = shop.terminal("run", "move.sql").type("e", "a")
    assert terminal.end() == 0
    assert "  edited: 1 line changed; you are now its author, and earlier approvals are void" in terminal.lines
    assert f"  -  {WRITE}" in terminal.lines
    assert f"  +  {WRITE.replace('1', '2')}" in terminal.lines
    assert shop.rows("SELECT id FROM customers WHERE country = 'AT'") == [(2,)]


def test_the_configured_editor_is_used(shop: Shop) -> None:
    config = shop.folder / "own.toml"
    config.write_text(f'editor = "{editor(shop, "echo DELETE FROM odd WHERE id = 2 > $1")}"\n')
    terminal = shop.terminal("run", "--sql", WRITE, "--config", str(config)).type("e", "a")
    assert terminal.end() == 0
    assert shop.rows("SELECT count(*) FROM odd") == [(5,)]


@pytest.mark.parametrize(
    ("script", "said"),
    [("true", "nothing was changed"), (": > $1", "the file came back empty"), ("exit 3", "the editor failed with 3")],
)
def test_an_edit_without_a_change_decides_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setenv("EDITOR", editor(shop, script))
    terminal = shop.terminal("run", "--sql", WRITE).type("e", "l")
    stays_pending(shop, terminal, 8)
    assert said in terminal.seen


def test_an_edit_that_the_database_refuses_leaves_the_proposal_as_it_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", editor(shop, "echo DELETE FROM nowhere > $1"))
    terminal = shop.terminal("run", "--sql", WRITE).type("e", "a")
    assert terminal.end() == 0
    assert "error: the database refused it: no such table: nowhere" in terminal.seen
    assert shop.rows(COUNTRY) == [("AT",)]


# ---- rejecting ---------------------------------------------------------------------------------------------------


def test_a_rejection_may_say_why(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", WRITE).type("r").answer("why? (one line, or Enter for none) ", "on Friday")
    assert terminal.end() == 5
    assert f"{terminal.thread} rejected by" in terminal.seen
    shown = shop.run("show", terminal.thread, "--json").document
    assert (shown["status"], shown["reason"], shown["how"]) == ("rejected", "on Friday", "key")
    assert shop.rows(COUNTRY) == [("DE",)]


def test_a_rejection_need_not_say_why(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", WRITE).type("r").answer("why?", "")
    assert terminal.end() == 5
    assert "try again" not in terminal.seen


def test_the_reason_reaches_the_next_draft(shop: Shop, model: Asked) -> None:
    model.answers("SELECT name FROM customers", "SELECT country FROM customers")
    terminal = shop.terminal("ask", "who are they?").type("r")
    terminal.answer("why?", "I meant where from").answer("try again with this? [y/N] ", "y").type("")
    assert terminal.end() == 0
    assert "I meant where from" in model.last_prompt
    assert "SELECT name FROM customers" in model.last_prompt
    assert len(model.server.requests) == 2


@pytest.mark.parametrize("answer", ["n", "", "what"])
def test_a_draft_is_not_tried_again_unasked(shop: Shop, model: Asked, answer: str) -> None:
    terminal = shop.terminal("ask", "who are they?").type("r").answer("why?", "no").answer("[y/N] ", answer)
    assert terminal.end() == 5
    assert len(model.server.requests) == 1


def test_ctrl_c_at_the_reason_leaves_it_pending(shop: Shop) -> None:
    terminal = shop.terminal("run", "--sql", WRITE).type("r").see("why?").press("c")
    stays_pending(shop, terminal, 130)


def test_after_an_edit_the_model_may_still_try_again(shop: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", editor(shop, "echo 'SELECT 2 AS two' > $1"))
    model.answers("SELECT 1 AS one", "SELECT 3 AS three")
    terminal = shop.terminal("ask", "a number").type("e", "r").answer("why?", "three").answer("[y/N] ", "y").type("")
    assert terminal.end() == 0
    assert " three" in terminal.lines


# ---- several statements ------------------------------------------------------------------------------------------

BATCH = f"{READ};\n{WRITE};\n{SEVERE};\nDELETE FROM odd WHERE id = 1"


def test_a_batch_is_looked_at_cut_down_and_approved(shop: Shop) -> None:
    (shop.folder / "cleanup.sql").write_text(BATCH)
    terminal = shop.terminal("run", "cleanup.sql").type("3", "7", "x 3", "2", "a")
    assert terminal.end() == 0
    assert "cleanup.sql, 4 statements, one transaction" in terminal.seen
    assert "  statement 3 of 4, line 3, SEVERE" in terminal.lines
    assert "  7 is none of these; to approve, type orders" in terminal.lines
    assert "  left  1-2,4  read customers, ~ update customers, - delete odd: WRITE" in terminal.lines
    assert "  [a] approve 1-2,4 and run  [e] edit  [d] details  [r] reject all  [l] later" in terminal.lines
    assert shop.rows("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM odd)") == [(40, 5)]
    assert shop.rows(COUNTRY) == [("AT",)]


def test_a_batch_that_would_fail_half_way_cannot_be_approved_by_a_key(shop: Shop) -> None:
    sql = f"{WRITE}; INSERT INTO customers (id, name) VALUES (1, 'again')"
    terminal = shop.terminal("run", "--sql", sql).type("a", "l")
    stays_pending(shop, terminal, 8)
    assert "  it would fail, so there is nothing to approve: [e] edits it" in terminal.lines
    assert shop.rows(COUNTRY) == [("DE",)]


# ---- where the words go ------------------------------------------------------------------------------------------


def test_a_redirected_result_is_still_asked_about(shop: Shop) -> None:
    out = shop.folder / "out.csv"
    terminal = shop.terminal("run", "--sql", READ, "--csv", out=out).type("")
    assert terminal.end() == 0
    assert out.read_bytes() == "name\r\nAna\r\nBen\r\nZoë\r\n".encode() or out.read_text() == "name\nAna\nBen\nZoë\n"
    assert terminal.lines[-3:-1] == [
        next(line for line in terminal.lines if line.startswith("(3 rows in ")),
        f'next: sqlagent ask --thread {terminal.thread} "a question that follows"',
    ]


@pytest.mark.parametrize(
    ("flags", "env"), [(["--no-input"], {}), ([], {"CI": "true"}), ([], {"SQLAGENT_NO_INPUT": "1"})]
)
def test_nobody_is_asked_where_that_is_not_wanted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, flags: list[str], env: dict[str, str]
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    terminal = shop.terminal("run", "--sql", READ, *flags)
    assert terminal.end() == 8
    assert "\n  > " not in terminal.seen
    assert shop.status(terminal.thread) == "pending"


def test_long_sql_goes_to_the_pager_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    paged = shop.folder / "paged"
    monkeypatch.setenv("PAGER", f"sh -c 'cat > {paged}'")
    sql = "SELECT 1\n" + "-- a line\n" * 60 + "AS one"
    terminal = shop.terminal("run", "--sql", sql).type("s", "")
    assert terminal.end() == 0
    assert "(62 lines of SQL, shown before this; [s] shows them again)" in terminal.seen
    assert len(Path(paged).read_text().splitlines()) == 62


def test_no_pager_shows_it_all_on_the_screen(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "false")
    sql = "SELECT 1\n" + "-- a line\n" * 60 + "AS one"
    terminal = shop.terminal("run", "--sql", sql, "--no-pager").type("")
    assert terminal.end() == 0
    assert " 62 AS one" in terminal.lines
