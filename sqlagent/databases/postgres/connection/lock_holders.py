"""Which session holds a lock that a statement waited for too long: its program, role and since when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlagent.core.errors import ConnectError, SqlagentError
from sqlagent.databases.postgres.connection.address import Address
from sqlagent.databases.postgres.connection.error_text import LOCK_TIMEOUT
from sqlagent.databases.postgres.connection.open import connect, reading
from sqlagent.databases.postgres.connection.rows import raw

_HOLDERS = """
SELECT c.relname, a.usename, a.application_name, a.pid, pg_catalog.to_char(a.query_start, 'HH24:MI:SS')
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
JOIN pg_catalog.pg_class c ON c.oid = l.relation
WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm', 'v')
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY a.query_start LIMIT 1"""


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
    if not found:
        return ""
    table, role, program, pid, since = found[0]
    what = f" with {program}" if program else ""
    when = f", whose statement began at {since}" if since else ""
    return f"{table} is locked by {role}{what} (process {pid}){when}"
