"""The copy of tables that a DROP or ALTER loses: written to a small SQLite file, and put back from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from sqlagent.core.errors import StoreError
from sqlagent.databases.sqlite.connection.open import file_uri, open_kept
from sqlagent.databases.sqlite.opinion.schema import quoted
from sqlagent.databases.sqlite.opinion.table_shapes import Tables
from sqlagent.plain_files import NotPlain, refuse_odd_database

_CATALOG = """
CREATE TABLE catalog (
  change INTEGER NOT NULL, -- which change of the schema in the script, from 0
  name TEXT NOT NULL, stored TEXT NOT NULL, -- the table, and the one here that has its rows
  columns TEXT NOT NULL, -- as a list of quoted names, the number of the row first where it has one
  sequence INTEGER -- the last number that AUTOINCREMENT gave out
)"""
_MEMORY = Path(":memory:")
_NUMBERS = ("rowid", "_rowid_", "oid")


class Copier:
    """Writes the copy while the run is in its transaction; the file is on disk before the run commits."""

    def __init__(self, path: Path | None, *, room: float = float("inf")) -> None:
        """Raises StoreError where the file cannot be made, or is there already.

        Without a path it is in memory, for an undo to be tried, with room for so many bytes.
        """
        self._path = path or _MEMORY
        self.is_for_trial = path is None
        self._room = room
        with _speaking_of(self._path):
            self._file = apsw.Connection(":memory:") if path is None else _made(path)
            self._file.execute("PRAGMA synchronous = FULL; BEGIN IMMEDIATE").fetchall()
            self._file.execute(_CATALOG).fetchall()
        self.copied: set[tuple[int, str]] = set()

    def has_room(self, size: int) -> bool:
        """Take so many bytes of the room; False once that is more than there is."""
        self._room -= size
        return self._room >= 0

    def copy_so_far(self) -> Copy:
        """The copy to put rows back from, before it is closed."""
        return Copy(self._path, self._file)

    def copy(self, source: apsw.Connection, tables: Tables, change: int, name: str) -> None:
        """Copy every row of a table, with its number."""
        if (change, name.lower()) in self.copied:
            return
        self.copied.add((change, name.lower()))
        columns = columns_of(source, tables, name)
        stored = quoted(f"rows {len(self.copied)}")
        places = ", ".join(f"c{place}" for place in range(len(columns)))
        listed = ", ".join(columns)
        with _speaking_of(self._path):
            self._file.execute(f"CREATE TABLE {stored} ({places})").fetchall()
            rows = source.execute(f"SELECT {listed} FROM main.{quoted(name)}")  # noqa: S608 - quoted names
            values = ", ".join("?" * len(columns))
            self._file.executemany(f"INSERT INTO {stored} VALUES ({values})", rows)  # noqa: S608 - a quoted name
            self._file.execute(
                "INSERT INTO catalog VALUES (?, ?, ?, ?, ?)",
                (change, name.lower(), stored, listed, tables.sequence(name)),
            )

    def close(self, *, keeping: bool) -> None:
        """Finish the file on disk, or remove it where it is not kept."""
        with _speaking_of(self._path):
            if keeping:
                self._file.execute("COMMIT").fetchall()
            self._file.close(force=True)
            if not keeping and self._path != _MEMORY:
                self._path.unlink(missing_ok=True)


def _made(path: Path) -> apsw.Connection:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.close(handle)
    return apsw.Connection(file_uri(path, "rw"), flags=_FLAGS)


def columns_of(connection: apsw.Connection, tables: Tables, name: str) -> list[str]:
    """The columns to copy, quoted, without generated ones; the row's number first where it can be named."""
    found = connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (name,)).fetchall()
    taken = {str(column).lower() for column, _ in found}
    free = [number for number in _NUMBERS if number not in taken]
    numbered = free[:1] if not tables.shape(name).without_rowid else []
    return [*numbered, *(quoted(str(column)) for column, hidden in found if hidden == 0)]


class Copy:
    """A copy of lost tables that a run made before."""

    def __init__(self, path: Path, file: apsw.Connection | None = None) -> None:
        """`file` is the connection that it is being written on, where that is not done yet."""
        with _speaking_of(path):
            self._path = path
            if file is None:
                refuse_odd_database(path)
            self._file = file or open_kept(path)
            self._tables = {str(name) for (name,) in self._file.execute(_PLAIN_TABLES).fetchall()}
            if "catalog" not in self._tables:
                raise StoreError(f"the copy of what is lost, {path}, has no catalog", hint=_NOT_OURS)
            self._catalog = {
                (int(str(change)), str(name)): (str(stored), str(columns), sequence)
                for change, name, stored, columns, sequence in self._file.execute("SELECT * FROM catalog").fetchall()
            }

    def has(self, change: int, name: str) -> bool:
        """Whether it holds the rows of a table as they were before that change of the schema, from 0."""
        return (change, name.lower()) in self._catalog

    def put_back(self, connection: apsw.Connection, change: int, name: str) -> None:
        """Put every row into the table of that name, which is empty."""
        stored, columns, sequence = self._catalog[change, name.lower()]
        own = ", ".join(columns_of(connection, Tables(connection), name))
        if columns != own or stored.strip('"') not in self._tables or stored != quoted(stored.strip('"')):
            raise StoreError(f"the copy of what is lost, {self._path}, is not of {name}", hint=_NOT_OURS)
        with _speaking_of(self._path):
            rows: Iterable[Any] = self._file.execute(f"SELECT * FROM {stored}")  # noqa: S608 - quoted when made
            width = self._file.execute("SELECT count(*) FROM pragma_table_info(?)", (stored.strip('"'),)).get
            values = ", ".join("?" * int(width))
        into = f"INSERT INTO main.{quoted(name)} ({columns}) VALUES ({values})"  # noqa: S608 - quoted names
        connection.executemany(into, rows)
        if sequence is not None:
            connection.execute("DELETE FROM sqlite_sequence WHERE name = ? COLLATE NOCASE", (name,)).fetchall()
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, sequence)).fetchall()

    def close(self) -> None:
        """Close the file, which stays."""
        self._file.close(force=True)


_PLAIN_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
_NOT_OURS = "it was changed since the run made it, and cannot be put back"
_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI


@contextmanager
def _speaking_of(path: Path) -> Iterator[None]:
    try:
        yield
    except (apsw.Error, OSError, NotPlain) as e:
        raise StoreError(f"the copy of what is lost, {path}, failed: {e}", hint=f"ls -l {path}") from e
