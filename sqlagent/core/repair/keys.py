"""How tables are related: by foreign keys, or where there are none, by equal names that end in `id` or `code`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.core.repair.catalogue import Catalogue

LONGEST = 3
"""Links of a path beyond which it is a guess."""
MOST_HOMES = 12
"""Tables with the same column beyond which it is no key: every one has an `id`."""


@dataclass(frozen=True, slots=True)
class Link:
    """Two tables, and the pairs of columns that are equal where their rows belong together."""

    here: str
    there: str
    pairs: tuple[tuple[str, str], ...]

    def turned(self) -> Link:
        """The same, seen from the other table."""
        return Link(self.there, self.here, tuple((b, a) for a, b in self.pairs))


class Keys:
    """The links of a schema."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        declared = list(_declared(catalogue))
        self.are_declared = bool(declared)
        self._views = {table.name for table in catalogue.schema.tables if table.is_view}
        self._links: dict[str, list[Link]] = {}
        for link in declared or _by_name(catalogue.schema):
            for way in (link, link.turned()) if link.here != link.there else ():
                self._links.setdefault(way.here, []).append(way)

    def end(self, table: Table, column: Column) -> tuple[str, str]:
        """Where a key leads to, from one REFERENCES to the next."""
        seen = {(table.name, column.name)}
        while (found := referred(self._catalogue, column)) and (found[0].name, found[1].name) not in seen:
            table, column = found
            seen.add((table.name, column.name))
        return table.name, column.name

    def path(self, starts: Iterable[str], goal: str) -> tuple[Link, ...] | None:
        """The one shortest way from any of the tables to another, through tables; None where there is none, or two."""
        begin = set(starts)
        waiting: deque[tuple[str, tuple[Link, ...]]] = deque((name, ()) for name in sorted(begin))
        found: list[tuple[Link, ...]] = []
        while waiting:
            name, walked = waiting.popleft()
            if found and len(walked) > len(found[0]):
                break
            if name == goal and walked:
                found.append(walked)
            elif len(walked) < LONGEST:
                been = begin | {link.there for link in walked}
                ways = (k for k in self._links.get(name, ()) if k.there not in been)
                waiting.extend((k.there, (*walked, k)) for k in ways if k.there == goal or k.there not in self._views)
        return found[0] if len(found) == 1 else None


def referred(catalogue: Catalogue, column: Column) -> tuple[Table, Column] | None:
    """The column that a foreign key points to."""
    name, _, key = column.references.rpartition(".")
    table = catalogue.table(name) if name else None
    there = catalogue.column(table, key) if table else None
    return (table, there) if table and there else None


def _declared(catalogue: Catalogue) -> Iterator[Link]:
    """Every foreign key as a link; the columns of a key of several columns are one link."""
    for table in catalogue.schema.tables:
        pairs: dict[str, list[tuple[str, str]]] = {}
        for column in table.columns:
            if found := referred(catalogue, column):
                pairs.setdefault(found[0].name, []).append((column.name, found[1].name))
        for there, found_pairs in pairs.items():
            target = catalogue.table(there)
            key = [c.name for c in target.columns if c.primary_key] if target else []
            if len(key) > 1 and sorted(b for _, b in found_pairs) == sorted(key):
                yield Link(table.name, there, tuple(found_pairs))
            else:
                yield from (Link(table.name, there, (pair,)) for pair in found_pairs)


def _by_name(schema: Schema) -> Iterator[Link]:
    homes: dict[str, list[tuple[str, str]]] = {}
    for table in schema.tables:
        for column in table.columns:
            if not table.is_view and column.name.lower().endswith(("id", "code", "cd", "_no")):
                homes.setdefault(column.name.lower(), []).append((table.name, column.name))
    for found in homes.values():
        if len(found) <= MOST_HOMES:
            for (one, here), (other, there) in combinations(found, 2):
                yield Link(one, other, ((here, there),))
