"""What SQLite says of a name that is not there, with the one that was probably meant."""

from __future__ import annotations

import pytest

from sqlagent.databases.sqlite.connection.error_text import explained

NAMES = {
    "products": ("id", "name", "category_id"),
    "orders": ("id", "total"),
    "product_ratings": ("category", "average"),
}


@pytest.mark.parametrize(
    ("message", "sql", "near"),
    [
        ("no such column: totl", "SELECT totl FROM orders", "orders.total"),
        ("no such column: o.totl", "SELECT o.totl FROM orders AS o", "orders.total"),
        ("no such column: p.category", "SELECT p.category FROM products p", "products.category_id"),
        ("no such column: averag", "SELECT averag FROM orders", "product_ratings.average"),
        ("no such table: product", "SELECT 1 FROM product", "products"),
        ("no such function: cuont", "SELECT cuont(1)", "count"),
    ],
)
def test_the_nearest_name_is_one_that_helps(message: str, sql: str, near: str) -> None:
    assert explained(message, sql, NAMES, ["count", "sum"]) == f"{message} (closest: {near})"


@pytest.mark.parametrize("message", ["no such column: zzzzzz", 'near "SELEC": syntax error'])
def test_where_nothing_is_near_nothing_is_added(message: str) -> None:
    assert explained(message, "SELECT 1", NAMES, []) == message
