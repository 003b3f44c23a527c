"""Joins in the text of a draft: where one begins, where FROM ends, and what a path of foreign keys looks like."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from sqlagent.core.repair.keys import Link
from sqlagent.core.repair.reading import Block, Edit, Reading, Source

_AFTER_FROM = frozenset(
    "WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH UNION INTERSECT EXCEPT WINDOW QUALIFY FOR RETURNING".split()
)
_BEFORE_JOIN = frozenset("LEFT RIGHT INNER OUTER FULL".split())


def condition(reading: Reading, link: Link, names: dict[str, str]) -> str:
    """The link as a condition; `names` are what its tables are called here."""
    here, there = (reading.spelled(names.get(t, t)) for t in (link.here, link.there))
    return " AND ".join(f"{here}.{reading.spelled(a)} = {there}.{reading.spelled(b)}" for a, b in link.pairs)


def joined(reading: Reading, links: Iterable[Link], names: dict[str, str], kind: str = "JOIN") -> str:
    """The tables at the end of each link, joined one after the other."""
    return " ".join(f"{kind} {reading.spelled(k.there)} ON {condition(reading, k, names)}" for k in links)


def named(sources: Iterable[Source]) -> dict[str, str]:
    """What each table is called here: the first source of it."""
    found: dict[str, str] = {}
    for source in sources:
        if source.table:
            found.setdefault(source.table.name, source.name)
    return found


def end_of_from(reading: Reading, block: Block) -> int | None:
    """Where another join goes: behind the last one of the block."""
    first = next((reading.span(s.identifier) for s in block.sources.values() if s.identifier), None)
    if first is None:
        return None
    depth = 0
    last = first[1]
    for token, word in zip(reading.piece.tokens, reading.piece.words, strict=True):
        if token.start < first[0]:
            continue
        if depth == 0 and word in _AFTER_FROM:
            break
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            break
        last = token.end
    return last


def start_of_join(reading: Reading, source: Source) -> tuple[int, str] | None:
    """Where the JOIN of a source begins, and its words, such as `LEFT JOIN`; None where a comma joins it."""
    span = reading.span(source.identifier)
    if span is None:
        return None
    place = next((n for n, token in enumerate(reading.piece.tokens) if token.start == span[0]), 0) - 1
    if reading.piece.word(place) != "JOIN":
        return None
    words = ["JOIN"]
    while reading.piece.word(place - 1) in _BEFORE_JOIN:
        place -= 1
        words.insert(0, reading.piece.word(place))
    return reading.piece.tokens[place].start, " ".join(words)


def column_span(reading: Reading, column: exp.Column) -> tuple[int, int] | None:
    """Where a column stands, with its qualifier."""
    end = reading.span(column.this)
    start = reading.span(column.args["table"]) if column.table else end
    return (start[0], end[1]) if start and end else None


def qualified(reading: Reading, block: Block, added: Iterable[str]) -> tuple[Edit, ...]:
    """Qualifiers for the bare columns of a block that a joined table would make ambiguous."""
    new = [t for name in added if (t := reading.catalogue.table(name))]
    edits = []
    for column, at in reading.columns():
        if at is not block or column.table or (span := reading.span(column.this)) is None:
            continue
        homes = [s for s in block.sources.values() if s.may_have(reading.key(column.this))]
        if len(homes) == 1 and any(reading.catalogue.column(t, column.name) for t in new):
            edits.append(Edit(span[0], span[0], f"{reading.spelled(homes[0].name)}."))
    return tuple(edits)
