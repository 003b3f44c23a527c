"""The schema as the repair asks it: which table has a name, which have a column, and which name comes closest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from typing import TypeVar

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.core.text.spelled_names import folded

T = TypeVar("T")

CLOSE = 0.85
"""How alike two names have to be, from 0 to 1, for one to be taken for the other."""
NEAR = 0.6
"""How alike they have to be to be worth naming to a person."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A schema's tables and columns, found by name as its database compares names."""

    schema: Schema
    _tables: dict[str, Table] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: Schema) -> Catalogue:
        """The catalogue of one schema."""
        return cls(schema, {folded(t.name, schema.dialect, quoted=True): t for t in schema.tables})

    def table(self, name: str, *, quoted: bool = True) -> Table | None:
        """The table of this name, or None; `quoted` where the draft has the name in quotes, and its case may count."""
        return self._tables.get(folded(name, self.schema.dialect, quoted=quoted))

    def column(self, table: Table, name: str, *, quoted: bool = True) -> Column | None:
        """The column of this name in a table, or None; `quoted` as for `table`."""
        wanted = folded(name, self.schema.dialect, quoted=quoted)
        return next((c for c in table.columns if folded(c.name, self.schema.dialect, quoted=True) == wanted), None)

    def homes(self, name: str, *, quoted: bool = True) -> tuple[Table, ...]:
        """The tables that have the column."""
        return tuple(t for t in self.schema.tables if self.column(t, name, quoted=quoted))


def letters(name: str) -> str:
    """The name without case, blanks and underscores."""
    return re.sub(r"[\W_]+", "", name).lower()


def singular(word: str) -> str:
    """The word without the ending of an English plural, good enough to compare with another."""
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith(("ss", "us")):
            return word.removesuffix(ending) + instead
    return word


def same_table(name: str, tables: Iterable[Table]) -> Table | None:
    """The one table that is meant by a name that no table has."""
    there = list(tables)
    prefix = _shared_prefix([t.name for t in there])
    return _one(name, [(t.name.removeprefix(prefix), "") for t in there], there)


def _shared_prefix(names: Sequence[str]) -> str:
    """`tbl_`, where every table begins with it: nobody says it."""
    start = names[0][: names[0].find("_") + 1] if len(names) > 2 else ""
    return start if all(name.startswith(start) for name in names) else ""


def same_column(name: str, columns: Sequence[tuple[Table, Column]]) -> tuple[Table, Column] | None:
    """The one column that is meant by a name that no table has."""
    return _one(name, [(c.name, t.name) for t, c in columns], list(columns))


def _one(name: str, names: Sequence[tuple[str, str]], things: Sequence[T]) -> T | None:
    """The thing whose name is meant: each rule in turn, and none where two things fit one rule equally well."""
    wanted = letters(name)
    if not wanted:
        return None
    for fits in (_same_letters, _with_its_table, _plural):
        found = [
            thing for (each, of), thing in zip(names, things, strict=True) if fits(wanted, letters(each), letters(of))
        ]
        if found:
            return found[0] if len(found) == 1 else None
    scores = sorted(((alike(wanted, letters(each)), place) for place, (each, _) in enumerate(names)), reverse=True)
    best = [place for score, place in scores if score >= CLOSE and score == scores[0][0]]
    return things[best[0]] if len(best) == 1 else None


def _same_letters(wanted: str, name: str, _table: str) -> bool:
    return wanted == name


def _with_its_table(wanted: str, name: str, table: str) -> bool:
    """`customername` for `name` of customers, and `name` for its `customer_name`."""
    return bool(table) and any(wanted == t + name or t + wanted == name for t in {table, singular(table)})


def _plural(wanted: str, name: str, _table: str) -> bool:
    return singular(wanted) == singular(name)


def alike(one: str, other: str) -> float:
    """How alike two words are, from 0 to 1, in whichever order they are given."""
    return max(SequenceMatcher(None, one, other).ratio(), SequenceMatcher(None, other, one).ratio())


def nearest(name: str, names: Iterable[str], *, most: int = 3) -> tuple[str, ...]:
    """The names that look most like it, for a person to choose from; behind them those that share a word with it."""
    there = sorted(set(names))
    spelled = {letters(n): n for n in reversed(there)}
    words = {singular(w) for w in words_of(name)}
    alike_ones = [spelled[found] for found in get_close_matches(letters(name), spelled, most, NEAR)]
    sharing = (n for n in there if words & {singular(w) for w in words_of(n)})
    return tuple(dict.fromkeys((*alike_ones, *sharing)))[:most]


def words_of(name: str) -> list[str]:
    """`HomeTown`, `home_town` and `home town` are two words."""
    return [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name) if len(w) > 2]
