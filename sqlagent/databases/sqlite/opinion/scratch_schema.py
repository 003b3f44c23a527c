"""A private, empty copy of a schema, on which a script's own CREATE, ALTER and DROP are carried out to look further."""

from __future__ import annotations

from contextlib import suppress

import apsw

from sqlagent.core.errors import QueryError, TimedOut
from sqlagent.databases.sqlite.connection.authorizer import Mode
from sqlagent.databases.sqlite.connection.open import Budget, open_memory
from sqlagent.databases.sqlite.connection.prepare import Uncompilable, start
from sqlagent.databases.sqlite.opinion.schema_facts import Facts, Tracked

_SECONDS = 2.0
_SCHEMA = """
SELECT s.sql FROM sqlite_schema AS s LEFT JOIN pragma_table_list AS l ON l.schema = 'main' AND l.name = s.name
 WHERE s.sql IS NOT NULL AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND coalesce(l.type, '') <> 'shadow'
 ORDER BY s.type NOT IN ('table'), s.type = 'trigger', s.rowid"""


class Replica:
    """Such a copy, in memory; whatever is done to it changes nothing else."""

    def __init__(self, original: apsw.Connection, *, foreign_keys: bool) -> None:
        self.connection, self.guard = open_memory(foreign_keys=foreign_keys)
        for (sql,) in original.execute(_SCHEMA).fetchall():
            self.run(str(sql))
        self._tracked = Tracked(self.connection)

    def known_after(self, sql: str, *, creates: bool) -> Facts:
        """Carry out a statement that changes the schema; what is known of it then."""
        self.run(sql)
        if creates:
            self._tracked.created()
        else:
            self._tracked.changed()
        return self._tracked.facts

    def run(self, sql: str) -> None:
        """Carry out one statement; what it cannot do here is missing here, and the next statement says so."""
        with (
            suppress(apsw.Error, QueryError, TimedOut, Uncompilable),
            self.guard.watching(Mode.STATEMENT),
            Budget(self.connection, _SECONDS).holding(),
        ):
            start(self.connection, sql, lambda _prepared: True)[1].fetchall()

    def close(self) -> None:
        """Drop it, with all that was done to it."""
        self.connection.close(force=True)
