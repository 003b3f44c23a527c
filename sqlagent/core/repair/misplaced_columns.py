"""Columns that exist, behind a table that lacks them: another alias, or the nearest table that has it, joined in."""

from __future__ import annotations

from sqlglot import exp

from sqlagent.core.repair.joins import end_of_from, joined, named, qualified
from sqlagent.core.repair.keys import Link
from sqlagent.core.repair.reading import Block, Change, Edit, Reading, Source


def alias_that_has_it(reading: Reading) -> Change | None:
    """`T2.name` where T1 is the one of FROM that has a name.

    In a write only among the aliases of the block in which the old one stands: see `unknown_names`.
    """
    for column, block in reading.columns():
        if not column.table or reading.stands(column, block):
            continue
        place = reading.span(column.args["table"])
        source = _other_alias(reading, column, block)
        if place and source and not _joined_to(column, source):
            said = f"{reading.shown(column)} to {source.name}.{column.name}"
            return Change((Edit(*place, reading.spelled(source.name)),), said)
    return None


def _joined_to(column: exp.Column, source: Source) -> bool:
    """Whether it is what a join compares with another column of that source: a table is not joined to itself."""
    condition = column.parent
    if not isinstance(condition, exp.EQ):
        return False
    other = condition.expression if condition.this is column else condition.this
    in_join = isinstance(condition.find_ancestor(exp.Join, exp.Select), exp.Join)
    return in_join and isinstance(other, exp.Column) and other.table.lower() == source.name.lower()


def _other_alias(reading: Reading, column: exp.Column, block: Block) -> Source | None:
    key, old = reading.key(column.this), reading.key(column.args["table"])
    at: Block | None = block
    while at is not None:
        here = [s for s in at.sources.values() if s.table and s.may_have(key)]
        meant = [s for s in here if s.table and s.table.name.lower() == old]
        for found in (meant, here):
            if len(found) == 1 and (reading.is_read or old in at.sources or not block.source(old)):
                return found[0] if reading.is_read or at is block else None
        if here:
            return None
        at = at.outer
    return None


def table_that_has_it(reading: Reading) -> Change | None:
    """The nearest table that has the column, joined in by its foreign keys; reads only."""
    if not reading.is_read:
        return None
    for column, block in reading.columns():
        if reading.stands(column, block) or not reading.exists(column):
            continue
        if any(s.columns is None for s in block.sources.values()):
            continue
        if change := _joined_in(reading, column, block):
            return change
    return None


def _joined_in(reading: Reading, column: exp.Column, block: Block) -> Change | None:
    at, span = end_of_from(reading, block), reading.span(column.this)
    path = _nearest(reading, column, block)
    if at is None or span is None or path is None:
        return None
    names = named(block.sources.values())
    goal = path[-1].there
    taken = {s.name.lower() for s in block.visible()}
    if any(link.there.lower() in taken for link in path):
        return None
    edits = [Edit(at, at, " " + joined(reading, path, names)), *qualified(reading, block, [k.there for k in path])]
    if column.table:
        place = reading.span(column.args["table"])
        if place is None:
            return None
        edits.append(Edit(*place, reading.spelled(goal)))
    else:
        edits = [e for e in edits if (e.start, e.end) != (span[0], span[0])]
        edits.append(Edit(span[0], span[0], f"{reading.spelled(goal)}."))
    return Change(tuple(edits), f"{reading.shown(column)} to {goal}.{column.name}, with {goal} joined in")


def _nearest(reading: Reading, column: exp.Column, block: Block) -> tuple[Link, ...] | None:
    """The shortest path to a table with the column; a table that is named is meant, and of two as near none is."""
    quoted = bool(column.this.args.get("quoted"))
    homes = reading.catalogue.homes(column.name, quoted=quoted)
    qualifier = column.args.get("table")
    own = block.source(reading.key(qualifier)) if qualifier else None
    meant = reading.catalogue.table(qualifier.name, quoted=bool(qualifier.args.get("quoted"))) if qualifier else None
    if meant in homes:
        homes = (meant,)
    all_here = {s.table.name for s in block.sources.values() if s.table}
    views = {t.name for t in reading.catalogue.schema.tables if t.is_view}
    # What a view was made from, joined to it once more, gives each of its rows many times over.
    for starts in ({own.table.name} - views if own and own.table else set(), all_here - views):
        paths = [p for home in homes if not home.is_view and starts and (p := reading.keys.path(starts, home.name))]
        paths.sort(key=len)
        is_nearest = len(paths) == 1 or (paths and len(paths[0]) < len(paths[1]))
        if is_nearest and not {k.there for k in paths[0]} & all_here:
            return paths[0]
    return None
