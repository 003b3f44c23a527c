"""What a rule's `when` may ask of a statement; every answer is yes, no or unknown."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from enum import Enum, IntEnum
from fnmatch import translate
from functools import lru_cache
from typing import Any, Protocol

from sqlagent.core.nouns.policy import KnownAs


class Answer(IntEnum):
    """Whether a condition holds.  Of several conditions the lowest answer counts, as with `and`."""

    NO = 0
    UNKNOWN = 1
    """Not measured, not parsed, not told: a rule that denies or asks fires on it, one that allows does not."""
    YES = 2


class Match(Enum):
    """How a condition reads several tables, verbs or columns."""

    ANY = "any"
    """For rules that deny or ask: one is enough."""
    ALL = "all"
    """For rules that allow: each must match, so that nothing slips through beside what is allowed."""


@dataclass(frozen=True, slots=True)
class Named:
    """Names that a statement or its circumstances show."""

    names: frozenset[str]
    complete: bool = True
    """There are no others; False where something was not understood."""


class Condition(Protocol):
    """One key of `when`."""

    @property
    def text(self) -> str:
        """As the file has it, for `policy explain`."""

    def answer(self, seen: Any, match: Match) -> Answer:
        """Whether it holds of what is seen; None and what is incomplete are unknown."""


@dataclass(frozen=True, slots=True)
class Words:
    """One of a list: kinds, verbs, risks, people, environments, `undo`."""

    words: frozenset[str]
    text: str = ""

    def answer(self, seen: Named, match: Match) -> Answer:
        """Whether one of them is in the list, or for `Match.ALL` every one of them."""
        return _answer(seen, match, any(n in self.words for n in seen.names), seen.names <= self.words)


_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns such as `audit_*`, whatever the case."""

    patterns: tuple[str, ...]
    text: str = ""

    def matches(self, name: str) -> bool:
        """Whether one name fits one of the patterns."""
        return _compiled(self.patterns).match(name.casefold()) is not None

    def answer(self, seen: Named, match: Match) -> Answer:
        """Whether one name fits, or for `Match.ALL` every one."""
        matches = _compiled(self.patterns).match
        if match is Match.ANY:
            return _answer(seen, match, any(matches(n.casefold()) for n in seen.names), whole=False)
        return _answer(seen, match, some=False, whole=all(matches(n.casefold()) for n in seen.names))


@dataclass(frozen=True, slots=True)
class Databases:
    """Patterns of databases, for what one is.  To allow it, every name that its user has for it must match, or its
    place: what it is called in a folder, or by whoever gives it a second name, lets nothing through."""

    patterns: tuple[str, ...]
    text: str = ""

    def answer(self, seen: KnownAs, match: Match) -> Answer:
        """Whether this database is meant; unknown where nothing says which it is."""
        if not (seen.called or seen.names or seen.places):
            return Answer.UNKNOWN
        matches = _compiled(self.patterns).match
        at = any(matches(place.casefold()) for place in seen.places)
        named = [matches(name.casefold()) is not None for name in seen.names]
        if match is Match.ANY:
            return Answer.YES if at or any(named) or matches(seen.called.casefold()) else Answer.NO
        return Answer.YES if at or (named and all(named)) else Answer.NO


@dataclass(frozen=True, slots=True)
class Touched:
    """What happens to which table, as pairs of a verb and a name."""

    pairs: frozenset[tuple[str, str]]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Tables:
    """Patterns of tables.  `orders` is also `temp.orders` and `sales.orders` where one match is enough."""

    patterns: tuple[str, ...]
    text: str = ""
    verbs: frozenset[str] | None = None
    """The same rule's verbs: to deny deletes of `orders` is not to deny what deletes elsewhere and reads `orders`."""

    def answer(self, seen: Touched, match: Match) -> Answer:
        """Whether one table fits that one of the verbs touches.

        For `Match.ALL`, every touched table has to fit, whatever touches it.
        """
        matches = _compiled(self.patterns).match
        if match is Match.ALL:
            names = Named(frozenset(table for _, table in seen.pairs), seen.complete)
            return _answer(names, match, some=False, whole=all(matches(n.casefold()) for n in names.names))
        own = (table.casefold() for verb, table in seen.pairs if self.verbs is None or verb in self.verbs)
        some = any(matches(name) or matches(bare(name)) for name in own)
        return Answer.YES if some else Answer.NO if seen.complete else Answer.UNKNOWN


@dataclass(frozen=True, slots=True)
class Columns:
    """Patterns of `table.column`.

    `customers.*` is what a statement has that deletes rows of `customers` or drops it: a pattern that names the table
    matches.  `customers.?` is what one has whose columns nobody knows: any pattern of that table may match.
    """

    patterns: tuple[str, ...]
    text: str = ""

    def answer(self, seen: Named, match: Match) -> Answer:
        """Whether one column fits, or for `Match.ALL` every one; unknown where a table's columns are."""
        matches = _compiled(self.patterns).match
        if match is Match.ALL:
            return _answer(seen, match, some=False, whole=all(matches(n.casefold()) for n in seen.names))
        if any(self._matches(name.casefold()) for name in seen.names):
            return Answer.YES
        unknown = any(name.endswith(".?") and self._of_table(name, self._tables) for name in seen.names)
        return Answer.UNKNOWN if unknown or not seen.complete else Answer.NO

    def _matches(self, name: str) -> bool:
        matches = _compiled(self.patterns).match
        if name.endswith(".?"):
            return False
        exact = tuple(table for table in self._tables if not _WILD.search(table))
        whole = name.endswith(".*") and self._of_table(name, exact)
        return whole or any(matches(each) for each in (name, ".".join(name.split(".")[-2:])))

    @property
    def _tables(self) -> tuple[str, ...]:
        return tuple(bare(pattern.rpartition(".")[0]) for pattern in self.patterns)

    @staticmethod
    def _of_table(name: str, tables: tuple[str, ...]) -> bool:
        return bool(tables) and _compiled(tables).match(bare(name.rpartition(".")[0]).casefold()) is not None


