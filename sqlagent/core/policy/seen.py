"""What a condition looks at: the parts of a statement and its circumstances, by the name that rules have for them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime

from sqlagent.core.nouns.analysis import Analysis, Kind, Risk, Statement
from sqlagent.core.nouns.effect import Effect, Undoable
from sqlagent.core.nouns.policy import Facts, KnownAs
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.core.policy.conditions import Changed, Named, Touched

GIVEN = "given"
"""The opinion of a database that is not asked: somebody says what it would see."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The facts of a whole proposal that rules may look at."""

    facts: Facts
    changed: tuple[Changed, ...] | None = None
    """Rows by table and verb, of every statement and every cause; None where not all of it was measured exactly."""
    rows: int | None = None
    """All of them together; a dropped table's count, for they are gone."""
    undo: str = ""
    """`exact`, `expected`, `partial`, `none`; empty where it is not known."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One statement of a proposal, as its rules see it."""

    whole: Whole
    statement: Statement
    effect: Effect | None = None
    """What it was measured to do; None where it was not measured exactly."""

    @property
    def understood(self) -> bool:
        """Whether the database said what it touches, or showed it: text alone knows neither views nor triggers."""
        if self.statement.risk is Risk.UNKNOWN:
            return False
        if "triggers" in self.statement.opinions:  # those of PostgreSQL show what they write when they are measured
            return self.effect is not None
        return "engine" in self.statement.opinions or self.effect is not None


def sights(analysis: Analysis, facts: Facts) -> tuple[Sight, ...]:
    """Every statement, with what is true of all."""
    measured = facts.measurement
    effects: list[Effect | None] = [None] * len(analysis.statements)
    changed: tuple[Changed, ...] | None = None
    undo = ""
    if analysis.risk is Risk.READ:
        changed, undo = (), Undoable.EXACT.value  # it changes nothing, so there is nothing that could be lost
    elif measured is not None and len(measured.effects) == len(effects):
        effects = [e if e.basis is Basis.EXACT else None for e in measured.effects]
        if measured.is_exact and None not in effects:
            changed = tuple(c for e in measured.effects for c in _changed(e))
            undo = measured.undo.value
    whole = Whole(facts, changed, _sum(changed), undo)
    return tuple(Sight(whole, s, e) for s, e in zip(analysis.statements, effects, strict=True))


def _sum(changed: tuple[Changed, ...] | None) -> int | None:
    if changed is None or any(c.rows is None for c in changed):
        return None
    return sum(c.rows or 0 for c in changed)


def _changed(effect: Effect) -> list[Changed]:
    """What a DROP loses counts as deleted."""
    rows = [Changed(t.table, t.verb.value, t.rows) for t in effect.touched]
    gone = [o for o in effect.objects if o.verb is Verb.DROP and o.kind == "table"]
    return rows + [Changed(o.name, Verb.DELETE.value, o.rows) for o in gone]


def _kind(sight: Sight) -> Named:
    kind = sight.statement.kind
    return Named(frozenset({kind.value}), kind is not Kind.OTHER and sight.statement.risk is not Risk.UNKNOWN)


def _risk(sight: Sight) -> Named:
    risk = sight.statement.risk
    return Named(frozenset({risk.name.lower()}), risk is not Risk.UNKNOWN)


def _verb(sight: Sight) -> Named:
    """What happens to any object, said or hidden; reading counts where nothing else happens."""
    if sight.statement.risk is Risk.READ:
        return Named(frozenset({Verb.READ.value}))
    verbs = {o.verb.value for o in sight.statement.operations} | {c.verb for c in _touched(sight)}
    return Named(frozenset(verbs), sight.understood)


def _touched(sight: Sight) -> tuple[Changed, ...]:
    return () if sight.effect is None else tuple(_changed(sight.effect))


def _table(sight: Sight) -> Touched:
    """Every table that it reads or changes: by its own words, through a view or a trigger, or by a foreign key's
    action; not those that a foreign key only checks."""
    s = sight.statement
    pairs = {(o.verb.value, o.target) for o in s.operations} | {(c.verb, c.table) for c in _touched(sight)}
    read = {*s.reads, *(column.rpartition(".")[0] for column in s.columns if not column.endswith((".*", ".?")))}
    pairs |= {(Verb.READ.value, table) for table in read}
    return Touched(frozenset(pairs), sight.understood)


def _columns(sight: Sight) -> Named:
    """Those that the database named; of a statement that it only measured, or that somebody described, every one of
    the tables may be touched."""
    names = frozenset(sight.statement.columns)
    if sight.understood and sight.statement.opinions.get("engine", GIVEN) == GIVEN:
        known = {name.rpartition(".")[0] for name in names} if "columns" in sight.statement.opinions else set[str]()
        touched = {table for verb, table in _table(sight).pairs if verb != Verb.CREATE}
        names |= {f"{table}.?" for table in touched - known}
    return Named(names, sight.understood)


def _hidden(sight: Sight) -> bool | None:
    """Whether it writes a table that its text does not name."""
    s = sight.statement
    if s.risk is Risk.READ:
        return False
    said = {o.target.lower() for o in s.operations if not o.via} | {name.lower() for name in s.reads}
    others = {o.target.lower() for o in s.operations if o.via and o.verb is not Verb.READ}
    others |= {t.table.lower() for t in (sight.effect.touched if sight.effect else ()) if t.via}
    if others - said:
        return True
    return False if sight.understood else None


def _named(word: str) -> Named:
    return Named(frozenset({word} if word else ()), bool(word))


def _database(sight: Sight) -> KnownAs:
    facts = sight.whole.facts
    return facts.known_as or KnownAs(facts.database, frozenset(filter(None, (facts.database,))))


def _environment(called: str) -> Named:
    """`mcp:claude` is `mcp` too: the client's name is what it says of itself."""
    first, colon, _ = called.partition(":")
    return Named(frozenset({first, called}), complete=True) if colon else _named(called)


def _now(sight: Sight) -> datetime:
    return sight.whole.facts.now


OF_ALL: dict[str, Callable[[Sight], Hashable]] = {
    "database": _database,
    "rows": lambda sight: sight.whole.rows,
    "effect": lambda sight: sight.whole.changed,
    "undo": lambda sight: _named(sight.whole.undo),
    "confidence": lambda sight: sight.whole.facts.confidence,
    "requester": lambda sight: _named(sight.whole.facts.requester),
    "time": _now,
    "days": _now,
    "environment": lambda sight: _environment(sight.whole.facts.environment),
}
"""What is the same for every statement of a proposal."""

OF_ONE: dict[str, Callable[[Sight], Hashable]] = {
    "kind": _kind,
    "verb": _verb,
    "table": _table,
    "columns": _columns,
    "risk": _risk,
    "hidden": _hidden,
}
"""What each statement has of its own."""

SEEN = OF_ALL | OF_ONE


def shown(seen: object) -> str:
    """What was seen, for a person."""
    match seen:
        case None:
            return "not known"
        case Named(names, complete):
            known = ", ".join(sorted(names)) or "none"
            return known if complete else f"{known} and perhaps others" if names else "not known"
        case Touched(pairs, complete):
            return shown(Named(frozenset(f"{verb} {table}" for verb, table in pairs), complete))
        case KnownAs(called, names):
            return ", ".join(sorted({called, *names} - {""})) or "not known"
        case bool():
            return str(seen).lower()
        case datetime():
            return seen.isoformat(timespec="minutes")
        case tuple():
            return ", ".join(f"{c.verb} {c.rows} of {c.table}" for c in seen if isinstance(c, Changed)) or "nothing"
        case _:
            return str(seen)
