"""Opening a session with PostgreSQL: autocommit, nothing prepared by name, so that a pooler may stand in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from sqlagent.databases.postgres.connection.address import Address
from sqlagent.databases.postgres.connection.error_text import speaking
from sqlagent.databases.postgres.connection.refusal import refusal
from sqlagent.databases.postgres.connection.rows import Session


def connect(address: Address) -> Session:
    """A new session; raises ConnectError or AuthError.  Transactions are begun by SQL, by whoever needs one."""
    try:
        return psycopg.connect(address.conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.Error as e:
        raise refusal(e, address) from None  # what the driver says may have the password in it


@contextmanager
def reading(session: Session, *, seconds: float | None, lock_seconds: float = 2.0) -> Iterator[None]:
    """A READ ONLY transaction, always rolled back; a statement of it may take so long, and wait so long for a lock.

    Strings mean what our own reader of SQL takes them for, whatever the role or the database has set.
    """
    limits = (
        f"SET LOCAL statement_timeout = {milliseconds(seconds)}; SET LOCAL lock_timeout = {milliseconds(lock_seconds)}"
    )
    with speaking(seconds=seconds):
        # SELECT 1 takes the snapshot, after which nothing can make the transaction write
        session.execute(f"BEGIN READ ONLY; {limits}; {MEANING}; SELECT 1".encode())
        try:
            yield
        finally:
            if not session.closed:
                session.execute("ROLLBACK")


MEANING = "SET LOCAL standard_conforming_strings = on"
"""For every transaction in which SQL of a person's or a model's is parsed."""


def milliseconds(seconds: float | None) -> int:
    """As PostgreSQL's time limits have it: 0 is none."""
    return 0 if seconds is None else max(1, int(seconds * 1000))
