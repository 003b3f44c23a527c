"""Which rules fire on a statement, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from sqlagent.core.policy.conditions import Answer, Condition, Match
from sqlagent.core.policy.model import Allow, Origin, Policy, Rule
from sqlagent.core.policy.seen import OF_ALL, OF_ONE, Sight


def match_of(rule: Rule) -> Match:
    """An allowing rule must match all that a statement does; one that denies or asks, any of it."""
    return Match.ALL if isinstance(rule.then, Allow) else Match.ANY


def least(rule: Rule) -> Answer:
    """The answer from which on a rule fires: who denies or asks does so when in doubt, who allows never."""
    return Answer.YES if isinstance(rule.then, Allow) else Answer.UNKNOWN


def counts(rule: Rule) -> bool:
    """Whether a rule has any say: a project's file comes with a clone, and what it allows nobody here has decided."""
    return not (isinstance(rule.then, Allow) and rule.origin is Origin.PROJECT)


class Rulebook:
    """The rules of one policy, each a bit of a number.

    For what is seen of a statement under one name (its kind, its tables, ...) the rules that it lets fire are found
    once and kept: 1,000 statements on 20 tables cost 20 times 1,000 comparisons, and then one `and` each.
    """

    def __init__(self, policy: Policy) -> None:
        self.rules: tuple[Rule, ...] = tuple(rule for rule in policy.rules if counts(rule))
        self._all = (1 << len(self.rules)) - 1
        self._by_name: dict[str, list[tuple[int, Rule, Condition]]] = {}
        for place, rule in enumerate(self.rules):
            for name, condition in rule.when.items():
                self._by_name.setdefault(name, []).append((1 << place, rule, condition))
        self._kept: dict[tuple[str, Hashable], int] = {}

    def firing(self, sights: Sequence[Sight]) -> list[tuple[Rule, ...]]:
        """The rules that fire on each statement of one proposal, in the order of their files."""
        if not sights:
            return []
        of_all = self._passing(OF_ALL, sights[0], self._all)
        return [self._named(self._passing(OF_ONE, sight, of_all)) for sight in sights]

    def _passing(self, aspects: dict[str, Callable[[Sight], Hashable]], sight: Sight, bits: int) -> int:
        for name, look in aspects.items():
            if bits and name in self._by_name:
                bits &= self._letting(name, look(sight))
        return bits

    def _letting(self, name: str, seen: Hashable) -> int:
        """Bits of the rules that have no condition of this name, or one that lets them fire."""
        kept = self._kept.get((name, seen))
        if kept is None:
            kept = self._all
            for bit, rule, condition in self._by_name[name]:
                if condition.answer(seen, match_of(rule)) < least(rule):
                    kept &= ~bit
            self._kept[name, seen] = kept
        return kept

    def _named(self, bits: int) -> tuple[Rule, ...]:
        found: list[Rule] = []
        while bits:
            low = bits & -bits
            found.append(self.rules[low.bit_length() - 1])
            bits ^= low
        return tuple(found)
