"""Join conditions whose two sides cannot be the same key: the shortest path of foreign keys in their place."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlagent.core.repair.joins import column_span, condition, joined, named, qualified, start_of_join
from sqlagent.core.repair.keys import Link
from sqlagent.core.repair.reading import Block, Change, Edit, Reading, Source


def path_instead(reading: Reading) -> Change | None:
    """`JOIN aircraft a ON ticket.tail = a.tail`, where tickets know of aircraft only through their flight."""
    if not reading.is_read:
        return None
    for block, join, newest, before in each_join(reading):
        if newest.table is None:
            continue
        for equal, other in _wrong(reading, join, block, newest):
            if other in before and (change := replaced(reading, block, newest, other, before, equal)):
                return change
    return None


def each_join(reading: Reading) -> Iterator[tuple[Block, exp.Join, Source, list[Source]]]:
    """Each JOIN of a table, in its query, with that table and what stands before it."""
    for block in reading.blocks.values():
        sources = list(block.sources.values())
        for join in block.node.args.get("joins") or []:
            newest = next((s for s in sources if _is_joined_by(join, s)), None)
            if newest is not None:
                yield block, join, newest, sources[: sources.index(newest)]


def _is_joined_by(join: exp.Join, source: Source) -> bool:
    return isinstance(join.this, exp.Table) and join.this.this is source.identifier


def equals(join: exp.Join) -> list[exp.EQ]:
    """The conditions of a JOIN that say what is equal, as far as all of them have to hold."""
    on = join.args.get("on")
    return [e for e in (on.flatten() if isinstance(on, exp.And) else [on]) if isinstance(e, exp.EQ)]


def _wrong(reading: Reading, join: exp.Join, block: Block, newest: Source) -> Iterator[tuple[exp.EQ, Source]]:
    """The conditions that cannot hold for rows that belong together, each with the source on its other side."""
    for equal in equals(join):
        sides = [_side(reading, each, block) for each in (equal.this, equal.expression)]
        if None in sides:
            continue
        (one, first), (two, second) = [s for s in sides if s is not None]
        if newest not in (one, two) or one is two:
            continue
        if keys_differ(reading, one, first.name, two, second.name):
            yield equal, two if one is newest else one


def _side(reading: Reading, node: exp.Expr, block: Block) -> tuple[Source, exp.Column] | None:
    if not isinstance(node, exp.Column) or not node.table or not isinstance(node.this, exp.Identifier):
        return None
    source = block.sources.get(reading.key(node.args["table"]))
    return (source, node) if source and source.table else None


def keys_differ(reading: Reading, one: Source, first: str, two: Source, second: str) -> bool:
    """Whether two columns cannot be equal for rows that belong together."""
    left, right = reading.has(one, first), reading.has(two, second)
    if left is None or right is None:
        return True
    assert one.table
    assert two.table
    if not reading.keys.are_declared:
        return False
    ends = reading.keys.end(one.table, left), reading.keys.end(two.table, right)
    if ends[0] == ends[1]:
        return False
    both_keys = all(c.primary_key or c.references for c in (left, right))
    points = (left.references and ends[0][0] == two.table.name) or (right.references and ends[1][0] == one.table.name)
    return both_keys or bool(points)


def replaced(
    reading: Reading, block: Block, newest: Source, other: Source, before: list[Source], equal: exp.EQ
) -> Change | None:
    """The condition as the shortest path of foreign keys between the two, with the tables on it joined in."""
    spans = [column_span(reading, c) for c in (equal.this, equal.expression) if isinstance(c, exp.Column)]
    place = start_of_join(reading, newest)
    path = _path(reading, newest, other, before)
    if place is None or path is None or len(spans) != 2 or spans[0] is None or spans[1] is None:
        return None
    assert newest.table
    names = named([other, *before]) | {newest.table.name: newest.name}
    *through, last = path
    later = {s.table.name for s in block.sources.values() if s.table and s not in before}
    if any(link.there in later for link in through):
        return None
    start, kind = place
    first, end = spans[0][0], spans[1][1]
    edits = [Edit(first, end, condition(reading, last, names))]
    if through:
        edits.append(Edit(start, start, joined(reading, through, names, kind) + " "))
        edits += qualified(reading, block, [link.there for link in through])
    instead = " and ".join(condition(reading, link, names) for link in path)
    return Change(tuple(edits), f"{reading.text[first:end]} to {instead}")


def _path(reading: Reading, newest: Source, other: Source, before: list[Source]) -> tuple[Link, ...] | None:
    """From the table that the condition names, unless one that is joined already is nearer."""
    assert newest.table
    assert other.table
    if newest.table.name in {s.table.name for s in before if s.table}:
        return None
    here = reading.keys.path([other.table.name], newest.table.name)
    if here is not None and len(here) == 1:
        return here
    return reading.keys.path({s.table.name for s in before if s.table}, newest.table.name) or here
