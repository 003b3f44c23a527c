"""What is more than its words say, or does something else than it seems to, has other words or none."""

from __future__ import annotations

import pytest
from words_schema import TABLES, as_postgres, words

from sqlagent.core.nouns.draft import Schema
from sqlagent.core.repair.catalogue import Catalogue
from sqlagent.core.words.statement import said
from sqlagent.core.words.writes import Rows

# ---- every part of a statement counts ------------------------------------------------------------------------------

FROM = "FROM orders WHERE status = 'paid'"
READS = (
    ("SELECT status, total FROM orders", " WHERE status = 'paid'"),
    ("SELECT status, total FROM orders", " LIMIT 3"),
    ("SELECT status, total FROM orders", " LIMIT 3 OFFSET 2"),
    ("SELECT status, total FROM orders LIMIT 3", " OFFSET 2"),
    ("SELECT status, total FROM orders", " ORDER BY total"),
    ("SELECT status, total FROM orders ORDER BY total", " DESC"),
    ("SELECT status FROM orders ORDER BY status", " COLLATE NOCASE"),
    (f"SELECT status {FROM}", " COLLATE NOCASE"),
    (f"SELECT status {FROM}", " AND note IS NULL"),
    (f"SELECT status {FROM}", " OR note IS NULL"),
    (f"SELECT status {FROM}", " UNION SELECT status FROM orders"),
    (f"SELECT status {FROM}", " UNION ALL SELECT note FROM orders"),
    (f"SELECT status {FROM}", " EXCEPT SELECT note FROM orders"),
    (f"SELECT status {FROM}", " INTERSECT SELECT note FROM orders"),
    (f"SELECT status {FROM}", " GROUP BY status"),
    (f"SELECT status, count(*) {FROM} GROUP BY status", " HAVING count(*) > 2"),
    (f"SELECT status, count(*) {FROM} GROUP BY status", ", note"),
    (f"SELECT status {FROM}", " || 'x'"),
    ("SELECT status FROM orders WHERE note LIKE 'a!%b'", " ESCAPE '!'"),
    ("SELECT status FROM orders WHERE total > 3", " + 2"),
    ("SELECT status FROM orders WHERE total > 3", " IS NOT NULL"),
    ("SELECT status FROM orders WHERE total BETWEEN 1 AND 3", " AND total <> 2"),
    ("SELECT status FROM orders WHERE status IN ('a')", " IS NULL"),
    ("SELECT name FROM customers", " JOIN orders ON orders.customer_id = customers.id"),
    ("SELECT name FROM customers", " LEFT JOIN orders ON orders.customer_id = customers.id"),
    ("SELECT name FROM customers", " CROSS JOIN orders"),
    ("SELECT name FROM customers", " NATURAL JOIN staff"),
    ("SELECT name FROM customers", ", orders"),
    ("SELECT name FROM customers", " INDEXED BY by_name"),
    ("SELECT name FROM customers", " NOT INDEXED"),
    ("SELECT name FROM customers", " WINDOW w AS (ORDER BY id)"),
    ("SELECT customers.name, total FROM customers JOIN orders ON orders.customer_id = customers.id", " AND total > 5"),
    ("SELECT customers.name, total FROM customers JOIN orders ON orders.customer_id = customers.id", " OR total > 5"),
    ("SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders)", " AND id = 3"),
)
REPLACED = (
    ("SELECT status FROM orders", "SELECT", "SELECT DISTINCT"),
    ("SELECT count(status) FROM orders", "(", "(DISTINCT "),
    ("SELECT count(*) FROM orders", "count(*)", "count(*) FILTER (WHERE total > 3)"),
    ("SELECT count(*) FROM orders", "count(*)", "count(*) OVER (PARTITION BY status)"),
    ("SELECT sum(total) FROM orders", "sum(total)", "sum(total) OVER ()"),
    ("SELECT status FROM orders", "status", "(SELECT name FROM customers LIMIT 1)"),
    ("SELECT status FROM orders", "status", "CASE WHEN total > 3 THEN status ELSE note END"),
    ("SELECT status FROM orders", "SELECT", "WITH orders AS (SELECT 'x' AS status) SELECT"),
    ("SELECT status FROM orders", "orders", "(SELECT * FROM orders WHERE total > 5) AS orders"),
    ("SELECT status FROM orders WHERE total > 3", "total", "NOT total"),
    ("SELECT status FROM orders WHERE status = 'a'", "status =", "NOT status ="),
    ("SELECT status FROM orders WHERE note IS NULL", "IS NULL", "IS NOT NULL"),
    ("SELECT status FROM orders WHERE note LIKE 'a%'", "LIKE", "GLOB"),
    ("SELECT status FROM orders WHERE note LIKE 'a%'", "LIKE", "NOT LIKE"),
    ("SELECT status FROM orders WHERE total > 3", ">", ">="),
    ("SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders)", "orders)", "orders WHERE total > 5)"),
    ("SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders)", " IN", " NOT IN"),
    ("SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders)", "customer_id", "id"),
    ("SELECT sum(total) FROM orders", "sum", "total"),
    ("SELECT sum(total) FROM orders", "sum(total)", "sum(total) + 1"),
    ("DELETE FROM orders WHERE id = 5", "WHERE id = 5", ""),
    ("DELETE FROM orders WHERE id = 5", "id = 5", "id = 5 OR 1 = 1"),
    ("DELETE FROM orders WHERE id = 5", "id = 5", "id = 5 RETURNING id"),
    ("DELETE FROM orders WHERE id = 5", "id = 5", "id = 5 ORDER BY id LIMIT 1"),
    ("DELETE FROM orders WHERE id = 5", "DELETE", "WITH x AS (SELECT 1) DELETE"),
    ("UPDATE orders SET status = 'x' WHERE id = 5", "UPDATE", "UPDATE OR IGNORE"),
    ("UPDATE orders SET status = 'x' WHERE id = 5", "UPDATE", "UPDATE OR REPLACE"),
    ("UPDATE orders SET status = 'x' WHERE id = 5", "'x'", "'x', note = NULL"),
    ("UPDATE orders SET status = 'x' WHERE id = 5", "'x'", "(SELECT name FROM customers LIMIT 1)"),
    ("UPDATE orders SET status = 'x' WHERE id = 5", "WHERE", "FROM customers WHERE"),
    ("UPDATE orders SET status = 'x' WHERE id = 5", "= 5", "= 5 RETURNING *"),
    ("INSERT INTO customers (id, name) VALUES (1, 'a')", "INSERT", "INSERT OR REPLACE"),
    ("INSERT INTO customers (id, name) VALUES (1, 'a')", "INSERT", "INSERT OR IGNORE"),
    ("INSERT INTO customers (id, name) VALUES (1, 'a')", "INSERT", "REPLACE"),
    ("INSERT INTO customers (id, name) VALUES (1, 'a')", "'a')", "'a') ON CONFLICT DO NOTHING"),
    ("INSERT INTO customers (id, name) VALUES (1, 'a')", "'a')", "'a') ON CONFLICT (id) DO UPDATE SET name = 'b'"),
    ("INSERT INTO customers (id, name) VALUES (1, 'a')", "'a')", "'a') RETURNING id"),
    ("INSERT INTO customers (id, name) VALUES (1, 'a')", "'a')", "'a'), (2, 'b')"),
    ("INSERT INTO staff (id, name) SELECT id, name FROM customers", "customers", "customers LIMIT 1"),
)  # fmt: skip
CHANGED = [
    *((before, before + more) for before, more in READS),
    *((before, before.replace(old, new, 1)) for before, old, new in REPLACED),
]


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_a_clause_more_is_another_sentence_or_none(dialect: str) -> None:
    tables = TABLES if dialect == "sqlite" else tuple(map(as_postgres, TABLES))
    catalogue = Catalogue.of(Schema(dialect, "", tables))
    of = {sql: said(sql, catalogue, Rows()).sentence for pair in CHANGED for sql in pair}
    assert [before for before, _ in CHANGED if not of[before]] == []
    assert [after for before, after in CHANGED if of[after] == of[before]] == []


