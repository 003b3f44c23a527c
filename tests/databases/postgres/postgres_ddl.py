"""A small schema, and changes of it: what each does, and whether it can be taken back."""

from __future__ import annotations

BASE = """
DO $$ BEGIN CREATE ROLE somebody; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL, city text DEFAULT 'here', m mood);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int REFERENCES customers, total numeric(10,2),
  twice numeric GENERATED ALWAYS AS (total * 2) STORED, CONSTRAINT positive CHECK (total > 0));
CREATE TABLE plain (a int, b text);
CREATE INDEX by_city ON customers (lower(city));
CREATE VIEW rich AS SELECT * FROM orders WHERE total > 50; CREATE VIEW richer AS SELECT * FROM rich WHERE total > 90;
CREATE MATERIALIZED VIEW sums AS SELECT customer, sum(total) FROM orders GROUP BY 1; CREATE INDEX ON sums (customer);
CREATE DOMAIN tag AS int DEFAULT 3 CHECK (VALUE > 0); CREATE TABLE tagged (id int PRIMARY KEY, tag tag);
INSERT INTO tagged VALUES (1, 1), (2, DEFAULT), (3, NULL);
COMMENT ON TABLE customers IS 'who buys'; COMMENT ON COLUMN customers.city IS 'where';
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1';
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER told BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION tell();
INSERT INTO customers (name, m) SELECT 'c' || i, 'sad' FROM generate_series(1, 9) i;
INSERT INTO orders (customer, total) SELECT 1 + i % 9, i FROM generate_series(1, 99) i;
INSERT INTO plain SELECT i % 3, 'x' FROM generate_series(1, 9) i;
"""  # noqa: E501

