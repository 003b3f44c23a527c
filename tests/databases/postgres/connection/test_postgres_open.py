"""Opening a PostgreSQL database: what it is known by, and what is never shown."""

from __future__ import annotations

from collections.abc import Callable

from postgres_server import Pg

from sqlagent.core.secret import Secret
from sqlagent.databases.open import open_database
from sqlagent.databases.postgres.connection.address import Address


def test_a_database_is_known_by_its_server_and_its_number(pg_of: Callable[[str], Pg]) -> None:
    one, other = pg_of(""), pg_of("")
    first, again, second = (open_database(url, name="x") for url in (one.url, one.server.url(one.name), other.url))

    assert first.identity() == again.identity() != second.identity()
    assert first.identity().startswith("postgresql:")
    for database in (first, again, second):
        database.close()


def test_a_password_in_a_url_is_taken_out() -> None:
    address = Address.of("postgresql://ana:s3cret@localhost/shop?sslmode=require")

    assert "s3cret" not in f"{address} {address!r} {address.server} {address.options}"
    assert address.password == Secret("s3cret")
    assert address.parts["sslmode"] == "require"
