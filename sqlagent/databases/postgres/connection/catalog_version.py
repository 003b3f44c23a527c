"""Whether the catalogs are still as they were: a number that any change to a schema changes, cheap to ask for."""

from __future__ import annotations

from sqlagent.databases.postgres.connection.rows import Session, one

_CATALOGS = (
    "pg_class pg_attribute pg_attrdef pg_constraint pg_index pg_inherits pg_trigger pg_rewrite pg_proc pg_type pg_enum"
    " pg_description pg_namespace pg_policy pg_extension pg_db_role_setting pg_auth_members"
).split()
_VERSION = "SELECT pg_catalog.concat_ws(' ', {})".format(
    ", ".join(
        f"(SELECT pg_catalog.concat(pg_catalog.count(*), '.', pg_catalog.sum(pg_catalog.hashtid(c.ctid)),"  # noqa: S608 - ours
        f" '.', pg_catalog.sum(pg_catalog.hashtext(c.xmin::text))) FROM pg_catalog.{name} c)"
        for name in _CATALOGS
    )
)
"""Every change of a catalog's row is a new version of it, made by another transaction and kept in another place."""


def catalog_version(session: Session) -> str:
    """A number that is another one after any change of a schema; also now and then without one."""
    return one(session, _VERSION) or ""
