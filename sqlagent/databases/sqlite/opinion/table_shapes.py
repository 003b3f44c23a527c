"""How tables are laid out, which a changeset does not say: column names, the key, and what sessions cannot record."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import apsw

from sqlagent.databases.sqlite.opinion.schema import quoted

ROWID = "_rowid_"
"""What the session extension calls the key of a table that declares none."""

Counters = dict[str, Any]
"""AUTOINCREMENT's; a number, unless somebody wrote something else there."""

COUNTERS = "sqlite_sequence"
"""The table where SQLite keeps them."""

_LISTED = "SELECT lower(name), type, wr FROM pragma_table_list WHERE schema = 'main'"
_COLUMNS = 'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?)'
_PARENTS = 'SELECT "from", "table", "to" FROM pragma_foreign_key_list(?)'
_COLLATIONS = """
SELECT x.coll FROM pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x WHERE l.origin = 'pk' AND x.key"""
_SQL = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE"
_FORGIVES = re.compile(r"\bON\s+CONFLICT\s+(REPLACE|IGNORE|FAIL|ROLLBACK)\b", re.IGNORECASE)
_KEY_INDEX = "SELECT count(*) FROM pragma_index_list(?) WHERE origin = 'pk'"


@dataclass(frozen=True, slots=True)
class TableShape:
    """One table as its rows appear in a changeset."""

    name: str
    columns: tuple[str, ...]
    """Without generated ones; `_rowid_` first where no key is declared."""
    key: tuple[int, ...]
    """Places of the key in `columns`, in the order of the columns."""
    numbered: bool = False
    """SQLite gives out the key: it is the rowid."""
    nullable_key: tuple[str, ...] = ()
    """Key columns that may be NULL; sessions do not see such rows."""
    parents: dict[int, str] = field(default_factory=dict)
    """Place of a column that refers to a table's rowid, and that table in lower case."""
    virtual: bool = False
    shadow: bool = False
    without_rowid: bool = False
    forgives: bool = False
    """A constraint of it has an ON CONFLICT clause: a row in its way is replaced, or it is left out, without a word."""

    sql: str = ""
    """The text that made it."""
    is_loose: bool = False
    """Two keys of it can be equal to SQL and yet be two values: it has no type, or does not tell A from a."""

    @property
    def is_keyless(self) -> bool:
        """Whether its rows are told apart by their number alone, since no key is declared."""
        return self.columns[0] == ROWID and not self.virtual

    @property
    def key_names(self) -> tuple[str, ...]:
        """The columns of its key, in the key's order."""
        return tuple(self.columns[place] for place in self.key)

    @property
    def is_internal(self) -> bool:
        """Whether it is one of SQLite's own tables, which no session records."""
        return self.name.lower().startswith("sqlite_")

    @property
    def is_seen(self) -> bool:
        """Whether a session records every row of it."""
        return not (self.virtual or self.nullable_key or self.is_internal)


