"""Builders for policies: rules as a file has them, and statements with what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlagent.config.conditions import CONDITIONS, Scope
from sqlagent.config.stages import one_stage
from sqlagent.core.nouns.analysis import Analysis, Kind, Operation, Risk, Size, Statement
from sqlagent.core.nouns.effect import Effect, Measurement, ObjectChange, Touched, Undoable
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.core.policy import Allow, Ask, Deny, Facts, Origin, Policy, Rule, Stage

ROLES: dict[str, tuple[str, ...]] = {"dba": ("ana", "ben"), "owner": ("zoe", "kim")}
NOON = datetime(2026, 1, 6, 11, 0, tzinfo=UTC)
"""A Tuesday; noon in Berlin."""
_VERBS = {Kind.SELECT: Verb.READ, Kind.INSERT: Verb.INSERT, Kind.UPDATE: Verb.UPDATE, Kind.DELETE: Verb.DELETE}
_VERBS |= {Kind.DROP: Verb.DROP, Kind.CREATE: Verb.CREATE, Kind.ALTER: Verb.ALTER}


def a_rule(then: str, id: str = "r", *, origin: Origin = Origin.USER, zone: str = "UTC", **when: Any) -> Rule:
    """A rule with conditions as a file spells them; `ask` may have a stage: `ask 2`, `ask dba`, `ask 2 dba`."""
    conditions: dict[str, Any] = {
        name: CONDITIONS[name](wanted, Scope(ROLES, ZoneInfo(zone))) for name, wanted in when.items()
    }
    if "table" in conditions and "verb" in conditions:
        conditions["table"] = replace(conditions["table"], verbs=conditions["verb"].words)
    where = (f"policy.toml:{len(id)}",)
    word, *more = then.split()
    match word:
        case "allow":
            return Rule(id, Allow(id, where), conditions, where=where[0], origin=origin)
        case "deny":
            return Rule(id, Deny(id, "", where), conditions, where=where[0], origin=origin)
        case _:
            return Rule(id, Ask(id, _stages(more), "", where), conditions, where=where[0], origin=origin)


def _stages(words: Sequence[str]) -> tuple[Stage, ...]:
    if not words:
        return (Stage(),)
    stage: dict[str, Any] = {}
    for word in words:
        stage |= {"people": int(word)} if word.isdigit() else {"role": word}
    return one_stage(stage, ROLES)


def a_statement(
    kind: Kind = Kind.UPDATE,
    table: str = "orders",
    *,
    risk: Risk | None = None,
    reads: Sequence[str] = (),
    hidden: Sequence[tuple[Verb, str]] = (),
    columns: Sequence[str] = (),
    heard: bool = True,
    index: int = 1,
) -> Statement:
    """One statement; `heard` by a database, or read as text alone."""
    own = kind is Kind.SELECT
    verb = _VERBS.get(kind, Verb.OTHER)
    operations = [Operation(verb, table)] if table else []
    operations += [Operation(verb, name, "trigger t") for verb, name in hidden]
    default = Risk.READ if own else Risk.WRITE
    return Statement(
        index=index,
        sql=f"{kind.value} {table}",
        line=1,
        kind=kind,
        risk=default if risk is None else risk,
        reads=(*([table] if own and table else []), *reads),
        writes=tuple(o.target for o in operations if o.verb is not Verb.READ),
        operations=tuple(operations),
        opinions={"syntax": "", "engine": ""} if heard else {"syntax": ""},
        columns=tuple(columns),
    )


def a_measurement(
    *touched: tuple[str, Verb, int],
    basis: Basis = Basis.EXACT,
    undo: Undoable = Undoable.EXACT,
    dropped: Sequence[tuple[str, int | None]] = (),
    statements: int = 1,
) -> Measurement:
    """What the first of some statements was measured to do; the others do nothing."""
    rows = tuple(Touched(table, verb, number) for table, verb, number in touched)
    objects = tuple(ObjectChange(Verb.DROP, "table", name, number) for name, number in dropped)
    first = Effect(basis, rows, objects=objects)
    rest = (Effect(Basis.EXACT),) * (statements - 1)
    exact = basis is Basis.EXACT
    return Measurement((first, *rest), fingerprint="f" if exact else "", undo=undo, changes=sum(t.rows for t in rows))


def some_facts(**changes: Any) -> Facts:
    return replace(Facts("prod", "ana", NOON), **changes)


def a_policy(*rules: Rule, **changes: Any) -> Policy:
    return replace(Policy(rules=rules, roles=ROLES), **changes)


def alone(statement: Statement) -> Analysis:
    return Analysis((statement,))


def sized(statement: Statement, rows: int, basis: Basis = Basis.COUNTED) -> Statement:
    """The statement with its own rows counted."""
    first, *rest = statement.operations
    return replace(statement, operations=(replace(first, size=Size(rows, None, basis)), *rest))
