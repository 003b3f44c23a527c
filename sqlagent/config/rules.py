"""From one `[[rule]]` of a policy file to a rule, or to everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlagent.config import files
from sqlagent.config.conditions import CONDITIONS, Scope, said
from sqlagent.config.files import ConfigFile, Problem
from sqlagent.config.kinds import Wrong, nearest
from sqlagent.config.stages import one_stage, stages
from sqlagent.core.policy import Allow, Ask, Deny, Origin, Rule, Stage
from sqlagent.core.policy.decision import BUILT_IN

RULE_KEYS = ("id", "when", "then", "stages", "why")
_THEN = ("allow", "deny", "ask")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
Path = tuple[str, ...]
"""Of keys, with the number of each table of an array: ("rule", "2", "when", "rows")."""


@dataclass(frozen=True, slots=True)
class Source:
    """A policy file as read, and where its mistakes go."""

    file: ConfigFile
    label: str
    origin: Origin
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, path: Path, message: str, hint: str) -> None:
        """Note a mistake and read on, so that all of a file's mistakes are said at once."""
        self.problems.append(Problem(self.label, self.line(path), path[-1], message, hint))

    def line(self, path: Path) -> int:
        """The line of a key, or of the table that it is in where it has none of its own."""
        lines = files.lines_of(self.file.text)
        return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 0)

    def known(self, table: Mapping[str, object], keys: Sequence[str], path: Path, said_of: str = "") -> None:
        """Note as a mistake every key that is none of these."""
        for key in table:
            if key not in keys:
                guess = nearest(key, list(keys))
                hint = f"did you mean {guess}?" if guess else f"one of: {', '.join(keys)}"
                self.wrong((*path, key), f"{said_of}no key named {'.'.join((*path[2:], key))}", hint)


def rule(table: dict[str, object], path: Path, scope: Scope, source: Source) -> Rule | None:
    """The rule that a table says; None where it has no usable id, or nothing that it could do."""
    name = table.get("id")
    if name is None:
        source.wrong(path, f"rule {path[1]} has no id", 'id = "no-drops"')
        return None
    if not isinstance(name, str) or not _ID.fullmatch(name):
        source.wrong((*path, "id"), f"id is not of small letters, digits and dashes: {said(name)}", 'id = "no-drops"')
        return None
    if name in BUILT_IN:
        source.wrong((*path, "id"), f"{name} is a rule that is built in", "give it another id")
        return None
    source.known(table, RULE_KEYS, path, f"{name}: ")
    why = table.get("why", "")
    if not isinstance(why, str) or not why.isprintable():
        source.wrong((*path, "why"), f"{name}: why must be one line of text", 'why = "..."')
        why = ""
    when = _when(table.get("when", {}), (*path, "when"), name, scope, source)
    where = f"{source.label}:{source.line(path)}"
    then = _then(table, path, Rule(name, Deny(name, why, (where,)), when, why, where, source.origin), scope, source)
    if isinstance(then, Allow) and "risk" in when and when["risk"].words == {"unknown"}:
        source.wrong((*path, "when", "risk"), f"{name}: nothing unknown is ever allowed", 'then = "ask"')
    return Rule(name, then, when, why, where, source.origin) if then else None


def _when(value: object, path: Path, name: str, scope: Scope, source: Source) -> dict[str, Any]:
    if not isinstance(value, dict):
        source.wrong(path, f"{name}: when must be a table, not {said(value)}", 'when = { risk = ">=write" }')
        return {}
    source.known(value, tuple(CONDITIONS), path, f"{name}: ")
    found: dict[str, Any] = {}
    for key, wanted in value.items():
        if key in CONDITIONS:
            try:
                found[key] = CONDITIONS[key](wanted, scope)
            except Wrong as wrong:
                source.wrong((*path, key), f"{name}: {key} {wrong.message}", wrong.hint)
    if "table" in found and "verb" in found:
        found["table"] = replace(found["table"], verbs=found["verb"].words)
    return found


def _then(
    table: dict[str, object], path: Path, denying: Rule, scope: Scope, source: Source
) -> Allow | Ask | Deny | None:
    """What it does; `denying` is the rule as it would be if it denied."""
    name, why, where = denying.id, denying.why, (denying.where,)
    then, listed = table.get("then"), table.get("stages")
    if then is None:
        source.wrong(path, f"{name} has no then", 'then = "deny", "ask" or "allow"')
        return None
    if listed is not None and then != "ask":
        source.wrong((*path, "stages"), f"{name}: stages are for a rule that asks", 'then = "ask"')
        return None
    key = "then" if listed is None else "stages"
    try:
        match then:
            case "allow":
                return Allow(name, where)
            case "deny":
                return denying.then
            case "ask":
                return Ask(name, (Stage(),) if listed is None else stages(listed, scope.roles), why, where)
            case {"ask": asked, **others} if not others:
                return Ask(name, one_stage(asked, scope.roles), why, where)
    except Wrong as wrong:
        source.wrong((*path, key), f"{name}: {key} {wrong.message}", wrong.hint)
        return None
    guess = nearest(then, list(_THEN)) if isinstance(then, str) else ""
    hint = f"did you mean {guess}?" if guess else 'then = "deny", "ask", "allow" or { ask = { people = 2 } }'
    source.wrong((*path, "then"), f"{name}: then cannot be {said(then)}", hint)
    return None
