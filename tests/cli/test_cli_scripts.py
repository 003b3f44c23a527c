"""No terminal: what a script and CI see, and how a script decides by digest."""

from __future__ import annotations

import os
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_process import Ran
from cli_shop import Asked, Shop

from sqlagent import config
from sqlagent.service import Agent

WRITE = "UPDATE customers SET country = 'AT' WHERE id = 1"
COUNTRY = "SELECT country FROM customers WHERE id = 1"


def waiting(shop: Shop, *more: str, sql: str = WRITE) -> Ran:
    ran = shop.run("run", "--sql", sql, "--json", *more)
    assert ran.code == 8, ran.err
    return ran


def unchanged(shop: Shop) -> bool:
    return shop.rows(COUNTRY) == [("DE",)]


# ---- nobody decides ----------------------------------------------------------------------------------------------


def test_without_a_terminal_it_waits_and_says_what_for(shop: Shop) -> None:
    document = waiting(shop).document
    assert document["status"] == "pending"
    assert len(document["digest"]) == 64
    assert document["risk"] == "WRITE"
    assert document["sql"] == WRITE
    assert unchanged(shop)
    (listed,) = shop.run("pending", "--json").document["threads"]
    assert (listed["thread"], listed["digest"]) == (document["thread"], document["digest"])


def test_without_a_terminal_the_words_are_on_stderr(shop: Shop) -> None:
    ran = shop.run("run", "--sql", WRITE)
    assert (ran.code, ran.out) == (8, b"")
    message, hint = ran.error
    thread = ran.thread
    assert message == f"{thread} needs a person to approve it, and there is no terminal to ask on"
    assert hint == f"in a terminal: sqlagent resume {thread}"
    assert any(line.startswith("  digest ") for line in ran.err.splitlines())
    assert unchanged(shop)


def test_a_question_waits_like_a_script(shop: Shop, model: Asked) -> None:
    model.answers(WRITE)
    document = shop.run("ask", "move ana to austria", "--json").document
    assert (document["status"], document["author"]) == ("pending", "gpt-5-mini")
    assert unchanged(shop)


@pytest.mark.parametrize("sql", [WRITE, "DELETE FROM orders", "REINDEX", "SELECT 1"])
def test_auto_reject_rejects_what_would_ask(shop: Shop, sql: str) -> None:
    ran = shop.run("run", "--sql", sql, "--auto-reject")
    assert ran.code == 5
    assert ran.err.splitlines()[-1].endswith(": nobody was to be asked (--auto-reject); nothing ran")
    (listed,) = shop.run("sessions", "--json").document["threads"]
    assert listed["status"] == "rejected"
    assert shop.run("pending", "--json").document["threads"] == []


