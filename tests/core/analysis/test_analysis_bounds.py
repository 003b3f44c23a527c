from __future__ import annotations

import pytest

from sqlagent.core.analyze import parse
from sqlagent.core.nouns.analysis import Bound, Risk


@pytest.mark.parametrize(
    ("dialect", "where"),
    [
        *[("sqlite", w) for w in ("1", "1=1", "id=id", "'a'='a'", '"typo"="typo"', "\"typo\"='typo'", "NOT 0", "TRUE")],
        *[("sqlite", w) for w in ("1 = 1 AND 2 > 1", "id = 3 OR 1=1", "(((1=1)))", "name LIKE '%'", "name GLOB '*'")],
        *[("sqlite", w) for w in ("id IN (SELECT id FROM t)", "id BETWEEN id AND id", "-1 < 0", "EXISTS (SELECT 1)")],
        *[("sqlite", w) for w in ("id IS id", "1 IN (1, 2)", "NOT (1 = 2)", "3 BETWEEN 1 AND 5", "id >= id")],
        ("mysql", "name = 0"),
        ("mysql", "email = 0"),
        ("postgres", "true"),
    ],
)
def test_a_where_that_keeps_every_row_is_always_true_and_severe(dialect: str, where: str) -> None:
    (found,) = parse(f"DELETE FROM t WHERE {where}", dialect)
    assert (found.bound, found.risk) == (Bound.ALWAYS_TRUE, Risk.SEVERE)


@pytest.mark.parametrize(
    ("dialect", "where"),
    [
        *[("sqlite", w) for w in ("id = 1", "1 = 0", "id = other", "name LIKE 'a%'", "id = 1 AND 1 = 1", "id <> id")],
        *[
            ("sqlite", w)
            for w in ("id IN (SELECT id FROM s)", "id IN (SELECT id FROM t WHERE a = 1)", "random() = random()")
        ],
        *[("sqlite", w) for w in ("NOT id = id", "\"a\" = 'b'", "x", "id IN (SELECT id FROM t LIMIT 3)", "'a' = 1")],
        ("mysql", "id = 0"),
        ("sqlite", "name = 0"),
    ],
)
def test_a_where_that_may_keep_rows_out_bounds(dialect: str, where: str) -> None:
    (found,) = parse(f"UPDATE t SET a = 1 WHERE {where}", dialect)
    assert (found.bound, found.risk) == (Bound.BOUNDED, Risk.WRITE)


@pytest.mark.parametrize("sql", ["DELETE FROM t", "UPDATE t SET a = 1", "WITH x AS (SELECT 1) DELETE FROM t"])
def test_no_where_is_absent_and_severe(sql: str) -> None:
    (found,) = parse(sql, "sqlite")
    assert (found.bound, found.risk) == (Bound.ABSENT, Risk.SEVERE)


def test_a_limit_bounds_and_a_join_condition_bounds() -> None:
    assert parse("DELETE FROM t LIMIT 3", "mysql")[0].bound is Bound.BOUNDED
    assert parse("UPDATE a JOIN b ON a.x = b.x SET a.y = 1", "mysql")[0].bound is Bound.BOUNDED


def test_a_write_hidden_in_a_cte_is_as_bad_as_one_in_the_open() -> None:
    (found,) = parse("WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d", "postgres")
    assert found.risk is Risk.SEVERE
