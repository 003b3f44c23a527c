"""Which tables of a large schema a model is told of: those that a question is about, and what joins them.

When tables have to go, most go: a small model reads seventy tokens a second, and nothing that it does not need.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import log

from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.draft import Schema, Table


@dataclass(frozen=True, slots=True)
class Room:
    """How many characters of schema a model can take."""

    whole: int = 200_000
    """What its window holds beside the question and the answer."""
    part: int = 60_000
    """What it reads within reasonable time, where the whole schema does not fit."""


_FOR_NEIGHBOURS = 0.3
"""Of the room: for tables that join the chosen ones."""
_FEWEST = 5
_FAINT = 0.15
"""Of the best table's points: what has fewer is there by accident."""
_NAME, _COLUMN, _COMMENT, _EXAMPLE = 3.0, 1.0, 1.0, 2.0
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_STEM = 5
_TOO_COMMON = frozenset(
    "the and for all are how many what which who with from that this have has had was were each per not any show list "
    "give get find count number total sum average most least top first last name names more less than".split()
)


def narrowed(schema: Schema, question: str, room: Room, *, sql: Iterable[str] = (), kept: Iterable[str] = ()) -> Schema:
    """The schema, or the tables of it that the question is about where it is too large.

    `sql` are statements that people approved for questions like this one: their tables are likely.  `kept` are
    statements of this conversation: their tables stay.
    """
    if _size(schema.tables) <= room.whole:
        return schema
    named = {table.name.lower(): table for table in schema.tables}
    must = [named[name] for name in dict.fromkeys(_names_in(kept, named))]
    points = _points(schema, question, Counter(_names_in(sql, named)))
    chosen = {table.name: table for table in must}
    left = room.part - _size(must)
    left = _take(_best(schema.tables, points), chosen, left, floor=int(room.part * _FOR_NEIGHBOURS))
    _take(_neighbours(chosen, named, points), chosen, left, floor=0)
    return replace(schema, tables=tuple(table for table in schema.tables if table.name in chosen))


def only(schema: Schema, names: Collection[str]) -> Schema:
    """The tables that a person named.  Raises `UsageError` for one that is not there."""
    named = {table.name.lower(): table.name for table in schema.tables}
    for name in names:
        if name.lower() not in named:
            near = get_close_matches(name.lower(), named, 1)
            raise UsageError(
                f"there is no table {name}", hint=f"did you mean {named[near[0]]}?" if near else "sqlagent schema"
            )
    wanted = {name.lower() for name in names}
    return replace(schema, tables=tuple(table for table in schema.tables if table.name.lower() in wanted))


def _size(tables: Iterable[Table]) -> int:
    """About how many characters their text has, without writing it."""
    return sum(20 + len(t.name) + sum(8 + len(c.name) + len(c.type) + 2 * len(c.references) for c in t.columns)
               for t in tables)  # fmt: skip


def _take(tables: Iterable[Table], chosen: dict[str, Table], left: int, *, floor: int) -> int:
    """Add tables while there is room, the first whatever its size; answers what is left of it."""
    for table in tables:
        size = _size([table])
        if table.name not in chosen and (left - size >= floor or not chosen):
            chosen[table.name] = table
            left -= size
    return left


def _best(tables: Sequence[Table], points: Mapping[str, float]) -> list[Table]:
    """The tables that have most in common with the question; the most connected ones where no word leads to any."""
    ranked = sorted(tables, key=lambda t: (-points[t.name], t.is_view, len(t.columns)))
    least = points[ranked[0].name] * _FAINT
    if not least:
        joined = Counter(_owner(c.references) for t in tables for c in t.columns if c.references)
        return sorted(tables, key=lambda t: (-joined[t.name.lower()], t.is_view))
    strong = [table for table in ranked if points[table.name] >= least]
    return strong if len(strong) >= _FEWEST else [t for t in ranked[:_FEWEST] if points[t.name]]


def _neighbours(chosen: Mapping[str, Table], named: Mapping[str, Table], points: Mapping[str, float]) -> list[Table]:
    """What joins the chosen tables: those between two of them, those that they refer to, those that refer to them."""
    inside = {name.lower() for name in chosen}
    found: Counter[str] = Counter()
    for table in chosen.values():
        for there in _referred(table) - inside:
            found[there] += 2
    for name, table in named.items():
        both = len(_referred(table) & inside)
        if name not in inside and both:
            found[name] += 10 if both > 1 else 1
    ranked = sorted(found, key=lambda name: (-found[name], -points[named[name].name] if name in named else 0))
    return [named[name] for name in ranked if name in named]


def _referred(table: Table) -> set[str]:
    return {_owner(c.references) for c in table.columns if c.references}


def _owner(reference: str) -> str:
    return reference.rpartition(".")[0].lower()


def _points(schema: Schema, question: str, examples: Mapping[str, int]) -> dict[str, float]:
    """How much each table has in common with the question; a word that few tables have counts for more."""
    asked = _stems([question]) - {word[:_STEM] for word in _TOO_COMMON}
    words = [(_stems([t.name]), _stems(c.name for c in t.columns), _stems(_said(t))) for t in schema.tables]
    common = Counter(word for each in words for word in asked & set().union(*each))
    weight = {word: log(1 + len(words) / common[word]) for word in common}
    points = {}
    for table, (name, columns, comments) in zip(schema.tables, words, strict=True):
        hit = asked & name
        found = _NAME * sum(weight[w] for w in hit) * (0.5 + len(hit) / (2 * len(name) or 1))
        found += _COLUMN * sum(weight[w] for w in asked & columns)
        found += _COMMENT * sum(weight[w] for w in (asked & comments) - columns - name)
        known = min(examples.get(table.name.lower(), 0), 3)
        points[table.name] = found + _EXAMPLE * known * log(1 + len(words))
    return points


def _said(table: Table) -> Iterable[str]:
    return [text for text in (table.comment, *(c.comment for c in table.columns)) if text]


def _stems(texts: Iterable[str]) -> set[str]:
    """The beginnings of the words in names and sentences: the same for `orderItems`, `order_items`, `order items`."""
    return {_stem(piece.lower()) for text in texts for piece in _PIECES.findall(text) if len(piece) > 1}


def _stem(word: str) -> str:
    return word[:_STEM] if len(word) > _STEM else word.removesuffix("s")


def _names_in(statements: Iterable[str], named: Mapping[str, Table]) -> list[str]:
    """The tables that SQL names, by its words: once a statement."""
    return [word for sql in statements for word in dict.fromkeys(_identifiers(sql)) if word in named]


def _identifiers(sql: str) -> list[str]:
    return [(quoted or word).lower() for quoted, word in _IDENTIFIER.findall(sql)]


_IDENTIFIER = re.compile(r"[\"`\[]([^\"`\]]+)[\"`\]]|([^\W\d]\w*)")
