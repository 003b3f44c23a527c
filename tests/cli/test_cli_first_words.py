"""A first word that is no command: a question that lacks its `ask`, or a command that was mistyped."""

from __future__ import annotations

import pytest
from cli_shop import Asked, Shop

READ = "```sql\nSELECT count(*) FROM customers\n```"


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (["how many customers"], "sqlagent ask 'how many customers'"),
        (["customers?"], "sqlagent ask 'customers?'"),
        (["how", "many?"], "sqlagent ask how 'many?'"),
        (["how", "many", "customers"], "sqlagent ask how many customers"),
        (["how many customers", "--db", "shop.db", "--csv"], "sqlagent ask 'how many customers' --db shop.db --csv"),
        (["show me orders"], "sqlagent ask 'show me orders'"),
        (["it's Ana's?"], """sqlagent ask 'it'"'"'s Ana'"'"'s?'"""),
    ],
)
def test_a_question_is_told_how_it_is_asked(shop: Shop, arguments: list[str], typed: str) -> None:
    ran = shop.run(*arguments)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.error == (f"no command is called {arguments[0]}", f"as a question: {typed}")
    assert shop.run("sessions", "--json").document["threads"] == []


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["pendng"], "did you mean pending?"),
        (["chekc", "a.sql"], "did you mean check?"),
        (["reusme", "k7f3", "now"], "did you mean resume?"),
        (["frobnicate"], "sqlagent --help"),
    ],
)
def test_a_command_that_was_mistyped_is_no_question(shop: Shop, arguments: list[str], hint: str) -> None:
    ran = shop.run(*arguments)
    assert (ran.code, ran.error[1]) == (2, hint)


@pytest.mark.parametrize("key", ["", "y"])
def test_at_a_terminal_it_is_offered_and_asked(shop: Shop, model: Asked, key: str) -> None:
    model.answers(READ)
    terminal = shop.terminal("how many customers").answer("ask it? [Y/n] ", key).type("")
    assert terminal.end() == 0
    assert "how many customers" in model.last_prompt


def test_at_a_terminal_it_may_be_declined(shop: Shop, model: Asked) -> None:
    terminal = shop.terminal("how many customers").answer("ask it? [Y/n] ", "n")
    assert terminal.end() == 2
    assert not model.server.requests


@pytest.mark.parametrize("arguments", [("--json",), ("--no-input",)])
def test_who_asked_not_to_be_asked_is_not(shop: Shop, arguments: tuple[str, ...]) -> None:
    terminal = shop.terminal("how many customers", *arguments)
    assert terminal.end() == 2
    assert "[Y/n]" not in terminal.seen


def test_words_without_quotes_are_one_question(shop: Shop, model: Asked) -> None:
    model.answers(READ)
    ran = shop.run("ask", "how", "many", "--json", "customers?")
    assert ran.document["question"] == "how many customers?"
