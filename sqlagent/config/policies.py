"""Policy files: what a person decided once, read, checked and put together.

A file has `[[rule]]` tables, `[roles]` and a `timezone`.  Files add up: of all rules the strictest counts, wherever
they stand.  A file that a project's sqlagent.toml names may only tighten: what it allows has no effect, and of a role
that the user defines too the user's word counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any

from sqlagent.config import files
from sqlagent.config.conditions import CONDITIONS, Scope, said, texts
from sqlagent.config.files import ConfigFile, Problem
from sqlagent.config.kinds import Wrong, nearest
from sqlagent.config.stages import can_fill, one_stage, stages
from sqlagent.core.policy import Allow, Ask, Deny, Origin, Policy, Rule, Stage
from sqlagent.core.policy.decide import BUILT_IN

RULE_KEYS = ("id", "when", "then", "stages", "why")
FILE_KEYS = ("rule", "roles", "timezone")
_THEN = ("allow", "deny", "ask")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_HELP = "sqlagent help policy"
Roles = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One that somebody named."""

    path: Path
    label: str
    """As a person would write its path: `policy.toml`."""
    origin: Origin
    named_by: str
    """`--policy`, `./sqlagent.toml:3`."""


@dataclass(frozen=True, slots=True)
class Book:
    """All policy files together, and what is wrong with them."""

    rules: tuple[Rule, ...] = ()
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    timezone: str = "UTC"
    """Of the first of the user's files; each rule keeps to that of its own."""
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def read(named: Sequence[PolicyFile], cwd: Path) -> Book:
    """The rules of all files; raises `ConfigError` with the first problem, for half a policy is none."""
    book = gather(named, cwd)
    if book.problems:
        raise book.problems[0].error()
    return book


def gather(named: Sequence[PolicyFile], cwd: Path) -> Book:
    """The rules of all files, and every problem."""
    problems: list[Problem] = []
    opened = [one for each in _each_once(named) if (one := _open(each, cwd, problems))]
    own = _roles([f for f in opened if f.origin is Origin.USER], {}, problems)
    everybody = _roles([f for f in opened if f.origin is Origin.PROJECT], own, problems)
    rules: list[Rule] = []
    for file in opened:
        rules += file.rules(own if file.origin is Origin.USER else everybody, problems)
    _unique(rules, problems)
    zones = [f.timezone for f in opened if f.origin is Origin.USER and f.timezone]
    problems.sort(key=lambda p: ([f.label for f in opened].index(p.file) if p.file in {f.label for f in opened} else -1))
    return Book(tuple(rules), everybody, (zones or ["UTC"])[0], tuple(_notes(rules)), tuple(problems))


def _each_once(named: Sequence[PolicyFile]) -> Iterable[PolicyFile]:
    """A file that the user names is the user's, though a project names it too."""
    found: dict[Path, PolicyFile] = {}
    for each in sorted(named, key=lambda f: f.origin is Origin.PROJECT):
        found.setdefault(each.path.resolve(), each)
    return found.values()


@dataclass(frozen=True, slots=True)
class _Open:
    """A file as read, whose parts are taken one by one."""

    file: ConfigFile
    label: str
    origin: Origin

    def problem(self, path: tuple[str, ...], message: str, hint: str) -> Problem:
        return Problem(self.label, self.line(path), path[-1] if path else "", message, hint)

    def line(self, path: tuple[str, ...]) -> int:
        """Where it stands, or what it is in does."""
        lines = files.lines_of(self.file.text)
        return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 0)

    @property
    def timezone(self) -> str:
        zone = self.file.data.get("timezone", "")
        return zone if isinstance(zone, str) else ""

    def zone(self, problems: list[Problem]) -> tzinfo:
        from zoneinfo import ZoneInfo  # 4 ms that a person without a policy need not spend

        value = self.file.data.get("timezone", "UTC")
        try:
            if not isinstance(value, str):
                raise ValueError
            return ZoneInfo(value)
        except (ValueError, OSError, KeyError):
            message = f"timezone is none that this system knows: {said(value)}"
            problems.append(self.problem(("timezone",), message, 'such as "Europe/Berlin"'))
            return ZoneInfo("UTC")

    def rules(self, roles: Roles, problems: list[Problem]) -> Iterator[Rule]:
        scope = Scope(roles, self.zone(problems))
        tables = self.file.data.get("rule", [])
        if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
            problems.append(self.problem(("rule",), "rule must be tables", "[[rule]] and below it id, when, then"))
            return
        for place, table in enumerate(tables, 1):
            try:
                yield self._rule(table, ("rule", str(place)), scope)
            except _At as at:
                problems.append(self.problem(at.path, at.message, at.hint))

    def _rule(self, table: dict[str, object], path: tuple[str, ...], scope: Scope) -> Rule:
        name = table.get("id")
        if name is None:
            raise _At(path, f"rule {path[1]} has no id", 'id = "no-drops"')
        if not isinstance(name, str) or not _ID.fullmatch(name):
            raise _At((*path, "id"), f"id is not of small letters, digits and dashes: {said(name)}", 'id = "no-drops"')
        if name in BUILT_IN:
            raise _At((*path, "id"), f"{name} is a rule that is built in", "give it another id")
        _known(table, RULE_KEYS, path, name)
        why = table.get("why", "")
        if not isinstance(why, str):
            raise _At((*path, "why"), f"{name}: why must be text, not {said(why)}", 'why = "..."')
        when = _when(table.get("when", {}), (*path, "when"), name, scope)
        where = f"{self.label}:{self.line(path)}"
        then = _then(table, path, name, why, where, scope.roles)
        risk = when.get("risk")
        if isinstance(then, Allow) and risk is not None and risk.words == {"unknown"}:
            raise _At((*path, "when", "risk"), f"{name}: nothing unknown is ever allowed", 'then = "ask"')
        return Rule(name, then, when, why, where, self.origin)


