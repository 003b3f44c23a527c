from __future__ import annotations

import pytest

from sqlagent.core.analyze import parse


@pytest.mark.parametrize(
    ("dialect", "sql", "reads", "writes"),
    [
        ("sqlite", "SELECT * FROM a JOIN b USING (x), (SELECT * FROM c)", "a b c", ""),
        ("sqlite", "WITH a AS (SELECT * FROM b) SELECT * FROM a", "b", ""),
        ("sqlite", "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "", ""),
        ("postgres", "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "b", ""),
        ("postgres", "WITH users AS (SELECT * FROM users) SELECT * FROM users", "users", ""),
        ("postgres", "WITH RECURSIVE c AS (SELECT 1 AS n UNION SELECT n + 1 FROM c) SELECT * FROM c", "", ""),
        ("postgres", 'WITH "A" AS (SELECT 1) SELECT * FROM a', "a", ""),
        ("postgres", 'SELECT * FROM Users, "Users", public.users', "users Users public.users", ""),
        ("sqlite", "WITH a AS (SELECT 1) SELECT * FROM main.a", "a", ""),
        ("sqlite", "SELECT * FROM (WITH a AS (SELECT * FROM x) SELECT * FROM a), a", "x a", ""),
        ("sqlite", "SELECT * FROM temp.t, aux.t, main.t", "temp.t aux.t t", ""),
        ("sqlite", "SELECT * FROM users WHERE id IN banned", "users banned", ""),
        ("sqlite", "WITH banned AS (SELECT 1) SELECT * FROM users WHERE id IN banned", "users", ""),
        ("sqlite", "SELECT * FROM t INDEXED BY i WHERE a = 1", "t", ""),
        ("sqlite", "SELECT * FROM docs('words')", "docs", ""),
        ("sqlite", "SELECT * FROM json_each('[1]')", "", ""),
        ("sqlite", "SELECT * FROM sqlite_schema", "sqlite_master", ""),
        ("sqlite", "REPLACE INTO t(a) SELECT b FROM s", "s", "t"),
        ("sqlite", "WITH x AS (SELECT 1) REPLACE INTO t SELECT * FROM x", "", "t"),
        ("sqlite", "UPDATE OR IGNORE t SET a = 1", "", "t"),
        ("sqlite", "UPDATE t SET a = b", "t", "t"),
        ("sqlite", "UPDATE t SET a = (SELECT max(x) FROM s)", "s", "t"),
        ("sqlite", "DELETE FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.i = t.i)", "t s", "t"),
        ("sqlite", "INSERT INTO t(a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.b", "t", "t"),
        ("mysql", "DELETE u FROM users u JOIN orders o ON o.uid = u.id", "orders", "users"),
        ("mysql", "UPDATE a JOIN b ON a.x = b.x SET b.y = 1", "a", "b"),
        ("postgres", "DELETE FROM a USING b WHERE a.x = b.x", "a b", "a"),
        ("postgres", "WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d", "a", "b a"),
        ("postgres", "MERGE INTO t USING s ON t.i = s.i WHEN MATCHED THEN DELETE", "s", "t"),
        ("postgres", "SELECT * INTO loot FROM users", "users", "loot"),
        ("postgres", "COPY users TO STDOUT", "users", ""),
        ("sqlite", "CREATE TABLE x AS SELECT * FROM y", "y", "x"),
        ("sqlite", "CREATE INDEX i ON main.t(a)", "", "t"),
        ("sqlite", "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; END", "", "t"),
        ("sqlite", "DROP TABLE IF EXISTS aux.b", "", "aux.b"),
        ("postgres", "DROP TABLE a, b CASCADE", "", "a b"),
        ("sqlite", "ALTER TABLE t ADD COLUMN x", "", "t"),
        ("duckdb", "FROM t SELECT a", "t", ""),
    ],
)
def test_the_tables_that_the_text_names_are_found(dialect: str, sql: str, reads: str, writes: str) -> None:
    (found,) = parse(sql, dialect)
    assert (set(found.reads), set(found.writes)) == (set(reads.split()), set(writes.split()))


def test_a_dot_inside_a_quoted_name_is_no_schema() -> None:
    assert parse('SELECT * FROM "My.Table"', "sqlite")[0].reads == ("My.Table",)


def test_columns_written_are_those_of_insert_set_and_upsert() -> None:
    script = (
        "INSERT INTO t(a, b) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET c = 3; UPDATE t SET (d, e) = (1, 2), f = g"
    )
    assert [o.columns_written for o in parse(script, "sqlite")] == [("a", "b", "c"), ("d", "e", "f")]
