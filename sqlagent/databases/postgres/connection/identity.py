"""Which database it is that answers, whatever it is called and by whichever way it was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sqlagent.databases.postgres.connection.rows import Session, raw

_WHICH = """
SELECT (SELECT s.system_identifier FROM pg_catalog.pg_control_system() s), d.oid, d.datname,
  pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num'),
  pg_catalog.pg_postmaster_start_time(), session_user
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"""


@dataclass(frozen=True, slots=True)
class Place:
    """A server's own number, which a copy of it has too, and the database in it."""

    system: str
    oid: str
    database: str
    version: str
    """As a person says it: `18.6`."""
    number: int
    """180006 for 18.6."""
    since: str
    """When the server was started: a copy of it, or one that was set back, was so at another moment."""
    role: str

    @property
    def identity(self) -> str:
        """`postgresql:SYSTEM/OID/DATABASE`: the same by whatever host, port or role it is reached."""
        return f"postgresql:{self.system}/{self.oid}/{self.database}"

    @classmethod
    def of(cls, session: Session) -> Self:
        """Ask the server that a session is connected to."""
        ((system, oid, database, version, number, since, role),) = raw(session, _WHICH)
        version = str(version).split()[0]
        return cls(str(system), str(oid), str(database), version, int(number or 0), str(since), str(role))