def test_an_engine_whose_comparisons_are_not_known_has_no_sentences() -> None:
    assert [words("SELECT id FROM orders", dialect=d) for d in ("duckdb", "mysql")] == ["", ""]


def test_where_null_is_told_to_stand_is_another_sentence_only_where_it_stood_elsewhere() -> None:
    by_note = "SELECT id FROM orders ORDER BY note"
    for dialect, other, same in (("sqlite", "LAST", "FIRST"), ("postgres", "FIRST", "LAST")):
        assert words(f"{by_note} NULLS {other}", dialect=dialect) != words(by_note, dialect=dialect)
        assert words(f"{by_note} NULLS {same}", dialect=dialect) == words(by_note, dialect=dialect) != ""


# ---- what would be false, and is not said ---------------------------------------------------------------------------

FALSE_FRIENDS = (
    "SELECT name FROM customers WHERE country = NULL",
    "SELECT name FROM customers WHERE name = 5",
    "SELECT status FROM orders WHERE total > '5'",
    "SELECT status FROM orders WHERE strftime('%Y', created_at) = 2024",
    "SELECT status FROM orders WHERE substr(created_at, 1, 4) >= 2024",
    "SELECT status, count(*) FROM orders GROUP BY status HAVING count(*) > '5'",
    'SELECT name FROM customers WHERE country = "DE"',
    "SELECT name FROM customers WHERE id NOT IN (SELECT seller_id FROM orders)",
    "SELECT name FROM customers WHERE id IN (SELECT name FROM staff WHERE name = country)",
    "SELECT name, max(total) FROM orders JOIN customers ON customers.id = customer_id",
    "SELECT name, country, count(*) FROM customers GROUP BY country",
    "SELECT customers.name, count(*) FROM customers LEFT JOIN orders ON customer_id = customers.id GROUP BY 1",
    "SELECT customers.name FROM customers LEFT JOIN orders ON customer_id = customers.id WHERE total > 5",
    "SELECT customers.name FROM customers LEFT JOIN orders ON customer_id = customers.id WHERE note IS NULL",
    "SELECT customers.name FROM customers JOIN orders ON customers.id = orders.id",
    "SELECT customers.name FROM customers JOIN orders ON customer_id = customers.id JOIN customers AS c ON c.id = 3",
    "SELECT a.name FROM staff AS a JOIN staff AS b ON a.id = b.id",
    "SELECT total || 2 * 3 FROM orders",
    "SELECT status FROM orders WHERE note IN ('a', NULL)",
    "SELECT status FROM orders WHERE note NOT IN ('a', NULL)",
    "SELECT status FROM orders ORDER BY 3",
    "SELECT status AS total FROM orders GROUP BY total",
    "SELECT count(*) FROM orders ORDER BY total LIMIT 1",
    "SELECT count(NULL) FROM orders",
    "SELECT max(total, 5) FROM orders",
    "SELECT 1",
    "SELECT nothing FROM nowhere",
    "PRAGMA user_version",
    "SELECT status FROM orders; DELETE FROM orders",
    "",
)  # fmt: skip


@pytest.mark.parametrize("sql", FALSE_FRIENDS)
def test_what_does_something_else_than_it_seems_to_is_not_said(sql: str) -> None:
    assert words(sql) == ""
