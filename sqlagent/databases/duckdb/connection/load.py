"""An engine in memory that is filled from files, and then reaches nothing outside itself.

While it is filled it reads by handles that we opened, under no name that it could take for a pattern; afterwards it can
open no file, load no extension, and change none of its settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sqlagent.core.errors import ConnectError
from sqlagent.databases.duckdb.connection import files
from sqlagent.databases.duckdb.connection.files import DataFile, LeftOut
from sqlagent.databases.duckdb.connection.filling import Filling, Source
from sqlagent.databases.duckdb.connection.waiting import waited_for

_CLOSED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "python_enable_replacements": "false",  # else a name in SQL may be a variable of ours
    "enable_external_file_cache": "false",  # a handle's name is used again
    "temp_directory": "",  # else it makes `.tmp` where we are
}
_LOCKS = ("SET enable_external_access = false", "SET lock_configuration = true")
_BYTES_OF_MEMORY = 4_000_000_000


Stamp = tuple[tuple[str, int, int, int, int], ...]
"""What tells one state of the files from another: name, device, inode, size and time of the last change of each."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Tables in memory, where each came from, and what became none."""

    connection: duckdb.DuckDBPyConnection
    sources: tuple[Source, ...]
    left_out: tuple[LeftOut, ...]
    stamp: Stamp


def stamp(place: Path) -> Stamp:
    """Of the file, or of all files of the folder that would become tables; raises ConnectError."""
    return _stamped(files.found(place)[0])


def _stamped(found: Iterable[DataFile]) -> Stamp:
    stats = ((file.path.name, file.path.stat()) for file in found)
    try:
        return tuple((name, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in stats)
    except OSError as e:
        raise ConnectError(f"{e.filename} cannot be read: {(e.strerror or str(e)).lower()}", hint="ls -l") from e


def load(place: Path) -> Loaded:
    """Every file as a table, in an engine that is then closed to the outside; raises ConnectError."""
    found, left_out = files.found(place)
    before = _stamped(found)
    files.check_sizes(found)
    connection = duckdb.connect(":memory:", config={**_CLOSED, "memory_limit": f"{_memory()}B"})
    try:
        filling = Filling(connection, taken={file.table.lower() for file in found})
        waited_for(connection, lambda: filling.fill(found))
        for lock in _LOCKS:
            connection.execute(lock)
        _check(filling, is_same=_stamped(found) == before, place=place)
    except BaseException:
        connection.close()
        raise
    return Loaded(connection, tuple(filling.sources), (*left_out, *filling.refused), before)


_HINT = "sqlagent help databases says which files can be opened"


def _check(filling: Filling, *, is_same: bool, place: Path) -> None:
    if not filling.sources:
        refused = filling.refused[0]
        raise ConnectError(f"{refused.name} cannot be opened: {refused.why}", hint=_HINT)
    if not is_same:
        raise ConnectError(f"{place} was changed while it was read", hint="try again when its writer is done")


def _memory() -> int:
    """Half of the machine's at most."""
    return min(_BYTES_OF_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
