"""What goes wrong with a PostgreSQL server, as two lines and an exit code; nothing of a password in any of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from postgres_server import Pg
from sqlite_files import Kept, nothing, read

from sqlagent.core.errors import AuthError, ConnectError, QueryError, SqlagentError
from sqlagent.core.secret import Secret
from sqlagent.databases.base import Database, Limits
from sqlagent.databases.open import open_database
from sqlagent.databases.password import printed_by
from sqlagent.databases.postgres.throwaway.server import ThrowawayServer
from sqlagent.ui.diagnostics import ExitCode, exit_code_for

SHOP = """
CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 1);
GRANT SELECT ON orders TO PUBLIC; CREATE TABLE hidden (a int); CREATE VIEW shown AS SELECT * FROM hidden;
GRANT SELECT ON shown TO PUBLIC;
"""
ROLES = """
CREATE ROLE needs_password LOGIN PASSWORD 'g3heim'; CREATE ROLE turned_away LOGIN; CREATE ROLE without_login;
CREATE ROLE reader LOGIN;
"""


@pytest.fixture(scope="module", autouse=True)
def roles(pg_server: ThrowawayServer) -> Iterator[None]:
    with psycopg.connect(pg_server.loopback_url(), autocommit=True) as admin:
        admin.execute(ROLES.encode())
        yield
        admin.execute(b"DROP ROLE needs_password, turned_away, without_login, reader")


@pytest.fixture
def shop(pg_of: Callable[[str], Pg]) -> Pg:
    return pg_of(SHOP)


def refusal(url: str, password: Secret | None = None) -> SqlagentError:
    with pytest.raises(SqlagentError) as refused:
        open_database(url, name="shop", password=password)
    assert refused.value.hint
    assert "g3heim" not in refused.value.message + refused.value.hint
    return refused.value


@pytest.mark.parametrize(
    ("user", "database", "query", "words", "code", "sqlstate"),
    [
        ("postgres", "nope", "", "there is no database nope at 127.0.0.1", ExitCode.CONNECTION, "3D000"),
        ("nobody_here", "postgres", "", "there is no role nobody_here", ExitCode.AUTH, "28000"),
        ("needs_password", "postgres", "", "wants a password, and there is none", ExitCode.AUTH, "28P01"),
        ("needs_password:wrong", "postgres", "", "refused the password of needs_password", ExitCode.AUTH, "28P01"),
        ("turned_away", "postgres", "", "lets nobody in this way", ExitCode.AUTH, "28000"),
        ("without_login", "postgres", "", "role without_login may not log in", ExitCode.AUTH, "28000"),
        ("postgres", "postgres", "?sslmode=require", "speaks no TLS", ExitCode.CONNECTION, ""),
        ("postgres", "postgres", "?sslmode=nonsense", "sslmode cannot be nonsense", ExitCode.CONNECTION, ""),
        ("postgres", "postgres", "?nonsense=1", "the URL cannot be read", ExitCode.CONNECTION, ""),
        ("postgres", "postgres", "?service=none", "there is no service none", ExitCode.CONNECTION, ""),
    ],
)
def test_why_there_is_no_session(
    pg_server: ThrowawayServer, user: str, database: str, query: str, words: str, code: ExitCode, sqlstate: str
) -> None:
    error = refusal(pg_server.loopback_url(database, user=user) + query)

    assert words in error.message
    assert (exit_code_for(error), error.sqlstate) == (code, sqlstate)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ana:g3heim@127.0.0.1:1/shop", "nothing answers at 127.0.0.1:1"),
        ("postgresql:///shop?host=/nowhere", "nothing answers at /nowhere"),
        ("postgresql://ana:g3heim@127.0.0.1:abc/shop", "port cannot be abc"),
        ("postgresql://ana:g3heim@[::1/shop", "the URL cannot be read"),
    ],
)
def test_nobody_at_the_other_end_is_said_without_the_password(url: str, words: str) -> None:
    error = refusal(url)

    assert words in error.message
    assert exit_code_for(error) is ExitCode.CONNECTION


def test_a_password_comes_from_libpqs_own_places(
    pg_server: ThrowawayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = pg_server.loopback_url(user="needs_password")
    for password in (Secret("g3heim"), printed_by(["sh", "-c", "echo g3heim; echo more"])):
        open_database(url, name="x", password=password).close()
    with monkeypatch.context() as patched:
        patched.setenv("PGPASSWORD", "g3heim")
        open_database(url, name="x").close()
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{pg_server.port}:*:needs_password:g3heim\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    open_database(url, name="x").close()
    service = tmp_path / "service.conf"
    service.write_text(f"[shop]\nhost=127.0.0.1\nport={pg_server.port}\nuser=needs_password\ndbname=postgres\n")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    open_database("postgresql:///?service=shop", name="x").close()


@pytest.mark.parametrize("command", [["false"], ["/no/such/program"], ["sh", "-c", "exit 3"], ["true"]])
def test_a_program_that_prints_no_password_is_an_error(command: list[str]) -> None:
    with pytest.raises(AuthError) as refused:
        printed_by(command)
    assert command[0] in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    ("sql", "grant"),
    [
        ("UPDATE orders SET total = 2", "GRANT UPDATE ON orders TO reader"),
        ("DELETE FROM orders", "GRANT DELETE ON orders TO reader"),
        ("INSERT INTO orders VALUES (2, 2)", "GRANT INSERT ON orders TO reader"),
        ("SELECT * FROM hidden", "GRANT SELECT ON hidden TO reader"),
    ],
)
def test_the_grant_that_is_missing_is_named(shop: Pg, sql: str, grant: str) -> None:
    db = open_database(shop.as_role("reader"), name="shop")

    (opinion,) = db.inspect([sql])
    assert grant in opinion.error
    assert "[42501]" in opinion.error
    assert read(db, "SELECT count(*) FROM shown") == [(0,)]  # as the view's owner
    db.close()


def test_who_holds_a_lock_is_named(shop: Pg) -> None:
    db = open_database(shop.url, name="shop")
    with psycopg.connect(shop.url, application_name="migrations") as other:
        other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ConnectError, match="orders is locked by postgres with migrations") as refused:
            db.inspect(["SELECT * FROM orders"])
        with pytest.raises(ConnectError, match="orders is locked"):
            read(db, "SELECT * FROM orders")
    assert refused.value.sqlstate == "55P03"
    assert read(db, "SELECT total FROM orders") == [(1,)]
    db.close()


def test_a_server_that_goes_away_is_said_so_and_comes_back(shop: Pg) -> None:
    db = open_database(shop.url, name="shop")
    shop.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sqlagent'")

    with pytest.raises(ConnectError, match="went away in the middle"):
        db.inspect(["SELECT 1"])
    assert [o.error for o in db.inspect(["SELECT 1"])] == [""]
    db.close()


def test_a_database_that_is_gone_says_so(pg_of: Callable[[str], Pg]) -> None:
    shop = pg_of(SHOP)
    db = open_database(shop.url, name="shop")
    with psycopg.connect(shop.server.loopback_url(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {shop.name} WITH (FORCE)".encode())

    for _ in range(2):
        with pytest.raises(ConnectError):
            db.fingerprint()
    db.close()


def test_a_read_only_transaction_says_that_it_only_reads(shop: Pg) -> None:
    shop.run(f"ALTER DATABASE {shop.name} SET default_transaction_read_only = on")
    db: Database = open_database(shop.url, name="shop")
    limits = Limits()

    assert read(db, "SELECT total FROM orders") == [(1,)]
    with pytest.raises(QueryError):
        db.read("DELETE FROM orders", sink=Kept(), limits=limits)
    nothing()
    db.close()
