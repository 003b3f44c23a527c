"""The schema as a model and a person are told it, and as one hash."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from time import thread_time

import apsw

from sqlagent.core.errors import QueryError, TimedOut
from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.core.text.lexer import COMMENT, scan
from sqlagent.databases.example_values import LONGEST, LOOKED_AT, fit_to_show, looks_secret
from sqlagent.databases.sqlite.connection.open import Budget
from sqlagent.databases.sqlite.opinion.comments import TABLE, comments
from sqlagent.databases.sqlite.opinion.view_origins import view_origins
from sqlagent.databases.view_keys import with_view_keys

_SECONDS_A_TABLE = 0.2
_OBJECTS = """
SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema
 WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' AND NOT (type = 'table' AND name = 'sqlagent_runs' COLLATE NOCASE)
 ORDER BY type, name"""
RELATIONS = """
SELECT s.type, s.name, coalesce(s.sql, '') FROM sqlite_schema AS s
 WHERE s.type IN ('table', 'view') AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
   AND s.name <> 'sqlagent_runs' COLLATE NOCASE
   AND s.name NOT IN (SELECT l.name FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.type = 'shadow')
 ORDER BY s.type, s.rowid"""


def fingerprint(connection: apsw.Connection) -> str:
    """SHA-256 of every object's type, name, table and SQL, in an order that does not depend on how they were made."""
    digest = hashlib.sha256()
    for row in connection.execute(_OBJECTS).fetchall():
        for value in map(str, row):
            encoded = value.encode("utf-8", "surrogatepass")
            digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def schema(connection: apsw.Connection, *, examples: int, only: frozenset[str] | None = None) -> Schema:
    """Every table and view, or `only` some, with up to `examples` values a column."""
    triggers: dict[str, list[str]] = {}
    for name, on in connection.execute("SELECT name, lower(tbl_name) FROM sqlite_schema WHERE type = 'trigger'"):
        triggers.setdefault(str(on), []).append(str(name))
    tables = []
    for kind, name, sql in connection.execute(RELATIONS).fetchall():
        if only is not None and name not in only:
            continue
        fired = tuple(triggers.get(str(name).lower(), ()))
        tables.append(_table(connection, str(name), str(sql), kind == "view", fired, examples))
    views = [table.name for table in tables if table.is_view]
    return Schema("sqlite", apsw.sqlite_lib_version(), with_view_keys(tables, view_origins(connection, views)))


def _table(
    connection: apsw.Connection, name: str, sql: str, is_view: bool, triggers: tuple[str, ...], examples: int
) -> Table:
    references = _references(connection, name)
    said = {} if is_view else comments(sql)
    columns = []
    with suppress(apsw.Error):  # a view over what is gone is still there, without columns
        columns = connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)).fetchall()
    return Table(
        name,
        tuple(
            Column(
                str(column),
                str(type_),
                nullable=not not_null and not (key and "INT" in str(type_).upper()),
                primary_key=bool(key),
                references=references.get(str(column).lower(), ""),
                generated=hidden in (2, 3),
                collation="" if is_view else collation(connection, name, str(column)),
                comment=said.get(str(column).lower(), ""),
                examples=()
                if is_view or _is_id(key, column, type_, references)
                else _examples(connection, name, str(column), examples),
            )
            for _, column, type_, not_null, _, key, hidden in columns
            if hidden != 1
        ),
        is_view=is_view,
        rows=None if is_view else _rows(connection, name),
        checks=_checks(sql) if not is_view else (),
        triggers=triggers,
        comment=said.get(TABLE, ""),
    )


def collation(connection: apsw.Connection, table: str, column: str) -> str:
    """By what a column's texts are compared; empty where that is byte for byte, or nobody can say."""
    with suppress(apsw.Error):
        declared = str(connection.column_metadata("main", table, column)[1]).upper()
        return "" if declared == "BINARY" else declared
    return ""


def _is_id(key: object, column: object, type_: object, references: dict[str, str]) -> bool:
    """A number that names a row: examples of it teach nobody anything."""
    return bool(key or str(column).lower() in references) and "INT" in str(type_).upper()


def _references(connection: apsw.Connection, name: str) -> dict[str, str]:
    """Column to `table.column`; a key that names no column means the other table's primary key."""
    found = {}
    keys = connection.execute('SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)', (name,)).fetchall()
    for table, column, to in keys:
        if to is None:
            primary = "SELECT name FROM pragma_table_info(?) WHERE pk = 1"
            to = connection.execute(primary, (table,)).get or "rowid"
        found[str(column).lower()] = f"{table}.{to}"
    return found


def _rows(connection: apsw.Connection, name: str) -> int | None:
    """Counted if that is quick, else what ANALYZE last saw."""
    with suppress(TimedOut, QueryError, apsw.Error), Budget(connection, _SECONDS_A_TABLE, clock=thread_time).holding():
        return int(connection.execute(f"SELECT count(*) FROM {quoted(name)}").get)  # noqa: S608 - a quoted name
    with suppress(apsw.Error):
        stat = connection.execute("SELECT max(stat) FROM sqlite_stat1 WHERE tbl = ?", (name,)).get
        return int(str(stat).split()[0]) if stat else None
    return None


def _examples(connection: apsw.Connection, table: str, column: str, wanted: int) -> tuple[str, ...]:
    """The commonest short values among the first rows; none where the name or a value looks like a secret."""
    if not wanted or looks_secret(column):
        return ()
    field = quoted(column)
    sql = (
        f"SELECT v FROM (SELECT {field} AS v FROM {quoted(table)} LIMIT {LOOKED_AT})"  # noqa: S608 - quoted names
        f" WHERE v IS NOT NULL AND typeof(v) <> 'blob' AND length(v) BETWEEN 1 AND {LONGEST}"
        f" GROUP BY v ORDER BY count(*) DESC, v LIMIT {wanted}"
    )
    budget = Budget(connection, _SECONDS_A_TABLE, clock=thread_time)
    with suppress(TimedOut, QueryError, apsw.Error, UnicodeDecodeError), budget.holding():
        return fit_to_show(str(v) for (v,) in connection.execute(sql).fetchall())
    return ()


def _checks(sql: str) -> tuple[str, ...]:
    """The text of every CHECK in a CREATE TABLE, without its brackets."""
    tokens = [t for t in scan(sql, "sqlite") if t.kind != COMMENT]
    found = []
    for index, token in enumerate(tokens[:-1]):
        if token.text.upper() == "CHECK" and tokens[index + 1].text == "(":
            depth = 0
            for inner in tokens[index + 1 :]:
                depth += {"(": 1, ")": -1}.get(inner.text, 0)
                if depth == 0:
                    found.append(" ".join(sql[tokens[index + 1].end : inner.start].split()))
                    break
    return tuple(found)


def quoted(name: str) -> str:
    """A name in double quotes, as SQLite takes it whatever it is."""
    return '"' + name.replace('"', '""') + '"'
