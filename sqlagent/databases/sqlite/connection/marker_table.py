"""The table in which the mark of each run is kept: a row that says `begun` before it, and `done` by its own COMMIT.

It is in the database itself, where the owner allows that, and in a small file beside the journal, where SQLite changes
two files as one.  Either way the row tells by what it says, never by being absent: nobody but a run writes it.

The table is not STRICT: a file with one STRICT table cannot be opened at all by SQLite before 3.37, and other programs
read it too.  The columns of its key come first: where they do not, `integrity_check` of SQLite 3.40 finds NULLs that
are not there.  Rows may be deleted by hand once their runs have ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from sqlagent.core.errors import ConnectError, QueryError, Stale
from sqlagent.databases.base import Mark, Verdict

TABLE = "sqlagent_runs"
"""No statement may change it (see the authorizer), and no model is shown it."""
RULE = "marker-table"
"""Id of the rule that says so."""

_BEGUN = ""
"""What stands in the place of the time while a run is begun and not done."""
_CREATE = """
CREATE TABLE main.sqlagent_runs (
  id TEXT NOT NULL, digest TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (id, digest)
) WITHOUT ROWID"""
_KIND = "SELECT type FROM sqlite_schema WHERE name = 'sqlagent_runs' COLLATE NOCASE AND type IN ('table', 'view')"
_COLUMNS = "SELECT group_concat(name, ' ' ORDER BY cid) FROM pragma_table_xinfo('sqlagent_runs')"
_OURS, _OLDER = "id digest at", "id at digest"
_MOVE = (
    "CREATE TEMP TABLE older_marks AS SELECT id, digest, at FROM main.sqlagent_runs",
    "DROP TABLE main.sqlagent_runs",
    _CREATE,
    "INSERT INTO main.sqlagent_runs SELECT id, digest, at FROM temp.older_marks",
    "DROP TABLE temp.older_marks",
)
_AT = "SELECT at FROM main.sqlagent_runs WHERE id = ? AND digest = ?"
_INSERT = "INSERT OR IGNORE INTO main.sqlagent_runs (id, digest, at) VALUES (?, ?, ?)"
_NOTHING = "nothing was changed"


def is_ours(name: str | None) -> bool:
    """Whether this is the name of the table of marks, whatever its case."""
    return (name or "").lower() == TABLE


def columns(connection: apsw.Connection) -> str:
    """The columns of the table as it stands, empty where there is none; raises ConnectError where it is not ours."""
    kind = connection.execute(_KIND).get
    if kind is None:
        return ""
    found = str(connection.execute(_COLUMNS).get)
    if kind != "table" or found not in (_OURS, _OLDER):
        raise ConnectError(
            f"{TABLE} is there and is not the table of marks that `marker_table` would make",
            hint=f"rename it, or set marker_table = false; {_NOTHING}",
        )
    return found


def marked(connection: apsw.Connection, mark: Mark) -> Verdict:
    """What the row of the mark says; where there is none, nobody can tell: it may have been deleted."""
    at = connection.execute(_AT, (mark.run, mark.digest)).get if columns(connection) else None
    return {mark.at: Verdict.APPLIED, _BEGUN: Verdict.NOT_APPLIED}.get(str(at), Verdict.CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class Marker:
    """Writes the mark of one run, on a connection to the file that holds it."""

    connection: apsw.Connection
    path: Path
    mark: Mark

    def prepare(self) -> None:
        """In a transaction of its own, before the run's: the table, and the row that says `begun`.  Raises Stale."""
        with self._writing():
            found = columns(self.connection)
            for sql in {_OURS: (), _OLDER: _MOVE, "": (_CREATE,)}[found]:
                self.connection.execute(sql).fetchall()
            self.connection.execute(_INSERT, (self.mark.run, self.mark.digest, _BEGUN)).fetchall()
        self.begin()

    def begin(self) -> None:
        """In the run's transaction, before the first statement.  Raises Stale where the run was applied already."""
        at = self.connection.execute(_AT, (self.mark.run, self.mark.digest)).get
        if at != _BEGUN:
            # the journal was restored from a backup, or another one has a run of the same name and content
            what = f"was applied already, at {at}: its mark is in" if at else "has lost its mark in"
            raise Stale(f"{self.mark.run} {what} {self.path}", hint=_NOTHING)

    def write(self, schema: str = "main") -> None:
        """After the last statement, in the run's transaction: `done`, in this file or in one that is attached."""
        with self._writing():
            self.connection.execute(
                f"UPDATE {schema}.sqlagent_runs SET at = ? WHERE id = ? AND digest = ? AND at = ?",  # noqa: S608
                (self.mark.at, self.mark.run, self.mark.digest, _BEGUN),
            ).fetchall()
        if self.connection.changes() != 1:
            raise QueryError(f"the mark of {self.mark.run} in {self.path} is not as it was begun", hint=_NOTHING)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What somebody hung on the table would change rows that nobody measured: it does not fire."""
        before = self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, -1)
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        try:
            yield
        except (apsw.BusyError, apsw.FullError, apsw.IOError, apsw.CantOpenError):
            raise
        except apsw.Error as e:
            raise QueryError(f"the run could not be marked in {self.path}: {e}", hint=_NOTHING) from e
        finally:
            self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, before)
