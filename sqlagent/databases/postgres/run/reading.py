"""Runs a proven read: proven again in the session where it runs, streamed, and always rolled back."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from time import monotonic
from typing import Any, cast

import psycopg
from psycopg import Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Loader, Transformer
from psycopg.pq.abc import PGresult
from psycopg.types.bool import BoolLoader
from psycopg.types.numeric import FloatLoader, IntLoader, NumericLoader
from psycopg.types.string import ByteaLoader

from sqlagent.core.errors import QueryError, SqlagentError
from sqlagent.core.nouns.analysis import Size
from sqlagent.core.nouns.session import Outcome, Result
from sqlagent.databases.base import Limits, Sink
from sqlagent.databases.changes.returned_rows import counted
from sqlagent.databases.postgres.connection.open import reading
from sqlagent.databases.postgres.connection.progress import telling
from sqlagent.databases.postgres.connection.rows import Session
from sqlagent.databases.postgres.opinion.inspect import prove
from sqlagent.databases.postgres.opinion.rewritten import Refused, encoded, prepare

_AT_ONCE = 500 if psycopg.pq.version() >= 170000 else 1
"""Rows that libpq hands over together."""
_AS_PYTHON: tuple[tuple[type[Loader], tuple[str, ...]], ...] = (
    (IntLoader, ("int2", "int4", "int8", "oid")),
    (FloatLoader, ("float4", "float8")),
    (NumericLoader, ("numeric",)),
    (BoolLoader, ("bool",)),
    (ByteaLoader, ("bytea",)),
)
Row = tuple[Any, ...]


class _AsWritten(Loader):
    """The server's own text, for every type but those above: `infinity` and the year 10000 are no Python dates."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode()


def read(
    session: Session, sql: str, *, sink: Sink, limits: Limits, heard: Callable[[str], None] | None = None
) -> Outcome:
    """Run one proven read on a session that is closed afterwards, and hand its rows to the sink as they come."""
    begun = monotonic()
    with telling(heard, "running the statement") as end, reading(session, seconds=limits.seconds):
        columns = _proven(session, sql)
        with rows_as_written(session) as cursor, _streamed(cursor, sql) as rows:
            first = list(islice(rows, 1))
            end()  # the first row is there
            given: Iterator[Row] = chain(first, rows)
            returned = sink.write(columns, given if limits.rows is None else islice(given, limits.rows))
            truncated = limits.rows is not None and next(given, None) is not None
    return Outcome((Result(1, returned=returned, truncated=truncated),), monotonic() - begun)


def count(session: Session, sql: str, *, seconds: float) -> Size:
    """The integer that a SELECT COUNT(*) gives, or `Size()` where it is refused or takes too long."""
    try:
        with reading(session, seconds=seconds):
            _proven(session, sql)
            with rows_as_written(session) as cursor, _streamed(cursor, sql) as answers:
                rows = list(islice(answers, 2))
    except SqlagentError:
        return Size()
    return counted(rows)


@contextmanager
def _streamed(cursor: Cursor[Row], sql: str) -> Iterator[Iterator[Row]]:
    """The rows of the very bytes, by the extended protocol and under no name, as they come.

    What the server still sends is cancelled in the end: until then the stream holds the session.
    """
    rows = cast("Generator[Row, None, None]", cursor.stream(encoded(sql), size=_AT_ONCE))
    try:
        yield rows
    finally:
        rows.close()


def rows_as_written(session: Session) -> Cursor[Row]:
    """A cursor whose values are numbers, truth values, bytes, or PostgreSQL's own text."""
    cursor = session.cursor()
    for known in session.adapters.types:
        cursor.adapters.register_loader(known.oid, _AsWritten)
        if known.array_oid:
            cursor.adapters.register_loader(known.array_oid, _AsWritten)
    cursor.adapters.register_loader(0, _AsWritten)  # of a type that the driver does not know
    for loader, names in _AS_PYTHON:
        for name in names:
            cursor.adapters.register_loader(name, loader)
    return cursor


def loaded(session: Session, answer: PGresult, count: int) -> list[Row]:
    """The first rows of an answer in text, as `rows_as_written` has them."""
    with rows_as_written(session) as cursor:
        transformer = Transformer(cursor)
        transformer.set_pgresult(answer)
        return transformer.load_rows(0, count, tuple)


def _proven(session: Session, sql: str) -> Sequence[str]:
    """The names of its columns; raises QueryError for what does more than read."""
    try:
        if why := prove(session, sql):
            raise QueryError(f"the statement is not a read, and was refused where reads run: {why}", hint=_NOTHING)
        prepare(session, sql)
    except Refused as e:
        refused = QueryError(f"the database refused it: {e.message}", hint=_NOTHING)
        refused.sqlstate = e.sqlstate
        raise refused from e
    described = session.pgconn.describe_prepared(b"")
    return [(described.fname(place) or b"").decode() for place in range(described.nfields)]


_NOTHING = "nothing was changed"
