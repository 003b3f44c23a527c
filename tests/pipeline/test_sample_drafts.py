"""What the embedded model wrote for the sample shop's questions, put right, returns what a person would say."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest
from checkout import ROOT

from sqlagent.core.nouns.draft import Schema
from sqlagent.core.repair import repaired
from sqlagent.databases.open import open_database

SAMPLE = ROOT / "sample.db"
DRAFTS = (
    (
        "who are the top 3 customers by revenue",
        "SELECT name, country, SUM(total) AS revenue FROM customer_revenue ORDER BY revenue DESC LIMIT 3",
        "SELECT name, country, revenue FROM customer_revenue ORDER BY revenue DESC LIMIT 3",
    ),
    (
        "total value of open orders by customer",
        "SELECT c.name, SUM(o.total) AS total_value FROM customers c JOIN open_orders o ON c.id = o.customer_id"
        " GROUP BY c.name",
        "SELECT customer, SUM(total) FROM open_orders GROUP BY customer",
    ),
    (
        "phone numbers of customers with open orders",
        "SELECT T2.phone FROM customers AS T1 JOIN open_orders AS T2 ON T1.id = T2.customer_id",
        "SELECT c.phone FROM orders o JOIN customers c ON c.id = o.customer_id"
        " WHERE lower(o.status) IN ('pending', 'paid')",
    ),
)


@pytest.fixture(scope="module")
def schema() -> Iterator[Schema]:
    database = open_database(str(SAMPLE), name="sample")
    yield database.schema(examples=0)
    database.close()


def rows(sql: str) -> list[str]:
    db = apsw.Connection(f"file:{SAMPLE}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        return sorted(map(repr, db.execute(sql).fetchall()))
    finally:
        db.close()


@pytest.mark.parametrize(("question", "drafted", "right"), DRAFTS)
def test_a_recorded_draft_is_right_once_it_is_repaired(schema: Schema, question: str, drafted: str, right: str) -> None:
    found = repaired(drafted, schema)

    assert found.corrections, question
    assert rows(found.sql) == rows(right)
    with pytest.raises(apsw.SQLError, match="no such column"):
        rows(drafted)


def test_two_views_that_hang_together_by_nothing_are_not_joined_by_what_is_always_true(schema: Schema) -> None:
    drafted = "SELECT r.name, o.total FROM customer_revenue r JOIN open_orders o ON r.customer_id = o.customer_id"
    assert "r.customer_id = r.customer_id" not in repaired(drafted, schema).sql
