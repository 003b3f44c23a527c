"""The schema in a file between processes: read once, never believed once the catalogs changed, and no secret in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from postgres_server import Pg, made_on

from sqlagent.databases.base import Database
from sqlagent.databases.open import open_database
from sqlagent.databases.postgres.connection.rows import Raw, Session, raw
from sqlagent.databases.postgres.effect import remembered
from sqlagent.databases.postgres.opinion import schema as schema_module

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text, country text);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, state text);
CREATE TABLE notes (id int PRIMARY KEY, kind text);
INSERT INTO customers VALUES (1, 'hunter2', 'DE'); INSERT INTO orders VALUES (1, 1, 'paid');
INSERT INTO notes VALUES (1, 'short');
"""


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a word each time that the catalogs are read for the schema."""
    found: list[str] = []
    outline = schema_module.outline

    def told(*args: object, **named: object) -> object:
        found.append("read")
        return outline(*args, **named)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(remembered, "outline", told)
    return found


@contextmanager
def opened(url: str, cache: Path) -> Iterator[Database]:
    """As another process opens it."""
    db = open_database(url, name="shop", cache=cache)
    yield db
    db.close()


def test_the_next_process_does_not_read_the_catalogs_again(
    pg_of: Callable[[str], Pg], tmp_path: Path, reads: list[str]
) -> None:
    shop = pg_of(SHOP)
    told = []
    for _ in range(3):
        with opened(shop.url, tmp_path) as db:
            told.append((db.outline(), db.schema(examples=2)))

    assert told[0] == told[1] == told[2]
    assert len(reads) == 1


@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE notes ADD b int", "COMMENT ON TABLE notes IS 'x'", "DROP TABLE notes",
     "GRANT SELECT ON notes TO PUBLIC", "ALTER TABLE notes RENAME kind TO sort",
     "CREATE SCHEMA x; ALTER TABLE notes SET SCHEMA x"],
)  # fmt: skip
def test_what_changed_meanwhile_is_read_anew(
    pg_of: Callable[[str], Pg], tmp_path: Path, reads: list[str], change: str
) -> None:
    shop = pg_of(SHOP)
    with opened(shop.url, tmp_path) as db:
        db.outline()
    shop.run(change)
    with opened(shop.url, tmp_path) as db, opened(shop.url, tmp_path / "none") as fresh:
        assert db.outline() == fresh.outline()
    assert len(reads) == 3


def test_each_role_and_each_database_has_its_own(pg_of: Callable[[str], Pg], tmp_path: Path) -> None:
    shop, other = pg_of(SHOP), pg_of("CREATE TABLE only_here (id int)")
    role = f"app_{shop.name}"
    shop.run(f"CREATE ROLE {role} LOGIN; GRANT SELECT ON notes TO {role}")
    for _ in range(2):
        told = []
        for url in (shop.url, shop.as_role(role), other.url):
            with opened(url, tmp_path) as db:
                told.append([table.name for table in db.outline().tables])
        assert told == [["customers", "orders", "notes"], ["notes"], ["only_here"]]


def test_a_role_that_joins_another_sees_what_that_one_may(pg_of: Callable[[str], Pg], tmp_path: Path) -> None:
    shop = pg_of(SHOP)
    role, group = f"app_{shop.name}", f"group_{shop.name}"
    shop.run(f"CREATE ROLE {role} LOGIN; CREATE ROLE {group}; GRANT SELECT ON orders TO {group}")
    told = []
    for change in ("SELECT 1", f"GRANT {group} TO {role}"):
        shop.run(change)
        with opened(shop.as_role(role), tmp_path) as db:
            told.append([table.name for table in db.outline().tables])

    assert told == [[], ["orders"]]


@pytest.mark.long
def test_a_server_that_was_started_anew_is_another(
    tmp_path: Path, reads: list[str], pg_of: Callable[[str], Pg]
) -> None:
    """Its numbers of transactions may be given out again after it was set back."""
    from sqlagent.databases.postgres.throwaway.server import ThrowawayServer

    server = ThrowawayServer(addresses="127.0.0.1")
    try:
        shop = made_on(server, SHOP)
        for _ in range(2):
            with opened(shop.url, tmp_path) as db:
                db.outline()
            server.stop()
            server.start()
    finally:
        server.close()
    assert len(reads) == 2


@pytest.mark.parametrize("damage", [b"", b"\x93\x91", b"not that", b"\xff" * 200])
def test_a_damaged_file_is_read_over(
    pg_of: Callable[[str], Pg], tmp_path: Path, reads: list[str], damage: bytes
) -> None:
    shop = pg_of(SHOP)
    with opened(shop.url, tmp_path) as db:
        before = db.outline()
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    with opened(shop.url, tmp_path) as db:
        assert db.outline() == before
    with opened(shop.url, tmp_path) as db:
        assert db.outline() == before
    assert len(reads) == 2


def test_no_row_is_in_it_and_nobody_else_may_read_it(pg_of: Callable[[str], Pg], tmp_path: Path) -> None:
    with opened(pg_of(SHOP).url, tmp_path / "cache") as db:
        assert "hunter2" in str(db.schema(examples=3))
    (file,) = (tmp_path / "cache").iterdir()

    assert b"customers" in file.read_bytes()
    assert b"hunter2" not in file.read_bytes()
    assert (file.stat().st_mode & 0o077, file.parent.stat().st_mode & 0o077) == (0, 0)


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(pg_of: Callable[[str], Pg], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with opened(pg_of(SHOP).url, tmp_path / "file" / "cache") as db:
        assert len(db.outline().tables) == 3


def test_values_are_read_of_the_tables_that_are_told_alone(
    pg_of: Callable[[str], Pg], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(session: Session, sql: str, *parameters: object, **named: object) -> list[Raw]:
        asked.append(sql)
        return raw(session, sql, *parameters, **named)

    monkeypatch.setattr(schema_module, "raw", counted)
    with opened(pg_of(SHOP).url, tmp_path) as db:
        one = db.schema(examples=2, tables=frozenset({"orders"}))
        assert not any("public.customers" in sql or "public.notes" in sql for sql in asked)
        assert {c.name: c.examples for c in one.tables[0].columns} == {"id": (), "customer": (), "state": ("paid",)}
        assert one.tables[0].columns[1].references == "customers.id"
        db.schema(examples=2, tables=frozenset({"orders", "notes"}))
        sampled = [sql for sql in asked if "AS MATERIALIZED" in sql]
        assert [("orders" in sql, "notes" in sql) for sql in sampled] == [(True, False), (False, True)]
