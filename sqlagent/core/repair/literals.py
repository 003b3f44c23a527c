"""Words that a read compares with a column which may not hold them: what to ask the database, and what to put instead.

Pure: it makes the questions and the changes; whoever calls it asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from sqlagent.core.nouns.draft import Column, Table
from sqlagent.core.repair.catalogue import letters
from sqlagent.core.repair.joins import column_span
from sqlagent.core.repair.keys import referred
from sqlagent.core.repair.reading import Block, Change, Edit, Reading

MOST_SPELLINGS = 4
"""Spellings of one word in a column beyond which they are no spellings of one word."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison of a column with a word, such as `o.status = 'Delivered'`."""

    table: Table
    column: Column
    written: str
    """The column as the draft has it: `o.status`."""
    value: str
    start: int
    end: int
    """Where the whole comparison stands."""
    block: Block


def compared(reading: Reading) -> Iterator[Compared]:
    """Every comparison of a table's column with a word, in the order in which they are written."""
    if not reading.is_read:
        return
    for equal in reading.root.find_all(exp.EQ):
        column, literal = equal.this, equal.expression
        block = reading.block_of(equal)
        if not isinstance(column, exp.Column) or not isinstance(literal, exp.Literal) or not literal.is_string:
            continue
        span, end = column_span(reading, column), reading.span(literal)
        homes = reading.homes_of(column, block) if block else []
        if block is None or span is None or end is None or len(homes) != 1 or homes[0].table is None:
            continue
        found = reading.has(homes[0], column.name)
        if found and letters(literal.name):
            written = reading.text[span[0] : span[1]]
            yield Compared(homes[0].table, found, written, literal.name, span[0], end[1], block)


def other_columns(reading: Reading, c: Compared) -> Iterator[tuple[Table, Column]]:
    """Where else its word may be: in the table that the column refers to, else in those that are read beside it."""
    there = referred(reading.catalogue, c.column)
    tables = [there[0]] if there else [s.table for s in c.block.sources.values() if s.table]
    for table in {t.name: t for t in tables}.values():
        yield from ((table, column) for column in table.columns if _is_text(column) and column is not c.column)


def _is_text(column: Column) -> bool:
    return not column.type or any(word in column.type.upper() for word in ("CHAR", "TEXT", "CLOB", "STRING"))


def spellings_query(table: Table, column: Column, value: str, dialect: str) -> str:
    """How a column spells the same letters."""
    field: exp.Expr = _name(column.name)
    for gap in ("_", " ", "-"):
        field = exp.func("REPLACE", field, exp.Literal.string(gap), exp.Literal.string(""))
    same = exp.EQ(this=exp.func("LOWER", field), expression=exp.Literal.string(letters(value)))
    query = exp.select(_name(column.name)).distinct().from_(_table(table)).where(same).limit(MOST_SPELLINGS + 1)
    return query.sql(dialect)


def count_query(table: Table, column: Column, value: str, dialect: str) -> str:
    """How many rows hold exactly this."""
    same = exp.EQ(this=_name(column.name), expression=exp.Literal.string(value))
    return exp.select("COUNT(*)").from_(_table(table)).where(same).sql(dialect)


def _name(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))


def _table(table: Table) -> exp.Table:
    return exp.Table(this=exp.to_identifier(table.name, quoted=True))


def respelled(reading: Reading, c: Compared, spellings: Sequence[str]) -> Change:
    """The word as the column spells it; where it does so in several ways, any of them."""
    words = [_quoted(reading, s) for s in spellings]
    text = f"{c.written} = {words[0]}" if len(words) == 1 else f"{c.written} IN ({', '.join(words)})"
    return Change((Edit(c.start, c.end, text),), f"{_quoted(reading, c.value)} to {' or '.join(words)}")


def held_elsewhere(reading: Reading, c: Compared, table: Table, column: Column, spelling: str) -> Change | None:
    """The comparison with the one other column that holds the word, through the key that leads to its table."""
    word = _quoted(reading, spelling)
    there = referred(reading.catalogue, c.column)
    if there and there[0] is table:
        key, name, field = (reading.spelled(n) for n in (there[1].name, table.name, column.name))
        text = f"{c.written} IN (SELECT {key} FROM {name} WHERE {field} = {word})"  # noqa: S608 - spelled names and a literal
        return Change((Edit(c.start, c.end, text),), f"{c.written} = {_quoted(reading, c.value)} to {name}.{field}")
    homes = [s for s in c.block.sources.values() if s.table is table]
    if len(homes) != 1:
        return None
    text = f"{reading.spelled(homes[0].name)}.{reading.spelled(column.name)} = {word}"
    return Change((Edit(c.start, c.end, text),), f"{c.written} = {_quoted(reading, c.value)} to {text}")


def _quoted(reading: Reading, text: str) -> str:
    return exp.Literal.string(text).sql(reading.dialect)
