"""The table in which a database itself keeps the mark of each run, written in the run's own transaction.

It is made only where the owner allows it, in the first schema of the role's search_path.  A mark stands exactly when
its run was committed, also after a failover or a restore, where a transaction's number says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from sqlagent.core.errors import QueryError, Stale
from sqlagent.databases.base import Mark, Verdict
from sqlagent.databases.postgres.connection.rows import Session, one

TABLE = "sqlagent_runs"
_NOTHING = "nothing was changed"
_THERE = "SELECT pg_catalog.to_regclass(%s)::text"
_AT = "SELECT at FROM sqlagent_runs WHERE id = %s AND digest = %s"
_CREATE = "CREATE TABLE sqlagent_runs (id text, at text NOT NULL, digest text, PRIMARY KEY (id, digest))"
_INSERT = "INSERT INTO sqlagent_runs (id, at, digest) VALUES (%s, %s, %s)"


def marked(session: Session, mark: Mark) -> Verdict:
    """What the mark says; where there is none, nobody can tell: somebody may have deleted it."""
    there = one(session, _THERE, TABLE) is not None
    return Verdict.APPLIED if there and one(session, _AT, mark.run, mark.digest) == mark.at else Verdict.CANNOT_TELL


@dataclass(frozen=True, slots=True)
class Marker:
    """Writes the mark of one run in its transaction."""

    session: Session
    mark: Mark

    def begin(self) -> None:
        """Before the first statement.  Raises Stale where the run was applied already."""
        if one(self.session, _THERE, TABLE) is None:
            return
        at = one(self.session, _AT, self.mark.run, self.mark.digest)
        if at is not None:  # the journal was restored from a backup, or another one has a run of the same name
            raise Stale(f"{self.mark.run} was applied already, at {at}: its mark is in {TABLE}", hint=_NOTHING)

    def write(self) -> None:
        """After the last statement; the table is made where it is missing."""
        try:
            if one(self.session, _THERE, TABLE) is None:
                self.session.execute(_CREATE)
            self.session.execute(_INSERT, (self.mark.run, self.mark.at, self.mark.digest), prepare=False)
        except psycopg.Error as e:
            said = e.diag.message_primary or str(e)
            raise QueryError(
                f"the run could not be marked in {TABLE}: {said}",
                hint=f"GRANT SELECT, INSERT ON {TABLE} to the role, or set marker_table = false; {_NOTHING}",
            ) from e
