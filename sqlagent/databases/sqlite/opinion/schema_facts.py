"""Facts of the schema that change what a statement does: triggers, views, foreign-key actions, REPLACE constraints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import cast

import apsw

from sqlagent.core.nouns.verbs import Verb

_ACTS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
_REPLACES = re.compile(r"\bON\s+CONFLICT\s+REPLACE\b", re.IGNORECASE)
_NAMES = """
SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_xinfo(m.name) AS c
 WHERE m.type IN ('table', 'view') ORDER BY m.rowid, c.cid"""
_OBJECTS = "SELECT rowid, type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY rowid"
_LATER = "SELECT rowid, type, name, coalesce(sql, '') FROM sqlite_schema WHERE rowid > ? ORDER BY rowid"
_TEMPORARY = "SELECT rowid, type, name, coalesce(sql, '') FROM sqlite_temp_schema"
_KEYS = """SELECT lower("table"), on_update, on_delete FROM pragma_foreign_key_list(?, 'main')"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names are in lower case, as SQLite compares them, except in `names`."""

    tables: frozenset[str]
    """Tables and views."""
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
    columns: Callable[[], dict[str, tuple[str, ...]]]

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Tables and views as spelled, and the columns of each: read when it is asked for, by an error's hint alone."""
        return self.columns()

    def is_table(self, name: str) -> bool:
        """Whether the schema has a table of this name, whatever its case."""
        return name.lower() in self.tables


Row = tuple[int, str, str, str]
"""Number, type, name and text of an object of the schema."""
Key = tuple[str, str, str]
"""Parent, and what a foreign key does when its rows change and go."""


def facts(connection: apsw.Connection) -> Facts:
    """Read from the schema; a view that no longer compiles has no columns."""
    return Tracked(connection).facts


class Tracked:
    """The facts of a schema that a script changes: after each statement only what is new of it is read."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], list[Key]] = {}
        self._seen: list[Row] = []
        self._temporary: list[Row] = []
        self.facts = self._read()

    def created(self) -> None:
        """Something was created: what it is stands behind all that was there."""
        rows = self._rows(_LATER, (self._seen[-1][0] if self._seen else 0,))
        if not rows or self._temporary != self._rows(_TEMPORARY):
            self.facts = self._read()  # it is temporary, or was there
            return
        self._seen += rows
        self.facts = self._with(self.facts, rows)

    def changed(self) -> None:
        """Something is another than it was, or gone."""
        rows = self._rows(_OBJECTS)
        same = len(rows) == len(self._seen) and self._temporary == self._rows(_TEMPORARY)
        if same and all(self._means_the_same(*pair) for pair in zip(self._seen, rows, strict=True)):
            self._seen = rows
        else:
            self.facts = self._read()

    def _means_the_same(self, before: Row, after: Row) -> bool:
        """Whether nothing that is told of it here is another: a column more is none of that."""
        if before == after:
            return True
        (_, kind, name, was), (_, *now, text) = before, after
        alike = [kind, name] == now and kind == "table" and bool(_REPLACES.search(was)) == bool(_REPLACES.search(text))
        return alike and self._keys(name, was) == self._keys(name, text)

    def _read(self) -> Facts:
        nothing = Facts(
            tables=frozenset(), views=frozenset(), triggers=frozenset(), parents={}, keys=frozenset(),
            replacing=frozenset(), follow={}, columns=self._names,
            keys_are_on=bool(self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, -1)),
        )  # fmt: skip
        self._seen = self._rows(_OBJECTS)
        found = self._with(nothing, self._seen)
        self._temporary = self._rows(_TEMPORARY)
        return self._with(found, self._temporary, keys=False) if self._temporary else found

    def _rows(self, sql: str, after: tuple[int, ...] = ()) -> list[Row]:
        return cast("list[Row]", self._connection.execute(sql, after).fetchall())

    def _with(self, known: Facts, rows: list[Row], *, keys: bool = True) -> Facts:
        """These objects too; `keys` of foreign tables are those of the database's own."""
        tables = [(name, text) for _, kind, name, text in rows if kind == "table"]
        views = {name.lower() for _, kind, name, _ in rows if kind == "view"}
        found = replace(
            known,
            tables=known.tables | {name.lower() for name, _ in tables} | views,
            views=known.views | views,
            triggers=known.triggers | {name.lower() for _, kind, name, _ in rows if kind == "trigger"},
            replacing=known.replacing | {name.lower() for name, text in tables if _REPLACES.search(text)},
        )
        referring = [(name, self._keys(name, text)) for name, text in tables] if keys else []
        return _linked(found, [(name, found) for name, found in referring if found])

    def _keys(self, table: str, text: str) -> list[Key]:
        """Its foreign keys, which its own text tells, whatever becomes of others."""
        if (table, text) not in self._known:
            rows = self._connection.execute(_KEYS, (table,)).fetchall()
            self._known[table, text] = [(str(parent), str(update), str(delete)) for parent, update, delete in rows]
        return self._known[table, text]

    def _names(self) -> dict[str, tuple[str, ...]]:
        relations = [name for _, kind, name, _ in self._rows(_OBJECTS) if kind in ("table", "view")]
        relations += [name for _, kind, name, _ in self._rows(_TEMPORARY) if kind in ("table", "view")]
        return _names(self._connection, relations)


def _linked(known: Facts, referring: Iterable[tuple[str, list[Key]]]) -> Facts:
    """With the foreign keys of these tables."""
    parents, keys = dict(known.parents), set(known.keys)
    follow = dict(known.follow)
    for child, its_keys in referring:
        for parent, on_update, on_delete in its_keys:
            keys.add((child.lower(), parent))
            if {on_update, on_delete} & _ACTS:
                parents[child.lower()] = parents.get(child.lower(), frozenset()) | {parent}
            if on_delete in _ACTS:
                verb = Verb.DELETE if on_delete == "CASCADE" else Verb.UPDATE
                follow[parent] = tuple(dict.fromkeys((*follow.get(parent, ()), (child, verb))))
    return replace(known, parents=parents, keys=frozenset(keys), follow=follow)


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
