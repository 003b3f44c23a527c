"""PostgreSQL from the command line: bad input is two lines and an exit code, and a password is seen nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest
from cli_shop import Shop
from postgres_server import Pg

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 1), (2, 2);"
UPDATE = "UPDATE orders SET total = 5 WHERE id = 1"
PASSWORD = "correct-horse-9"


@pytest.fixture
def pg(pg_of: Callable[[str], Pg], monkeypatch: pytest.MonkeyPatch) -> Pg:
    made = pg_of(ORDERS)
    monkeypatch.setenv("SQLAGENT_DB", made.url)
    return made


def test_a_password_in_the_url_is_used_and_seen_nowhere(shop: Shop, pg: Pg) -> None:
    url = pg.url.replace("//postgres@", f"//postgres:{PASSWORD}@")
    asked = shop.run("run", "--sql", UPDATE, "--db", url, "--json", "--debug")
    assert asked.code == 8
    done = shop.run("resume", asked.document["thread"], "--approve", asked.document["digest"])
    assert done.code == 0
    said = [asked, done, shop.run("config", "show", "--db", url), shop.run("doctor", "--db", url), shop.run("audit")]

    assert [ran for ran in said if PASSWORD in ran.text + ran.err] == []
    assert [f for f in shop.state.rglob("*") if f.is_file() and PASSWORD.encode() in f.read_bytes()] == []


def test_a_database_that_is_gone_before_the_approval_is_no_connection(shop: Shop, pg: Pg) -> None:
    asked = shop.run("run", "--sql", UPDATE, "--json").document
    with psycopg.connect(pg.server.loopback_url(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {pg.name} WITH (FORCE)".encode())
    ran = shop.run("resume", asked["thread"], "--approve", asked["digest"])

    assert ran.code == 3
    assert f"there is no database {pg.name}" in ran.err
    assert "  hint: " in ran.err


def test_another_database_of_that_name_is_not_the_one_that_was_asked(shop: Shop, pg: Pg) -> None:
    asked = shop.run("run", "--sql", UPDATE, "--json").document
    with psycopg.connect(pg.server.loopback_url(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {pg.name} WITH (FORCE)".encode())
        admin.execute(f"CREATE DATABASE {pg.name}".encode())
    pg.run(ORDERS)

    assert shop.run("resume", asked["thread"], "--approve", asked["digest"]).code == 7
    assert pg.rows("SELECT total FROM orders ORDER BY id") == [(1,), (2,)]


def test_a_role_that_may_only_read_is_told_which_grant_it_lacks(shop: Shop, pg: Pg) -> None:
    pg.run("CREATE ROLE cli_reader LOGIN; GRANT SELECT ON orders TO cli_reader")
    read = shop.run("run", "--sql", "SELECT * FROM orders", "--db", pg.as_role("cli_reader"), "--json")
    write = shop.run("run", "--sql", UPDATE, "--db", pg.as_role("cli_reader"))
    pg.run("DROP OWNED BY cli_reader; DROP ROLE cli_reader")

    assert (read.code, write.code) == (8, 1)
    assert "GRANT UPDATE ON orders TO cli_reader" in write.err


def test_an_error_in_json_keeps_its_sqlstate(shop: Shop, pg: Pg) -> None:
    ran = shop.run("run", "--sql", "SELECT 1", "--db", f"{pg.url}_none", "--json")

    assert ran.code == 3
    assert json.loads(ran.err.splitlines()[-1])["error"]["sqlstate"] == "3D000"


def test_doctor_says_how_far_a_preview_goes(shop: Shop, pg: Pg) -> None:
    config = shop.folder / "own.toml"
    config.write_text(f"[databases.shop]\nurl = '{pg.url}'\nmeasure = {{ rows = 5000, scan_bytes = '20 GB' }}\n")
    checks = shop.run("doctor", "--db", "shop", "--config", str(config), "--json").document["checks"]

    assert [c["detail"] for c in checks if c["name"] == "preview"] == [
        "up to 5,000 rows (measure.rows) and tables of 20 GB (measure.scan_bytes), on the database itself"
    ]


def test_doctor_says_what_a_role_may_do_beyond_the_tables(shop: Shop, pg: Pg) -> None:
    pg.run("CREATE ROLE filer LOGIN IN ROLE pg_read_server_files; CREATE ROLE plain LOGIN")

    def notes(role: str) -> list[str]:
        ran = shop.run("doctor", "--db", pg.as_role(role), "--json")
        return [c["detail"] for c in ran.document["checks"] if c["name"] == "database" and c["state"] == "note"]

    told = {role: notes(role) for role in ("postgres", "filer", "plain")}
    pg.run("DROP ROLE filer, plain")
    assert any("postgres is a superuser" in note for note in told["postgres"])
    assert any("filer may reach files" in note for note in told["filer"])
    assert told["plain"] == ["fsync is off: after a crash of the machine nothing is promised"]


HIDDEN = """
    CREATE TABLE customers (id int PRIMARY KEY, name text);
    CREATE TABLE visits (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE);
    CREATE TABLE counts (id int PRIMARY KEY, n int);
    CREATE VIEW named AS SELECT id, name FROM customers;
    INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 20) i;
    INSERT INTO visits SELECT i, i FROM generate_series(1, 20) i;
    INSERT INTO counts VALUES (1, 20);
    CREATE FUNCTION count_again() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN UPDATE counts SET n = n + 1; RETURN NEW; END $$;
    CREATE TRIGGER counted AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION count_again();
"""


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DELETE FROM customers WHERE id = 3", "deletes from visits"),
        ("INSERT INTO customers VALUES (99, 'x')", "updates counts"),
        ("UPDATE named SET name = 'y' WHERE id = 3", "updates customers"),
        ("WITH gone AS (DELETE FROM customers WHERE id = 4 RETURNING id) SELECT id FROM gone", "deletes from visits"),
    ],
)
def test_a_table_that_the_sql_does_not_name_is_told_and_severe(shop: Shop, pg: Pg, sql: str, says: str) -> None:
    pg.run(HIDDEN)
    found = shop.run("run", "--sql", sql, "--json").document["statements"][0]

    told = [f["message"] for f in found["findings"] if f["rule"] == "hidden-write"]
    assert [says in message for message in told] == [True]
    assert found["risk"] == "SEVERE"


def test_a_plain_change_with_nothing_behind_it_is_no_more_than_a_write(shop: Shop, pg: Pg) -> None:
    found = shop.run("run", "--sql", UPDATE, "--json").document["statements"][0]
    assert (found["risk"], [f["rule"] for f in found["findings"]]) == ("WRITE", [])
