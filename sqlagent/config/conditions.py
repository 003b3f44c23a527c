"""From what a policy file says under `when` to the conditions of a rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time, tzinfo
from itertools import pairwise

from sqlagent.config.kinds import Wrong, nearest
from sqlagent.core.nouns.analysis import Kind, Risk, Verb
from sqlagent.core.nouns.effect import Undoable
from sqlagent.core.policy.conditions import (
    DAYS,
    OPERATORS,
    Columns,
    Condition,
    Databases,
    Days,
    Effects,
    Flag,
    Numbers,
    Tables,
    Times,
    Words,
)

ENVIRONMENTS = ("terminal", "ci", "script", "library", "mcp")
_NUMBER = re.compile(r"(<=|>=|<|>|=)\s*(\d+(?:_\d+)*(?:\.\d+)?)", re.ASCII)
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_RISKS = tuple(risk.name.lower() for risk in Risk)
_ROW_VERBS = (Verb.INSERT.value, Verb.UPDATE.value, Verb.DELETE.value)


@dataclass(frozen=True, slots=True)
class Scope:
    """What words in one policy file stand for: its roles, and its time zone."""

    roles: Mapping[str, tuple[str, ...]]
    zone: tzinfo


def texts(value: object, example: str) -> tuple[str, ...]:
    """One text or a list of them, none of them empty."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise Wrong("is an empty list, which nothing matches", "leave it out, and everything matches")
    for each in values:
        if not isinstance(each, str) or not each.strip() or not each.isprintable():
            raise Wrong(f"must be text or a list of texts, not {said(each)}", f"such as {example}")
    return tuple(dict.fromkeys(values))


def said(value: object) -> str:
    """A TOML value as a person would say it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(map(said, value))}]"
        case dict():
            return "{ " + ", ".join(f"{key} = {said(each)}" for key, each in value.items()) + " }"
        case _:
            return str(value)


def _words(value: object, known: tuple[str, ...], example: str) -> frozenset[str]:
    found = tuple(word.lower() for word in texts(value, example))
    for word in found:
        if word not in known:
            guess = nearest(word, list(known))
            raise Wrong(f'cannot be "{word}"', f"did you mean {guess}?" if guess else f"one of: {', '.join(known)}")
    return frozenset(found)


# ---- names -----------------------------------------------------------------------------------------------------


def _database(value: object, _: Scope) -> Condition:
    return Databases(texts(value, '"prod" or "prod*"'), said(value))


def _table(value: object, _: Scope) -> Condition:
    return Tables(texts(value, '"orders" or "audit_*"'), said(value))


def _columns(value: object, _: Scope) -> Condition:
    patterns = texts(value, '"customers.iban"')
    for pattern in patterns:
        if "." not in pattern.strip("."):
            raise Wrong(f'names a column without its table: "{pattern}"', f'"*.{pattern}" is that column of any table')
    return Columns(patterns, said(value))


def _kind(value: object, _: Scope) -> Condition:
    return Words(_words(value, tuple(k.value for k in Kind), '"delete"'), said(value))


def _verb(value: object, _: Scope) -> Condition:
    return Words(_words(value, tuple(v.value for v in Verb), '"delete"'), said(value))


def _environment(value: object, _: Scope) -> Condition:
    """Words that are known, and `mcp:CLIENT` for one client of the MCP server, by the name that it gives itself."""
    named = texts(value, '"ci"')
    clients = frozenset(word for word in named if word.startswith("mcp:"))
    others = [word for word in named if word not in clients]
    return Words(clients | (_words(others, ENVIRONMENTS, '"ci"') if others else frozenset()), said(value))


def _requester(value: object, scope: Scope) -> Condition:
    people: set[str] = set()
    for word in texts(value, '"ana" or "role:dba"'):
        kind, colon, name = word.partition(":")
        people |= set(holders(name, scope.roles)) if colon and kind == "role" else {word}
    return Words(frozenset(people), said(value))


def holders(role: str, roles: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Who holds a role."""
    if role not in roles:
        guess = nearest(role, list(roles))
        hint = f"did you mean {guess}?" if guess else f'[roles] and below it {role or "dba"} = ["ana", "ben"]'
        raise Wrong(f'names no role: "{role}"', hint)
    return roles[role]


# ---- numbers ---------------------------------------------------------------------------------------------------


def _numbers(value: object, example: str, top: float | None = None) -> Numbers:
    bounds = tuple(_bound(text, example, top) for text in texts(value, example))
    if not any(Numbers(bounds).holds(n) for n in _witnesses(bounds, top)):
        raise Wrong(f"holds for no number: {said(value)}", f"such as {example}")
    return Numbers(bounds, said(value))