def _answer(seen: Named, match: Match, some: bool, whole: bool) -> Answer:
    """From whether some and whether all of the names match; of nothing at all, nothing matches."""
    if match is Match.ANY:
        return Answer.YES if some else Answer.NO if seen.complete else Answer.UNKNOWN
    if not seen.complete:
        return Answer.UNKNOWN if whole else Answer.NO
    return Answer.YES if whole and seen.names else Answer.NO


@lru_cache(maxsize=4096)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(p.casefold()) for p in patterns))


def bare(name: str) -> str:
    """A table's name without its schema."""
    return name.rpartition(".")[2]


OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
"""Longest first, so that `<=` is not read as `<`."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Comparisons, all of which hold: `<=100`, `[">10", "<=100"]`."""

    bounds: tuple[tuple[str, float], ...]
    text: str = ""

    def holds(self, number: float) -> bool:
        """Whether a number is within every bound."""
        return all(OPERATORS[sign](number, bound) for sign, bound in self.bounds)

    def answer(self, seen: float | None, match: Match) -> Answer:  # noqa: ARG002 - a number has no parts to match
        """Whether the number holds; unknown where nobody counted."""
        return Answer.UNKNOWN if seen is None else Answer.YES if self.holds(seen) else Answer.NO


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows of one table that a proposal changes in one way."""

    table: str
    verb: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class Effects:
    """Comparisons of the rows changed of tables, by any cause; all hold.  A verb may narrow each: `{delete = ">0"}`."""

    parts: tuple[tuple[str, str, Numbers], ...]
    """A table's pattern, a verb or empty for any, and what the sum of the rows is compared with."""
    text: str = ""

    def answer(self, seen: tuple[Changed, ...] | None, match: Match) -> Answer:  # noqa: ARG002 - sums have no parts
        """Whether each part holds of the rows that changed; unknown where they were not measured."""
        if seen is None:
            return Answer.UNKNOWN
        return min(self._one(*part, seen) for part in self.parts)

    @staticmethod
    def _one(pattern: str, verb: str, numbers: Numbers, seen: Iterable[Changed]) -> Answer:
        matches = _compiled((pattern,)).match
        own = [
            c.rows
            for c in seen
            if verb in ("", c.verb) and (matches(c.table.casefold()) or matches(bare(c.table).casefold()))
        ]
        total = sum(rows for rows in own if rows is not None)
        return numbers.answer(None if None in own else total, Match.ANY)


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no: `hidden`."""

    wanted: bool
    text: str = ""

    def answer(self, seen: bool | None, match: Match) -> Answer:  # noqa: ARG002 - a flag has no parts to match
        """Whether the flag is as wanted; unknown where nobody looked."""
        return Answer.UNKNOWN if seen is None else Answer.YES if seen is self.wanted else Answer.NO


@dataclass(frozen=True, slots=True)
class Times:
    """Times of day, in the zone of the file that says so; `22:00-06:00` goes past midnight, the end not in it."""

    spans: tuple[tuple[time, time], ...]
    zone: tzinfo
    text: str = ""

    def answer(self, seen: datetime, match: Match) -> Answer:  # noqa: ARG002 - an instant has no parts to match
        """Whether an instant is within one of the spans, in the file's zone."""
        at = seen.astimezone(self.zone).time()
        within = any(a <= at < b if a < b else at >= a or at < b for a, b in self.spans)
        return Answer.YES if within else Answer.NO


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the week, in the zone of the file that says so."""

    days: frozenset[str]
    zone: tzinfo
    text: str = ""

    def answer(self, seen: datetime, match: Match) -> Answer:  # noqa: ARG002 - an instant has no parts to match
        """Whether an instant is on one of the days, in the file's zone."""
        return Answer.YES if DAYS[seen.astimezone(self.zone).weekday()] in self.days else Answer.NO


# ---- for an index ----------------------------------------------------------------------------------------------


def wanted_tables(condition: Condition) -> tuple[str, ...] | None:
    """Patterns of tables of which one must be seen for a condition to hold; None where no such list can be made."""
    match condition:
        case Tables(patterns):
            tables = patterns
        case Columns(patterns):
            tables = tuple(pattern.rpartition(".")[0] for pattern in patterns)
        case _:
            return None
    return None if any("[" in pattern for pattern in patterns) else tuple(bare(table).casefold() for table in tables)


def is_pattern(table: str) -> bool:
    """Whether it has `*`, `?` or `[` in it, and so may stand for several tables."""
    return _WILD.search(table) is not None


def any_matches(patterns: tuple[str, ...], names: Iterable[str]) -> bool:
    """Whether one of many patterns matches one of the names."""
    matches = _compiled(patterns).match
    return bool(patterns) and any(matches(name) for name in names)


def seen_tables(seen: Named | Touched) -> frozenset[str]:
    """The tables of what is seen, each as `wanted_tables` spells it."""
    if isinstance(seen, Touched):
        return frozenset(bare(table).casefold() for _, table in seen.pairs)
    return frozenset(bare(column.rpartition(".")[0]).casefold() for column in seen.names)
