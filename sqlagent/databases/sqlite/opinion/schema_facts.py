"""Facts of the schema that change what a statement does: triggers, views, foreign-key actions, REPLACE constraints."""

from __future__ import annotations

import re
from dataclasses import dataclass

import apsw

from sqlagent.core.nouns.verbs import Verb

_ACTS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
_REPLACES = re.compile(r"\bON\s+CONFLICT\s+REPLACE\b", re.IGNORECASE)
_NAMES = """
SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_xinfo(m.name) AS c
 WHERE m.type IN ('table', 'view') ORDER BY m.rowid, c.cid"""
_KEYS = """
SELECT m.name, lower(f."table"), f.on_update, f.on_delete
  FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table'"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names are in lower case, as SQLite compares them, except in `names`."""

    names: dict[str, tuple[str, ...]]
    """Tables and views as spelled, and the columns of each."""
    views: frozenset[str]
    triggers: frozenset[str]
    parents: dict[str, frozenset[str]]
    """Child table to the tables whose change or deletion changes its rows."""
    keys: frozenset[tuple[str, str]]
    """Child and parent of every foreign key."""
    replacing: frozenset[str]
    """Tables with an ON CONFLICT REPLACE constraint."""
    follow: dict[str, tuple[tuple[str, Verb], ...]]
    """Parent table to what becomes of rows of other tables, as spelled, when its own are deleted."""

    keys_are_on: bool
    """SQLite looks after foreign keys."""

    def is_table(self, name: str) -> bool:
        """Whether the schema has a table of this name, whatever its case."""
        return name.lower() in {n.lower() for n in self.names}


def facts(connection: apsw.Connection) -> Facts:
    """Read from the schema; a view that no longer compiles has no columns."""
    rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema").fetchall()
    rows += connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_temp_schema").fetchall()
    parents: dict[str, set[str]] = {}
    keys = connection.execute(_KEYS).fetchall()
    follow: dict[str, dict[tuple[str, Verb], None]] = {}
    for child, parent, on_update, on_delete in keys:
        if {on_update, on_delete} & _ACTS:
            parents.setdefault(str(child).lower(), set()).add(str(parent))
        if on_delete in _ACTS:
            verb = Verb.DELETE if on_delete == "CASCADE" else Verb.UPDATE
            follow.setdefault(str(parent), {})[str(child), verb] = None
    return Facts(
        names=_names(connection, [str(name) for kind, name, _ in rows if kind in ("table", "view")]),
        views=frozenset(str(name).lower() for kind, name, _ in rows if kind == "view"),
        triggers=frozenset(str(name).lower() for kind, name, _ in rows if kind == "trigger"),
        parents={child: frozenset(tables) for child, tables in parents.items()},
        keys=frozenset((str(child).lower(), str(parent)) for child, parent, _, _ in keys),
        keys_are_on=bool(connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, -1)),
        follow={parent: tuple(children) for parent, children in follow.items()},
        replacing=frozenset(str(n).lower() for kind, n, sql in rows if kind == "table" and _REPLACES.search(str(sql))),
    )


def _names(connection: apsw.Connection, relations: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {name: [] for name in relations}
    try:
        rows = connection.execute(_NAMES).fetchall()
    except apsw.Error:
        rows = [(name, column) for name in relations for column in _columns(connection, name)]
    for name, column in rows:
        found.setdefault(str(name), []).append(str(column))
    return {name: tuple(columns) for name, columns in found.items()}


def _columns(connection: apsw.Connection, relation: str) -> list[str]:
    try:
        return [str(c) for (c,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (relation,)).fetchall()]
    except apsw.Error:  # a view over what is gone, or a module this library has not: it has no columns to name
        return []