def test_auto_reject_is_on_record_as_such(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_AUTO_REJECT", "1")
    document = shop.run("run", "--sql", WRITE, "--json").document
    assert (document["status"], document["how"]) == ("rejected", "auto-reject")
    assert document["statements"][0]["operations"]


@pytest.mark.parametrize("flags", [[], ["--auto-reject"], ["--no-input"]])
def test_proven_reads_run_where_the_policy_lets_them(shop: Shop, flags: list[str]) -> None:
    (shop.folder / "sqlagent.toml").write_text("")
    Path(shop.folder / "own.toml").write_text('reads = "allow"\n')
    ran = shop.run("run", "--sql", "SELECT 1 AS one", "--csv", "--config", "own.toml", *flags)
    assert (ran.code, ran.text) == (0, "one\n1\n")
    assert shop.run("run", "--sql", WRITE, "--config", "own.toml", "--auto-reject").code == 5
    assert unchanged(shop)


@pytest.mark.parametrize(
    "sql", ["ATTACH 'x.db' AS x", "BEGIN", "PRAGMA user_version = 1", "SELECT load_extension('x')"]
)
def test_what_the_policy_denies_exits_6_and_is_shown(shop: Shop, sql: str) -> None:
    ran = shop.run("run", "--sql", sql)
    assert ran.code == 6
    message, hint = ran.error
    assert message.startswith("the policy denies this: ")
    assert hint.startswith("nobody can approve this here")
    assert f"  1 {sql}" in ran.err.splitlines()
    assert shop.run("run", "--sql", sql, "--json").document["status"] == "denied"


def test_a_database_that_is_read_only_by_configuration_denies_writes(shop: Shop) -> None:
    Path("own.toml").write_text(f'[databases.shop]\nurl = "{shop.path}"\nread_only = true\n')
    ran = shop.run("run", "--sql", WRITE, "--config", "own.toml", "-d", "shop")
    assert ran.code == 6
    assert ran.error[0].endswith("[read-only]")


# ---- a script decides --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [12, 20, 64])
def test_a_digest_approves_exactly_what_it_names(shop: Shop, length: int) -> None:
    document = waiting(shop).document
    ran = shop.run("resume", document["thread"], "--approve", document["digest"][:length], "--json")
    assert ran.code == 0
    assert (ran.document["status"], ran.document["how"]) == ("executed", "flag")
    assert ran.document["outcome"]["results"][0]["changed"] == 1
    assert shop.rows(COUNTRY) == [("AT",)]


@pytest.mark.parametrize("digest", ["0" * 64, "0" * 12, "", " ", "abc", "%"])
def test_any_other_digest_approves_nothing(shop: Shop, digest: str) -> None:
    thread = waiting(shop).document["thread"]
    ran = shop.run("resume", thread, "--approve", digest)
    assert ran.code == 7
    assert ran.error
    assert unchanged(shop)
    assert shop.status(thread) == "pending"


def test_the_digest_of_another_thread_approves_nothing(shop: Shop) -> None:
    other, thread = waiting(shop).document, waiting(shop).document["thread"]
    assert shop.run("resume", thread, "--approve", other["digest"]).code == 7
    assert unchanged(shop)


def test_an_edit_by_file_is_measured_anew_and_waits(shop: Shop) -> None:
    document = waiting(shop).document
    Path("better.sql").write_text("DELETE FROM orders WHERE id = 3\n")
    edited = shop.run("resume", document["thread"], "--edit", "better.sql", "--json")
    assert edited.code == 8
    assert edited.document["previous"] == WRITE
    assert edited.document["sql"].strip() == "DELETE FROM orders WHERE id = 3"
    assert edited.document["digest"] != document["digest"]
    assert shop.run("resume", document["thread"], "--approve", document["digest"]).code == 7
    assert shop.run("resume", document["thread"], "--approve", edited.document["digest"]).code == 0
    assert shop.rows("SELECT count(*) FROM orders") == [(39,)]
    assert unchanged(shop)


@pytest.mark.parametrize("sql", ["", "  \n", "DELETE FROM nowhere"])
def test_an_edit_that_cannot_be_leaves_it_as_it_was(shop: Shop, sql: str) -> None:
    document = waiting(shop).document
    Path("bad.sql").write_text(sql)
    ran = shop.run("resume", document["thread"], "--edit", "bad.sql")
    assert ran.code in (1, 2)
    assert ran.error
    assert shop.run("resume", document["thread"], "--approve", document["digest"]).code == 0


@pytest.mark.parametrize("why", ["not on a Friday", ""])
def test_a_script_rejects_with_a_reason_or_none(shop: Shop, why: str) -> None:
    thread = waiting(shop).document["thread"]
    ran = shop.run("resume", thread, "--reject", why, "--json")
    assert ran.code == 5
    assert (ran.document["status"], ran.document["reason"]) == ("rejected", why)
    assert unchanged(shop)


@pytest.mark.parametrize(
    "flags",
    [
        ("--approve", "0" * 12, "--reject", "no"),
        ("--edit", "x.sql", "--approve", "0" * 12),
        ("--edit", "x", "--reject", ""),
    ],
)
def test_a_script_decides_one_thing(shop: Shop, flags: tuple[str, ...]) -> None:
    ran = shop.run("resume", waiting(shop).document["thread"], *flags)
    assert ran.code == 2
    assert ran.error[0] == "--approve, --approval, --edit, --reject and --answer exclude one another"


def test_resuming_without_a_decision_shows_the_same_and_waits_on(shop: Shop) -> None:
    document = waiting(shop).document
    again = shop.run("resume", document["thread"], "--json")
    assert again.code == 8
    assert again.document == document | {"hint": again.document["hint"]}


def test_what_changed_meanwhile_is_asked_again(shop: Shop) -> None:
    document = waiting(shop).document
    with sqlite3.connect(shop.path) as connection:
        connection.execute("CREATE TRIGGER t AFTER UPDATE ON customers BEGIN DELETE FROM orders; END")
    connection.close()
    ran = shop.run("resume", document["thread"], "--approve", document["digest"], "--json")
    assert (ran.code, ran.document["status"]) == (7, "stale")
    assert ran.document["digest"] != document["digest"]
    assert unchanged(shop)
    assert shop.status(document["thread"]) == "pending"
    assert shop.run("resume", document["thread"], "--approve", ran.document["digest"]).code == 0
    assert shop.rows("SELECT count(*) FROM orders") == [(0,)]


# ---- time --------------------------------------------------------------------------------------------------------


def test_an_approval_that_comes_too_late_is_refused(shop: Shop) -> None:
    """The clock is the journal's; here it is a day slow when the proposal is made."""
    settings = config.load({"expires": "1s"}, os.environ, Path.cwd())
    with Agent(settings, now=lambda: datetime.now(UTC) - timedelta(days=1)) as agent:
        report = agent.run(WRITE)
    assert report.proposal is not None
    ran = shop.run("resume", report.thread, "--approve", report.proposal.digest)
    assert ran.code == 7
    assert "expired" in ran.error[0]
    assert unchanged(shop)
    assert shop.status(report.thread) == "expired"
    assert shop.run("resume", report.thread).error[0].startswith(f"{report.thread} is finished, expired")


def test_expiry_is_on_the_screen_and_in_the_json(shop: Shop) -> None:
    document = waiting(shop, "--expires", "30m").document
    assert document["expires_at"] > document["created_at"]


# ---- threads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("resume",), ("show",), ("settle", "--applied"), ("ask", "more", "--thread")])
def test_an_unknown_thread_exits_2(shop: Shop, command: tuple[str, ...]) -> None:
    ran = shop.run(*command, "zzzz")
    assert ran.code == 2
    assert ran.error == ("no thread named zzzz", "sqlagent sessions lists them")


def test_a_mistyped_thread_gets_the_nearest(shop: Shop) -> None:
    thread = waiting(shop).document["thread"]
    typo = thread[:3] + ("x" if thread[3] != "x" else "y")
    assert shop.run("resume", typo).error == (f"no thread named {typo}", f"did you mean {thread}?")


def test_a_finished_thread_is_not_run_again(shop: Shop) -> None:
    document = waiting(shop).document
    approve = ("resume", document["thread"], "--approve", document["digest"])
    assert shop.run(*approve).code == 0
    ran = shop.run(*approve)
    assert ran.code != 0
    assert re.fullmatch(
        rf"{document['thread']} is finished, executed: approved by \S+ \(\S+\) at \d\d:\d\d", ran.error[0]
    )


def test_a_thread_stays_with_its_database(shop: Shop) -> None:
    thread = waiting(shop).document["thread"]
    Path("other.db").write_bytes(shop.path.read_bytes())
    ran = shop.run("resume", thread, "-d", "other.db")
    assert ran.code == 2
    assert ran.error[0].startswith(f"{thread} belongs to shop.db")
    assert ran.error[1] == f"sqlagent resume {thread}"
    assert shop.run("resume", thread, "-d", "shop.db").code == 8


def test_a_file_with_windows_line_ends_is_read_as_any_other(shop: Shop) -> None:
    Path("x.sql").write_bytes(b"-- first\r\nSELECT 1\r\n-- last\r\n")
    (statement,) = shop.run("run", "x.sql", "--json").document["statements"]
    assert (statement["risk"], statement["denied"]) == ("READ", None)


def test_a_thread_resumes_from_another_folder(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = waiting(shop).document
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("SQLAGENT_DB")
    assert shop.run("resume", document["thread"], "--approve", document["digest"]).code == 0
    assert shop.rows(COUNTRY) == [("AT",)]


def test_a_conversation_goes_on_with_what_was_said(shop: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    model.answers("SELECT name FROM customers", "SELECT name FROM customers WHERE country = 'DE'")
    thread = shop.run("ask", "the customers").thread
    ran = shop.run("ask", "only those in Germany", "--thread", thread, "--json")
    assert ran.document["thread"] == thread
    assert ran.document["results"][0]["rows"] == [["Ana"]]
    assert "the customers" in model.last_prompt
    assert "SELECT name FROM customers" in model.last_prompt


def test_a_thread_that_waits_is_not_asked_more(shop: Shop, model: Asked) -> None:
    thread = shop.run("ask", "the customers", "--json").document["thread"]
    ran = shop.run("ask", "and more", "--thread", thread)
    assert ran.code == 8
    assert ran.error[1] == f"sqlagent resume {thread}"
    assert len(model.server.requests) == 1


def test_nothing_is_settled_that_is_not_in_doubt(shop: Shop) -> None:
    thread = waiting(shop).document["thread"]
    assert shop.run("settle", thread, "--applied").error[0] == f"{thread} is pending, so there is nothing to settle"
    assert shop.run("settle", thread).error[1] == f"sqlagent settle {thread} --applied   or   --not-applied"


@pytest.mark.parametrize("source", ["file", "pipe"])
def test_sql_comes_from_a_file_or_a_pipe_to_the_last_byte(shop: Shop, source: str) -> None:
    text = "-- naïve\r\nSELECT 'ü;--' AS a ;\n\n  SELECT 2 -- two\n"
    Path("x.sql").write_bytes(text.encode())
    if source == "file":
        document = shop.run("run", "x.sql", "--json").document
    else:
        document = shop.cold("run", "-", "--json", stdin=text).document
    assert document["sql"] == text
    assert [s["risk"] for s in document["statements"]] == ["READ", "READ"]
