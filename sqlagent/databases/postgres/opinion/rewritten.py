"""The tree that PostgreSQL makes of a statement, views, rules and policies in it; nothing is planned or run."""

from __future__ import annotations

import psycopg
from psycopg import errors
from psycopg.errors import Diagnostic
from psycopg.pq import ExecStatus

from sqlagent.databases.postgres.connection.error_text import CANCELLED, LOCK_TIMEOUT, LOST
from sqlagent.databases.postgres.connection.rows import Session
from sqlagent.databases.postgres.opinion.node_text import Node, Unreadable, read

_LISTEN = """
SELECT pg_catalog.set_config('client_min_messages', 'log', true),
  pg_catalog.set_config('debug_pretty_print', 'off', true),
  pg_catalog.set_config('debug_print_rewritten', 'on', true)"""
_LOOK_UP = """
SET LOCAL debug_print_rewritten = off; SET LOCAL client_min_messages = error; SET LOCAL search_path = pg_catalog"""
_TREE = "rewritten parse tree"


AS_BEFORE = "SET LOCAL search_path TO DEFAULT; SET LOCAL client_min_messages TO DEFAULT"
"""For running what was looked at."""


class Refused(Exception):
    """The server does not accept the statement; only its words are known."""

    def __init__(self, message: str, *, sqlstate: str = "", position: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.position = position
        """The character that it complains of, from 1; 0 where it names none."""


def rewritten(session: Session, sql: str) -> list[Node]:
    """The queries that it becomes; several where a rule makes them, none where a rule takes it away.

    Only in a transaction that cannot write.  Afterwards its `search_path` is `pg_catalog`, for looking up what the tree
    names.  Raises Refused, and Unreadable for a tree that is not understood.
    """
    trees: list[str] = []

    def heard(diagnostic: Diagnostic) -> None:
        if (diagnostic.message_primary or "").startswith(_TREE):
            trees.append(diagnostic.message_detail or "")

    session.execute(_LISTEN)
    session.add_notice_handler(heard)
    try:
        prepare(session, sql)
    finally:
        session.remove_notice_handler(heard)
    session.execute(_LOOK_UP)
    if len(trees) != 1:
        raise Unreadable(f"the server printed {len(trees)} trees of it")
    return read(trees[0])


def prepare(session: Session, sql: str) -> None:
    """One Parse of these bytes, under no name: two statements are an error, and nothing is planned."""
    result = session.pgconn.prepare(b"", encoded(sql))
    if result.status != ExecStatus.COMMAND_OK:
        said = errors.Diagnostic(result, session.info.encoding)
        if said.sqlstate is None or said.sqlstate in LOST | {LOCK_TIMEOUT, CANCELLED}:  # nothing is wrong with the SQL
            message = said.message_primary or "the connection is closed"
            raise (errors.lookup(said.sqlstate) if said.sqlstate else psycopg.OperationalError)(message)
        position = said.statement_position or ""
        raise Refused(
            _sentence(said) or session.pgconn.error_message.decode("utf-8", "replace").strip(),
            sqlstate=said.sqlstate or "",
            position=int(position) if position.isdigit() else 0,
        )


def encoded(sql: str) -> bytes:
    """The bytes to send; raises Refused for text that would not arrive unchanged."""
    if "\0" in sql:  # the driver would send what stands before it
        raise Refused("it holds a NUL character")
    try:
        return sql.encode()
    except UnicodeEncodeError:
        raise Refused("it holds half of a character") from None


def _sentence(said: Diagnostic) -> str:
    """`column "totl" does not exist (Perhaps you meant to reference the column "orders.total")`."""
    hint = (said.message_hint or "").rstrip(".")
    return f"{said.message_primary} ({hint})" if said.message_primary and hint else said.message_primary or ""
