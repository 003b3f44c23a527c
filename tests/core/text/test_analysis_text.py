from __future__ import annotations

import pytest

from sqlagent.core.analyze import parse
from sqlagent.core.nouns.analysis import Risk
from sqlagent.core.text.raw_checks import is_hidden, mixes_scripts


@pytest.mark.parametrize(
    "char",
    [
        "\x00",
        "\x07",
        "\x1b",
        "\x85",
        "\u00a0",
        "\u00ad",
        "\u200b",
        "\u200d",
        "\u202e",
        "\u2066",
        "\u2028",
        "\ufeff",
        "\ufe0f",
        "\u115f",
        "\u3164",
        "\U000e0041",
        "\U000e0100",
        "\ue000",
    ],
)
def test_a_hidden_character_outside_a_string_is_refused(char: str) -> None:
    for sql in (f"SELECT {char} 1", f"SELECT 1 /* {char} */", f"SELECT a{char} FROM t", f'SELECT "a{char}"'):
        (found,) = parse(sql, "sqlite")
        assert (found.denied, found.risk) == ("hidden-characters", Risk.UNKNOWN)


@pytest.mark.parametrize("char", ["\u200b", "\u202e", "\x1b", "\U000e0041", "\u00a0"])
def test_a_hidden_character_inside_a_string_is_shown_and_remarked(char: str) -> None:
    (found,) = parse(f"SELECT 'a{char}b'", "sqlite")
    assert (found.risk, [f.rule for f in found.findings]) == (Risk.READ, ["hidden-characters"])


def test_a_nul_and_half_a_character_are_refused_even_inside_a_string() -> None:
    assert [parse(f"SELECT 'a{c}'", "sqlite")[0].denied for c in "\x00\ud800"] == ["hidden-characters"] * 2


def test_letters_of_any_alphabet_are_welcome() -> None:
    assert not any(is_hidden(c) for c in "äßçéжяλ日本語עברالعربية€😀\t\r\n")
    assert parse("SELECT größe, имя, 名前 FROM таблица WHERE straße = 'é'", "sqlite")[0].risk is Risk.READ


@pytest.mark.parametrize(
    ("name", "mixed"),
    [
        ("us\u0435rs", True),
        ("\u0440assword", True),
        ("u\uff53ers", True),
        ("имя", False),
        ("Δt", False),
        ("größe", False),
    ],
)
def test_letters_that_only_look_latin_do_not_mix_with_latin(name: str, mixed: bool) -> None:
    assert mixes_scripts(name) is mixed


def test_a_bare_return_is_white_space_except_inside_a_comment() -> None:
    assert parse("SELECT 1\rFROM t", "sqlite")[0].risk is Risk.READ
    assert parse("SELECT 1 -- a\r\nFROM t", "sqlite")[0].risk is Risk.READ
    assert parse("DELETE FROM users --\r WHERE id = 1", "sqlite")[0].denied == "hidden-characters"


@pytest.mark.parametrize("comment", ["/*! OR 1=1 */", "/*!50000 x */", "/*M! x */"])
def test_a_comment_that_mysql_runs_is_refused_there(comment: str) -> None:
    assert parse(f"SELECT 1 {comment}", "mysql")[0].denied == "executable-comment"
    assert parse(f"SELECT 1 {comment}", "sqlite")[0].risk is Risk.READ
    assert parse(f"SELECT '{comment}'", "mysql")[0].risk is Risk.READ


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 1000 + "1" + ")" * 1000,
        "SELECT " + "CASE WHEN 1 THEN " * 1000 + "1" + " END" * 1000,
        "SELECT " + "NOT " * 1000 + "1",
        "SELECT " + "- " * 1000 + "1",
        "SELECT x" + "[1]" * 1000,
        "SELECT * FROM t " + "JOIN t " * 1000,
        "SELECT * FROM t WHERE a IN (" + ",".join(map(str, range(10_000))) + ")",
        "SELECT " + "a, " * 50_000 + "a",
        "EXPLAIN " * 1000 + "SELECT 1",
        "SELECT * FROM " + "(SELECT * FROM " * 1000 + "t" + ")" * 1000,
    ],
    ids=lambda sql: sql[:24],
)
@pytest.mark.parametrize("dialect", ["sqlite", "postgres", "mysql", "duckdb"])
def test_what_would_crash_or_stall_a_parser_is_unknown_with_the_reason(dialect: str, sql: str) -> None:
    (found,) = parse(sql, dialect)
    assert found.risk is Risk.UNKNOWN
    assert found.why


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t " + " ".join(f"JOIN t{i} ON t{i}.a = t.a" for i in range(900)),
        "SELECT * FROM t WHERE " + " AND ".join(["a = 1"] * 3000),
        "SELECT 1" + " UNION SELECT 1" * 2000,
        "SELECT * FROM t WHERE a IN (" + ",".join(["1"] * 10_000) + ")",
    ],
    ids=["joins", "ands", "unions", "in-list"],
)
def test_long_but_flat_statements_are_read(sql: str) -> None:
    assert parse(sql, "sqlite")[0].risk is Risk.READ


@pytest.mark.parametrize(
    "text", ["'", '"', "`", "[", "/*", "$$", "$a$ x", "E'\\'", "(", ")", "\\", "#", "--", ";;'", "\ud800"]
)
@pytest.mark.parametrize("dialect", ["sqlite", "postgres", "mysql", "duckdb", "bigquery"])
def test_half_of_anything_never_raises_and_is_never_a_read(dialect: str, text: str) -> None:
    assert all(o.risk is not Risk.READ for o in parse(text, dialect))
    assert isinstance(parse(f"SELECT {text}", dialect), tuple)
