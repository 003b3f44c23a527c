"""Turns triggers off while rows are put back, where the role owns the table; keys are still checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import errors

from sqlagent.databases.postgres.connection.rows import Session, raw
from sqlagent.databases.postgres.effect.tables import quoted

_OWN = """
SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname), t.tgname, t.tgenabled FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled IN ('O', 'A') AND t.tgrelid IN
  (SELECT o FROM pg_catalog.unnest(%s::oid[]) o
   UNION SELECT p.relid FROM pg_catalog.unnest(%s::oid[]) o, pg_catalog.pg_partition_tree(o) p)
ORDER BY 1, 2"""
_ON = {"O": "ENABLE TRIGGER", "A": "ENABLE ALWAYS TRIGGER"}


@dataclass(slots=True)
class Stilled:
    """The triggers of some tables, turned off in this transaction alone."""

    session: Session
    off: list[tuple[str, str, str]]

    @classmethod
    def of(cls, session: Session, tables: Iterable[int]) -> Stilled:
        """Turn them off; those of tables that the role does not own go on firing, and what they do is measured."""
        off = []
        oids = list(tables)
        for table, name, state in raw(session, _OWN, oids, oids):
            session.execute("SAVEPOINT stilling")
            try:
                session.execute(f"ALTER TABLE {table} DISABLE TRIGGER {quoted(str(name))}".encode())
            except errors.InsufficientPrivilege:
                session.execute("ROLLBACK TO SAVEPOINT stilling")
                continue
            session.execute("RELEASE SAVEPOINT stilling")
            off.append((str(table), str(name), str(state)))
        return cls(session, off)

    def end(self) -> None:
        """Turn them on again; their tables are locked, so nobody else can have changed them meanwhile."""
        for table, name, state in self.off:
            self.session.execute(f"ALTER TABLE {table} {_ON[state]} {quoted(name)}".encode())
