"""Files of cases that a policy is tested by: `[[case]]` tables, and `[given]` for what all of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from sqlagent.config import files
from sqlagent.config.conditions import ENVIRONMENTS, said, texts
from sqlagent.config.files import PolicyFile, Problem
from sqlagent.config.kinds import Wrong, nearest
from sqlagent.config.rules import Source
from sqlagent.core.nouns.effect import Undoable
from sqlagent.core.nouns.verbs import Verb
from sqlagent.core.policy import Origin
from sqlagent.core.policy.cases import Case, Expected, Given
from sqlagent.core.policy.conditions import DAYS, Changed

FILE_KEYS = ("policy", "given", "case")
_VERDICTS = ("allow", "ask", "deny")
_MONDAY = datetime(2026, 1, 5, 12, 0)
"""When a case takes place that does not say when: the same each time it is run."""
_ROW_VERBS = (Verb.INSERT.value, Verb.UPDATE.value, Verb.DELETE.value)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One file, read as far as it can be without its policy."""

    source: Source
    policies: tuple[PolicyFile, ...]
    """Those that the file names; empty where it is for whatever policy there is."""

    def cases(self, timezone: str) -> tuple[Case, ...]:
        """The cases, whose times of day are those of the policy.  Raises `ConfigError` with the first mistake."""
        from zoneinfo import ZoneInfo  # 4 ms that only this command spends

        zone, data = ZoneInfo(timezone), self.source.file.data
        common = data.get("given", {})
        tables = data.get("case", [])
        if not isinstance(common, dict):
            self.source.wrong(("given",), f"given must be a table, not {said(common)}", '[given] database = "prod"')
            common = {}
        if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
            raise Problem(self.source.label, 0, "case", "has no [[case]]", "sqlagent help policy").error()
        self.source.known(common, tuple(_FACTS), ("given",))
        found = [_case(table, common, ("case", str(i)), zone, self.source) for i, table in enumerate(tables, 1)]
        if self.source.problems:
            raise min(self.source.problems, key=lambda p: p.line).error()
        return tuple(case for case in found if case)


def open_cases(path: Path, cwd: Path) -> CaseFile:
    """Read a file of cases; raises `ConfigError`."""
    label = files.shown(path, cwd).removeprefix("./")
    match files.read(path, project=False, cwd=cwd):
        case Problem() as problem:
            raise Problem(label, problem.line, "", problem.message, problem.hint if problem.line else "name it").error()
        case file:
            source = Source(file, label, Origin.USER)
            source.known(file.data, FILE_KEYS, ())
            return CaseFile(source, _policies(source, path, cwd))


def _policies(source: Source, path: Path, cwd: Path) -> tuple[PolicyFile, ...]:
    named = source.file.data.get("policy", [])
    if not named:
        return ()
    try:
        paths = [(path.parent / Path(name).expanduser()) for name in texts(named, '"policy.toml"')]
    except Wrong as wrong:
        source.wrong(("policy",), f"policy {wrong.message}", wrong.hint)
        return ()
    where = f"{source.label}:{source.line(('policy',))}"
    return tuple(PolicyFile(p, files.shown(p, cwd).removeprefix("./"), Origin.USER, where) for p in paths)


def _case(
    table: Mapping[str, object], common: Mapping[str, object], path: tuple[str, ...], zone: tzinfo, source: Source
) -> Case | None:
    name = table.get("name", f"case {path[1]}")
    said_of = f"{name}: "
    before = len(source.problems)
    source.known(table, (*_FACTS, "name", "sql", "verdict", "rule", "people"), path, said_of)
    sql, verdict = table.get("sql"), table.get("verdict")
    if not isinstance(sql, str) or not sql.strip():
        source.wrong((*path, "sql"), f"{said_of}there is no sql", 'sql = "DROP TABLE users"')
    if verdict not in _VERDICTS:
        hint = f"one of: {', '.join(_VERDICTS)}"
        source.wrong((*path, "verdict"), f"{said_of}verdict cannot be {said(verdict)}", hint)
    if not isinstance(name, str):
        source.wrong((*path, "name"), f"{said_of}name must be text", 'name = "..."')
    expected = Expected(str(verdict), _rules(table, path, source, said_of), _people(table, path, source, said_of))

    def refuse(key: str, wrong: Wrong) -> None:
        at = (*path, key) if key in table else ("given", key)
        source.wrong(at, f"{said_of}{key} {wrong.message}", wrong.hint)

    given = given_of({**common, **table}, zone, refuse)
    if len(source.problems) > before:
        return None
    stated = frozenset(({*common} | {*table}) & {*_FACTS})
    return Case(str(name), f"{source.label}:{source.line(path)}", str(sql), given, expected, stated)


