"""Making, upgrading and checking a shared store: the first two for its owner, the last for anybody."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.rows import dict_row

from sqlagent.core.secret import Secret
from sqlagent.store.shared.connection import VERSION, connect, conninfo, guarded, require_version, version

CLOCK_SECONDS = 60.0
"""What a clock may be off by; five minutes ahead, the store refuses what it says."""
THREADS = "sqlagent_threads"
"""The schema of LangGraph's checkpoints."""
_OF_THREADS = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked, and how it stands."""

    what: str
    said: str
    mend: str = ""
    """What to do; empty where all is well."""


def scripts() -> list[tuple[int, str, str]]:
    """Number, file name and text of each step from nothing to the newest version, in order."""
    found = [f for f in files(__package__).iterdir() if re.fullmatch(r"\d{3}_\w+\.sql", f.name)]
    return sorted((int(f.name[:3]), f.name, f.read_text("utf-8")) for f in found)


def upgrade(url: str, set_up_threads: Callable[[Any], None], *, password: Secret | None = None) -> tuple[int, int]:
    """Run what is missing, each step in a transaction of its own; answers the versions before and after.

    `set_up_threads` makes or upgrades LangGraph's own tables, with a saver on the connection that it is given.
    """
    with guarded(url), connect(url, password) as db:
        before = version(db)
        if before > VERSION:
            require_version(db, url)
        for number, _, text in scripts():
            if number > before:
                with db.transaction():
                    db.execute(text.encode())
        _threads(url, set_up_threads, password)
        return before, VERSION


def _threads(url: str, set_up: Callable[[Any], None], password: Secret | None) -> None:
    with psycopg.connect(conninfo(url, password), autocommit=True, prepare_threshold=None, row_factory=dict_row) as db:
        db.execute(b"SET ROLE sqlagent_owner")
        db.execute(f"SET search_path = {THREADS}".encode())
        set_up(db)
        for table in _OF_THREADS:
            db.execute(
                f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; DROP POLICY IF EXISTS seen ON {table};"
                f" CREATE POLICY seen ON {table} USING (EXISTS (SELECT FROM sqlagent.threads t"
                " WHERE t.id = thread_id))".encode()
            )


def check(url: str, newest_threads: int, *, password: Secret | None = None) -> list[Finding]:
    """What is wrong with a store, or with who is connected to it."""
    with guarded(url), connect(url, password) as db:
        found = version(db)
        if found != VERSION:
            mend = "sqlagent store upgrade URL" if 0 < found < VERSION else "sqlagent store init URL"
            newer = "pip install --upgrade sqlagent"
            told = f"{found or 'none'}, and this program needs {VERSION}"
            return [Finding("version", told, newer if found > VERSION else mend)]
        rows = [Finding("version", str(found))]
        rows += [_asked(db, *question) for question in _QUESTIONS]
        rows += [_clock(db), _encryption(db)]
        made: Any = db.execute(b"SELECT max(v) FROM sqlagent_threads.checkpoint_migrations").fetchone()[0]  # type: ignore[index]
        behind = "" if made is not None and made >= newest_threads else "its owner: sqlagent store upgrade URL"
        rows.append(Finding("checkpoints", f"version {made} of {newest_threads}", behind))
        return rows


def _clock(db: psycopg.Connection[Any]) -> Finding:
    """How far this machine's clock is from the server's, by which the store judges time."""
    before = datetime.now(UTC)
    row: Any = db.execute(b"SELECT clock_timestamp()").fetchone()
    took = (datetime.now(UTC) - before).total_seconds()
    ahead = (before - row[0]).total_seconds() + took / 2
    said = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    far = abs(ahead) - took > CLOCK_SECONDS
    return Finding("clock", said, "set it right: timedatectl set-ntp true" if far else "")


def _encryption(db: psycopg.Connection[Any]) -> Finding:
    """Whether somebody on the way could read it, or be taken for the server."""
    mode = db.info.get_parameters().get("sslmode", "prefer")
    host = db.info.host
    if host.startswith("/") or db.info.hostaddr in ("127.0.0.1", "::1"):
        return Finding("connection", "on this machine")
    if not db.pgconn.ssl_in_use:
        return Finding("connection", f"not encrypted (sslmode {mode})", "?sslmode=verify-full in the URL")
    if mode != "verify-full":
        return Finding(
            "connection", f"encrypted, and the server's name is not verified (sslmode {mode})",
            "?sslmode=verify-full&sslrootcert=system in the URL",
        )  # fmt: skip
    return Finding("connection", "encrypted, and the server is verified")


def _asked(db: psycopg.Connection[Any], what: str, question: str, well: str, mend: str) -> Finding:
    row: Any = db.execute(question.encode()).fetchone()
    return Finding(what, str(row[0]), "" if re.fullmatch(well, str(row[0])) else mend)


_QUESTIONS = (
    ("you", "SELECT session_user || CASE WHEN r.rolsuper THEN ', a superuser: whom the store cannot hold to anything'"
     " WHEN pg_has_role(session_user, 'sqlagent_owner', 'MEMBER') THEN ', its owner: whom it cannot hold to anything'"
     " WHEN pg_has_role(session_user, 'sqlagent_workers', 'MEMBER') THEN ', a worker'"
     " WHEN pg_has_role(session_user, 'sqlagent_people', 'MEMBER') THEN '' ELSE ', nobody it knows' END"
     " FROM pg_roles r WHERE rolname = session_user", r"[^,]*(, a worker)?",
     "work as a login role of your own: CREATE ROLE ana LOGIN IN ROLE sqlagent_people;"),
    ("primary", "SELECT NOT pg_is_in_recovery()", "True", "name the primary in the URL"),
    ("writes", "SELECT current_setting('default_transaction_read_only')", "off", "ALTER DATABASE ... RESET"
     " default_transaction_read_only;"),
    ("durable", "SELECT current_setting('fsync') || ', synchronous_commit ' || current_setting('synchronous_commit')",
     "on, synchronous_commit (on|remote_apply|remote_write|local)", "a crash may lose what was decided: fsync = on"),
    ("record", "SELECT number || ' entries' FROM sqlagent.head", r"\d+ entries", "restore it from a backup"),
    ("tables", "SELECT coalesce(string_agg(DISTINCT table_name || ': ' || grantee, ', '), 'read-only for people') FROM"
     " information_schema.role_table_grants WHERE table_schema = 'sqlagent' AND privilege_type <> 'SELECT'"
     " AND grantee NOT IN ('sqlagent_owner')", "read-only for people",
     "somebody granted more than the store does: REVOKE it; what was written so is found by: sqlagent audit verify"),
    ("functions", "SELECT coalesce(string_agg(proname, ', '), 'the owner''s, each with its search_path') FROM pg_proc p"
     " JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname = 'sqlagent' AND (proowner <>"
     " 'sqlagent_owner'::regrole OR prosecdef AND (proconfig IS NULL OR proconfig::text NOT LIKE '%search_path%'))",
     "the owner's, each with its search_path", "sqlagent store init in a fresh database shows what they were"),
    ("floors", "SELECT coalesce(string_agg(format('%s: %s people%s%s', target, people, ' of ' || role, CASE WHEN via IS"
     " NOT NULL THEN ' by ' || array_to_string(via, ', ') ELSE '' END), '; ' ORDER BY target), 'none: whom a change"
     " asks, its requester''s own policy says') FROM sqlagent.floors", r".*", ""),
    ("sees", "SELECT CASE WHEN EXISTS (SELECT FROM sqlagent.sees) THEN 'you see '"
     " || coalesce(nullif(array_to_string(sqlagent.seen_targets(), ', '), ''), 'nothing')"
     " ELSE 'everybody sees all' END",
     r"(?!you see nothing).*", "the store's owner: INSERT INTO sqlagent.sees VALUES (you, target);"),
    ("shared logins", "SELECT count(DISTINCT application_name || coalesce(host(client_addr), '')) FROM pg_stat_activity"
     " WHERE usename = session_user AND application_name = 'sqlagent'", "[01]",
     "several machines log in as you: where a login is shared, the server does not tell people apart"),
)  # fmt: skip
