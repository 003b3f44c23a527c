"""Names of a draft that exist nowhere, and the nearest that do: for a model to be told, and for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlagent.core.nouns.draft import Schema
from sqlagent.core.repair.catalogue import Catalogue, nearest, same_table
from sqlagent.core.repair.keys import Keys
from sqlagent.core.repair.reading import Reading, read

MOST_TABLES = 3
"""Tables whose columns are told, of those that lack one."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that no table, or no column, has."""

    kind: str
    """`table` or `column`."""
    name: str
    nearest: tuple[str, ...] = ()
    """Tables, or columns as `table.column`."""

    @property
    def said(self) -> str:
        """`no table has a column totl`, as the model and the person read it."""
        return f"no table has a column {self.name}" if self.kind == "column" else f"there is no table {self.name}"


def missing(sql: str, schema: Schema) -> tuple[Missing, ...]:
    """Each once, in the order in which they are written; nothing where the draft is not understood."""
    catalogue = Catalogue.of(schema)
    reading = read(sql, catalogue, Keys(catalogue))
    return tuple(dict.fromkeys((*_tables(reading), *_columns(reading)))) if reading else ()


def whereabouts(sql: str, schema: Schema) -> tuple[str, ...]:
    """What a model is told of the names that it put where they are not: what there is, and where."""
    catalogue = Catalogue.of(schema)
    reading = read(sql, catalogue, Keys(catalogue))
    if reading is None:
        return ()
    lines = [f"There is no table {m.name}. {_instead(m)}" for m in dict.fromkeys(_tables(reading))]
    looked: dict[str, str] = {}
    for column, block in reading.columns():
        if reading.stands(column, block) or column.name in looked:
            continue
        homes = ", ".join(t.name for t in catalogue.homes(column.name, quoted=bool(column.this.args.get("quoted"))))
        qualifier = column.args.get("table")
        own = block.source(reading.key(qualifier)) if qualifier else None
        tables = [s.table for s in ([own] if own else block.sources.values()) if s.table]
        lines += [f"{t.name} has only {', '.join(c.name for c in t.columns)}." for t in tables[:MOST_TABLES]]
        looked[column.name] = f"{column.name} is a column of {homes}." if homes else ""
    lines += filter(None, looked.values())
    lines += [f"No table has a column {m.name}. {_instead(m)}" for m in dict.fromkeys(_columns(reading))]
    return tuple(dict.fromkeys(lines))


def _instead(m: Missing) -> str:
    if m.nearest:
        return f"There is {' and '.join(m.nearest)}."
    return "If no other name above holds what is asked for, it is CANNOT:"


def _tables(reading: Reading) -> Iterator[Missing]:
    tables = reading.catalogue.schema.tables
    for block in reading.blocks.values():
        for source in block.sources.values():
            if source.identifier is not None and source.table is None:
                name = source.identifier.name
                meant = same_table(name, tables)
                yield Missing("table", name, (meant.name,) if meant else nearest(name, (t.name for t in tables)))


def _columns(reading: Reading) -> Iterator[Missing]:
    there = {c.name: f"{t.name}.{c.name}" for t in reading.catalogue.schema.tables for c in t.columns}
    for column, block in reading.columns():
        if not reading.stands(column, block) and not reading.exists(column):
            yield Missing("column", column.name, tuple(there[n] for n in nearest(column.name, there)))
