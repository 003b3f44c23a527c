"""How tables are named to people: bare where the role's search_path finds them, else with their schema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlagent.databases.postgres.connection.rows import Session, one, raw

_PATH = "SELECT pg_catalog.array_to_string(pg_catalog.current_schemas(false), E'\\n')"
_NAMES = """
SELECT c.oid, n.nspname, c.relname,
  coalesce(n.nspname OPERATOR(pg_catalog.=) ANY(%(path)s::name[]), false) AND NOT EXISTS (
  SELECT FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace xn ON xn.oid OPERATOR(pg_catalog.=) x.relnamespace
  WHERE x.relname OPERATOR(pg_catalog.=) c.relname
    AND pg_catalog.array_position(%(path)s::name[], xn.nspname) OPERATOR(pg_catalog.<)
        pg_catalog.array_position(%(path)s::name[], n.nspname))
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid OPERATOR(pg_catalog.=) ANY(%(tables)s::oid[])"""


def search_path(session: Session) -> tuple[str, ...]:
    """The schemas in which the role looks for a name, in order."""
    return tuple(filter(None, (one(session, _PATH) or "").split("\n")))


def table_names(session: Session, path: Sequence[str], tables: Iterable[int]) -> dict[int, str]:
    """`orders`, or `sales.orders` where the path does not lead to it; not quoted, for people to read and type."""
    found = raw(session, _NAMES, path=list(path), tables=sorted(set(tables)))
    return {int(oid or 0): str(name) if visible == "t" else f"{schema}.{name}" for oid, schema, name, visible in found}
