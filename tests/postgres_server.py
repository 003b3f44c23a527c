"""A PostgreSQL server that lives as long as the tests of one process, and a database of its own for each test.

It comes from the wheel; `SQLAGENT_TEST_PG=/usr/lib/postgresql/15/bin` takes another installation's.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from sqlagent.databases.postgres.throwaway.server import ThrowawayServer

_PROGRAMS = os.environ.get("SQLAGENT_TEST_PG", "")
_RULES = """
host all needs_password 127.0.0.1/32 scram-sha-256
host all turned_away 127.0.0.1/32 reject
"""
_SETTINGS = """
max_prepared_transactions = 10
autovacuum = off
max_connections = 60
shared_buffers = 32MB
"""


@dataclass(frozen=True)
class Pg:
    """One test's own database, reached by loopback as the server's superuser."""

    url: str
    server: ThrowawayServer

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def run(self, script: str) -> None:
        """Any SQL, several statements too, each committed."""
        with psycopg.connect(self.url, autocommit=True) as session:
            session.execute(script.encode())

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as session:
            return session.execute(sql.encode()).fetchall()

    def as_role(self, role: str) -> str:
        """The URL for another role."""
        return self.url.replace("//postgres@", f"//{role}@")


@pytest.fixture(scope="session")
def pg_server() -> Iterator[ThrowawayServer]:
    """One a process: two workers of xdist have two."""
    server = ThrowawayServer(addresses="127.0.0.1", settings=_SETTINGS, programs=Path(_PROGRAMS) if _PROGRAMS else None)
    rules = server.data / "pg_hba.conf"
    rules.write_text(f"{_RULES}{rules.read_text()}")
    _admin(server, "SELECT pg_reload_conf()")
    yield server
    server.close()


@pytest.fixture(scope="session")
def pg_template(pg_server: ThrowawayServer) -> Callable[[str], str]:
    """The name of a database made by a script, made once for each script: what `pg` databases are copied from."""
    made: dict[str, str] = {}

    def template(script: str) -> str:
        if script not in made:
            name = f"template_{len(made)}"
            _admin(pg_server, f"CREATE DATABASE {name}")
            with psycopg.connect(pg_server.loopback_url(name), autocommit=True) as session:
                session.execute(script.encode())
            made[script] = name
        return made[script]

    return template


@pytest.fixture(scope="session")
def pg_shared(pg_server: ThrowawayServer) -> Callable[[str], Pg]:
    """Databases that hold what a script makes, one a script, for tests that change nothing of it."""
    made: dict[str, Pg] = {}

    def shared(script: str) -> Pg:
        if script not in made:
            name = f"shared_{len(made)}"
            _admin(pg_server, f"CREATE DATABASE {name}")
            made[script] = Pg(pg_server.loopback_url(name), pg_server)
            made[script].run(script)
        return made[script]

    return shared


@pytest.fixture
def pg_of(pg_server: ThrowawayServer, pg_template: Callable[[str], str]) -> Iterator[Callable[[str], Pg]]:
    """Makes databases that hold what a script makes; they go with the test."""
    names: list[str] = []

    def make(script: str = "") -> Pg:
        names.append(f"t{uuid.uuid4().hex[:12]}")
        origin = pg_template(script) if script else "template0"
        _admin(pg_server, f"CREATE DATABASE {names[-1]} TEMPLATE {origin} STRATEGY wal_log")
        return Pg(pg_server.loopback_url(names[-1]), pg_server)

    yield make
    for name in names:
        _admin(pg_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def pg(pg_of: Callable[[str], Pg]) -> Pg:
    """An empty database."""
    return pg_of("")


def made_on(server: ThrowawayServer, script: str) -> Pg:
    """A new database of that server, which goes with it."""
    name = f"t{uuid.uuid4().hex[:12]}"
    _admin(server, f"CREATE DATABASE {name}")
    made = Pg(server.loopback_url(name), server)
    made.run(script)
    return made


def _admin(server: ThrowawayServer, sql: str) -> None:
    with psycopg.connect(server.loopback_url(), autocommit=True) as session:
        session.execute(sql.encode())
