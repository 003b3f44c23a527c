"""What about a server and a role weakens a promise of sqlagent's, for `sqlagent doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from sqlagent.databases.base import Concern
from sqlagent.databases.postgres.connection.rows import Session, raw

OLDEST = 140000
_FACTS = """
SELECT current_setting('server_version_num')::int, r.rolname, r.rolsuper, r.rolbypassrls,
  ARRAY(SELECT m.rolname FROM pg_catalog.pg_roles m WHERE m.rolname IN ('pg_read_server_files',
    'pg_write_server_files', 'pg_execute_server_program') AND pg_catalog.pg_has_role(r.oid, m.oid, 'USAGE'))::text,
  current_setting('track_counts'), current_setting('synchronous_commit'), current_setting('fsync'),
  pg_catalog.pg_is_in_recovery(),
  EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proname LIKE 'dblink%%' AND p.oid >= 16384
    AND pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')),
  (SELECT p.rolname FROM pg_catalog.pg_roles p WHERE p.rolname = session_user)
FROM pg_catalog.pg_roles r WHERE r.rolname = %s"""
_ROLE = "sqlagent help databases  has the SQL for a role of its own"


def concerns(session: Session) -> Iterator[Concern]:
    """Each concern with what to do about it; none where all is well."""
    (facts,) = raw(session, _FACTS, session.info.user)
    version, role, superuser, bypasses, powers, counts, commit, fsync, standby, dblink, _ = facts
    if int(version or 0) < OLDEST:
        yield Concern(f"PostgreSQL {session.info.server_version // 10000} is older than 14", "upgrade it")
    if superuser == "t":
        yield Concern(f"{role} is a superuser: one statement may reach files and programs of the server", _ROLE)
    elif powers != "{}":
        yield Concern(f"{role} may reach files or programs of the server: {(powers or '').strip('{}')}", _ROLE)
    if bypasses == "t" and superuser != "t":
        yield Concern(f"{role} passes by row-level security", _ROLE)
    if dblink == "t" and superuser != "t":
        yield Concern(f"{role} may call dblink, which reaches other databases", "REVOKE EXECUTE ON FUNCTION dblink...")
    if counts != "on":
        yield Concern("track_counts is off: what a change touched is known by its locks alone", "track_counts = on")
    if commit in ("off", "local"):
        yield Concern(f"synchronous_commit is {commit}: runs turn it on for themselves", "nothing, or turn it on")
    if fsync != "on":
        yield Concern("fsync is off: after a crash of the machine nothing is promised", "fsync = on")
    if standby == "t":
        yield Concern("it is a standby: it takes no writes, and measures none", "name the primary, or read_only = true")
    if _is_pooled(session):
        yield Concern(
            "a pooler stands in between: in session or transaction mode all works through it, by two sessions at once",
            "name the server itself, if you can",
        )


def _is_pooled(session: Session) -> bool:
    """PgBouncer gives out a number of its own for the session."""
    found = raw(session, "SELECT pg_catalog.pg_backend_pid()")
    return found[0][0] != str(session.info.backend_pid)
