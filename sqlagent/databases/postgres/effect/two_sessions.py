"""Two sessions on one snapshot: a writer, where the script runs, and a witness, which still sees all as it was."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Timer

import psycopg

from sqlagent.core.errors import ConnectError
from sqlagent.databases.postgres.connection.pooler import of_the_pooler
from sqlagent.databases.postgres.connection.rows import Session, one, raw

Connect = Callable[[], Session]
"""Opens a session in autocommit, which begins no transaction of its own."""

_FIRST_ANSWER = 5.0  # seconds

FORMATS: Mapping[str, str] = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "C",
}
"""Held while values are written as text, or read from it, so that it is the same in every session."""
STEADY: Mapping[str, str] = {**FORMATS, "row_security": "off", "search_path": ""}
"""Held while rows are read: none is hidden, and every name is whole."""

Counts = tuple[int, int, int]
"""Rows inserted, updated and deleted, as the server counts every write: a row written twice counts twice."""


class IsStandby(ConnectError):
    """The server follows another one, and takes no writes."""

    def __init__(self) -> None:
        super().__init__("this server is a standby, and takes no writes", hint="name the primary in the database's url")


@dataclass(frozen=True, slots=True)
class Sessions:
    """Both, for whoever watches them from outside."""

    writer: Session
    witness: Session
    writer_pid: int
    """Of the server's process: a pooler gives out another number for the session."""
    witness_pid: int

    @property
    def pids(self) -> list[int]:
        """Of both server processes."""
        return [self.writer_pid, self.witness_pid]


@dataclass(frozen=True, slots=True)
class Waits:
    """How long anything may take, in seconds."""

    lock: float
    """That a statement waits for a lock of somebody else."""
    statement: float | None
    """That a statement takes; None for no limit."""


@dataclass(slots=True)
class Pair:
    """The writer's and the witness's session, each in its transaction."""

    writer: Session
    witness: Session
    multixact: str
    """The next multixact when they began: one that the writer makes is not older."""
    counted: dict[int, Counts] = field(default_factory=dict)
    """By table, what the session's earlier transactions wrote: it stays in the counts until the server flushes it."""


@contextmanager
def two_sessions(
    connect: Connect, waits: Waits, *, locked: Sequence[str] = (), began: Callable[[Sessions], None] = lambda _: None
) -> Iterator[Pair]:
    """Closed afterwards whatever happened, so that no lock outlives it.

    Raises IsStandby.  `locked` are tables, as they stand in SQL, that nobody may write from before the snapshot on.
    `began` is told of both sessions before they wait for anything, and again once their processes are known for sure.
    """
    witness = connect()
    try:
        if one(witness, "SELECT pg_catalog.pg_is_in_recovery()") == "t":
            raise IsStandby
        writer = connect()
        try:
            yield _begun(writer, witness, waits, locked, began)
        finally:
            writer.close()
    finally:
        witness.close()


def _begun(
    writer: Session, witness: Session, waits: Waits, locked: Sequence[str], began: Callable[[Sessions], None]
) -> Pair:
    began(Sessions(writer, witness, writer.info.backend_pid, witness.info.backend_pid))
    with _answering(writer):
        writer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
    writer.execute(f"SET LOCAL lock_timeout = {_ms(waits.lock)}")
    for table in locked:  # it takes no snapshot and no number, so what comes after sees all that was committed before
        writer.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE".encode())
    with _answering(witness):
        witness.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    ((snapshot, witness_pid),) = raw(witness, "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_backend_pid()")
    writer.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    writer_pid = one(writer, "SELECT pg_catalog.pg_backend_pid()")  # any query earlier would be before the snapshot
    began(Sessions(writer, witness, int(writer_pid or 0), int(witness_pid or 0)))
    for session in (writer, witness):
        set_local(session, _limits(waits))
    multixact = one(witness, "SELECT pg_catalog.mxid_age('1'::xid) + 1")
    return Pair(writer, witness, str(multixact), dict(written(writer)))


@contextmanager
def _answering(session: Session) -> Iterator[None]:
    """Not for longer than a while: a pooler that has no session to give would leave it without a word for minutes."""
    late = Event()

    def break_off() -> None:
        late.set()
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(session.fileno())) as its:
            its.shutdown(socket.SHUT_RDWR)

    timer = Timer(_FIRST_ANSWER, break_off)
    timer.start()
    try:
        yield
    except psycopg.Error as e:
        if late.is_set() and (found := of_the_pooler("query_wait_timeout")):
            raise found from e
        raise
    finally:
        timer.cancel()
        timer.join()


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _limits(waits: Waits) -> dict[str, str]:
    """Kept by the server, which then ends what its client no longer can."""
    statement = 0 if waits.statement is None else _ms(waits.statement)
    idle = 0 if waits.statement is None else 2 * statement + 10_000  # between statements we write to disk
    found = {
        "lock_timeout": _ms(waits.lock),
        "statement_timeout": statement,
        "idle_in_transaction_session_timeout": idle,
    }
    limits = {name: f"{milliseconds}ms" for name, milliseconds in found.items()}
    return limits | {"standard_conforming_strings": "on"}  # what our own reader of SQL takes strings for


def set_local(session: Session, settings: Mapping[str, str]) -> None:
    """Set a parameter until the end of the transaction."""
    calls = ", ".join("pg_catalog.set_config(%s, %s, true)" for _ in settings)
    raw(session, f"SELECT {calls}", *(text for pair in settings.items() for text in pair))


@contextmanager
def steady(session: Session, settings: Mapping[str, str] = STEADY) -> Iterator[None]:
    """Run the block with settings that make the server's texts the same for everybody."""
    calls = ", ".join("pg_catalog.current_setting(%s)" for _ in settings)
    (found,) = raw(session, f"SELECT {calls}", *settings)
    before = {name: value or "" for name, value in zip(settings, found, strict=True)}
    set_local(session, settings)
    try:
        yield
    finally:
        with suppress(psycopg.Error):  # after an error the transaction is over, and its settings with it
            set_local(session, before)


@contextmanager
def aside(session: Session) -> Iterator[None]:
    """Run the block so that it leaves neither a lock nor a setting in the transaction."""
    session.execute("SAVEPOINT aside")
    try:
        yield
    finally:
        if not session.closed:
            session.execute("ROLLBACK TO SAVEPOINT aside; RELEASE SAVEPOINT aside")


_WRITTEN = """
SELECT s.relid, s.n_tup_ins, s.n_tup_upd, s.n_tup_del FROM pg_catalog.pg_stat_xact_all_tables s
WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0 ORDER BY s.relid"""


def written(writer: Session) -> Iterator[tuple[int, Counts]]:
    """How many rows of each table, catalogs too, this session wrote that the server has not added up yet."""
    for row in raw(writer, _WRITTEN):
        oid, inserted, updated, deleted = (int(value or 0) for value in row)
        yield oid, (inserted, updated, deleted)
