"""Opening a session with PostgreSQL: autocommit, nothing prepared by name, so that a pooler may stand in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from sqlagent.databases.postgres.connection.address import Address
from sqlagent.databases.postgres.connection.error_text import speaking
from sqlagent.databases.postgres.connection.rows import Session


def connect(address: Address) -> Session:
    """A new session; raises ConnectError or AuthError.  Transactions are begun by SQL, by whoever needs one."""
    with speaking():
        return psycopg.connect(address.secret_conninfo, autocommit=True, prepare_threshold=None)


@contextmanager
def reading(session: Session, *, seconds: float | None) -> Iterator[None]:
    """A READ ONLY transaction, always rolled back; a statement of it may take so many seconds."""
    milliseconds = 0 if seconds is None else max(1, int(seconds * 1000))
    session.execute("BEGIN READ ONLY")
    try:
        session.execute(f"SET LOCAL statement_timeout = {milliseconds}")
        yield
    finally:
        if not session.closed:
            session.execute("ROLLBACK")
