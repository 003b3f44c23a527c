"""DuckDB's opinion of a statement: what kind it is, what it reads, and whether it does nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from time import monotonic

import duckdb
from duckdb import StatementType

from sqlagent.core.nouns.analysis import Access, EngineOpinion, Kind, Risk, Verb
from sqlagent.databases.duckdb.connection.error_text import said
from sqlagent.databases.duckdb.connection.load import Loaded
from sqlagent.databases.duckdb.connection.waiting import OutOfTime, waited_for
from sqlagent.databases.duckdb.opinion.syntax_tree import Named, Strange, named

_KINDS = {
    StatementType.SELECT: Kind.SELECT,
    StatementType.EXPLAIN: Kind.EXPLAIN,
    StatementType.INSERT: Kind.INSERT,
    StatementType.UPDATE: Kind.UPDATE,
    StatementType.DELETE: Kind.DELETE,
    StatementType.MERGE_INTO: Kind.MERGE,
    StatementType.CREATE: Kind.CREATE,
    StatementType.ALTER: Kind.ALTER,
    StatementType.DROP: Kind.DROP,
    StatementType.ATTACH: Kind.ATTACH,
    StatementType.DETACH: Kind.ATTACH,
    StatementType.COPY: Kind.COPY,
    StatementType.SET: Kind.SET,
    StatementType.PRAGMA: Kind.PRAGMA,
    StatementType.TRANSACTION: Kind.TRANSACTION,
    StatementType.CALL: Kind.CALL,
    StatementType.VACUUM: Kind.MAINTENANCE,
}
_EXPLAINED = re.compile(r"\s*EXPLAIN\s+(?!ANALYZE\b|\()", re.IGNORECASE)
_SECONDS = 10.0
"""For compiling one statement."""


def inspect(loaded: Loaded, statements: Sequence[str]) -> tuple[EngineOpinion, ...]:
    """The opinion of each; nothing is run."""
    return tuple(_opinion(loaded, sql) for sql in statements)


def _opinion(loaded: Loaded, sql: str) -> EngineOpinion:
    if not _is_unicode(sql):
        return EngineOpinion(sql, error="it is not UTF-8 text")
    reader = loaded.connection.cursor()
    try:
        parts = reader.extract_statements(sql)
    except duckdb.Error as e:
        return EngineOpinion(sql, error=said(e))
    if len(parts) != 1:
        return EngineOpinion(sql, error=f"it is {len(parts)} statements for the database")
    kind = _kind(parts[0])
    if kind not in (Kind.SELECT, Kind.EXPLAIN):
        return EngineOpinion(sql, kind, denied="read-only", why="it is no query, and files are only read")
    try:
        found = proven(loaded, reader, sql)
    except Strange as e:
        return EngineOpinion(sql, kind, why=str(e))
    except duckdb.Error as e:
        return EngineOpinion(sql, kind, error=said(e))
    except OutOfTime:
        return EngineOpinion(sql, kind, why=f"compiling it takes longer than {_SECONDS:g} s")
    kind = Kind.SHOW if found.shows else kind
    reads = tuple(_accesses(loaded, reader, found))
    return EngineOpinion(sql, kind, readonly=True, risk=Risk.READ, accesses=reads, functions=found.functions)


def _is_unicode(sql: str) -> bool:
    """Whether the engine can be given it at all: half of a character is none."""
    try:
        sql.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(part: duckdb.Statement) -> Kind:
    try:
        return _KINDS.get(part.type, Kind.OTHER)
    except ValueError:  # a kind that the driver has no name for
        return Kind.OTHER


def proven(loaded: Loaded, reader: duckdb.DuckDBPyConnection, sql: str) -> Named:
    """What a query names, where it does nothing but read these tables; raises Strange, OutOfTime or duckdb.Error."""
    if not _is_unicode(sql):
        raise Strange("it is not UTF-8 text")
    parts = reader.extract_statements(sql)
    kinds = [_kind(part) for part in parts]
    if kinds not in ([Kind.SELECT], [Kind.EXPLAIN]):
        raise Strange("it is not one query")
    query = sql
    if kinds == [Kind.EXPLAIN]:
        explained = _EXPLAINED.match(sql)
        if explained is None:
            raise Strange("it is an EXPLAIN with options, which may run what it explains")
        query = sql[explained.end() :]
    try:
        found = named(reader, query, frozenset(source.table.lower() for source in loaded.sources))
    except RecursionError:
        raise Strange("it is nested too deeply") from None
    until = monotonic() + _SECONDS
    waited_for(reader, lambda: reader.execute(f"EXPLAIN\n{query}").fetchall(), until=until)
    return found


def _accesses(loaded: Loaded, reader: duckdb.DuckDBPyConnection, found: Named) -> Iterator[Access]:
    for source in loaded.sources:
        if source.table.lower() not in found.tables:
            continue
        rows = reader.execute(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = ?", [source.table]
        ).fetchall()
        columns = [str(c) for (c,) in rows if found.columns is None or str(c).lower() in found.columns]
        yield from (Access(Verb.READ, source.table, column) for column in columns or [""])
