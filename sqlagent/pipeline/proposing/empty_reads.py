"""Reads that come back empty: a word that its column spells otherwise, or the condition that excludes everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.core.repair.catalogue import Catalogue, singular
from sqlagent.pipeline.proposing.looking import Looking

if TYPE_CHECKING:
    from sqlagent.core.repair.literals import Compared
    from sqlagent.core.repair.reading import Change, Reading

MOST_REASONS = 3


def with_stored_words(sql: str, schema: Schema, look: Looking) -> tuple[str, tuple[str, ...]]:
    """An empty read with each word that its column lacks as it is stored, where something comes back then.

    The words are those of the database, so that whoever is not to see its values must not be told this SQL.
    """
    text, said = sql, list[str]()
    for _ in range(MOST_REASONS):
        reading = _read(text, schema)
        change = next(_changes(reading, look), None) if reading else None
        if change is None:
            break
        text = change.applied(text)
        said.append(change.said)
    return (text, tuple(said)) if said and not look.is_empty(text) else (sql, ())


def why_empty(sql: str, schema: Schema, look: Looking) -> tuple[str, ...]:
    """What a person may want to know of a read that came back empty; nothing where it did not, or nothing is known."""
    reading = _read(sql, schema) if look.is_empty(sql) else None
    if reading is None:
        return ()
    words = tuple(_unheld(reading, look))[:MOST_REASONS]
    return words or tuple(_excluding(reading, look))[:1]


def _read(sql: str, schema: Schema) -> Reading | None:
    from sqlagent.core.repair.keys import Keys
    from sqlagent.core.repair.reading import read  # with sqlglot's scopes, which only such a read needs

    catalogue = Catalogue.of(schema)
    return read(sql, catalogue, Keys(catalogue))


def _changes(reading: Reading, look: Looking) -> Iterator[Change]:
    from sqlagent.core.repair.literals import compared, held_elsewhere, other_columns, respelled

    for c in compared(reading):
        spellings = _spellings(reading, look, c.table, c.column, c.value)
        if spellings is None or c.value in spellings:
            continue
        if spellings:
            yield respelled(reading, c, spellings)
            continue
        held = [
            (table, column, found[0])
            for table, column in other_columns(reading, c)
            if (found := _spellings(reading, look, table, column, c.value))
        ]
        if len(held) == 1 and (change := held_elsewhere(reading, c, *held[0])):
            yield change


def _spellings(reading: Reading, look: Looking, table: Table, column: Column, value: str) -> list[str] | None:
    """How the column spells the word; None where that was not found out, or where it does in too many ways."""
    from sqlagent.core.repair.literals import MOST_SPELLINGS, spellings_query

    rows = look.rows(spellings_query(table, column, value, reading.dialect))
    if rows is None or len(rows) > MOST_SPELLINGS:
        return None
    return [v for (v,) in rows if isinstance(v, str)]


def _unheld(reading: Reading, look: Looking) -> Iterator[str]:
    """Words that no row has."""
    from sqlagent.core.repair.literals import compared

    for c in compared(reading):
        spellings = _spellings(reading, look, c.table, c.column, c.value)
        if spellings is not None and c.value not in spellings:
            yield _no_row(c) + _have_instead(reading, look, c, spellings)


def _no_row(c: Compared) -> str:
    row = singular(c.table.name) if c.table.name.isalpha() else f"row of {c.table.name}"
    return f"no {row} has {c.column.name} '{c.value}'"


def _have_instead(reading: Reading, look: Looking, c: Compared, spellings: list[str]) -> str:
    from sqlagent.core.repair.literals import count_query

    counted = [(s, look.count(count_query(c.table, c.column, s, reading.dialect))) for s in spellings]
    return "".join(f"; {count:,} {'has' if count == 1 else 'have'} '{s}'" for s, count in counted if count)


def _excluding(reading: Reading, look: Looking) -> Iterator[str]:
    """The table that has no rows, or the one condition without which something would come."""
    from sqlagent.core.repair.conditions import without_each

    named = {s.table.name for block in reading.blocks.values() for s in block.sources.values() if s.table}
    for table in sorted(named):
        if look.rows(f"SELECT 1 FROM {reading.spelled(table)}", 1) == []:  # noqa: S608 - a name of the schema
            yield f"{table} has no rows"
    for each in without_each(reading):
        if count := look.count(each.query):
            yield f"no row satisfies {each.condition}; without it there {'is' if count == 1 else 'are'} {count:,}"
