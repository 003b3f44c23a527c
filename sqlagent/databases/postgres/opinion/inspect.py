"""PostgreSQL's opinion of statements: what it makes of their text, every name resolved, none of them run."""

from __future__ import annotations

from collections.abc import Sequence

from sqlagent.core.nouns.analysis import Access, EngineOpinion, Kind, Risk
from sqlagent.core.nouns.verbs import Verb
from sqlagent.core.text.first_words import Head, head
from sqlagent.core.text.split import Piece, split
from sqlagent.databases.postgres.connection.error_text import NO_PRIVILEGE, coded
from sqlagent.databases.postgres.connection.names import table_names
from sqlagent.databases.postgres.connection.open import reading
from sqlagent.databases.postgres.connection.rows import Session, raw
from sqlagent.databases.postgres.opinion.accesses import Permission, permissions
from sqlagent.databases.postgres.opinion.grants import missing_grant
from sqlagent.databases.postgres.opinion.harmless import Calls, judge
from sqlagent.databases.postgres.opinion.node_text import Node, Unreadable
from sqlagent.databases.postgres.opinion.reached import Reached
from sqlagent.databases.postgres.opinion.rewritten import AS_BEFORE, Refused, rewritten

_SECONDS = 5.0
_DIALECT = "postgres"
_COMMANDS = {1: Kind.SELECT, 2: Kind.UPDATE, 3: Kind.INSERT, 4: Kind.DELETE, 5: Kind.MERGE}
_SHAPE = frozenset({Kind.CREATE, Kind.ALTER, Kind.DROP, Kind.TRUNCATE})
_MISSING = frozenset({"42P01", "42703", "42883", "42704", "3F000", "42P10"})
"""A table, column, function, type or schema that is not there, or a constraint to refer to."""
_COLUMNS = "SELECT attrelid, attnum, attname FROM pg_attribute WHERE attrelid = ANY(%(tables)s::oid[]) AND attnum > 0"

_WRITING_TRIGGERS = """
WITH RECURSIVE written(oid) AS (
  SELECT pg_catalog.unnest(%(tables)s::oid[])
  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN written w ON i.inhparent = w.oid)
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_trigger t
  JOIN written w ON w.oid = t.tgrelid JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  WHERE NOT (t.tgisinternal AND p.proname ~ '^RI_FKey_(check|noaction|restrict)_'))"""
"""Those of the tables, their partitions and their heirs that do more than check."""


def inspect(session: Session, statements: Sequence[str], *, path: Sequence[str]) -> tuple[EngineOpinion, ...]:
    """An opinion of each in order.  What a statement before it makes is not there yet, so nobody knows of its use."""
    opinions: list[EngineOpinion] = []
    shaped = False
    for sql in statements:
        opinion = _opinion(session, sql, path=path, shaped=shaped)
        shaped = shaped or (opinion.kind in _SHAPE and not opinion.error)
        opinions.append(opinion)
    return tuple(opinions)


def prove(session: Session, sql: str) -> str:
    """Why a statement is no read; empty where it is.  Called in the transaction, unable to write, that then runs it.

    What it names cannot change any more: the transaction holds locks on it.  Raises Refused.
    """
    try:
        why = _why_not_a_read(session, sql)[0]
    except Unreadable as e:
        return str(e)
    session.execute(AS_BEFORE)
    return why


def _opinion(session: Session, sql: str, *, path: Sequence[str], shaped: bool) -> EngineOpinion:
    first, _ = _head(sql)
    try:
        with reading(session, seconds=_SECONDS):
            return _heard(session, sql, path=path)
    except Refused as e:
        if shaped and e.sqlstate in _MISSING:
            return EngineOpinion(sql, first.kind, why=f"{e.message}, and a statement before it may change that")
        return EngineOpinion(sql, first.kind, error=coded(e.message, e.sqlstate))
    except Unreadable as e:
        return EngineOpinion(sql, first.kind, why=f"the database's tree of it is not understood: {e}")


