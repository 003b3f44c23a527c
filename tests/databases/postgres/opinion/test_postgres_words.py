"""What a statement over PostgreSQL says in words, held against a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from postgres_server import Pg
from words_cases import in_words

from sqlagent.databases.base import Database
from sqlagent.databases.open import open_database

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text);
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL REFERENCES customers ON DELETE CASCADE,
  seller int REFERENCES customers, status text NOT NULL, total numeric(10,2) NOT NULL,
  placed timestamp NOT NULL, paid_on date);
INSERT INTO customers SELECT i, 'c' || i, CASE WHEN i % 2 = 0 THEN 'town' END FROM generate_series(1, 20) i;
INSERT INTO orders SELECT i, 1 + i % 17, CASE WHEN i > 60 THEN 3 END, CASE WHEN i < 31 THEN 'open' ELSE 'done' END, i,
  '2024-01-31'::timestamp + i * interval '1 day' FROM generate_series(1, 100) i;
CREATE TABLE audit (what text); CREATE TABLE ruled (x int); CREATE TABLE watched (x int);
CREATE RULE gone AS ON INSERT TO ruled DO INSTEAD DELETE FROM audit;
CREATE FUNCTION bend() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.x = 7; RETURN NEW; END$$;
CREATE TRIGGER bent BEFORE UPDATE ON watched FOR EACH ROW EXECUTE FUNCTION bend();
INSERT INTO watched VALUES (1);
"""
SAID = {
    "SELECT c.name, sum(o.total) AS s FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.id "
    "ORDER BY s DESC LIMIT 3":
        ("for each customer (by orders.customer) with orders: customers.name and the sum of total;"
         " at most 3 rows, largest first", ["3 of 20 customers have no orders (by orders.customer) and are left out"]),
    "SELECT o.id FROM orders o JOIN customers c ON c.id = o.seller WHERE o.total > 90":
        ("orders.id of orders with their customers (by orders.seller) where total is more than 90",
         ["60 of 100 orders have no customers (by orders.seller) and are left out"]),
    "SELECT name FROM customers ORDER BY city DESC": ("name of customers; in reverse order of city (NULL first)", []),
    "SELECT count(*) FROM orders WHERE extract(year FROM placed) = 2024 AND placed > '2024-03-31'":
        ("the number of orders where the year of placed is 2024 and placed is after 2024-03-31",
         ["a placed with a time of day on 2024-03-31 comes after 2024-03-31",
          "by orders.placed (there is also paid_on)"]),
    "UPDATE orders SET status = 'late' WHERE status = 'open' AND placed < '2024-02-10'":
        ("sets status to 'late' on the 9 orders where status is 'open' and placed is before 2024-02-10",
         ["by orders.placed (there is also paid_on)"]),
    "DELETE FROM customers WHERE id = 20": ("deletes the 1 customer where id is 20", []),
    "INSERT INTO customers (id, name) VALUES (21, 'Ana')": ("adds 1 row to customers: id 21, name 'Ana'", []),
    "INSERT INTO ruled VALUES (1)": ("", []),
    "UPDATE watched SET x = 2": ("", []),
    "SELECT name FROM customers FOR UPDATE": ("", []),
    "SELECT name FROM ONLY customers": ("", []),
}  # fmt: skip


@pytest.fixture(scope="module")
def there(pg_shared: Callable[[str], Pg]) -> Iterator[Database]:
    database = open_database(pg_shared(SHOP).url, name="shop")
    yield database
    database.close()


@pytest.mark.parametrize("sql", SAID)
def test_it_says_what_the_server_counts(sql: str, there: Database) -> None:
    found = in_words(sql, there)
    assert (found.words, list(found.assumes)) == SAID[sql]
