"""Where a script can run and leave no trace: in a private copy, or in the file in a transaction that rolls back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from sqlagent.databases.sqlite.connection.authorizer import Guard
from sqlagent.databases.sqlite.connection.budget import Meter
from sqlagent.databases.sqlite.connection.open import open_memory, open_writer

_PAGES_A_STEP = 2_000
_ROOM = 400_000_000  # bytes that a script may add to a private copy


def size_of(connection: apsw.Connection) -> int:
    """Bytes of the whole database file."""
    return int(str(connection.pragma("page_count"))) * int(str(connection.pragma("page_size")))


@contextmanager
def private_copy(
    source: apsw.Connection, *, foreign_keys: bool, meter: Meter, vfs: str | None = None
) -> Iterator[tuple[apsw.Connection, Guard]]:
    """A copy in memory of one moment of the source, which is locked for reading only while it is copied."""
    connection, guard = open_memory(foreign_keys=foreign_keys, vfs=vfs)
    try:
        connection.pragma("page_size", int(str(source.pragma("page_size"))))
        pages = int(str(source.pragma("page_count")))
        connection.pragma("max_page_count", pages + _ROOM // int(str(source.pragma("page_size"))))
        own = not source.in_transaction
        if own:
            source.execute("BEGIN").fetchall()  # or a change by another process would start it over, again and again
        try:
            with connection.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(_PAGES_A_STEP)
                    meter.check()
        finally:
            if own:
                source.execute("ROLLBACK").fetchall()
        yield connection, guard
    finally:
        connection.close(force=True)


@contextmanager
def file_itself(path: Path, *, foreign_keys: bool, vfs: str | None = None) -> Iterator[tuple[apsw.Connection, Guard]]:
    """The file in a transaction of its own: changes stay in this process's memory until they are rolled back."""
    connection, guard = open_writer(path, foreign_keys=foreign_keys, busy_seconds=0, vfs=vfs)
    try:
        connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        connection.pragma("cache_spill", 0)
        connection.pragma("temp_store", 2)
        yield connection, guard
    finally:
        connection.close(force=True)
