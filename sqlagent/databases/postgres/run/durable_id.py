"""The number of a run's transaction, made to last: it still means this transaction after the server has crashed.

PostgreSQL gives a number that no flushed record of its log names to somebody else after a crash, and then says of it
what became of that other transaction.  So a record with ours is on disk before COMMIT is sent.
"""

from __future__ import annotations

import time

from sqlagent.core.errors import QueryError
from sqlagent.databases.postgres.connection.rows import Session, one, raw
from sqlagent.databases.postgres.effect.undo_record import Transaction

_WITH_FLUSH = 170000
"""The server's version that can be told to flush a message."""
_AT_MOST = 5.0  # seconds
_BETWEEN = 0.02

PLACE = """
SELECT (SELECT s.system_identifier FROM pg_catalog.pg_control_system() s),
  pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)"""
"""Which server, and which of its timelines."""
_IDENTITY = f"""{PLACE}, pg_catalog.pg_current_xact_id(), pg_catalog.pg_backend_pid(),
  (SELECT a.backend_start FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid())"""  # noqa: S608 - our own text
_OURS = "SELECT pg_catalog.pg_logical_emit_message(true, 'sqlagent', '')"
_FLUSH = "SELECT pg_catalog.pg_logical_emit_message(false, 'sqlagent', '', true)"
_MORE = "SELECT pg_catalog.pg_logical_emit_message(false, 'sqlagent', pg_catalog.repeat('x', 8192))"


def durable(writer: Session) -> Transaction:
    """The number of the writer's transaction, on disk, so that the server can be asked about it later."""
    raw(writer, _OURS)  # also where it changed nothing that is logged
    if writer.info.server_version >= _WITH_FLUSH:
        raw(writer, _FLUSH)
    else:
        _wait_for_flush(writer)
    ((system, timeline, xid, pid, began),) = raw(writer, _IDENTITY)
    return Transaction(str(system), str(timeline), str(xid), int(pid or 0), str(began))


def answer_durably(writer: Session) -> None:
    """Have COMMIT answer only once it is on disk, whatever the server's default is."""
    if one(writer, "SELECT pg_catalog.current_setting('synchronous_commit')") in ("off", "local"):
        raw(writer, "SELECT pg_catalog.set_config('synchronous_commit', 'on', true)")


def _wait_for_flush(writer: Session) -> None:
    """The log writer flushes five times a second, up to its last full page."""
    position = one(writer, "SELECT pg_catalog.pg_current_wal_insert_lsn()")
    until = time.monotonic() + _AT_MOST
    while one(writer, "SELECT pg_catalog.pg_current_wal_flush_lsn() >= %s::pg_lsn", position) != "t":
        if time.monotonic() > until:
            raise QueryError("the server does not flush its log", hint="nothing was changed; look at its disk")
        raw(writer, _MORE)
        time.sleep(_BETWEEN)
