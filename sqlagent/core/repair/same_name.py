"""Join conditions that compare a column with itself, or name one that both tables have: a side of each of the two."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlagent.core.repair.join_keys import each_join, equals, keys_differ, replaced
from sqlagent.core.repair.reading import Block, Change, Edit, Reading, Source


def side_of_each(reading: Reading) -> Change | None:
    """`JOIN orders o ON customer_id = customer_id`, and `ON o.customer_id = o.id`: what is true of every pair of rows,
    or of none, joins nothing.
    """
    if not reading.is_read:
        return None
    for block, join, newest, before in each_join(reading):
        if any(s.columns is None for s in block.sources.values()):
            continue
        for equal in equals(join):
            if change := _set_apart(reading, block, equal, before, newest):
                return change
    return None


def _set_apart(reading: Reading, block: Block, equal: exp.EQ, before: list[Source], newest: Source) -> Change | None:
    sides = [side for side in (equal.this, equal.expression) if isinstance(side, exp.Column)]
    if len(sides) != 2 or not all(isinstance(side.this, exp.Identifier) for side in sides):
        return None
    homes = [reading.homes_of(side, block) for side in sides]
    if not _joins_nothing(sides, homes) or any(reading.key(side.this) in merged(reading, block) for side in sides):
        return None
    pairs = list(_pairs(reading, sides, before, newest))
    if not pairs:
        other = homes[0][0] if homes[0][0] in before else before[-1]
        return replaced(reading, block, newest, other, before, equal) if newest.table and other.table else None
    if len(pairs) > 1:
        return None
    edits, said = list[Edit](), list[str]()
    for side, source in zip(sides, pairs[0], strict=True):
        span = reading.span(side.this)
        place = reading.span(side.args["table"]) if side.table else None
        if span is None or (side.table and place is None):
            return None
        name = reading.spelled(source.name)
        edits.append(Edit(*place, name) if place else Edit(span[0], span[0], f"{name}."))
        said.append(f"{source.name}.{side.name}")
    shown = " = ".join(map(reading.shown, sides))
    return Change(tuple(edits), f"{shown} to {' = '.join(said)}")


def _joins_nothing(sides: list[exp.Column], homes: list[list[Source]]) -> bool:
    """Both sides are of one table, or it cannot be told of which a side is."""
    if not all(homes) or len(homes[0]) > 1 or len(homes[1]) > 1:
        return all(homes)
    one, two = sides
    is_alone = isinstance(one.find_ancestor(exp.Join, exp.And), exp.Join)
    return homes[0][0] is homes[1][0] and (one.name == two.name or is_alone)


def merged(reading: Reading, block: Block) -> set[str]:
    """The names that a USING makes one column of; every name, where a NATURAL JOIN does."""
    joins = block.node.args.get("joins") or []
    if any(join.method == "NATURAL" for join in joins):
        return {key for source in block.sources.values() for key in source.columns or ()}
    return {reading.key(name) for join in joins for name in join.args.get("using") or []}


def _pairs(
    reading: Reading, sides: list[exp.Column], before: list[Source], newest: Source
) -> Iterator[tuple[Source, Source]]:
    """Each way to take one side of the newest table and the other of one that is joined already.

    A column that is compared with itself is the same both ways round.
    """
    one, two = sides
    left, right = reading.key(one.this), reading.key(two.this)
    for other in before:
        ways = [(other, newest)] if left == right else [(other, newest), (newest, other)]
        for first, second in ways:
            fits = first.may_have(left) and second.may_have(right)
            known = first.table is not None and second.table is not None
            if fits and not (known and keys_differ(reading, first, one.name, second, two.name)):
                yield first, second


def the_one_that_is_meant(reading: Reading) -> Change | None:
    """`SELECT c.name ... GROUP BY name`, where two tables have a name: the one that is returned, or either, where the
    join makes them equal; reads only.
    """
    if not reading.is_read:
        return None
    for column, block in reading.columns():
        homes = [] if column.table else reading.homes_of(column, block)
        span = reading.span(column.this)
        if len(homes) < 2 or span is None or not _is_ambiguous(reading, column, block):
            continue
        if source := _returned(reading, column, block) or _equal_in_all(reading, column, block, homes):
            name = reading.spelled(source.name)
            return Change((Edit(span[0], span[0], f"{name}."),), f"{column.name} to {source.name}.{column.name}")
    return None


def _is_ambiguous(reading: Reading, column: exp.Column, block: Block) -> bool:
    key = reading.key(column.this)
    if any(s.columns is None for s in block.sources.values()) or key in merged(reading, block):
        return False
    ordered = column.find_ancestor(exp.Order, exp.Select, exp.Join)
    is_alias = isinstance(ordered, exp.Order) and key in reading.aliases(block)
    return not is_alias and not isinstance(ordered, exp.Join)


def _returned(reading: Reading, column: exp.Column, block: Block) -> Source | None:
    """The one source of which the block returns a column of this name."""
    key = reading.key(column.this)
    returned = block.node.expressions if isinstance(block.node, exp.Select) else []
    named = [c for e in returned for c in e.find_all(exp.Column) if c.table and reading.block_of(c) is block]
    found = {reading.key(c.args["table"]) for c in named if reading.key(c.this) == key}
    return block.sources.get(found.pop()) if len(found) == 1 else None


def _equal_in_all(reading: Reading, column: exp.Column, block: Block, homes: list[Source]) -> Source | None:
    """The first of the sources, where every other one is joined to it by just this column."""
    key = reading.key(column.this)
    equal = {homes[0].name}
    for join in block.node.args.get("joins") or []:
        if join.side in ("RIGHT", "FULL"):
            return None
        for each in equals(join):
            sides = [s for s in (each.this, each.expression) if isinstance(s, exp.Column) and s.table]
            names = {s.table for s in sides if reading.key(s.this) == key}
            if len(sides) == 2 and len(names) == 2 and names & equal:
                equal |= names
    return homes[0] if equal >= {s.name for s in homes} else None
