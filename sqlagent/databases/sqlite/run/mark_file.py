"""The mark of a run in a small file of its own, changed in one COMMIT with the database.

Of its own, so that a process that stops inside its COMMIT keeps no other run waiting; and made for the database, since
SQLite attaches no file of another text encoding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from sqlagent.core.errors import ConnectError, StoreError
from sqlagent.databases.base import Mark, Verdict
from sqlagent.databases.sqlite.connection import marker_table
from sqlagent.databases.sqlite.connection.marker_table import Marker
from sqlagent.databases.sqlite.connection.open import file_uri

_SCHEMA = "sqlagent_mark"
_NOTHING = "nothing was changed"


@dataclass(frozen=True, slots=True)
class MarkFile:
    """The mark of one run, in a file that its connection changes along with the database."""

    path: Path
    mark: Mark

    def prepare(self, connection: apsw.Connection) -> None:
        """Make the file anew for the database of the connection, on disk before the run begins."""
        with self._speaking():
            for left_over in (self.path, self.path.with_name(self.path.name + "-journal")):
                left_over.unlink(missing_ok=True)  # of an attempt that died before its COMMIT, or this one would not be
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            file = apsw.Connection(file_uri(self.path, "rw"), flags=_FLAGS)
            try:
                file.pragma("encoding", str(connection.pragma("encoding")))
                file.execute("BEGIN IMMEDIATE").fetchall()
                Marker(file, self.path, self.mark).prepare()
                file.execute("COMMIT").fetchall()
            finally:
                file.close(force=True)

    def write(self, connection: apsw.Connection) -> None:
        """Write `done` in the run's transaction; attached only now, so that no statement could name the file."""
        with self._speaking():
            connection.execute(f"ATTACH ? AS {_SCHEMA}", (file_uri(self.path, "rw"),)).fetchall()
            Marker(connection, self.path, self.mark).write(_SCHEMA)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except apsw.BusyError as e:
            raise ConnectError(f"{self.path} is locked by another process", hint=_NOTHING) from e
        except (apsw.Error, OSError) as e:
            raise StoreError(f"the run could not be marked in {self.path}: {e}", hint=_NOTHING) from e


def marked(path: Path, mark: Mark) -> Verdict:
    """What the file says; CANNOT_TELL where it is gone or damaged."""
    try:
        # to be written too: where the process died inside COMMIT, opening it rolls the mark back
        file = apsw.Connection(file_uri(path, "rw"), flags=_FLAGS)
    except apsw.CantOpenError:
        return Verdict.CANNOT_TELL
    try:
        return marker_table.marked(file, mark)
    except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError, ConnectError):
        return Verdict.CANNOT_TELL
    except apsw.BusyError as e:
        raise ConnectError(f"{path} is locked by another process", hint="try again when it is done") from e
    finally:
        file.close(force=True)


_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
