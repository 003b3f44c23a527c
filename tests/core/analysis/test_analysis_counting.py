"""How many rows a statement matches, counted by a query cut from its text, is what SQLite then changes."""

from __future__ import annotations

import apsw
import pytest

from sqlagent.core.analyze import Counting, counting, parse

SCHEMA = """
    CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, role TEXT, "odd name" INT);
    CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id INT, amount INT);
    CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i FROM n;
    INSERT INTO users SELECT i, 'n' || i, iif(i % 3, 'user', 'admin'), i FROM n WHERE i <= 30;
    INSERT INTO orders SELECT i, i % 7, i * 10 FROM n;
"""


def rows_of(sql: str, dialect: str = "sqlite") -> Counting | None:
    (opinion,) = parse(sql, dialect)
    return counting(opinion, dialect)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE users SET name = 'x' WHERE role = 'admin'",
        "UPDATE users AS u SET name = 'x' WHERE u.id > 20 RETURNING id",
        "UPDATE OR IGNORE users SET name = 'x' WHERE id IN (1, 2, 99)",
        'UPDATE main."users" SET "odd name" = 1 WHERE "odd name" > 5 -- comment',
        "UPDATE users SET name = o.amount FROM orders o WHERE o.user_id = users.id",
        "UPDATE users SET role = 'x' FROM (SELECT user_id AS u FROM orders WHERE amount > 400) AS b WHERE u = id",
        "DELETE FROM orders WHERE amount > 250",
        "DELETE FROM orders",
        "DELETE FROM orders WHERE user_id NOT IN (SELECT id FROM users WHERE role = 'admin')",
        "WITH x AS (SELECT id FROM users WHERE role = 'user') DELETE FROM orders WHERE user_id IN (SELECT id FROM x)",
        "INSERT INTO orders(user_id, amount) SELECT id, 5 FROM users WHERE role = 'admin'",
        "INSERT INTO orders(user_id) SELECT u.id FROM users u JOIN orders o ON o.user_id = u.id",
        "WITH a AS (SELECT id FROM users LIMIT 4) INSERT INTO orders(user_id) SELECT id FROM a",
        "INSERT INTO orders(user_id) WITH a AS (SELECT id FROM users LIMIT 3) SELECT id FROM a",
        "REPLACE INTO orders(id, amount) SELECT id, 0 FROM orders WHERE id < 9",
        "INSERT INTO orders(id) SELECT id + 100 FROM orders WHERE true ON CONFLICT (id) DO UPDATE SET amount = 1",
    ],
)
def test_the_count_is_what_the_statement_then_changes(sql: str) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(SCHEMA)
    found = rows_of(sql)
    assert found is not None
    ((matching,),) = connection.execute(found.matching)
    connection.execute(sql)
    assert connection.changes() == matching


def test_the_base_is_the_whole_target_and_an_insert_has_none() -> None:
    update, insert = rows_of("UPDATE users AS u SET a = 1 WHERE u.id = 1"), rows_of("INSERT INTO t SELECT 1")
    assert update == Counting("SELECT COUNT(*) FROM users AS u WHERE u.id = 1", "SELECT COUNT(*) FROM users AS u")
    assert insert == Counting("SELECT COUNT(*) FROM (SELECT 1) AS matching")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("INSERT INTO t VALUES (1, f(2)), (3, 4)", 2),
        ("REPLACE INTO t(a) VALUES (1)", 1),
        ("INSERT INTO t DEFAULT VALUES", 1),
    ],
)
def test_rows_that_the_text_shows_need_no_query(sql: str, rows: int) -> None:
    assert rows_of(sql) == Counting(rows=rows)


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("sqlite", "SELECT * FROM t"),
        ("sqlite", "DROP TABLE t"),
        ("sqlite", "DELETE FROM t WHERE load_extension('x')"),
        ("sqlite", "DELETE FROM t WHERE my_function(id)"),
        ("postgres", "DELETE FROM t WHERE id = nextval('s')"),
        ("postgres", "WITH d AS (DELETE FROM a RETURNING *) UPDATE t SET x = 1 WHERE id IN (SELECT id FROM d)"),
        ("mysql", "DELETE u FROM users u JOIN orders o ON o.x = u.x"),
        ("mysql", "UPDATE a JOIN b ON a.x = b.x SET a.y = 1"),
        ("mysql", "UPDATE a, b SET a.y = 1 WHERE a.x = b.x"),
    ],
)
def test_what_cannot_be_counted_by_a_proven_read_is_not_counted(dialect: str, sql: str) -> None:
    assert rows_of(sql, dialect) is None


def test_every_query_it_makes_is_itself_a_read() -> None:
    for sql in ("DELETE FROM t WHERE a = 1", "UPDATE t SET a = 1 ORDER BY b LIMIT 3", "INSERT INTO t SELECT * FROM s"):
        found = rows_of(sql, "mysql")
        assert found is not None
        assert {o.word for q in (found.matching, found.base) if q for o in parse(q, "mysql")} == {"READ*"}
