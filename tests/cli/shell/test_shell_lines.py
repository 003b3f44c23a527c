"""What a typed line is, and when Enter ends it."""

from __future__ import annotations

import pytest

from sqlagent.cli.shell.lines import Kind, goes_on, read


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("how many customers are there?", Kind.QUESTION),
        ("update all prices by 5 %", Kind.QUESTION),
        ("SELECT 1", Kind.QUESTION),
        ("how many; and why", Kind.QUESTION),
        ("SELECT 1;", Kind.SQL),
        ("SELECT 1; -- one", Kind.SQL),
        ("SELECT ';", Kind.QUESTION),
        ("SELECT 1 -- ;", Kind.QUESTION),
        ("CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b;", Kind.QUESTION),
        ("CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END;", Kind.SQL),
        ("CREATE FUNCTION f() RETURNS int AS $x$ BEGIN RETURN 1;", Kind.QUESTION),
        ("CREATE FUNCTION f() RETURNS int AS $x$ BEGIN RETURN 1; END $x$ LANGUAGE plpgsql;", Kind.SQL),
        ("(SELECT 1);", Kind.SQL),
        ("  \n ", Kind.NOTHING),
        (";", Kind.SQL),
        ("\\d orders;", Kind.COMMAND),
        ("quit", Kind.COMMAND),
        ("exit;", Kind.COMMAND),
        ("help me count", Kind.QUESTION),
    ],
)
def test_what_a_line_is(text: str, kind: Kind) -> None:
    assert read(text).kind is kind


def test_a_command_has_what_stands_behind_it() -> None:
    typed = read("  \\o  my file.csv ")
    assert (typed.text, typed.argument) == ("\\o", "my file.csv")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT name",
        "SELECT name\nFROM customers",
        "select name from customers",
        "select name,",
        "insert into t values (",
        "WITH x AS (SELECT 1)",
        "create table t (",
        "update customers set country = 'AT'",
        "any words\nand more",
    ],
)
def test_enter_gives_it_another_line(text: str) -> None:
    assert goes_on(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT 1;",
        "select the best customers",
        "update all prices",
        "with what are orders paid?",
        "delete the customers who left",
        "create a list of customers",
        "\\d",
        "SELECT name\n",
        "any words\nand more\n  ",
        "SELECT name\nFROM customers;",
    ],
)
def test_enter_ends_it(text: str) -> None:
    assert not goes_on(text)
