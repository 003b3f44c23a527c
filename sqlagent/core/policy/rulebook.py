"""Which rules fire on a statement, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from sqlagent.core.nouns.policy import Allow, Origin, Policy, Rule
from sqlagent.core.policy.conditions import (
    Answer,
    Condition,
    Match,
    Named,
    Touched,
    any_matches,
    is_pattern,
    seen_tables,
    wanted_tables,
)
from sqlagent.core.policy.seen import OF_ALL, OF_ONE, Sight


def match_of(rule: Rule) -> Match:
    """An allowing rule must match all that a statement does; one that denies or asks, any of it."""
    return Match.ALL if isinstance(rule.then, Allow) else Match.ANY


def least(rule: Rule) -> Answer:
    """The lowest answer on which a rule fires: one that denies or asks also fires on UNKNOWN, one that allows never."""
    return Answer.YES if isinstance(rule.then, Allow) else Answer.UNKNOWN


def counts(rule: Rule) -> bool:
    """Whether a rule is heard at all: an `allow` in a project's file is not, since the file comes with a clone."""
    return not (isinstance(rule.then, Allow) and rule.origin is Origin.PROJECT)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One condition of one rule."""

    bit: int
    condition: Condition
    match: Match
    least: Answer

    def lets(self, seen: Hashable) -> bool:
        return self.condition.answer(seen, self.match) >= self.least


class _Shelf:
    """All conditions of one name.  Those about tables are looked at only where one of those tables is seen."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._all = 0
        self._others: list[int] = []
        self._by_table: dict[str, list[int]] = {}
        self._by_pattern: list[int] = []
        self._patterns: tuple[str, ...] = ()

    def put(self, entry: _Entry) -> None:
        self._entries[entry.bit] = entry
        self._all |= entry.bit
        tables = wanted_tables(entry.condition)
        if tables is None:
            self._others.append(entry.bit)
        elif any(map(is_pattern, tables)):
            self._by_pattern.append(entry.bit)
            self._patterns += tables
        else:
            for table in tables:
                self._by_table.setdefault(table, []).append(entry.bit)

    def stopping(self, seen: Hashable) -> int:
        """Bits of the rules that what is seen does not let fire."""
        near: Iterable[int] = self._entries
        if isinstance(seen, Touched | Named) and seen.complete:
            near = self._near(seen_tables(seen))
        stopped = self._all
        for bit in near:
            if self._entries[bit].lets(seen):
                stopped &= ~bit
        return stopped

    def _near(self, tables: frozenset[str]) -> Iterable[int]:
        """Without the conditions about other tables: of those nothing was seen, and nothing is missing."""
        yield from self._others
        yield from {bit for table in tables for bit in self._by_table.get(table, ())}
        if any_matches(self._patterns, tables):
            yield from self._by_pattern


class Rulebook:
    """The rules of one policy, each a bit of a number.

    For what is seen of a statement under one name (its kind, its tables, ...) the rules that it lets fire are found
    once and kept: 1,000 statements on 20 tables cost 20 times 1,000 comparisons, and then one `and` each.
    """

    def __init__(self, policy: Policy) -> None:
        self.rules: tuple[Rule, ...] = tuple(rule for rule in policy.rules if counts(rule))
        self._all = (1 << len(self.rules)) - 1
        self._shelves: dict[str, _Shelf] = {}
        for place, rule in enumerate(self.rules):
            for name, condition in rule.when.items():
                entry = _Entry(1 << place, condition, match_of(rule), least(rule))
                self._shelves.setdefault(name, _Shelf()).put(entry)
        self._kept: dict[tuple[str, Hashable], int] = {}

    def firing(self, sights: Sequence[Sight]) -> list[tuple[Rule, ...]]:
        """The rules that fire on each statement of one proposal, in the order of their files."""
        if not sights:
            return []
        of_all = self._passing(OF_ALL, sights[0], self._all)
        return [self._named(self._passing(OF_ONE, sight, of_all)) for sight in sights]

    def _passing(self, aspects: dict[str, Callable[[Sight], Hashable]], sight: Sight, bits: int) -> int:
        for name, look in aspects.items():
            if bits and name in self._shelves:
                bits &= self._letting(name, look(sight))
        return bits

    def _letting(self, name: str, seen: Hashable) -> int:
        """Bits of the rules that have no condition of this name, or one that lets them fire."""
        kept = self._kept.get((name, seen))
        if kept is None:
            kept = self._kept[name, seen] = self._all & ~self._shelves[name].stopping(seen)
        return kept

    def _named(self, bits: int) -> tuple[Rule, ...]:
        found: list[Rule] = []
        while bits:
            low = bits & -bits
            found.append(self.rules[low.bit_length() - 1])
            bits ^= low
        return tuple(found)