def _rules(table: Mapping[str, object], path: tuple[str, ...], source: Source, said_of: str) -> frozenset[str] | None:
    if "rule" not in table:
        return None
    if table["rule"] in ("", []):
        return frozenset()
    try:
        return frozenset(texts(table["rule"], '"no-drops"'))
    except Wrong as wrong:
        source.wrong((*path, "rule"), f"{said_of}rule {wrong.message}", wrong.hint)
        return None


def _people(table: Mapping[str, object], path: tuple[str, ...], source: Source, said_of: str) -> int | None:
    people = table.get("people")
    if people is None or (isinstance(people, int) and not isinstance(people, bool) and people >= 1):
        return people
    source.wrong((*path, "people"), f"{said_of}people must be a number from 1, not {said(people)}", "people = 2")
    return None


# ---- facts -----------------------------------------------------------------------------------------------------


def given_of(table: Mapping[str, object], zone: tzinfo, wrong: Callable[[str, Wrong], None]) -> Given:
    """The facts of a table; each that cannot be one is told to `wrong`."""
    taken: dict[str, Any] = {}
    for key, take in _FACTS.items():
        if key in table:
            try:
                taken[key] = take(table[key])
            except Wrong as e:
                wrong(key, e)
    at = _MONDAY + timedelta(days=taken.pop("day", 0))
    hour, minute = taken.pop("time", (12, 0))
    return Given(now=at.replace(hour=hour, minute=minute, tzinfo=zone), **taken)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {said(value)}", 'put it in quotes: "..."')
    return texts(value, '"prod"')[0]


def _time(value: object) -> tuple[int, int]:
    try:
        at = datetime.strptime(_text(value), "%H:%M")
    except ValueError:
        raise Wrong(f"is no time of day: {said(value)}", 'such as "22:15"') from None
    return at.hour, at.minute


def _day(value: object) -> int:
    return DAYS.index(_one_of(value, DAYS))


def _one_of(value: object, known: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        guess = nearest(value, list(known)) if isinstance(value, str) else ""
        raise Wrong(f"cannot be {said(value)}", f"did you mean {guess}?" if guess else f"one of: {', '.join(known)}")
    return value


def _environment(value: object) -> str:
    return value if isinstance(value, str) and value.startswith("mcp:") else _one_of(value, ENVIRONMENTS)


def _confidence(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Wrong(f"must be a number from 0 to 1, not {said(value)}", "such as 0.6")
    return float(value)


def _rows(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Wrong(f"must be a number of rows, not {said(value)}", "such as 3")
    return value


def _effect(value: object) -> tuple[Changed, ...]:
    example = "{ orders = { delete = 3 } }"
    if not isinstance(value, dict) or not all(isinstance(verbs, dict) for verbs in value.values()):
        raise Wrong(f"must be a table of tables, not {said(value)}", example)
    pairs = [(table, verb, rows) for table, verbs in value.items() for verb, rows in verbs.items()]
    return tuple(Changed(table, _one_of(verb, _ROW_VERBS), _rows(rows)) for table, verb, rows in pairs)


def _hidden(value: object) -> tuple[tuple[Verb, str], ...]:
    """`false`, or what is done beside the text: `["insert audit_log"]`."""
    if value is False:
        return ()
    example = 'false, or what is done beside the text: ["insert audit_log"]'
    if value is True:
        raise Wrong("does not say what is hidden", example)
    found: list[tuple[Verb, str]] = []
    for text in texts(value, example):
        verb, _, table = text.partition(" ")
        if not table:
            raise Wrong(f'is no verb and table: "{text}"', example)
        found.append((Verb(_one_of(verb, tuple(v.value for v in Verb))), table.strip()))
    return tuple(found)


def _columns(value: object) -> tuple[str, ...]:
    return texts(value, '"customers.iban"')


def _undo(value: object) -> str:
    if isinstance(value, bool):
        return Undoable.EXACT.value if value else Undoable.NONE.value
    return _one_of(value, tuple(u.value for u in Undoable))


_FACTS: dict[str, Callable[[object], object]] = {
    "database": _text,
    "requester": _text,
    "time": _time,
    "day": _day,
    "environment": _environment,
    "confidence": _confidence,
    "rows": _rows,
    "effect": _effect,
    "hidden": _hidden,
    "columns": _columns,
    "undo": _undo,
}
FACTS = tuple(_FACTS)
