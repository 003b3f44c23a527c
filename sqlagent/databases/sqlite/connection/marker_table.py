"""The table in which a database itself keeps the mark of each run, written in the run's own transaction.

It is made only where the owner allows it.  A mark stands exactly when its run was committed, in every journal mode.

The table is not STRICT: a file with one STRICT table cannot be opened at all by SQLite before 3.37, and other programs
read it too.  Rows are never removed: one that is gone would say that its run was not applied.  They may be deleted by
hand once their runs have ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from sqlagent.core.errors import ConnectError, QueryError, Stale
from sqlagent.databases.base import OwnMark

TABLE = "sqlagent_runs"
"""No statement may change it (see the authorizer), and no model is shown it."""
RULE = "marker-table"
"""Id of the rule that says so."""

_CREATE = """
CREATE TABLE main.sqlagent_runs (
  id TEXT NOT NULL, at TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (id, digest)
) WITHOUT ROWID"""
_KIND = "SELECT type FROM sqlite_schema WHERE name = 'sqlagent_runs' COLLATE NOCASE AND type IN ('table', 'view')"
_COLUMNS = "SELECT group_concat(name, ' ' ORDER BY cid) FROM pragma_table_xinfo('sqlagent_runs')"
_AT = "SELECT at FROM main.sqlagent_runs WHERE id = ? AND digest = ?"
_INSERT = "INSERT INTO main.sqlagent_runs (id, at, digest) VALUES (?, ?, ?)"
_NOTHING = "nothing was changed"


def is_ours(name: str | None) -> bool:
    return (name or "").lower() == TABLE


def has_table(connection: apsw.Connection) -> bool:
    """Raises ConnectError where something else has its name."""
    kind = connection.execute(_KIND).get
    if kind is None:
        return False
    if kind != "table" or connection.execute(_COLUMNS).get != "id at digest":
        raise ConnectError(
            f"{TABLE} is there and is not the table of marks that `marker_table` would make",
            hint=f"rename it, or set marker_table = false; {_NOTHING}",
        )
    return True


def marked(connection: apsw.Connection, mark: OwnMark) -> bool | None:
    """Whether the mark stands; None where there is no table that could tell."""
    if not has_table(connection):
        return None
    found = connection.execute(_AT, (mark.run, mark.digest)).get
    return bool(found == mark.at)


@dataclass(slots=True)
class Marker:
    """Writes the mark of one run on its connection."""

    connection: apsw.Connection
    path: Path
    mark: OwnMark
    _there: bool = False

    def begin(self) -> None:
        """In the transaction, before the first statement.  Raises Stale where the run was applied already."""
        self._there = has_table(self.connection)
        at = self.connection.execute(_AT, (self.mark.run, self.mark.digest)).get if self._there else None
        if at is not None:
            # the journal was restored from a backup, or another one has a run of the same name and content
            raise Stale(f"{self.mark.run} was applied already, at {at}: its mark is in {self.path}", hint=_NOTHING)

    def write(self) -> None:
        """After the last statement; the table is made where it is missing."""
        if not self._there and self.connection.execute(_KIND).get:  # by a RENAME, whose new name no authorizer hears
            raise QueryError(f"the SQL makes {TABLE}, where sqlagent keeps its marks  [{RULE}]", hint=_NOTHING)
        try:
            with _without_triggers(self.connection):
                if not self._there:
                    self.connection.execute(_CREATE).fetchall()
                self.connection.execute(_INSERT, (self.mark.run, self.mark.at, self.mark.digest)).fetchall()
        except apsw.Error as e:
            raise QueryError(f"the run could not be marked in {self.path}: {e}", hint=_NOTHING) from e


@contextmanager
def _without_triggers(connection: apsw.Connection) -> Iterator[None]:
    """What somebody hung on the table would change rows that nobody measured."""
    before = connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, -1)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    try:
        yield
    finally:
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, before)
