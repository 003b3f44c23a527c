"""The table in which a database itself keeps the mark of each run: `begun` before it, and `done` by its own COMMIT.

It is made only where the owner allows it, in the first schema of the role's search_path.  The row tells by what it
says, never by being absent: nobody but a run writes it.  Where it says `done`, the run was committed, also after a
failover or a restore, where a transaction's number says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from sqlagent.core.errors import QueryError, Stale
from sqlagent.databases.base import Mark, Verdict
from sqlagent.databases.postgres.connection.rows import Session, one, raw

TABLE = "sqlagent_runs"
_BEGUN = ""
"""What stands in the place of the time while a run is begun and not done."""
_NOTHING = "nothing was changed"
_THERE = "SELECT pg_catalog.to_regclass(%s)::text"
_CREATE = "CREATE TABLE IF NOT EXISTS sqlagent_runs (id text, digest text, at text NOT NULL, PRIMARY KEY (id, digest))"
_INSERT = "INSERT INTO sqlagent_runs (id, digest, at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_AT = "SELECT at FROM sqlagent_runs WHERE id = %s AND digest = %s"
_DONE = "UPDATE sqlagent_runs SET at = %s WHERE id = %s AND digest = %s AND at = %s RETURNING 1"


def marked(session: Session, mark: Mark) -> Verdict:
    """What the row says; where there is none nobody can tell, since it may have been deleted or lost by a failover."""
    if one(session, _THERE, TABLE) is None:
        return Verdict.CANNOT_TELL
    at = one(session, _AT, mark.run, mark.digest)
    return {mark.at: Verdict.APPLIED, _BEGUN: Verdict.NOT_APPLIED}.get(str(at), Verdict.CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class Marker:
    """Writes the mark of one run."""

    session: Session
    mark: Mark

    def prepare(self) -> None:
        """In a transaction of its own, before the run's: the table, and the row that says `begun`."""
        with _writing():
            if one(self.session, _THERE, TABLE) is None:
                raw(self.session, _CREATE)
            raw(self.session, _INSERT, self.mark.run, self.mark.digest, _BEGUN)

    def begin(self) -> None:
        """In the run's transaction, before the first statement.  Raises Stale where the run was applied already."""
        at = one(self.session, _AT, self.mark.run, self.mark.digest)
        if at != _BEGUN:  # the journal was restored from a backup, or another one has a run of the same name
            what = f"was applied already, at {at}: its mark is in" if at else "has lost its mark in"
            raise Stale(f"{self.mark.run} {what} {TABLE}", hint=_NOTHING)

    def write(self) -> None:
        """In the run's transaction, after the last statement: `done`."""
        with _writing():
            if one(self.session, _DONE, self.mark.at, self.mark.run, self.mark.digest, _BEGUN) is None:
                raise QueryError(f"the mark of {self.mark.run} in {TABLE} is not as it was begun", hint=_NOTHING)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as e:
        said = e.diag.message_primary or str(e)
        raise QueryError(
            f"the run could not be marked in {TABLE}: {said}",
            hint=f"{_NOTHING}; sqlagent help databases has the grants",
        ) from e
