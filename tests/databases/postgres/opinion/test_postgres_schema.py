"""What a model is told of a PostgreSQL database: what people made, whole, and nothing that an extension brought."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from postgres_server import Pg

from sqlagent.core.nouns.draft import Column, Table
from sqlagent.databases.base import Database
from sqlagent.databases.open import open_database
from sqlagent.databases.postgres.connection.rows import Raw, Session, raw
from sqlagent.databases.postgres.opinion import schema as schema_module
from sqlagent.databases.postgres.opinion.schema import as_list
from sqlagent.llm.prompt import schema_text

ONE_MORE = "CREATE TABLE t%s (id int PRIMARY KEY)"
SHOP = """
CREATE TYPE state AS ENUM ('new', 'it''s paid'); CREATE SCHEMA sales; CREATE EXTENSION pg_buffercache;
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Full Name" text NOT NULL, email text,
  size varchar(3) CHECK (size IN ('S', 'M', 'L')));
CREATE TABLE sales.orders (id int, line int, customer int REFERENCES customers, state state,
  total numeric(10,2) CHECK (total > 0), twice numeric GENERATED ALWAYS AS (total * 2) STORED, PRIMARY KEY (id, line));
CREATE TABLE log (at date) PARTITION BY RANGE (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW german AS SELECT * FROM customers; CREATE MATERIALIZED VIEW totals AS SELECT sum(total) FROM sales.orders;
COMMENT ON TABLE customers IS 'people who bought
something'; COMMENT ON COLUMN sales.orders.state IS 'where it is';
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER told AFTER UPDATE ON customers EXECUTE FUNCTION f();
INSERT INTO customers ("Full Name", email, size) VALUES ('Ana', 'ana@example.com', 'S'), ('Eva', NULL, 'S');
INSERT INTO sales.orders (id, line, customer, state, total) VALUES (1, 1, 1, 'new', 5);
"""


@pytest.fixture
def shop(pg_of: Callable[[str], Pg]) -> Pg:
    return pg_of(SHOP)


@pytest.fixture
def db(shop: Pg) -> Iterator[Database]:
    opened = open_database(shop.url, name="shop")
    yield opened
    opened.close()


def tables(db: Database, examples: int = 3) -> dict[str, Table]:
    return {table.name: table for table in db.schema(examples=examples).tables}


def column(table: Table, name: str) -> Column:
    return next(each for each in table.columns if each.name == name)


def test_tables_views_keys_enums_and_comments_are_told(db: Database) -> None:
    found = tables(db)

    assert list(found) == ["customers", "sales.orders", "log", "german", "totals"]
    customers, orders = found["customers"], found["sales.orders"]
    assert (customers.comment, customers.triggers, customers.rows) == ("people who bought\nsomething", ("told",), 2)
    assert column(orders, "customer").references == "customers.id"
    assert [c.name for c in orders.columns if c.primary_key] == ["id", "line"]
    assert (column(orders, "state").type, column(orders, "state").comment) == ("state", "where it is")
    assert column(orders, "twice").generated
    assert column(orders, "total").type == "numeric(10,2)"
    assert set(orders.checks) == {"state IN ('new', 'it''s paid')", "total > (0)::numeric"}
    assert "size IN ('S', 'M', 'L')" in customers.checks
    assert found["german"].is_view
    assert found["totals"].is_view


@pytest.mark.parametrize("analyzed", ["", "ANALYZE"])
def test_examples_are_of_what_may_be_shown(shop: Pg, analyzed: str) -> None:
    shop.run(analyzed or "SELECT 1")
    db = open_database(shop.url, name="shop")
    customers = tables(db)["customers"]
    db.close()

    assert column(customers, "size").examples[:1] == ("S",)
    assert column(customers, "email").examples == ()
    assert column(customers, "id").examples == ()
    assert set(column(customers, "Full Name").examples) == {"Ana", "Eva"}


def test_a_model_reads_it_on_lines_of_its_own(db: Database) -> None:
    text = schema_text(db.schema(examples=0), "sales.orders") + schema_text(db.schema(examples=0), "customers")

    assert "state state CHECK (state IN ('new', 'it''s paid')), -- where it is" in text
    assert "CREATE TABLE customers ( -- people who bought something\n" in text
    assert '"Full Name" text NOT NULL' in text


def test_what_the_role_may_not_use_is_not_told(shop: Pg) -> None:
    shop.run("CREATE ROLE reader LOGIN; GRANT SELECT ON customers TO reader; REVOKE ALL ON SCHEMA sales FROM PUBLIC")
    db = open_database(shop.as_role("reader"), name="shop")

    assert list(tables(db)) == ["customers"]
    db.close()
    shop.run("DROP OWNED BY reader; DROP ROLE reader")


def test_names_are_as_the_roles_own_path_finds_them(shop: Pg) -> None:
    shop.run("CREATE ROLE seller LOGIN SUPERUSER; ALTER ROLE seller SET search_path = sales, public")
    db = open_database(shop.as_role("seller"), name="shop")

    assert {"orders", "customers"} <= set(tables(db))
    assert db.inspect(["SELECT id FROM orders"])[0].accesses[0].table == "orders"
    db.close()
    shop.run("DROP ROLE seller")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE log ADD b int", "CREATE VIEW v AS SELECT 1",
        "CREATE INDEX ON customers (email)", "DROP VIEW german",
        "ALTER TYPE state ADD VALUE 'lost'", "CREATE OR REPLACE VIEW german AS SELECT * FROM customers WHERE id = 1",
        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM log; RETURN NULL; END'",
        "ALTER TABLE sales.orders DROP CONSTRAINT orders_total_check", "ALTER TABLE customers RENAME email TO mail",
    ],
)  # fmt: skip
def test_the_fingerprint_changes_with_the_schema(shop: Pg, db: Database, change: str) -> None:
    before, again = db.fingerprint(), db.fingerprint()
    shop.run(change)

    assert before == again != db.fingerprint()


def test_the_fingerprint_and_the_schema_stay_while_rows_come_and_go(shop: Pg, db: Database) -> None:
    before, schema = db.fingerprint(), db.schema(examples=0)
    shop.run("INSERT INTO log VALUES ('2026-02-02'); DELETE FROM log")
    shop.run("VACUUM FULL customers")
    shop.run("ANALYZE")
    other = open_database(shop.url, name="shop")

    assert before == db.fingerprint() == other.fingerprint()
    assert [t.columns for t in schema.tables] == [t.columns for t in other.schema(examples=0).tables]
    other.close()


def test_the_catalog_is_read_in_as_many_queries_for_many_tables_as_for_few(
    shop: Pg, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(session: Session, sql: str, *parameters: object, **named: object) -> list[Raw]:
        asked.append(sql)
        return raw(session, sql, *parameters, **named)

    monkeypatch.setattr(schema_module, "raw", counted)
    db.schema(examples=0)
    few = len(asked)
    shop.run(f"DO $$BEGIN FOR i IN 1..40 LOOP EXECUTE format('{ONE_MORE}', i); END LOOP; END$$")

    assert len(db.schema(examples=0).tables) == 45
    assert len(asked) == 2 * few


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("((status = ANY (ARRAY['a'::text, 'b'::text])))", "status IN ('a', 'b')"),
        (
            "((size)::text = ANY ((ARRAY['S'::character varying, 'M'::character varying])::text[]))",
            "size IN ('S', 'M')",
        ),
        ("(total > (0)::numeric)", "total > (0)::numeric"),
    ],
)
def test_a_check_that_lists_values_reads_as_it_was_written(kept: str, said: str) -> None:
    assert as_list(kept) == said
