"""Opening the journal file: private, durable, and with every failure said in our own words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw
import msgspec

from sqlagent.core.errors import StoreError
from sqlagent.plain_files import NotPlain, refuse_odd_database
from sqlagent.store import private
from sqlagent.store.tables import SCHEMA, VERSION

BUSY_MS = 30_000
"""How long a writer waits for another process's transaction; each takes a few milliseconds."""


def open_file(path: Path) -> apsw.Connection:
    """The journal at `path`, made if it is missing: its folder's alone, rollback journal, every commit on disk.

    Not WAL: a run is marked done in one transaction with the target's changes, and SQLite makes a transaction over two
    files atomic only where both keep a rollback journal.
    """
    try:
        private.make_folder(path.parent)
        _make_private(path)
    except OSError as e:
        raise StoreError(
            f"the state folder {path.parent} cannot be written: {(e.strerror or str(e)).lower()}",
            hint="name another one: --state-dir DIR   or SQLAGENT_STATE_DIR=DIR",
        ) from e
    try:
        refuse_odd_database(path)
    except NotPlain as e:
        raise StoreError(f"the journal {path}: it {e}", hint=f"ls -l {path}*") from e
    with guarded(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(BUSY_MS)
        for setting, value in (("journal_mode", "delete"), ("synchronous", "full"), ("foreign_keys", True)):
            connection.pragma(setting, value)
        _prepare(connection, path)
    return connection


def _make_private(path: Path) -> None:
    """Make the file where it is missing.  One that is there is not touched: closing it would drop its locks."""
    with suppress(FileExistsError):
        os.close(private.open_file(path, os.O_RDWR | os.O_EXCL))


def _prepare(connection: apsw.Connection, path: Path) -> None:
    if connection.pragma("user_version") == 0:
        with transaction(connection):
            if connection.pragma("user_version") == 0:  # another process may have been first
                connection.execute(SCHEMA)
                connection.pragma("user_version", VERSION)
    found = connection.pragma("user_version")
    if found != VERSION:
        older = found < VERSION
        hint = f"an older sqlagent made it; keep it and start anew: mv {path} {path}.v{found}"
        raise StoreError(
            f"the journal {path} is of version {found}, and this sqlagent reads version {VERSION}",
            hint=hint if older else "upgrade sqlagent, or name another folder with --state-dir",
        )


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[apsw.Connection]:
    """One write transaction: the lock is taken at once, so nothing read in it can change before it ends."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Several reads that see one moment: what another process writes meanwhile is in all of them or in none."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Whatever SQLite says of the journal, as a StoreError with the file's name and what to do."""
    try:
        yield
    except UnicodeEncodeError:
        raise  # of what was to be written
    except (apsw.NotADBError, apsw.CorruptError, msgspec.MsgspecError, ValueError) as e:
        raise StoreError(
            f"the journal {path} is damaged: {e}",
            hint=f"restore it from a backup, or move it away and start anew: mv {path} {path}.damaged",
        ) from e
    except apsw.FullError as e:
        raise StoreError(f"the disk of {path} is full", hint="free some space, and try again") from e
    except apsw.BusyError as e:
        raise StoreError(f"the journal {path} is locked by another process", hint="try again in a moment") from e
    except apsw.Error as e:
        raise StoreError(f"the journal {path} cannot be used: {e}", hint="sqlagent doctor") from e
