"""Names that exist nowhere: the table or column that is meant, where only one can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp

from sqlagent.core.nouns.draft import Column, Table
from sqlagent.core.repair.catalogue import same_column, same_table
from sqlagent.core.repair.reading import Block, Change, Edit, Reading, Source


def table_that_is_meant(reading: Reading) -> Change | None:
    """`FROM customer` where the table is `customers`."""
    for source in _sources(reading):
        span = reading.span(source.identifier)
        if source.table or span is None or source.identifier is None:
            continue
        if (table := same_table(source.identifier.name, reading.catalogue.schema.tables)) is None:
            continue
        edits = [Edit(*span, reading.spelled(table.name))]
        if source.name == source.identifier.name:  # it has no alias: columns are qualified with its name
            edits += [
                Edit(*place, reading.spelled(table.name))
                for column, _ in reading.columns()
                if column.table.lower() == source.name.lower() and (place := reading.span(column.args["table"]))
            ]
        return Change(tuple(edits), f"{source.identifier.name} to {table.name}")
    return None


def column_that_is_meant(reading: Reading) -> Change | None:
    """`c.customername` where the joined tables have a `name`, and no table has a `customername`."""
    for column, block in reading.columns():
        if reading.stands(column, block) or reading.exists(column):
            continue
        if found := _meant(reading, column, block):
            source, name = found
            changed = _rewritten(reading, column, source, name)
            if changed:
                return changed
    return _inserted(reading)


def _sources(reading: Reading) -> Iterator[Source]:
    for block in reading.blocks.values():
        yield from (s for s in block.sources.values() if s.identifier is not None)


def _meant(reading: Reading, column: exp.Column, block: Block) -> tuple[Source, str] | None:
    """The source and name: of the table that it is said to be of, else of all that are joined.

    A write looks no further than where the name stands: to take it from around a subquery would tie the two together,
    and a condition that was to choose some rows could come to choose all.
    """
    own = block.source(reading.key(column.args["table"])) if column.table else None
    near = [own] if own else []
    joined = [s for s in block.sources.values() if s is not own]
    around = [s for s in block.visible() if s not in near and s not in joined]
    circles = [near, joined, around] if reading.is_read else [near if column.table else joined]
    for circle in circles:
        if any(s.columns is None for s in circle):
            return None
        if found := same_column(column.name, [(t, c) for t, c in _columns(circle)]):
            homes = [s for s in circle if s.table is found[0]]
            return (homes[0], found[1].name) if len(homes) == 1 else None
    return None


def _columns(sources: Iterable[Source]) -> Iterator[tuple[Table, Column]]:
    seen: set[str] = set()
    for source in sources:
        if source.table and source.table.name not in seen:
            seen.add(source.table.name)
            yield from ((source.table, column) for column in source.table.columns)


def _rewritten(reading: Reading, column: exp.Column, source: Source, name: str) -> Change | None:
    span = reading.span(column.this)
    if span is None:
        return None
    edits = [Edit(*span, reading.spelled(name))]
    said = name
    if column.table:
        place = reading.span(column.args["table"])
        if place is None:
            return None
        edits.append(Edit(*place, reading.spelled(source.name)))
        said = f"{source.name}.{name}"
    return Change(tuple(edits), f"{reading.shown(column)} to {said}")


def _inserted(reading: Reading) -> Change | None:
    """The same for the columns that an INSERT lists."""
    if not isinstance(reading.root, exp.Insert) or not isinstance(reading.root.this, exp.Schema):
        return None
    block = reading.blocks[id(reading.root)]
    target = next(iter(block.sources.values()), None)
    if target is None or target.table is None:
        return None
    listed = [i for i in reading.root.this.expressions if isinstance(i, exp.Identifier)]
    for identifier in listed:
        if target.may_have(reading.key(identifier)) or (span := reading.span(identifier)) is None:
            continue
        found = same_column(identifier.name, [(target.table, c) for c in target.table.columns])
        if found and not any(reading.key(i) == found[1].name.lower() for i in listed):
            return Change((Edit(*span, reading.spelled(found[1].name)),), f"{identifier.name} to {found[1].name}")
    return None