TAKEN_BACK: tuple[tuple[str, ...], ...] = (
    ("CREATE TABLE t (id int PRIMARY KEY, x text)",),
    ("CREATE TABLE t AS SELECT * FROM orders",),
    ("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 5)", "CREATE INDEX ON t (id)"),
    ("CREATE VIEW v AS SELECT 1 AS one",),
    ("CREATE INDEX by_name ON customers (name)",),
    ("CREATE SCHEMA other", "CREATE TABLE other.t (x int)"),
    ("CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'",),
    ("ALTER TABLE customers RENAME TO clients",),
    ("ALTER TABLE customers RENAME COLUMN city TO town",),
    ("ALTER TABLE customers ALTER COLUMN city SET DEFAULT 'there'",),
    ("ALTER TABLE customers ALTER COLUMN city DROP DEFAULT",),
    ("ALTER TABLE customers ALTER COLUMN name DROP NOT NULL",),
    ("ALTER TABLE customers ALTER COLUMN city SET NOT NULL",),
    (
        "ALTER TABLE customers ADD COLUMN vip boolean NOT NULL DEFAULT false",
        "UPDATE customers SET vip = true WHERE id < 4",
    ),
    ("ALTER TABLE customers ADD CONSTRAINT short CHECK (length(name) < 9)",),
    ("ALTER TABLE orders DROP CONSTRAINT positive",),
    ("ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey",),
    ("ALTER TABLE plain ALTER COLUMN a TYPE text",),
    ("ALTER TABLE plain ALTER COLUMN a TYPE bigint USING a * 2",),
    ("COMMENT ON TABLE customers IS 'somebody'",),
    ("COMMENT ON COLUMN customers.city IS NULL",),
    ("DROP INDEX by_city",),
    ("DROP VIEW richer",),
    ("DROP VIEW rich CASCADE",),
    ("DROP TABLE plain",),
    ("DROP TABLE orders CASCADE",),
    ("DROP TABLE customers CASCADE",),
    ("TRUNCATE orders",),
    ("TRUNCATE customers CASCADE",),
    ("DROP TRIGGER told ON customers",),
    ("DROP FUNCTION f(int)",),
    ("CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 2'",),
    ("CREATE OR REPLACE VIEW richer AS SELECT * FROM rich WHERE total > 95",),
    ("UPDATE plain SET a = a + 1", "ALTER TABLE plain RENAME TO plainer", "DELETE FROM plainer WHERE a = 2"),
    ("ALTER TABLE plain DROP COLUMN b",),
    ("ALTER TABLE customers DROP COLUMN m", "UPDATE customers SET name = 'y' WHERE id > 7"),
    ("ALTER TABLE plain DROP COLUMN b, ADD COLUMN b text",),
    ("ALTER TABLE orders DROP COLUMN twice CASCADE",),
    ("GRANT SELECT ON customers TO PUBLIC",),
    ("GRANT SELECT (name) ON customers TO somebody", "GRANT UPDATE ON orders TO somebody WITH GRANT OPTION"),
    ("GRANT EXECUTE ON FUNCTION f(int) TO somebody", "REVOKE EXECUTE ON FUNCTION f(int) FROM PUBLIC"),
    ("GRANT USAGE ON SCHEMA public TO somebody", "GRANT USAGE ON TYPE mood TO somebody"),
    ("ALTER TABLE orders OWNER TO somebody", "GRANT SELECT ON orders TO PUBLIC"),
    ("ALTER SCHEMA public OWNER TO somebody", "ALTER FUNCTION f(int) OWNER TO somebody"),
    ("ALTER TABLE plain SET (fillfactor = 70, toast.autovacuum_enabled = false)",),
    (
        "ALTER TABLE plain ALTER COLUMN a SET STATISTICS 500",
        "ALTER TABLE plain ALTER COLUMN b SET STORAGE PLAIN",
        "ALTER TABLE plain ALTER COLUMN a SET (n_distinct = 5)",
    ),
    ("ALTER TABLE plain REPLICA IDENTITY FULL", "ALTER TABLE plain SET UNLOGGED"),
    ("ALTER TABLE plain ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON plain FOR SELECT TO somebody USING (a > 1)"),
    ("ALTER TABLE customers DISABLE TRIGGER told", "COMMENT ON TRIGGER told ON customers IS 'off'"),
    ("CREATE OR REPLACE VIEW rich AS SELECT * FROM orders WHERE total > 60",),
    ("DROP VIEW rich CASCADE", "DROP TABLE orders CASCADE", "DROP TABLE customers", "DROP TYPE mood"),
    ("CREATE DOMAIN d AS int CHECK (VALUE > 0)", "CREATE TABLE t (x d)"),
    ("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",),
    ("ALTER TABLE customers ALTER COLUMN id DROP DEFAULT",),
    ("ALTER TABLE orders ALTER COLUMN id SET GENERATED BY DEFAULT",),
    ("ALTER TABLE orders ALTER COLUMN id DROP IDENTITY",),
    ("ALTER TABLE plain ADD COLUMN n int GENERATED ALWAYS AS IDENTITY",),
    (
        "ALTER TABLE plain ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE plain ALTER COLUMN a ADD GENERATED BY DEFAULT AS IDENTITY",
    ),
    ('ALTER TABLE plain ALTER COLUMN b TYPE varchar(10) COLLATE "C"',),
    ("DROP SCHEMA public CASCADE",),
    ("ALTER FUNCTION f(int) RENAME TO ff", "ALTER TABLE customers RENAME TO clients", "DROP FUNCTION ff(int)"),
    ("ALTER TABLE customers ALTER COLUMN city SET COMPRESSION pglz",),
    ("ALTER SEQUENCE customers_id_seq OWNED BY NONE", "ALTER SEQUENCE customers_id_seq INCREMENT BY 7"),
    ("DROP MATERIALIZED VIEW sums",),
    ("ALTER TABLE tagged DROP COLUMN tag", "INSERT INTO tagged VALUES (9)"),
    ("DROP DOMAIN tag CASCADE",),
    ("COMMENT ON FUNCTION f(int) IS 'one more'", "COMMENT ON CONSTRAINT positive ON orders IS 'x'"),
)
PARTLY: tuple[tuple[str, ...], ...] = (
    ("ALTER TABLE customers DROP COLUMN city",),
    ("ALTER TABLE plain DROP COLUMN a",),
    ("ALTER TABLE orders DROP COLUMN id CASCADE",),
    ("ALTER TABLE customers DROP COLUMN id CASCADE",),
    ("ALTER TABLE orders DROP COLUMN customer CASCADE", "DELETE FROM orders WHERE id < 5"),
    (
        "UPDATE customers SET city = 'x' WHERE id < 4",
        "ALTER TABLE customers DROP COLUMN city",
        "DELETE FROM orders WHERE customer = 2",
        "DELETE FROM customers WHERE id = 2",
    ),
    ("ALTER TABLE customers DROP COLUMN city", "ALTER TABLE customers ADD COLUMN city int"),
    ("ALTER TABLE customers DROP COLUMN city", "ALTER TABLE customers RENAME COLUMN m TO city"),
)
"""All comes back, and a column stands behind all others then."""
REFUSED: tuple[tuple[str, ...], ...] = (
    ("ALTER TYPE mood ADD VALUE 'so so'",),
    ("CREATE OR REPLACE VIEW rich AS SELECT *, 1 AS one FROM orders",),
    ("ALTER TABLE orders ALTER COLUMN twice DROP EXPRESSION",),
    ("ALTER TABLE customers CLUSTER ON customers_pkey",),
)
