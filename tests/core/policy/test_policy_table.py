"""The decision table: one condition or a few, one state of the world, and what the policy then says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from policy_builders import a_measurement, a_policy, a_rule, a_statement, alone, some_facts

from sqlagent.core.nouns.analysis import Kind, Risk, Statement
from sqlagent.core.nouns.effect import Measurement, Undoable
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.core.policy import Allow, Ask, Deny, decide


@dataclass(frozen=True)
class World:
    """A statement and the facts around it."""

    statement: Statement = field(default_factory=a_statement)
    measured: Measurement | None = None
    facts: dict[str, Any] = field(default_factory=dict)


UNKNOWN = World(a_statement(Kind.OTHER, "", risk=Risk.UNKNOWN))
UPDATE = World()
DELETE = World(a_statement(Kind.DELETE))
DROP = World(a_statement(Kind.DROP, risk=Risk.SEVERE))
READ = World(a_statement(Kind.SELECT))
TEXT_ONLY = World(a_statement(heard=False))
COPY = World(a_statement(Kind.INSERT, "tmp_x", reads=["orders"]))
TRIGGER = World(a_statement(hidden=[(Verb.INSERT, "audit_log")]))
TRIGGER_DELETES = World(a_statement(hidden=[(Verb.DELETE, "audit_log")]))
TEMP = World(a_statement(Kind.DELETE, "temp.orders"))
SEVERE = World(a_statement(risk=Risk.SEVERE))
UNSEEN = replace(a_statement(), opinions={"syntax": "WRITE", "engine": "WRITE", "triggers": "not seen"})
"""By an engine that does not look into triggers, and not measured: what they write is not known."""
MEASURED = a_measurement(("orders", Verb.UPDATE, 3))


def rows(number: int, **more: Any) -> World:
    return World(measured=a_measurement(("orders", Verb.UPDATE, number), **more))


def facts(**changes: Any) -> World:
    return World(facts=changes)


def columns(*names: str, kind: Kind = Kind.UPDATE, heard: bool = True) -> World:
    return World(a_statement(kind, columns=names, heard=heard))


def at(day: int, hour: int, minute: int = 0) -> World:
    """In January 2026, UTC; the 5th is a Monday."""
    return facts(now=datetime(2026, 1, day, hour, minute, tzinfo=UTC))


COUNTED = World(measured=a_measurement(("orders", Verb.UPDATE, 3), basis=Basis.COUNTED))
ESTIMATED = World(measured=a_measurement(("orders", Verb.UPDATE, 3), basis=Basis.ESTIMATED))
CASCADE = World(
    a_statement(Kind.DELETE, "customers", hidden=[(Verb.DELETE, "orders")]),
    a_measurement(("customers", Verb.DELETE, 1), ("orders", Verb.DELETE, 120)),
)
DROPPED = World(a_statement(Kind.DROP, risk=Risk.SEVERE), a_measurement(dropped=[("orders", 88_310)]))
DROPPED_UNCOUNTED = World(a_statement(Kind.DROP, risk=Risk.SEVERE), a_measurement(dropped=[("orders", None)]))

# A condition, a world, and whether a rule with it fires that denies, and one that allows.
TABLE: list[tuple[dict[str, Any], World, bool, bool]] = [
    # database
    ({"database": "prod"}, UPDATE, True, True),
    ({"database": "PROD"}, UPDATE, True, True),
    ({"database": "pr*"}, UPDATE, True, True),
    ({"database": ["dev", "prod"]}, UPDATE, True, True),
    ({"database": "dev"}, UPDATE, False, False),
    ({"database": "prod"}, facts(database="production"), False, False),
    ({"database": "prod"}, facts(database=""), True, False),
    # kind
    ({"kind": "update"}, UPDATE, True, True),
    ({"kind": ["insert", "update"]}, UPDATE, True, True),
    ({"kind": "delete"}, UPDATE, False, False),
    ({"kind": "delete"}, UNKNOWN, True, False),
    ({"kind": "other"}, UNKNOWN, True, False),
    ({"kind": "select"}, READ, True, True),
    # verb
    ({"verb": "update"}, UPDATE, True, True),
    ({"verb": "delete"}, UPDATE, False, False),
    ({"verb": "read"}, READ, True, True),
    ({"verb": "read"}, UPDATE, False, False),
    ({"verb": "insert"}, TRIGGER, True, False),
    ({"verb": "update"}, TRIGGER, True, False),
    ({"verb": ["update", "insert"]}, TRIGGER, True, True),
    ({"verb": "delete"}, TRIGGER, False, False),
    ({"verb": "delete"}, TEXT_ONLY, True, False),
    ({"verb": "update"}, TEXT_ONLY, True, False),
    ({"verb": "drop"}, UNKNOWN, True, False),
    ({"verb": ["drop", "alter"]}, DROP, True, True),
    # table
    ({"table": "orders"}, UPDATE, True, True),
    ({"table": "ORD*"}, UPDATE, True, True),
    ({"table": "customers"}, UPDATE, False, False),
    ({"table": "orders"}, READ, True, True),
    ({"table": "tmp_*"}, COPY, True, False),
    ({"table": "orders"}, COPY, True, False),
    ({"table": ["tmp_*", "orders"]}, COPY, True, True),
    ({"table": "audit*"}, TRIGGER, True, False),
    ({"table": ["orders", "audit*"]}, TRIGGER, True, True),
    ({"table": "orders"}, TEMP, True, False),
    ({"table": "temp.orders"}, TEMP, True, True),
    ({"table": "*"}, UPDATE, True, True),
    ({"table": "customers"}, TEXT_ONLY, True, False),
    ({"table": "orders"}, TEXT_ONLY, True, False),
    ({"table": "*"}, UNKNOWN, True, False),
    ({"table": "orders"}, World(a_statement(Kind.SELECT, "")), False, False),
    ({"table": "secrets"}, columns("secrets.key"), True, False),
    ({"table": "orders", "verb": "delete"}, TRIGGER_DELETES, False, False),
    ({"table": "audit*", "verb": "delete"}, TRIGGER_DELETES, True, False),
    ({"table": "audit*", "verb": "delete"}, TRIGGER, False, False),
    ({"table": ["orders", "audit*"], "verb": ["update", "delete"]}, TRIGGER_DELETES, True, True),
    # columns
    ({"columns": "customers.iban"}, columns("customers.iban"), True, True),
    ({"columns": "Customers.IBAN"}, columns("customers.iban"), True, True),
    ({"columns": "*.iban"}, columns("orders.id", "customers.iban"), True, False),
    ({"columns": "customers.iban"}, columns("customers.name"), False, False),
    ({"columns": "customers.*"}, columns("customers.name"), True, True),
    ({"columns": "customers.iban"}, columns("main.customers.iban"), True, False),
    ({"columns": "customers.iban"}, columns("customers.*", kind=Kind.DELETE), True, False),
    ({"columns": "*.iban"}, columns("customers.*", kind=Kind.DELETE), False, False),
    ({"columns": "customers.*"}, columns("customers.*", kind=Kind.DELETE), True, True),
    ({"columns": "*.iban"}, columns("customers.?", kind=Kind.INSERT), True, False),
    ({"columns": "customers.iban"}, columns("orders.?", kind=Kind.INSERT), False, False),
    ({"columns": "customers.iban"}, columns(heard=False), True, False),
    ({"columns": "customers.iban"}, columns(), False, False),
    ({"columns": "*.*"}, UNKNOWN, True, False),
    # risk
    ({"risk": "write"}, UPDATE, True, True),
    ({"risk": ">=write"}, SEVERE, True, True),
    ({"risk": "write"}, SEVERE, False, False),
    ({"risk": "<severe"}, UPDATE, True, True),
    ({"risk": ["read", "severe"]}, UPDATE, False, False),
    ({"risk": "read"}, READ, True, True),
    ({"risk": ">=write"}, READ, False, False),
    ({"risk": ">=write"}, UNKNOWN, True, False),
    ({"risk": "read"}, UNKNOWN, True, False),
    ({"risk": ["read", "write", "severe", "unknown"]}, UNKNOWN, True, False),
    # rows
    ({"rows": "<=100"}, rows(100), True, True),
    ({"rows": "<=100"}, rows(101), False, False),
    ({"rows": ">1000"}, rows(1001), True, True),
    ({"rows": "=0"}, rows(0), True, True),
    ({"rows": [">10", "<=20"]}, rows(15), True, True),
    ({"rows": [">10", "<=20"]}, rows(21), False, False),
    ({"rows": "<=100"}, UPDATE, True, False),
    ({"rows": "<=100"}, COUNTED, True, False),
    ({"rows": "<=100"}, ESTIMATED, True, False),
    ({"rows": "<=100"}, CASCADE, False, False),
    ({"rows": "=121"}, CASCADE, True, True),
    ({"rows": "<=100"}, DROPPED, False, False),
    ({"rows": "<=100"}, DROPPED_UNCOUNTED, True, False),
    ({"rows": "=0"}, READ, True, True),
    ({"rows": ">0"}, READ, False, False),
    # effect
    ({"effect": {"orders": ">0"}}, rows(1), True, True),
    ({"effect": {"orders": ">0"}}, rows(0), False, False),
    ({"effect": {"orders": {"delete": ">0"}}}, rows(1), False, False),
    ({"effect": {"orders": {"delete": ">100"}}}, CASCADE, True, True),
    ({"effect": {"orders": {"delete": ">100"}, "customers": ">1"}}, CASCADE, False, False),
    ({"effect": {"*": ">100"}}, CASCADE, True, True),
    ({"effect": {"audit*": "=0"}}, CASCADE, True, True),
    ({"effect": {"orders": {"delete": ">100"}}}, DROPPED, True, True),
    ({"effect": {"orders": {"delete": ">100"}}}, DROPPED_UNCOUNTED, True, False),
    ({"effect": {"orders": ">0"}}, UPDATE, True, False),
    ({"effect": {"orders": ">0"}}, COUNTED, True, False),
    ({"effect": {"orders": ">0"}}, READ, False, False),
    # hidden
    ({"hidden": True}, TRIGGER, True, True),
    ({"hidden": False}, TRIGGER, False, False),
    ({"hidden": True}, UPDATE, False, False),
    ({"hidden": False}, UPDATE, True, True),
    ({"hidden": False}, TEXT_ONLY, True, False),
    ({"hidden": True}, TEXT_ONLY, True, False),
    ({"hidden": True}, UNKNOWN, True, False),
    ({"hidden": True}, READ, False, False),
    # undo
    ({"undo": True}, rows(1), True, True),
    ({"undo": True}, rows(1, undo=Undoable.PARTIAL), False, False),
    ({"undo": False}, rows(1, undo=Undoable.PARTIAL), True, True),
    ({"undo": "none"}, rows(1, undo=Undoable.NONE), True, True),
    ({"undo": ["partial", "none"]}, rows(1), False, False),
    ({"undo": True}, UPDATE, True, False),
    ({"undo": False}, COUNTED, True, False),
    ({"undo": True}, READ, True, True),
    # confidence
    ({"confidence": "<0.8"}, facts(confidence=0.6), True, True),
    ({"confidence": "<0.8"}, facts(confidence=0.8), False, False),
    ({"confidence": ">=0.8"}, facts(confidence=1.0), True, True),
    ({"confidence": "<0.8"}, UPDATE, True, False),
    # requester
    ({"requester": "ana"}, UPDATE, True, True),
    ({"requester": ["ben", "kim"]}, UPDATE, False, False),
    ({"requester": "role:dba"}, UPDATE, True, True),
    ({"requester": "role:owner"}, UPDATE, False, False),
    ({"requester": "Ana"}, UPDATE, False, False),
    ({"requester": "ana"}, facts(requester=""), True, False),
    # time and days
    ({"time": "08:00-18:00"}, at(6, 8), True, True),
    ({"time": "08:00-18:00"}, at(6, 17, 59), True, True),
    ({"time": "08:00-18:00"}, at(6, 18), False, False),
    ({"time": "22:00-06:00"}, at(6, 23), True, True),
    ({"time": "22:00-06:00"}, at(6, 5, 59), True, True),
    ({"time": "22:00-06:00"}, at(6, 6), False, False),
    ({"time": ["00:00-01:00", "12:00-13:00"]}, at(6, 12, 30), True, True),
    ({"time": "12:00-13:00", "zone": "Europe/Berlin"}, at(6, 11, 30), True, True),
    ({"time": "12:00-13:00", "zone": "Europe/Berlin"}, at(6, 12, 30), False, False),
    ({"days": ["sat", "sun"]}, at(10, 12), True, True),
    ({"days": ["sat", "sun"]}, at(9, 12), False, False),
    ({"days": "sat", "zone": "Asia/Tokyo"}, at(9, 16), True, True),
    ({"days": "sat", "zone": "America/New_York"}, at(10, 3), False, False),
    # environment
    ({"environment": "ci"}, facts(environment="ci"), True, True),
    ({"environment": "ci"}, UPDATE, False, False),
    ({"environment": ["script", "library"]}, facts(environment="library"), True, True),
    # together
    ({}, UPDATE, True, True),
    ({}, UNKNOWN, True, True),
    ({"database": "prod", "kind": "update"}, UPDATE, True, True),
    ({"database": "dev", "rows": "<=100"}, UPDATE, False, False),
    ({"database": "prod", "rows": "<=100"}, UPDATE, True, False),
    ({"database": "prod", "kind": "delete"}, UPDATE, False, False),
    # triggers that nobody looked into
    ({"table": "payroll"}, World(UNSEEN), True, False),
    ({"verb": "delete"}, World(UNSEEN), True, False),
    ({"hidden": True}, World(UNSEEN), True, False),
    ({"columns": "payroll.n"}, World(UNSEEN), True, False),
    ({"table": "orders"}, World(UNSEEN), True, False),
    ({"table": "payroll"}, World(UNSEEN, MEASURED), False, False),
    ({"hidden": True}, World(UNSEEN, MEASURED), False, False),
    ({"table": "orders"}, World(UNSEEN, MEASURED), True, True),
]


NAMES = [f"{place}-{'-'.join(when) or 'no condition'}" for place, (when, *_) in enumerate(TABLE, 1)]


@pytest.mark.parametrize(("when", "world", "denied", "allowed"), TABLE, ids=NAMES)
def test_a_rule_fires_as_the_table_has_it(when: dict[str, Any], world: World, denied: bool, allowed: bool) -> None:
    given = some_facts(measurement=world.measured, **world.facts)
    analysis = alone(world.statement)

    def says(then: str) -> object:
        return decide(analysis, a_policy(a_rule(then, **when)), given)

    assert isinstance(says("deny"), Deny) is denied
    assert isinstance(says("allow"), Allow) is allowed
    asked = says("ask 2 dba")
    assert isinstance(asked, Ask)
    assert len(asked.seats) == (2 if denied else 1)
    assert asked.rule == ("r" if denied else "")


def test_the_table_has_more_than_120_rows_each_of_which_says_three_things() -> None:
    assert len(TABLE) > 120
    assert {name for when, *_ in TABLE for name in when} >= {
        "database", "kind", "verb", "table", "columns", "risk", "rows", "effect", "hidden", "undo", "confidence",
        "requester", "time", "days", "environment",
    }  # fmt: skip


def test_nothing_that_is_unknown_is_ever_allowed_by_a_condition() -> None:
    for when, world, denied, allowed in TABLE:
        if when and world is UNKNOWN:
            assert denied
            assert not allowed


DENY, ASK, ALLOW = a_rule("deny", "d"), a_rule("ask 2", "a"), a_rule("allow", "l")


@pytest.mark.parametrize(
    "order",
    list(permutations((DENY, ASK, ALLOW))),
    ids=["".join(rule.id for rule in order) for order in permutations((DENY, ASK, ALLOW))],
)
def test_deny_beats_ask_beats_allow_in_any_order(order: tuple[Any, ...]) -> None:
    analysis = alone(a_statement())
    verdict = decide(analysis, a_policy(*order), some_facts())
    assert isinstance(verdict, Deny)
    assert verdict.rule == "d"
    without_deny = [rule for rule in order if rule is not DENY]
    asked = decide(analysis, a_policy(*without_deny), some_facts())
    assert isinstance(asked, Ask)
    assert len(asked.seats) == 2
    allowed = decide(analysis, a_policy(ALLOW), some_facts())
    assert allowed == Allow("l", ("policy.toml:1",))
