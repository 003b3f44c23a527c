"""Running a proven read: proven again where it runs, streamed, in a transaction that cannot write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from time import monotonic
from typing import Any

import duckdb

from sqlagent.core.errors import QueryError, TimedOut
from sqlagent.core.nouns.analysis import Size
from sqlagent.core.nouns.session import Outcome, Result
from sqlagent.databases.base import Limits, Sink
from sqlagent.databases.changes.returned_rows import counted
from sqlagent.databases.duckdb.connection.error_text import said
from sqlagent.databases.duckdb.connection.load import Loaded
from sqlagent.databases.duckdb.connection.waiting import OutOfTime, waited_for
from sqlagent.databases.duckdb.opinion.inspect import proven
from sqlagent.databases.duckdb.opinion.syntax_tree import Strange

_AT_ONCE = 2048
"""Rows that the engine hands over together."""
_AS_PYTHON = frozenset(
    """
    boolean tinyint smallint integer bigint hugeint utinyint usmallint uinteger ubigint uhugeint float double decimal
    varchar blob
    """.split()
)
"""Types whose values Python has; every other is in DuckDB's own words: it knows years, months and times that Python
does not."""
_NOTHING = "nothing was changed"
Row = tuple[Any, ...]


def read(
    loaded: Loaded, sql: str, *, sink: Sink, limits: Limits, heard: Callable[[str], None] | None,
    began: Callable[[duckdb.DuckDBPyConnection], None],
) -> Outcome:  # fmt: skip
    """Run one proven read and hand its rows to the sink as they come; `began` is told on which connection."""
    begun = monotonic()
    until = None if limits.seconds is None else begun + limits.seconds
    with loaded.connection.cursor() as reader, _in_words(limits):
        began(reader)
        _prove(loaded, reader, sql)
        with _reading(reader):
            columns = waited_for(reader, lambda: _begin(reader, sql), until=until, heard=heard)
            rows = _rows(reader, until)
            first = list(islice(rows, 1))
            given: Iterator[Row] = chain(first, rows)
            returned = sink.write(columns, given if limits.rows is None else islice(given, limits.rows))
            truncated = limits.rows is not None and next(given, None) is not None
    return Outcome((Result(1, returned=returned, truncated=truncated),), monotonic() - begun)


def count(loaded: Loaded, sql: str, *, seconds: float) -> Size:
    """The integer that a SELECT COUNT(*) gives, or `Size()` where it is refused or takes too long."""
    until = monotonic() + seconds
    try:
        with loaded.connection.cursor() as reader:
            _prove(loaded, reader, sql)
            with _reading(reader):
                waited_for(reader, lambda: reader.execute(sql), until=until)
                rows = waited_for(reader, lambda: reader.fetchmany(2), until=until)
    except (QueryError, OutOfTime, duckdb.Error):
        return Size()
    return counted(rows)


def _prove(loaded: Loaded, reader: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        proven(loaded, reader, sql)
    except Strange as e:
        raise QueryError(f"the statement is not a read, and was refused where reads run: {e}", hint=_NOTHING) from e


@contextmanager
def _reading(reader: duckdb.DuckDBPyConnection) -> Iterator[None]:
    reader.execute("BEGIN TRANSACTION READ ONLY")
    try:
        yield
    finally:
        reader.execute("ROLLBACK")


def _begin(reader: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, ...]:
    """Have it begin; answers the names of the columns."""
    query = reader.sql(sql)
    columns, kinds = tuple(query.columns), [kind.id for kind in query.types]
    if all(kind in _AS_PYTHON for kind in kinds):
        reader.execute(sql)
        return columns
    spelled = (
        f"#{place}" if kind in _AS_PYTHON else f"CAST(#{place} AS VARCHAR)" for place, kind in enumerate(kinds, 1)
    )
    reader.execute(f"SELECT {', '.join(spelled)} FROM (\n{sql}\n)")  # noqa: S608 - proven to be one query
    return columns


def _rows(reader: duckdb.DuckDBPyConnection, until: float | None) -> Iterator[Row]:
    while some := waited_for(reader, lambda: reader.fetchmany(_AT_ONCE), until=until):
        yield from some


@contextmanager
def _in_words(limits: Limits) -> Iterator[None]:
    try:
        yield
    except OutOfTime as e:
        raise TimedOut(
            f"the statement was cancelled after {limits.seconds or 0:g} s",
            hint="--timeout 60s gives it longer; 0 is no limit",
        ) from e
    except duckdb.InterruptException as e:
        raise QueryError("the statement was cancelled", hint=_NOTHING) from e
    except duckdb.OutOfMemoryException as e:
        raise QueryError("the statement needs more memory than it may have", hint="select less at once") from e
    except duckdb.Error as e:
        raise QueryError(f"the database refused it: {said(e)}", hint=_NOTHING) from e
