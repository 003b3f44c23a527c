"""One spelling for what is written differently, and two for what is different."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.core.text.canonical import canonical, is_ordered


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t", "select  A\nfrom T ;"),
        ("SELECT a FROM t", "SELECT a FROM t -- all of them"),
        ("SELECT a FROM t", "/* all */ SELECT a FROM t"),
        ('SELECT a FROM "t"', "SELECT a FROM t"),
        ("SELECT count(*) FROM t", "SELECT COUNT( * ) FROM t"),
        ("SELECT a x FROM t b", "SELECT a AS x FROM t AS b"),
        ("SELECT * FROM t JOIN u ON t.id = u.id", "SELECT * FROM t INNER JOIN u ON t.id = u.id"),
        ("SELECT * FROM t LEFT JOIN u ON t.id = u.id", "SELECT * FROM t LEFT OUTER JOIN u ON t.id = u.id"),
        ("SELECT a FROM t WHERE b != 1", "SELECT a FROM t WHERE b <> 1"),
        ("SELECT a FROM t ORDER BY a ASC", "SELECT a FROM t ORDER BY a"),
        ("DELETE FROM t; DELETE FROM u", "delete from T;\n\ndelete from U;\n"),
    ],
)
def test_two_ways_to_write_the_same(one: str, other: str) -> None:
    assert canonical(one, "sqlite") == canonical(other, "sqlite") != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t", "SELECT b FROM t"),
        ("SELECT a FROM t WHERE b = 'X'", "SELECT a FROM t WHERE b = 'x'"),
        ('SELECT a FROM t WHERE b = "X"', 'SELECT a FROM t WHERE b = "x"'),
        ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"),
        ("SELECT a FROM t", "SELECT DISTINCT a FROM t"),
        ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 10"),
        ("SELECT * FROM t LEFT JOIN u ON t.id = u.id", "SELECT * FROM t JOIN u ON t.id = u.id"),
        ("SELECT 1 UNION SELECT 1", "SELECT 1 UNION ALL SELECT 1"),
        ("INSERT INTO t VALUES (1)", "INSERT OR IGNORE INTO t VALUES (1)"),
        ("INSERT OR REPLACE INTO t VALUES (1)", "INSERT OR IGNORE INTO t VALUES (1)"),
        ("UPDATE t SET a = 1", "UPDATE OR IGNORE t SET a = 1"),
        ("UPDATE t SET a = 1", "UPDATE t SET a = 1 WHERE b"),
        ("UPDATE t SET a = b - 1", "UPDATE t SET a = b - -1"),
        ("DELETE FROM t", "DELETE FROM t; DELETE FROM t"),
        ("SELECT a COLLATE NOCASE FROM t", "SELECT a FROM t"),
        ("SELECT sum(a) FILTER (WHERE b) FROM t", "SELECT sum(a) FROM t"),
    ],
)
def test_two_things_have_two_spellings(one: str, other: str) -> None:
    assert canonical(one, "sqlite") != canonical(other, "sqlite")


def test_what_no_parser_reads_equals_itself_alone() -> None:
    nonsense = "SELECT FROM WHERE 'x"
    assert canonical(nonsense, "sqlite") == nonsense
    deep = "SELECT " + "(" * 5_000 + "1" + ")" * 5_000
    assert canonical(deep, "sqlite") == deep


@pytest.mark.parametrize("text", ["", " \n", "-- nothing", ";;"])
def test_no_statement_is_spelled_as_nothing(text: str) -> None:
    assert canonical(text, "sqlite") == ""


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("SELECT 1 UNION SELECT 2 ORDER BY 1", True),
        ("WITH x AS (SELECT 1 AS a) SELECT a FROM x ORDER BY a", True),
        ("SELECT a FROM t", False),
        ("SELECT * FROM (SELECT a FROM t ORDER BY a)", False),
        ("SELECT row_number() OVER (ORDER BY a) FROM t", False),
        ("not sql", False),
        ("", False),
    ],
)
def test_an_order_counts_where_it_is_that_of_the_rows(sql: str, ordered: bool) -> None:
    assert is_ordered(sql, "sqlite") is ordered


@given(st.text(max_size=80))
def test_any_text_has_a_spelling(text: str) -> None:
    assert isinstance(canonical(text, "sqlite"), str)
