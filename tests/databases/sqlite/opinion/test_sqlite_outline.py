"""Names, types and keys in a few statements are the same as those that are read table by table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from sqlagent.core.nouns.draft import Schema
from sqlagent.databases.open import open_database
from sqlagent.databases.sqlite.opinion.schema import RELATIONS

SQL = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, -- as written on letters
  full_name TEXT GENERATED ALWAYS AS (name || '!') VIRTUAL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers, total REAL CHECK (total > 0));
CREATE TABLE "order ""lines" (a INT, b INT, PRIMARY KEY (a, b), FOREIGN KEY (a) REFERENCES orders(id)) WITHOUT ROWID;
CREATE VIEW big AS SELECT * FROM orders WHERE total > 100;
CREATE VIRTUAL TABLE notes USING fts5(body);
CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END;
INSERT INTO customers (name) VALUES ('Ana'); INSERT INTO orders VALUES (1, 1, 5);
"""


def bare(schema: Schema) -> Schema:
    return replace(schema, tables=tuple(replace(t, rows=None, checks=(), triggers=()) for t in schema.tables))


@pytest.mark.parametrize("more", ["", "CREATE VIEW lost AS SELECT * FROM orders; DROP TABLE orders;"])
def test_an_outline_is_the_schema_without_what_rows_tell(tmp_path: Path, more: str) -> None:
    path = tmp_path / "shop.db"
    with apsw.Connection(str(path)) as connection:
        connection.execute(SQL + more)
    connection.close()
    database = open_database(f"sqlite:///{path}", name="shop")
    try:
        assert bare(database.outline()) == bare(database.schema(examples=0))
        some = database.schema(examples=3, tables=frozenset({"customers"}))
        assert [t.name for t in some.tables] == ["customers"]
        assert some.tables[0].columns[1].examples == ("Ana",)
        assert some.tables[0].columns[1].comment == "as written on letters"
    finally:
        database.close()


def test_a_thousand_tables_cost_a_few_statements_and_not_one_of_each_with_each(tmp_path: Path) -> None:
    """A list of tables that was joined with itself took seventeen seconds for three thousand."""
    path = tmp_path / "large.db"
    with apsw.Connection(str(path)) as connection:
        for number in range(1000):
            connection.execute(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, a TEXT)")
        with connection:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {RELATIONS}").fetchall()
    connection.close()
    assert any("LIST SUBQUERY" in str(step[3]) for step in plan), "the list is read once, and not for every table"
    database = open_database(f"sqlite:///{path}", name="large")
    try:
        assert len(database.outline().tables) == 1000
    finally:
        database.close()
