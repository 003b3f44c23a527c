"""Who keeps others from a table or a row, as a person asks for them: by name, and since when; never by their SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlagent.core.errors import ConnectError, SqlagentError
from sqlagent.databases.postgres.connection.address import Address
from sqlagent.databases.postgres.connection.error_text import LOCK_TIMEOUT
from sqlagent.databases.postgres.connection.open import connect, reading
from sqlagent.databases.postgres.connection.rows import Raw, Session, raw

_HOLDERS = """
SELECT a.usename, a.application_name, a.pid, pg_catalog.to_char(a.query_start, 'HH24:MI:SS'), c.relname
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
JOIN pg_catalog.pg_class c ON c.oid = l.relation
WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm', 'v')
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY a.query_start LIMIT 1"""
_BLOCKERS = """
SELECT a.usename, a.application_name, b.pid, pg_catalog.to_char(a.query_start, 'HH24:MI:SS')
FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(%s::int)) b (pid)
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid ORDER BY a.query_start NULLS LAST LIMIT 1"""
_PREPARED = """
SELECT p.owner, p.gid FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database()
ORDER BY p.prepared LIMIT 1"""


@contextmanager
def naming_the_holder(address: Address) -> Iterator[None]:
    """Where a read waited too long for a lock, raise an error that names the session that holds it."""
    try:
        yield
    except SqlagentError as e:
        if e.sqlstate != LOCK_TIMEOUT or not (holder := _holder(address)):
            raise
        found = ConnectError(holder, hint="try again when that is done")
        found.sqlstate = LOCK_TIMEOUT
        raise found from e


def _holder(address: Address) -> str:
    try:
        session = connect(address)
    except SqlagentError:
        return ""
    with session, reading(session, seconds=2):
        found = raw(session, _HOLDERS)
    return f"{found[0][4]} is locked by {_session(found[0])}" if found else ""


def blocker(session: Session, pid: int) -> str:
    """For whom that process waits just now; empty where it waits for nobody."""
    found = raw(session, _BLOCKERS, pid)
    if not found:
        return ""
    if found[0][2] == "0":  # no process has it: it waits for its COMMIT PREPARED
        listed = raw(session, _PREPARED)
        return f"a prepared transaction of {listed[0][0]}, {listed[0][1]!r}" if listed else "a prepared transaction"
    return _session(found[0])


def _session(row: Raw) -> str:
    """`ana with migrations (process 7), whose statement began at 12:00:03`."""
    role, program, pid, since = row[:4]
    what = f" with {program}" if program else ""
    when = f", whose statement began at {since}" if since else ""
    return f"{role or 'another session'}{what} (process {pid}){when}"