def _bound(text: str, example: str, top: float | None) -> tuple[str, float]:
    found = _NUMBER.fullmatch(text.strip())
    if not found:
        raise Wrong(f'is no comparison: "{text}"', f"such as {example}; {' '.join(OPERATORS)} are known")
    number = float(found[2].replace("_", ""))
    if top is None and not number.is_integer():
        raise Wrong(f'compares with a part of a row: "{text}"', f"such as {example}")
    if top is not None and number > top:
        raise Wrong(f'is out of range: "{text}"', f"from 0 to {top:g}, such as {example}")
    return found[1], number


def _witnesses(bounds: tuple[tuple[str, float], ...], top: float | None) -> list[float]:
    """Numbers among which is one that all bounds hold for, if there is any."""
    if top is None:
        return [n + step for _, n in bounds for step in (-1, 0, 1) if n + step >= 0]
    ends = sorted({0.0, top, *(n for _, n in bounds)})
    return [*ends, *((a + b) / 2 for a, b in pairwise(ends))]


def _rows(value: object, _: Scope) -> Condition:
    return _numbers(value, '"<=100"')


def _confidence(value: object, _: Scope) -> Condition:
    return _numbers(value, '"<0.8"', 1.0)


def _effect(value: object, _: Scope) -> Condition:
    example = '{ orders = ">0" } or { orders = { delete = ">0" } }'
    if not isinstance(value, dict) or not value:
        raise Wrong(f"must be a table of tables, not {said(value)}", f"such as {example}")
    parts: list[tuple[str, str, Numbers]] = []
    for pattern, wanted in value.items():
        if not isinstance(wanted, dict):
            parts.append((pattern, "", _numbers(wanted, '">0"')))
            continue
        if not wanted:
            raise Wrong(f"of {pattern} is empty", f"such as {example}")
        for verb, numbers in wanted.items():
            (word,) = _words(verb, _ROW_VERBS, example)
            parts.append((pattern, word, _numbers(numbers, '">0"')))
    return Effects(tuple(parts), said(value))


# ---- the rest --------------------------------------------------------------------------------------------------


def _risk(value: object, _: Scope) -> Condition:
    found: set[str] = set()
    for text in texts(value, '"write" or ">=write"'):
        sign = next((s for s in OPERATORS if text.startswith(s)), "")
        (word,) = _words(text.removeprefix(sign).strip(), _RISKS, '"write" or ">=write"')
        least = Risk[word.upper()]
        found |= {r.name.lower() for r in Risk if OPERATORS[sign or "="](r, least)}
    if not found:
        raise Wrong(f"holds for no risk: {said(value)}", 'such as ">=write"')
    return Words(frozenset(found), said(value))


def _hidden(value: object, _: Scope) -> Condition:
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {said(value)}", "write true or false, without quotes")
    return Flag(value, said(value))


def _undo(value: object, _: Scope) -> Condition:
    if isinstance(value, bool):
        exact = frozenset({Undoable.EXACT.value})
        return Words(exact if value else frozenset(u.value for u in Undoable) - exact, said(value))
    return Words(_words(value, tuple(u.value for u in Undoable), 'true, or "partial"'), said(value))


def _time(value: object, scope: Scope) -> Condition:
    spans: list[tuple[time, time]] = []
    for text in texts(value, '"22:00-06:00"'):
        found = _SPAN.fullmatch(text.strip())
        if not found:
            raise Wrong(f'is no span of a day: "{text}"', 'such as "22:00-06:00"')
        begin, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
        if begin == end:
            raise Wrong(f'begins where it ends: "{text}"', "leave it out for the whole day")
        spans.append((begin, end))
    return Times(tuple(spans), scope.zone, said(value))


def _days(value: object, scope: Scope) -> Condition:
    return Days(_words(value, DAYS, '["sat", "sun"]'), scope.zone, said(value))


CONDITIONS: dict[str, Callable[[object, Scope], Condition]] = {
    "database": _database,
    "kind": _kind,
    "verb": _verb,
    "table": _table,
    "columns": _columns,
    "risk": _risk,
    "rows": _rows,
    "effect": _effect,
    "hidden": _hidden,
    "undo": _undo,
    "confidence": _confidence,
    "requester": _requester,
    "time": _time,
    "days": _days,
    "environment": _environment,
}
"""Every key that `when` may have; core.policy.seen has what each is held against."""
