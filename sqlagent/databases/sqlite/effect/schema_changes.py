"""What CREATE, ALTER and DROP do: objects that come, change and go, the rows that go along, and what breaks."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apsw

from sqlagent.core.nouns.analysis import Verb
from sqlagent.core.nouns.effect import ObjectChange
from sqlagent.databases.sqlite.opinion.schema import quoted
from sqlagent.databases.sqlite.opinion.table_shapes import Tables

_OBJECTS = """
SELECT s.type, s.name, s.tbl_name, s.sql, s.rootpage FROM sqlite_schema AS s
  LEFT JOIN pragma_table_list AS l ON l.schema = 'main' AND l.name = s.name AND s.type = 'table'
 WHERE s.sql IS NOT NULL AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND coalesce(l.type, '') <> 'shadow'
   AND NOT (s.type = 'table' AND s.name = 'sqlagent_runs' COLLATE NOCASE)
 ORDER BY s.rowid"""


@dataclass(frozen=True, slots=True)
class Object:
    """One object of the schema, as SQLite's schema table lists it."""

    kind: str
    name: str
    table: str
    sql: str
    root: int


Objects = dict[tuple[str, str], Object]
"""By kind, and name in lower case."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The rows of a table that a statement drops or rewrites, before it does."""

    table: str
    rows: int
    digest: str
    """SHA-256 of its rows in any order; empty where they all stay as they are."""


def objects(connection: apsw.Connection) -> Objects:
    """Every object of the schema, by kind and name in lower case."""
    found = connection.execute(_OBJECTS).fetchall()
    listed = [Object(str(kind), str(name), str(on), str(sql), int(str(root))) for kind, name, on, sql, root in found]
    return {(o.kind, o.name.lower()): o for o in listed}


def losses(connection: apsw.Connection, tables: Tables, lost: Iterable[str], *, rewritten: bool) -> tuple[Loss, ...]:
    """What would be lost of the named tables; `rewritten` where their rows are written anew."""
    found = []
    for name in sorted(lost):
        if tables.is_table(name):
            digest = content_digest(connection, name) if rewritten else ""
            found.append(Loss(name, tables.rows(name), digest))
    return tuple(found)


def content_digest(connection: apsw.Connection, name: str) -> str:
    """SHA-256 of the rows of a table, whatever order they come in."""
    try:
        return _digest(connection.execute(f"SELECT * FROM main.{quoted(name)}"))  # noqa: S608 - a quoted name
    except UnicodeDecodeError:  # a text is not UTF-8, and only its bytes can be read
        found = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", (name,)).fetchall()
        columns = (quoted(str(column)) for (column,) in found)
        listed = ", ".join(f"typeof({c}), CASE typeof({c}) WHEN 'text' THEN hex({c}) ELSE {c} END" for c in columns)
        return _digest(connection.execute(f"SELECT {listed} FROM main.{quoted(name)}"))  # noqa: S608 - quoted names


def _digest(rows: Iterable[tuple[Any, ...]]) -> str:
    digests = sorted(hashlib.sha256(marshal.dumps(row, 2)).digest() for row in rows)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def about_bytes(connection: apsw.Connection, tables: Tables, name: str) -> int:
    """The size of a table's rows, from the first thousand of them."""
    first = connection.execute(f"SELECT * FROM main.{quoted(name)} LIMIT 1000").fetchall()  # noqa: S608 - a quoted name
    return len(marshal.dumps(first, 2)) * tables.rows(name) // max(len(first), 1)


def object_changes(before: Objects, after: Objects, losses: Iterable[Loss], tables: Tables) -> Iterator[ObjectChange]:
    """What was created, altered and dropped; a renamed table is altered, `old -> new`."""
    rows = {loss.table.lower(): loss.rows for loss in losses}
    went = {key: o for key, o in before.items() if key not in after}
    came = {key: o for key, o in after.items() if key not in before}
    renamed = [(o, n) for o in went.values() for n in came.values() if o.root and (o.kind, o.root) == (n.kind, n.root)]
    for old, new in renamed:
        del went[old.kind, old.name.lower()], came[new.kind, new.name.lower()]
        yield ObjectChange(Verb.ALTER, old.kind, f"{old.name} -> {new.name}", rows.get(old.name.lower()))
    for o in went.values():
        yield ObjectChange(Verb.DROP, o.kind, o.name, rows.get(o.name.lower()) if o.kind == "table" else None)
    for o in came.values():
        yield ObjectChange(Verb.CREATE, o.kind, o.name, tables.rows(o.name) if o.kind == "table" else None)
    for key, o in after.items():
        if key in before and before[key].sql != o.sql:
            yield ObjectChange(Verb.ALTER, o.kind, o.name, rows.get(o.name.lower()) if o.kind == "table" else None)


# ---- what no longer compiles ----------------------------------------------------------------------------------------


def broken(connection: apsw.Connection, present: Objects) -> dict[str, str]:
    """Every view, trigger and foreign key that does not work, such as `view open_orders`, with the engine's word."""
    found: dict[str, str] = {}
    for o in present.values():
        if o.kind == "view" and (error := _error(connection, f"SELECT * FROM main.{quoted(o.name)}")):  # noqa: S608
            found[f"view {o.name}"] = error
        if o.kind == "table":
            found.update(_broken_keys(connection, o.name, present))
    for table in dict.fromkeys(o.table for o in present.values() if o.kind == "trigger"):
        found.update(_broken_triggers(connection, table, present))
    return found


def _broken_keys(connection: apsw.Connection, name: str, present: Objects) -> Iterator[tuple[str, str]]:
    parents = connection.execute('SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)', (name,)).fetchall()
    for (parent,) in parents:
        if ("table", str(parent).lower()) not in present:
            yield f"foreign key of {name}", f"no such table: {parent}"


def _broken_triggers(connection: apsw.Connection, table: str, present: Objects) -> Iterator[tuple[str, str]]:
    """A trigger is compiled where it fires, so each is made to fire by a statement that is compiled and not run."""
    triggers = [o for o in present.values() if o.kind == "trigger" and o.table.lower() == table.lower()]
    firing = _firing(connection, table)
    if not any(_error(connection, sql) for sql in firing):
        return
    for trigger in triggers:
        connection.execute("SAVEPOINT alone").fetchall()
        try:
            for other in triggers:
                if other is not trigger:
                    connection.execute(f"DROP TRIGGER main.{quoted(other.name)}").fetchall()
            error = next(filter(None, (_error(connection, sql) for sql in firing)), "")
        finally:
            connection.execute("ROLLBACK TO alone; RELEASE alone").fetchall()
        if error:
            yield f"trigger {trigger.name}", error


def _firing(connection: apsw.Connection, table: str) -> list[str]:
    try:
        found = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,)).fetchall()
    except apsw.SQLError:  # a view that does not work, which is said of the view
        return []
    columns = [quoted(str(name)) for (name,) in found]
    if not columns:
        return []
    name, listed = f"main.{quoted(table)}", ", ".join(columns)
    sets = ", ".join(f"{column} = {column}" for column in columns)
    insert = f"INSERT INTO {name} ({listed}) SELECT {listed} FROM {name}"  # noqa: S608 - quoted names
    return [insert, f"UPDATE {name} SET {sets}", f"DELETE FROM {name}"]  # noqa: S608 - quoted names


def _error(connection: apsw.Connection, sql: str) -> str:
    try:
        connection.execute(sql, explain=1, can_cache=False).close(force=True)
    except apsw.SQLError as e:
        return str(e)
    return ""
