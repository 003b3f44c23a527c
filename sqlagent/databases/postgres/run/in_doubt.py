"""Whether a run was committed whose end was not seen: told by its transaction and by its rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from itertools import islice

import psycopg

from sqlagent.databases.base import Verdict
from sqlagent.databases.changes.rows import RowChange, TableChange, key_of
from sqlagent.databases.postgres.connection.rows import Raw, Session, one, raw
from sqlagent.databases.postgres.effect.tables import Table, quoted, tables
from sqlagent.databases.postgres.effect.two_sessions import Connect, steady
from sqlagent.databases.postgres.effect.undo_record import Kept, Transaction
from sqlagent.databases.postgres.run.durable_id import PLACE

_MOST = 10_000  # rows of a table that are asked
_WAIT = 5.0  # seconds that a backend without a client is given to end
_BETWEEN = 0.02
_ALIVE = """
SELECT true FROM pg_catalog.pg_stat_activity a WHERE a.pid = %s AND a.backend_start = %s::timestamptz
  AND a.backend_xid = %s::xid8::xid"""
_VERDICTS = {"committed": Verdict.APPLIED, "aborted": Verdict.NOT_APPLIED, "in progress": Verdict.CANNOT_TELL}


_STANDBY = "SELECT pg_catalog.pg_is_in_recovery()"


def committed(connect: Connect, kept: Kept) -> Verdict:
    """What the server says of a run's transaction; CANNOT_TELL where the rows contradict that, and on a standby.

    After a promotion or a restore its numbers may be those of other transactions, and then it knows nothing.
    """
    with closing(connect()) as session:
        if one(session, _STANDBY) == "t":
            return Verdict.CANNOT_TELL
        _end_backend(session, kept.transaction)
        ((system, timeline),) = raw(session, PLACE)
        if (system, timeline) != (kept.transaction.system, kept.transaction.timeline):
            return Verdict.CANNOT_TELL
        by_number = _by_number(session, kept.transaction)
        by_rows = _by_rows(session, kept.changes)
    return by_number if by_rows in (by_number, Verdict.CANNOT_TELL) else Verdict.CANNOT_TELL


def decided(connect: Connect, kept: Kept) -> Verdict:
    """What the rows suggest; somebody else may have written them."""
    with closing(connect()) as session:
        return Verdict.CANNOT_TELL if one(session, _STANDBY) == "t" else _by_rows(session, kept.changes)


def _end_backend(session: Session, transaction: Transaction) -> None:
    """One that lives on without its client may still commit: it is ended, which a role may do to its own.

    Only while it is in that transaction: a pooler's backend lives on, and serves somebody else.
    """
    until = time.monotonic() + _WAIT
    while one(session, _ALIVE, transaction.pid, transaction.began, transaction.xid) and time.monotonic() < until:
        raw(session, "SELECT pg_catalog.pg_terminate_backend(%s)", transaction.pid)
        time.sleep(_BETWEEN)


def _by_number(session: Session, transaction: Transaction) -> Verdict:
    try:
        status = one(session, "SELECT pg_catalog.pg_xact_status(%s::xid8)", transaction.xid)
    except psycopg.errors.InvalidParameterValue:  # one of the future: this server never came so far
        return Verdict.CANNOT_TELL
    return _VERDICTS.get(str(status), Verdict.CANNOT_TELL)  # NULL: so long ago that it was forgotten


def _by_rows(session: Session, changes: Sequence[TableChange[Table]]) -> Verdict:
    """What stands: rows as they were, or as they were to be.  Rows of both kinds tell nothing."""
    stands: Counter[Verdict] = Counter()
    for change in changes:
        known = tables(session, [change.table.oid]).get(change.table.oid)
        if change.table.key and known is not None and (known.columns, known.key) == (
            change.table.columns, change.table.key
        ):  # fmt: skip
            stands.update(_of_table(session, change))
    match bool(stands[Verdict.NOT_APPLIED]), bool(stands[Verdict.APPLIED]):
        case True, False:
            return Verdict.NOT_APPLIED
        case False, True:
            return Verdict.APPLIED
        case _:
            return Verdict.CANNOT_TELL


def _of_table(session: Session, change: TableChange[Table]) -> list[Verdict]:
    asked = tuple(islice(change.rows, _MOST))
    try:
        now = rows_now(session, change.table, [row.row for row in asked])
    except psycopg.Error:  # no right to read it any more, or it was altered: it tells nothing
        return []
    return [verdict for row in asked for verdict in _of_row(row, now.get(key_of(change.table, row.row)))]


def _of_row(change: RowChange, now: Raw | None) -> list[Verdict]:
    """A row that is not there tells only of itself: it may have been deleted, or its key given to nobody since."""
    was, will_be = now == change.before, now == change.after
    if was == will_be:
        return []
    return [Verdict.NOT_APPLIED if was else Verdict.APPLIED]


def rows_now(session: Session, table: Table, rows: Sequence[Raw], *, locking: str = "") -> dict[Raw, Raw]:
    """Rows of a table as they stand, by key.  `locking` is a clause such as `FOR UPDATE OF t`."""
    if not rows:
        return {}
    names = [quoted(table.columns[place]) for place in table.key]
    types = [table.types[place] for place in table.key]
    values = ", ".join(f"k.k{number}::{type_}" for number, type_ in enumerate(types))
    arrays = ", ".join("%s::text[]" for _ in names)
    aliases = ", ".join(f"k{number}" for number in range(len(names)))
    columns = ", ".join("t." + quoted(name) for name in table.columns)
    keys = ", ".join("t." + name for name in names)
    head = f"SELECT {columns} FROM {table.only} t WHERE ({keys}) IN (SELECT {values} FROM unnest(".replace("%", "%%")  # noqa: S608
    with session.transaction(), steady(session):
        found = raw(session, f"{head}{arrays}) k ({aliases})) {locking}", *([r[p] for r in rows] for p in table.key))
    return {key_of(table, row): row for row in found}
