"""The tables as a model and a person are told them, and as one hash."""

from __future__ import annotations

import hashlib

import duckdb

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.databases.duckdb.connection.filling import quoted
from sqlagent.databases.duckdb.connection.load import Loaded
from sqlagent.databases.example_values import LONGEST, LOOKED_AT, fit_to_show, looks_secret

_COLUMNS = """
SELECT column_name, data_type, is_nullable FROM duckdb_columns()
 WHERE schema_name = 'main' AND table_name = ? ORDER BY column_index"""


def fingerprint(loaded: Loaded) -> str:
    """SHA-256 of every table's name, where its rows come from, and its columns with their types."""
    digest = hashlib.sha256()
    for source in loaded.sources:
        for value in (source.table, source.words, *map(repr, _columns(loaded.connection, source.table))):
            encoded = value.encode("utf-8", "surrogatepass")
            digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def schema(loaded: Loaded, *, examples: int, only: frozenset[str] | None = None) -> Schema:
    """Every table, or `only` some, with up to `examples` values a column; its comment says which file it is."""
    reader = loaded.connection.cursor()
    tables = tuple(
        Table(
            source.table,
            tuple(
                Column(name, kind, nullable=nullable, examples=_examples(reader, source.table, name, kind, examples))
                for name, kind, nullable in _columns(reader, source.table)
            ),
            rows=_rows(reader, source.table),
            comment=source.words,
        )
        for source in loaded.sources
        if only is None or source.table in only
    )
    return Schema("duckdb", duckdb.__version__, tables)


def _columns(reader: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str, bool]]:
    return [(str(n), str(kind), bool(nullable)) for n, kind, nullable in reader.execute(_COLUMNS, [table]).fetchall()]


def _rows(reader: duckdb.DuckDBPyConnection, table: str) -> int:
    (rows,) = reader.execute(f"SELECT count(*) FROM {quoted(table)}").fetchall()  # noqa: S608 - a quoted name
    return int(rows[0])


def _examples(reader: duckdb.DuckDBPyConnection, table: str, column: str, kind: str, wanted: int) -> tuple[str, ...]:
    """The most frequent short values of a text column among the first rows."""
    if not wanted or looks_secret(column) or kind != "VARCHAR":
        return ()
    sql = (
        f"SELECT v FROM (SELECT {quoted(column)} AS v FROM {quoted(table)} LIMIT {LOOKED_AT})"  # noqa: S608 - quoted
        f" WHERE length(v) BETWEEN 1 AND {LONGEST} GROUP BY v ORDER BY count(*) DESC, v LIMIT {int(wanted)}"
    )
    return fit_to_show(str(value) for (value,) in reader.execute(sql).fetchall())
