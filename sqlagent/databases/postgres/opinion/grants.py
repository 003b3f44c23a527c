"""Which privilege a statement lacks, in the words of the GRANT that would give it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlagent.databases.postgres.connection.names import table_names
from sqlagent.databases.postgres.connection.rows import Session, raw
from sqlagent.databases.postgres.opinion.accesses import Permission

_PRIVILEGES = {"read": "SELECT", "insert": "INSERT", "update": "UPDATE", "delete": "DELETE"}
_LACKING = """
SELECT a.oid, a.privilege FROM unnest(%(tables)s::oid[], %(privileges)s::text[]) a (oid, privilege)
WHERE NOT has_table_privilege(a.oid, a.privilege)
  AND NOT (a.privilege <> 'DELETE' AND has_any_column_privilege(a.oid, a.privilege))"""


def missing_grant(session: Session, asked: Iterable[Permission], path: Sequence[str]) -> str:
    """The GRANT that is missing for what the statement itself names; empty where none is."""
    wanted = sorted({(p.table, _PRIVILEGES[p.verb]) for p in asked if p.via is None})
    lacking = raw(
        session, _LACKING, tables=[table for table, _ in wanted], privileges=[privilege for _, privilege in wanted]
    )
    if not lacking:
        return ""
    table = int(lacking[0][0] or 0)
    privileges = ", ".join(str(privilege) for oid, privilege in lacking if int(oid or 0) == table)
    name = table_names(session, path, [table]).get(table, str(table))
    role = session.info.user
    return f"{role} may not {privileges.lower()} {name}; who owns it: GRANT {privileges} ON {name} TO {role}"