class Tables:
    """The shapes of a database's tables, read once until its schema changes."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._version = -1
        self._listed: dict[str, tuple[str, bool]] = {}
        self._shapes: dict[str, TableShape] = {}

    def shape(self, name: str) -> TableShape:
        """The shape of a table.  Raises KeyError where there is none of this name."""
        self._refresh()
        key = name.lower()
        if key not in self._shapes:
            kind, without_rowid = self._listed[key]
            self._shapes[key] = self._read(name, kind, without_rowid)
        return self._shapes[key]

    def is_table(self, name: str) -> bool:
        """Whether rows are stored under this name: an ordinary, virtual or shadow table, but no view."""
        self._refresh()
        return self._listed.get(name.lower(), ("", False))[0] in ("table", "virtual", "shadow")

    def is_shadow(self, name: str) -> bool:
        """Whether a virtual table keeps its own data in it."""
        self._refresh()
        return self._listed.get(name.lower(), ("", False))[0] == "shadow"

    def shadows_of(self, names: Iterable[str]) -> frozenset[str]:
        """The tables in which virtual ones of these names, in lower case, keep what they hold."""
        self._refresh()
        own = tuple(f"{name}_" for name in names)
        return frozenset(name for name, (kind, _) in self._listed.items() if kind == "shadow" and name.startswith(own))

    def owner_of(self, shadow: str) -> str:
        """The virtual table that keeps its rows in a table of this name; empty where there is none."""
        virtual = [name for name, (kind, _) in self._listed.items() if kind == "virtual"]
        owners = [name for name in virtual if shadow.lower().startswith(f"{name}_")]
        return max(owners, key=len, default="")

    def sequence(self, name: str) -> int | None:
        """The last number that AUTOINCREMENT gave out; None for a table that does not have it."""
        self._refresh()
        if COUNTERS not in self._listed:
            return None
        found = self._connection.execute(_SEQUENCE, (name,)).get
        return None if found is None else int(found)

    def counters(self) -> Counters:
        """By the name of each table with AUTOINCREMENT, the last number that was given out there."""
        self._refresh()
        if COUNTERS not in self._listed:
            return {}
        found = self._connection.execute("SELECT name, seq FROM main.sqlite_sequence").fetchall()
        return {str(name): seq for name, seq in found}

    def _refresh(self) -> None:
        version = int(str(self._connection.pragma("schema_version")))
        if version != self._version:
            rows = self._connection.execute(_LISTED).fetchall()
            self._listed = {str(name): (str(kind), bool(wr)) for name, kind, wr in rows}
            self._shapes, self._version = {}, version

    def _read(self, name: str, kind: str, without_rowid: bool) -> TableShape:
        rows = [row for row in self._connection.execute(_COLUMNS, (name,)).fetchall() if row[4] == 0]
        names = tuple(str(column) for column, *_ in rows)
        places = tuple(place for place, row in enumerate(rows) if row[3])
        alias = self._is_alias(name, rows, places, without_rowid)
        free = kind == "table" and places and not alias and not without_rowid
        sql = str(self._connection.execute(_SQL, (name,)).get)
        shape = TableShape(
            name=name,
            columns=names if places else (ROWID, *names),
            key=places or (0,),
            numbered=alias or not places,
            nullable_key=tuple(names[place] for place in places if not rows[place][2]) if free else (),
            virtual=kind == "virtual",
            shadow=kind == "shadow",
            without_rowid=without_rowid,
            is_loose=bool(places) and not alias and kind == "table" and self._is_loose(name, rows, places),
            forgives=_FORGIVES.search(sql) is not None,
            sql=sql,
        )
        shape.parents.update(self._parents(shape))
        return shape

    def _is_loose(self, name: str, rows: list[tuple[object, ...]], places: tuple[int, ...]) -> bool:
        types = [str(rows[place][1]).upper() for place in places]
        if any("BLOB" in type_ or not type_ or type_ == "ANY" for type_ in types):
            return True
        return any(str(c) != "BINARY" for (c,) in self._connection.execute(_COLLATIONS, (name,)).fetchall())

    def _is_alias(
        self, name: str, rows: list[tuple[object, ...]], places: tuple[int, ...], without_rowid: bool
    ) -> bool:
        """Whether its one key column is the rowid itself; an `INTEGER PRIMARY KEY DESC` is not, and has an index."""
        if without_rowid or len(places) != 1 or str(rows[places[0]][1]).upper() != "INTEGER":
            return False
        return not self._connection.execute(_KEY_INDEX, (name,)).get

    def _parents(self, shape: TableShape) -> dict[int, str]:
        found = {}
        lower = [column.lower() for column in shape.columns]
        for column, parent, to in self._connection.execute(_PARENTS, (shape.name,)).fetchall():
            kind, without_rowid = self._listed.get(str(parent).lower(), ("", False))
            if kind != "table" or without_rowid or str(column).lower() not in lower:
                continue
            rows = [row for row in self._connection.execute(_COLUMNS, (parent,)).fetchall() if row[4] == 0]
            places = tuple(place for place, row in enumerate(rows) if row[3])
            if self._is_alias(str(parent), rows, places, without_rowid):
                key = str(rows[places[0]][0]).lower()
                if to is None or str(to).lower() == key:
                    found[lower.index(str(column).lower())] = str(parent).lower()
        return found

    def rows(self, name: str) -> int:
        """How many rows a table has, counted."""
        # by no index: one in an order that only the program knows cannot be used by anybody else
        only = "" if self.shape(name).virtual else "NOT INDEXED"
        return int(self._connection.execute(f"SELECT count(*) FROM main.{quoted(name)} {only}").get)  # noqa: S608

    def last_number(self, name: str) -> int:
        """The greatest number that SQLite gave out as a rowid of the table."""
        shape = self.shape(name)
        key = shape.key_names[0]  # or `_rowid_`, which no column of the table is called
        last = self._connection.execute(f"SELECT max({quoted(key)}) FROM main.{quoted(name)}").get  # noqa: S608 - quoted
        return max(int(last or 0), self.sequence(name) or 0)


_SEQUENCE = "SELECT max(seq) FROM sqlite_sequence WHERE name = ? COLLATE NOCASE"


def forgiving_table(name: str) -> str:
    """Why a change of a table with an ON CONFLICT clause cannot be taken back."""
    return f"{name} has an ON CONFLICT clause: putting a row back could replace another"
