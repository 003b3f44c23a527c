"""What touched tables held before a change, kept until an undo was tried and everything was compared with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw

from sqlagent.databases.changes.rows import Row
from sqlagent.databases.sqlite.effect.duplicate_rows import suspected, without_duplicates
from sqlagent.databases.sqlite.effect.invisible_rows import difference, rows_of
from sqlagent.databases.sqlite.effect.schema_changes import Objects, content_digest, objects
from sqlagent.databases.sqlite.effect.statistics import STATISTICS, Known, statistics
from sqlagent.databases.sqlite.opinion.table_shapes import COUNTERS, Counters, Tables, TableShape

_MANY = 1 << 62  # rows: a session may always have grown
_OWN_WORDS = ("_config", "_content", "_docsize")
"""Ends of the names of tables in which a full-text index keeps what its rows do not tell."""


@dataclass(slots=True)
class Before:
    """What stood before some statements that are taken back together."""

    counters: Counters
    session: apsw.Session | None = None
    """Records from the first of them on: what it has nothing to say of is as it was."""
    looks: dict[str, dict[Any, Row]] = field(default_factory=dict)
    """Rows that it does not see, by their table in lower case."""
    digests: dict[str, str] = field(default_factory=dict)
    """Of the rows of tables that are dropped or altered."""
    unheld: set[str] = field(default_factory=set)
    """Such tables, too large to be held."""
    objects: Objects = field(default_factory=dict)
    """Where they change the schema, all of it."""
    statistics: Known = ()
    """And all that ANALYZE knew then."""

    is_over: bool = False
    """What comes now is not of these statements."""

    def stop(self) -> None:
        """Record no further: what comes is not of these statements."""
        self.is_over = True
        if self.session is not None:
            self.session.enabled = False

    def close(self) -> None:
        """Let go of what was recorded."""
        if self.session is not None:
            self.session.close()
            self.session = None

    def look(self, connection: apsw.Connection, tables: Tables, shape: TableShape) -> None:
        """Keep the rows of such a table, before the first of the statements touches it."""
        lower = shape.name.lower()
        if lower not in self.looks:
            self.looks[lower] = rows_of(connection, shape) if tables.is_table(lower) else {}

    def digest(self, connection: apsw.Connection, tables: Tables, name: str) -> None:
        """Hash the rows of a table, before it is dropped or altered."""
        for each in (name, *_words_of(tables, name)):
            self.digests[each.lower()] = content_digest(connection, each)

    # ---- afterwards -------------------------------------------------------------------------------------------------

    def differences(
        self, connection: apsw.Connection, shapes: dict[str, TableShape], last_numbers: dict[str, int]
    ) -> Iterator[str]:
        """The names of everything that is not as it was; raises Unmeasurable."""
        tables = Tables(connection)
        if self.objects:
            yield from _unlike(self.objects, objects(connection))
            if Counter(self.statistics) != Counter(statistics(connection, tables)):
                yield STATISTICS[0]
        yield from self._rows(shapes, last_numbers)
        for lower, before in self.looks.items():
            if lower in shapes and _differ(shapes[lower], before, _rows_now(connection, tables, shapes[lower])):
                yield shapes[lower].name
        for name, digest in self.digests.items():
            if tables.is_table(name) and content_digest(connection, name) != digest:
                yield name
        if tables.counters() != self.counters:
            yield COUNTERS

    def _rows(self, shapes: dict[str, TableShape], last_numbers: dict[str, int]) -> Iterator[str]:
        try:
            changeset = b"" if self.session is None or self.session.is_empty else self.session.changeset()
        except apsw.SchemaChangeError:  # it made a table and filled it, and the table is gone
            return
        if changeset and (doubtful := suspected(shapes, _MANY)):
            changeset = without_duplicates(changeset, doubtful, shapes, last_numbers, inserts=())
        if changeset:
            yield from dict.fromkeys(change.name for change in apsw.Changeset.iter(changeset))


def _rows_now(connection: apsw.Connection, tables: Tables, shape: TableShape) -> dict[Any, Row]:
    return rows_of(connection, shape) if tables.is_table(shape.name) else {}


def _differ(shape: TableShape, before: dict[Any, Row], now: dict[Any, Row]) -> bool:
    """Whether two looks at a table differ; the number of a row counts only in a virtual table."""
    if shape.virtual:
        return bool(difference(shape, before, now))
    rows = ([(tuple(map(type, row)), row[1:]) for row in each.values()] for each in (before, now))
    was, is_now = map(Counter, rows)
    return was != is_now


def _words_of(tables: Tables, name: str) -> Sequence[str]:
    return [shadow for shadow in tables.shadows_of([name.lower()]) if shadow.endswith(_OWN_WORDS)]


def _unlike(before: Objects, now: Objects) -> Iterator[str]:
    for key in before | now:
        old, new = before.get(key), now.get(key)
        if (old and old.sql) != (new and new.sql):
            yield f"{key[0]} {(old or new).name}"  # type: ignore[union-attr] # one of them is there
