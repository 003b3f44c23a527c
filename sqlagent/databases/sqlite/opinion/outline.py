"""Names, types and keys of everything, in a few statements however many tables there are; no row is looked at."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import Any

import apsw

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.databases.sqlite.opinion.comments import TABLE, comments
from sqlagent.databases.sqlite.opinion.schema import RELATIONS, collation
from sqlagent.databases.sqlite.opinion.view_origins import view_origins
from sqlagent.databases.view_keys import with_view_keys

_COLUMNS = """
SELECT s.name, c.name, c.type, c."notnull", c.pk, c.hidden
  FROM sqlite_schema AS s JOIN pragma_table_xinfo(s.name) AS c
 WHERE s.type IN ('table', 'view') AND c.hidden <> 1 ORDER BY s.rowid, c.cid"""
_COLUMNS_OF = """
SELECT ?1, c.name, c.type, c."notnull", c.pk, c.hidden FROM pragma_table_xinfo(?1) AS c WHERE c.hidden <> 1"""
_KEYS = """
SELECT s.name, k."from", k."table",
       coalesce(k."to", (SELECT p.name FROM pragma_table_info(k."table") AS p WHERE p.pk = 1), 'rowid')
  FROM sqlite_schema AS s JOIN pragma_foreign_key_list(s.name) AS k WHERE s.type = 'table'"""


def outline(connection: apsw.Connection) -> Schema:
    """Every table and view, without examples, checks, triggers and counts."""
    rows = _columns(connection)
    references: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, there, to in connection.execute(_KEYS).fetchall():
        references[str(table)][str(column).lower()] = f"{there}.{to}"
    columns: dict[str, list[tuple[str, str, bool, bool, bool]]] = defaultdict(list)
    for table, name, type_, not_null, key, hidden in rows:
        nullable = not not_null and not (key and "INT" in str(type_).upper())
        columns[str(table)].append((str(name), str(type_), nullable, bool(key), hidden in (2, 3)))
    tables = []
    for kind, name, sql in connection.execute(RELATIONS).fetchall():
        said = comments(str(sql)) if kind == "table" else {}
        found = tuple(
            Column(column, type_, nullable, key, references[str(name)].get(column.lower(), ""), generated,
                   collation=collation(connection, str(name), column) if kind == "table" else "",
                   comment=said.get(column.lower(), ""))
            for column, type_, nullable, key, generated in columns[str(name)]
        )  # fmt: skip
        tables.append(Table(str(name), found, is_view=kind == "view", comment=said.get(TABLE, "")))
    views = [table.name for table in tables if table.is_view]
    return Schema("sqlite", apsw.sqlite_lib_version(), with_view_keys(tables, view_origins(connection, views)))


def _columns(connection: apsw.Connection) -> list[Any]:
    """Of everything at once; one by one where that fails, since a view over what is gone has none."""
    with suppress(apsw.Error):
        return connection.execute(_COLUMNS).fetchall()
    rows: list[Any] = []
    for _, name, _ in connection.execute(RELATIONS).fetchall():
        with suppress(apsw.Error):
            rows += connection.execute(_COLUMNS_OF, (name,)).fetchall()
    return rows