class _At(Exception):
    """A mistake, and where it stands."""

    def __init__(self, path: tuple[str, ...], message: str, hint: str) -> None:
        super().__init__(message)
        self.path, self.message, self.hint = path, message, hint


def _open(named: PolicyFile, cwd: Path, problems: list[Problem]) -> _Open | None:
    project = named.origin is Origin.PROJECT
    match files.read(named.path, project=project, cwd=cwd):
        case Problem() as problem:
            hint = problem.hint if problem.line else f"named by {named.named_by}"
            problems.append(replace(problem, file=named.label, hint=hint))
            return None
        case file:
            opened = _Open(file, named.label, named.origin)
            for key in file.data:
                if key not in FILE_KEYS:
                    guess = nearest(key, list(FILE_KEYS))
                    hint = f"did you mean {guess}?" if guess else _HELP
                    problems.append(opened.problem((key,), f"no key named {key} in a policy file", hint))
            return opened


def _known(table: Mapping[str, object], keys: Sequence[str], path: tuple[str, ...], name: str) -> None:
    for key in table:
        if key not in keys:
            guess = nearest(key, list(keys))
            hint = f"did you mean {guess}?" if guess else f"one of: {', '.join(keys)}"
            raise _At((*path, key), f"{name}: no key named {'.'.join((*path[2:], key))}", hint)


def _when(value: object, path: tuple[str, ...], name: str, scope: Scope) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _At(path, f"{name}: when must be a table, not {said(value)}", 'when = { risk = ">=write" }')
    _known(value, tuple(CONDITIONS), path, name)
    found: dict[str, Any] = {}
    for key, wanted in value.items():
        try:
            found[key] = CONDITIONS[key](wanted, scope)
        except Wrong as wrong:
            raise _At((*path, key), f"{name}: {key} {wrong.message}", wrong.hint) from None
    return found


def _then(
    table: dict[str, object], path: tuple[str, ...], name: str, why: str, where: str, roles: Roles
) -> Allow | Ask | Deny:
    then, listed = table.get("then"), table.get("stages")
    if then is None:
        raise _At(path, f"{name} has no then", 'then = "deny", "ask" or "allow"')
    if listed is not None and then != "ask":
        raise _At((*path, "stages"), f"{name}: stages are for a rule that asks", 'then = "ask"')
    try:
        match then:
            case "allow":
                return Allow(name, (where,))
            case "deny":
                return Deny(name, why, (where,))
            case "ask":
                return Ask(name, (Stage(),) if listed is None else stages(listed, roles), why, (where,))
            case {"ask": asked, **others} if not others:
                return Ask(name, one_stage(asked, roles), why, (where,))
    except Wrong as wrong:
        at = (*path, "then") if listed is None else (*path, "stages")
        raise _At(at, f"{name}: {at[-1]} {wrong.message}", wrong.hint) from None
    guess = nearest(then, list(_THEN)) if isinstance(then, str) else ""
    hint = f"did you mean {guess}?" if guess else 'then = "deny", "ask", "allow" or { ask = { people = 2 } }'
    raise _At((*path, "then"), f"{name}: then cannot be {said(then)}", hint)


# ---- of all files ----------------------------------------------------------------------------------------------


def _roles(opened: Sequence[_Open], known: Roles, problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    """Roles and who holds them: those known already stand, and nobody defines one twice."""
    found, places = dict(known), dict[str, str]()
    for file in opened:
        table = file.file.data.get("roles", {})
        if not isinstance(table, dict):
            problems.append(file.problem(("roles",), "roles must be a table", '[roles] and below it dba = ["ana"]'))
            continue
        for role, people in table.items():
            path = ("roles", role)
            try:
                who = texts(people, f'{role} = ["ana", "ben"]')
            except Wrong as wrong:
                problems.append(file.problem(path, f"role {role} {wrong.message}", wrong.hint))
                continue
            if role in places:
                message = f"role {role} is defined twice, in {places[role]} too"
                problems.append(file.problem(path, message, "name all who hold it in one place"))
            places[role] = f"{file.label}:{file.line(path)}"
            if role not in known:
                found[role] = who
    return found


def _unique(rules: Sequence[Rule], problems: list[Problem]) -> None:
    first: dict[str, Rule] = {}
    for rule in rules:
        other = first.setdefault(rule.id, rule)
        if other is not rule:
            file, _, line = rule.where.rpartition(":")
            hint = "give each rule an id of its own"
            problems.append(Problem(file, int(line), "id", f"{rule.id} is the id of {other.where} too", hint))


def _notes(rules: Sequence[Rule]) -> Iterator[str]:
    """What is no mistake and still surprises."""
    for rule in rules:
        at = f"{rule.where}: {rule.id}"
        if isinstance(rule.then, Allow) and rule.origin is Origin.PROJECT:
            yield f"{at} has no effect: a project's file may not allow"
        elif isinstance(rule.then, Allow) and "environment" in rule.when:
            yield f"{at} allows by environment, which is what a process says of itself"
        if isinstance(rule.then, Ask):
            holders = {p for s in rule.then.stages for p in s.who or ()}
            for person in sorted(p for p in holders if not can_fill(rule.then.stages, without=p)):
                yield f"{at}: nobody is left to approve what {person} asks for"


def policy_of(book: Book, policy: Policy) -> Policy:
    """A policy with the rules of the files."""
    return replace(policy, rules=book.rules, roles=book.roles, timezone=book.timezone)