def _heard(session: Session, sql: str, *, path: Sequence[str]) -> EngineOpinion:
    why, queries, calls = _why_not_a_read(session, sql)
    first, _ = _head(sql)
    kind = _kind(queries, first.kind)
    asked = list(permissions(queries)) if kind in _COMMANDS.values() or kind is Kind.EXPLAIN else []
    reads = not why
    if lacking := missing_grant(session, asked, path):
        raise Refused(lacking, sqlstate=NO_PRIVILEGE)
    return EngineOpinion(
        sql,
        kind,
        readonly=reads,
        risk=Risk.READ if reads else _risk(kind, calls),
        accesses=_accesses(session, asked, path),
        why=why,
        triggers_unseen=not reads and _has_triggers(session, asked),
    )


def _why_not_a_read(session: Session, sql: str) -> tuple[str, list[Node], Calls]:
    """The reason, and what there is to know of the statement; of an EXPLAIN, of what it explains."""
    first, inner = _head(sql)
    if first.kind is Kind.SHOW and first.risk is Risk.READ:
        return "", [], Calls()
    queries = rewritten(session, inner or sql)
    reached = Reached()
    reached.add(queries)
    if reached.parameter:
        raise Refused("the statement has a parameter, and nothing gives it a value")
    calls = judge(session, reached)
    only_planned = bool(inner) and not first.runs and all(_is_of_rows(query) for query in queries)
    beyond = "" if only_planned else reached.beyond
    if not queries:
        beyond = "a rule takes it away"
    return beyond or calls.worst, queries, calls


def _head(sql: str) -> tuple[Head, str]:
    """What its first words say, and of an EXPLAIN the statement inside."""
    pieces = list(split(sql, _DIALECT))
    if len(pieces) != 1:
        return Head(Kind.OTHER), ""
    first = head(pieces[0], _DIALECT)
    inner: Piece | None = pieces[0].inside(first.body, closing=False) if first.body >= 0 else None
    return first, inner.sql if inner and first.kind is Kind.EXPLAIN else ""


def _is_of_rows(query: Node) -> bool:
    return query.number("commandType") in _COMMANDS and not query.nodes("utilityStmt")


def _kind(queries: Sequence[Node], by_word: Kind) -> Kind:
    """By the tree; a query that writes in a WITH is called after the write, and a utility statement by its words."""
    if by_word is Kind.EXPLAIN or not queries or queries[0].nodes("utilityStmt"):
        return by_word
    original = next((q for q in queries if q.number("querySource") == 0), None)
    if original is None:
        return by_word
    kind = _COMMANDS.get(original.number("commandType"), Kind.OTHER)
    if kind is Kind.SELECT:
        within = (_COMMANDS.get(n.number("commandType"), kind) for n in original.walk() if n.tag == "QUERY")
        kind = next((inner for inner in within if inner is not Kind.SELECT), kind)
    return kind


def _risk(kind: Kind, calls: Calls) -> Risk:
    """Of what is no read."""
    if kind in _SHAPE:
        return Risk.WRITE  # how bad, the words say
    if kind in _COMMANDS.values() and kind is not Kind.SELECT and not (calls.unknown or calls.outside):
        return Risk.WRITE
    return Risk.UNKNOWN


def _has_triggers(session: Session, asked: Sequence[Permission]) -> bool:
    """Whether a trigger or the action of a foreign key may write more; what names no table may fire anything."""
    written = sorted({p.table for p in asked if p.verb != Verb.READ})
    return not written or raw(session, _WRITING_TRIGGERS, tables=written) == [("t",)]


def _accesses(session: Session, asked: Sequence[Permission], path: Sequence[str]) -> tuple[Access, ...]:
    tables = {p.table for p in asked} | {p.via.table for p in asked if p.via}
    names = table_names(session, path, tables)
    columns = {(int(t or 0), int(n or 0)): str(name) for t, n, name in raw(session, _COLUMNS, tables=sorted(tables))}
    return tuple(
        dict.fromkeys(
            Access(
                Verb(p.verb),
                names.get(p.table, str(p.table)),
                "*" if p.column == 0 else columns.get((p.table, p.column), ""),
                f"{p.via.kind} {names.get(p.via.table, p.via.table)}" if p.via else "",
            )
            for p in asked
        )
    )
