"""What the model asks back: answered at the prompt, by --answer, or left; twice at most, and never an approval."""

from __future__ import annotations

import pytest
from cli_shop import Asked, Shop
from openai_server import Scripted

ASKS = "ASK: which orders are old? | those before 2024 | those before 2025"
AGAIN = "ASK: pending ones only? | yes | no"
SQL = "UPDATE orders SET status = 'old' WHERE id < 5"


@pytest.fixture
def pending(shop: Shop, model: Asked) -> str:
    """A thread that waits for an answer."""
    model.answers(ASKS, SQL)
    ran = shop.run("ask", "mark the old orders", "--json")
    assert ran.code == 8
    assert ran.document["asks"]["choices"] == ["those before 2024", "those before 2025"]
    assert ran.document.get("proposal") is None
    return str(ran.document["thread"])


def test_at_the_prompt_a_number_chooses_and_the_draft_follows(shop: Shop, model: Asked) -> None:
    model.answers(ASKS, SQL)
    with shop.terminal("ask", "mark the old orders") as terminal:
        terminal.type("9").see("9 is none of these").type("2").type("l")
        assert terminal.end() == 8
    assert "asks: which orders are old?" in terminal.seen
    assert "    1  those before 2024" in terminal.lines
    assert "asked back: which orders are old?: those before 2025" in terminal.seen
    assert "those before 2025" in model.last_prompt


@pytest.mark.parametrize(("typed", "heard"), [("1", "those before 2024"), ("the ones Ana has", "the ones Ana has")])
def test_a_script_answers_by_number_or_in_words(shop: Shop, model: Asked, pending: str, typed: str, heard: str) -> None:
    ran = shop.run("resume", pending, "--answer", typed, "--json")
    assert (ran.code, ran.document["status"]) == (8, "pending")
    assert [c["answer"] for c in ran.document["clarified"]] == [heard]
    assert heard in model.last_prompt


@pytest.mark.parametrize("typed", ["7", "0", ""])
def test_an_answer_that_is_none_leaves_the_question_where_it_was(shop: Shop, pending: str, typed: str) -> None:
    ran = shop.run("resume", pending, "--answer", typed)
    assert ran.code == 2
    assert shop.run("resume", pending, "--json").document["asks"]["answer"] == ""


def test_an_answer_of_yes_approves_nothing(shop: Shop, model: Asked, pending: str) -> None:
    before = shop.rows("SELECT status FROM orders")
    ran = shop.run("resume", pending, "--answer", "yes, approved, run it")
    assert ran.code == 8
    assert shop.rows("SELECT status FROM orders") == before


def test_it_waits_where_nobody_is_and_is_listed_and_shown(shop: Shop, pending: str) -> None:
    assert "asks: which" in shop.run("pending").text
    assert "which orders are old?" in shop.run("show", pending).text
    code, (message, hint) = (ran := shop.run("resume", pending)).code, ran.error
    assert (code, hint) == (8, f"sqlagent resume {pending} --answer TEXT")
    assert "asks back" in message


@pytest.mark.parametrize("flag", [("--approve", "0" * 64), ("--reject", "no"), ("--edit", "x.sql")])
def test_what_asks_back_can_be_answered_and_nothing_else(shop: Shop, pending: str, flag: tuple[str, str]) -> None:
    (shop.folder / "x.sql").write_text("SELECT 1")
    ran = shop.run("resume", pending, *flag)
    assert ran.code == 8
    assert "asks back first" in ran.error[0]


def test_what_does_not_ask_takes_no_answer(shop: Shop, model: Asked) -> None:
    model.answers(SQL)
    thread = shop.run("ask", "mark the old orders", "--json").document["thread"]
    assert "asks nothing back" in shop.run("resume", thread, "--answer", "1").error[0]


@pytest.mark.parametrize("third", [AGAIN, SQL])
def test_it_asks_twice_and_then_drafts(shop: Shop, model: Asked, third: Scripted) -> None:
    model.answers(ASKS, AGAIN, third, SQL)
    thread = shop.run("ask", "mark the old orders", "--json").document["thread"]
    assert shop.run("resume", thread, "--answer", "1", "--json").document["asks"]["question"] == "pending ones only?"
    ran = shop.run("resume", thread, "--answer", "2", "--json")
    assert ran.document["asks"] is None
    assert ran.document["sql"] == SQL
    assert [c["answer"] for c in ran.document["clarified"]] == ["those before 2024", "no"]


@pytest.mark.parametrize("key", ["l", "-", "d", "c"])
def test_left_alone_it_stays_pending(shop: Shop, model: Asked, key: str) -> None:
    model.answers(ASKS)
    with shop.terminal("ask", "mark the old orders") as terminal:
        if key in "cd":
            terminal.prompt().press(key)
        else:
            terminal.type("" if key == "-" else key)
        assert terminal.end() == (130 if key == "c" else 8)
    assert "stays pending; nothing ran" in terminal.seen


def test_the_record_says_what_was_asked_and_answered_and_by_whom(shop: Shop, pending: str) -> None:
    shop.run("resume", pending, "--answer", "2")
    entries = shop.run("audit", "show", pending, "--json").document["entries"]
    words = [entry["what"] for entry in entries]
    assert words[:4] == ["asked", "drafted", "asked back", "answered"]


def test_a_hostile_question_is_only_text(shop: Shop, model: Asked) -> None:
    model.answers("ASK: \x1b[2Japprove\u202e? | \x1b]0;x\x07one | two")
    ran = shop.run("ask", "mark the old orders")
    assert ran.code == 8
    assert not [c for c in ran.err if ord(c) < 32 and c not in "\n\r"]
    assert "\u202e" not in ran.err


def test_who_contradicts_a_draft_twice_is_offered_to_edit_it(
    shop: Shop, model: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLAGENT_EDITOR", "sed -i s/1/3/")
    model.answers("DELETE FROM odd", "DELETE FROM odd WHERE id > 1", "SELECT 1")
    with shop.terminal("ask", "tidy up") as terminal:
        terminal.type("r").answer("why? (one line, or Enter for none) ", "not all")
        terminal.answer("try again with this? [y/N] ", "y")
        terminal.type("r").answer("why? (one line, or Enter for none) ", "fewer")
        terminal.see("the model was told before").answer("or edit it yourself? [y/e/N] ", "e")
        terminal.see("you are now its author").type("l")
        assert terminal.end() == 8
    assert shop.run("show", terminal.thread, "--json").document["sql"] == "DELETE FROM odd WHERE id > 3"


def test_where_nobody_is_to_be_asked_the_model_drafts_and_says_what_it_assumed(shop: Shop, model: Asked) -> None:
    model.answers(ASKS, "-- assuming those before 2024\nSELECT count(*) FROM orders")
    ran = shop.run("ask", "count the old orders", "--auto-reject", "--json")
    assert (ran.code, ran.document["status"]) == (5, "rejected")
    assert ran.document["sql"].startswith("-- assuming")
    assert "nobody answers any more" in model.last_prompt
