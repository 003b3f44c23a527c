"""PostgreSQL's opinion says where triggers or foreign keys may write what it does not name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from postgres_server import Pg

from sqlagent.databases.open import open_database

TABLES = """
CREATE TABLE plain (id int PRIMARY KEY, n int); CREATE TABLE payroll (id int PRIMARY KEY, n int);
CREATE TABLE parents (id int PRIMARY KEY, n int);
CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE);
CREATE TABLE kept (id int PRIMARY KEY); CREATE TABLE holders (id int PRIMARY KEY, held int REFERENCES kept);
CREATE FUNCTION pay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE payroll SET n = n + 1; RETURN NEW; END $$;
CREATE TABLE fired (id int PRIMARY KEY, n int);
CREATE TRIGGER pays AFTER UPDATE ON fired FOR EACH ROW EXECUTE FUNCTION pay();
CREATE TABLE parted (id int, n int) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TRIGGER pays AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION pay();
CREATE TABLE old (id int, n int); CREATE TABLE heir () INHERITS (old);
CREATE TRIGGER pays AFTER DELETE ON heir FOR EACH STATEMENT EXECUTE FUNCTION pay();
CREATE VIEW window_ AS SELECT id, n FROM fired;
CREATE VIEW clear AS SELECT id, n FROM plain;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM payroll; RETURN NEW; END $$;
CREATE VIEW hollow AS SELECT id, n FROM plain;
CREATE TRIGGER pays INSTEAD OF INSERT ON hollow FOR EACH ROW EXECUTE FUNCTION instead();
"""


@pytest.fixture(scope="module")
def shop(pg_shared: Callable[[str], Pg]) -> Pg:
    return pg_shared(TABLES)


@pytest.mark.parametrize(
    ("sql", "unseen"),
    [
        ("SELECT * FROM fired", False),
        ("UPDATE plain SET n = 1 WHERE id = 1", False),
        ("UPDATE clear SET n = 1 WHERE id = 1", False),
        ("INSERT INTO children VALUES (1, 1)", False),  # a foreign key that only checks
        ("DELETE FROM kept WHERE id = 1", False),
        ("DELETE FROM parents WHERE id = 1", True),
        ("UPDATE fired SET n = 1 WHERE id = 1", True),
        ("UPDATE window_ SET n = 1 WHERE id = 1", True),
        ("INSERT INTO parted VALUES (1, 1)", True),
        ("DELETE FROM old WHERE id = 1", True),
        ("INSERT INTO hollow VALUES (1, 1)", True),
        ("WITH gone AS (DELETE FROM parents RETURNING id) INSERT INTO plain SELECT id, 1 FROM gone", True),
        ("TRUNCATE parents CASCADE", True),
        ("DROP TABLE plain", True),  # an event trigger may look at it
    ],
)
def test_what_may_fire_is_told(shop: Pg, sql: str, unseen: bool) -> None:
    with closing(open_database(shop.url, name="shop")) as database:
        (opinion,) = database.inspect([sql])
    assert (opinion.error, opinion.triggers_unseen) == ("", unseen)
