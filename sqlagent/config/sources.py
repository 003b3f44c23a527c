"""Where each setting comes from: flag, variable, project file, user file or default, and which of them counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

from sqlagent.config import files, targets
from sqlagent.config.files import ConfigFile, Problem, SystemFolder
from sqlagent.config.kinds import NO, Wrong, nearest
from sqlagent.config.table import BY_KEY, DATABASE_TABLE, TABLE, Definition, Project


class Layer(IntEnum):
    """The sources of a setting, nearest first: of preferences, the lowest number wins."""

    FLAG = 0
    ENVIRONMENT = 1
    PROJECT = 2
    USER = 3
    SYSTEM = 4
    """Last of preferences; but what it restricts binds all of them."""
    DEFAULT = 5


@dataclass(frozen=True, slots=True)
class Said:
    """The value that one source gives to one setting, and where it stands."""

    value: object
    layer: Layer
    origin: Callable[[], str]
    """Called when it is shown: finding the line of a key costs more than reading it."""
    base: Path
    """What a relative path in it is relative to."""


_Problems = list[Problem]


_FOREIGN: dict[str, Callable[[str], object | None]] = {
    "CI": lambda text: text.strip().lower() not in NO,  # some services put their own name there
    "NO_COLOR": lambda _: "never",
    "FORCE_COLOR": lambda text: None if text.strip().lower() in NO else "always",
    "TERM": lambda text: "never" if text == "dumb" else None,
}
"""Variables that are not ours, and speak their own language; None where they say nothing."""


def in_ci(env: Mapping[str, str]) -> bool:
    """Whether we run inside a CI service's job."""
    return bool(_FOREIGN["CI"](env.get("CI", "")))


def from_flags(flags: Mapping[str, object], cwd: Path, problems: _Problems) -> dict[str, Said]:
    """The flags that were given, by the key of their setting."""
    said: dict[str, Said] = {}
    for key, value in flags.items():
        definition = BY_KEY[key]
        if value is None:
            continue
        flag = definition.long_flag or key
        if key == "pager" and value == "":
            said[key] = Said("", Layer.FLAG, lambda: "--no-pager", cwd)
            continue
        try:
            read = definition.kind.read(value) if isinstance(value, str) else definition.kind.take(_plain(value))
        except Wrong as wrong:
            problems.append(Problem(flag, 0, key, wrong.message, wrong.hint))
            continue
        said[key] = Said(read, Layer.FLAG, lambda flag=flag: flag, cwd)  # type: ignore[misc]  # mypy: a lambda's default
    return said


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def from_environment(env: Mapping[str, str], cwd: Path, problems: _Problems) -> dict[str, Said]:
    """The first variable of each setting that is set and says something; an empty one counts as not set."""
    said: dict[str, Said] = {}
    for definition in TABLE:
        for name in definition.env:
            text = env.get(name, "")
            if not text:
                continue
            try:
                value = _FOREIGN.get(name, definition.kind.read)(text)
            except Wrong as wrong:
                problems.append(Problem(name, 0, definition.key, wrong.message, wrong.hint))
                break
            if value is not None:
                said[definition.key] = Said(value, Layer.ENVIRONMENT, lambda name=name: name, cwd)  # type: ignore[misc]
                break
    return said


def from_file(file: ConfigFile, own: Mapping[str, Sequence[Said]], problems: _Problems) -> dict[str, Said]:
    """What one file says of the settings; `own` is what the user says elsewhere, which bounds a project's file."""
    said: dict[str, Said] = {}
    for key, value in file.data.items():
        if key == "databases":
            continue
        definition = BY_KEY.get(key)
        if definition is None or not definition.in_file:
            problems.append(_unknown_key(file, (key,), definition))
            continue
        one = _take(file, (key,), definition, value, own.get(key, ()), problems)
        if one:
            said[key] = one
    return said


def _take(
    file: ConfigFile,
    path: tuple[str, ...],
    definition: Definition,
    value: object,
    own: Sequence[Said],
    problems: _Problems,
) -> Said | None:
    """The value as its kind has it, or a problem."""
    try:
        taken = definition.kind.take(value)
        if file.project:
            _check_project(file, definition, taken, own)
    except Wrong as wrong:
        name = ".".join(path)
        problems.append(Problem(file.label, file.line(*path), name, f"{name} {wrong.message}", wrong.hint))
        return None
    layer = Layer.PROJECT if file.project else Layer.SYSTEM if file.system else Layer.USER
    return Said(taken, layer, lambda: file.where(*path), file.path.parent)


def _check_project(file: ConfigFile, definition: Definition, value: object, own: Sequence[Said]) -> None:
    """A project's file comes with a clone, from whoever wrote it: it may tighten and name things, no more."""
    if definition.project is Project.MAY_NOT_SET:
        raise Wrong("may not be set by a project's file", f"put it in your own: {_OWN_FILE}")
    if definition.project is Project.MAY_TIGHTEN and value == definition.loose:
        allowed = [said for said in own if said.value == definition.loose]
        strict = [said for said in own if said.value != definition.loose]
        default_is_strict = definition.default != definition.loose
        if strict or (default_is_strict and not allowed):
            raise Wrong(f"may not be loosened by a project's file: {_toml(value)}", _YOUR_OWN_MAY)
    if definition.project is Project.MAY_SHRINK:
        without = [definition.strictness(said.value) or 0.0 for said in own]
        least = min(without, default=definition.strictness(definition.default) or 0.0)
        if (definition.strictness(value) or 0.0) < least:
            raise Wrong(f"may only be lowered by a project's file: {definition.kind.show(value)}", _YOUR_OWN_MAY)
    if definition.key == "url" and own:
        raise Wrong("may not be moved by a project's file: the name is your own file's", "give it another name there")
    if definition.key in {"database", "url"}:
        _check_place(file, str(value), definition.key)


def _check_place(file: ConfigFile, value: str, key: str) -> None:
    """A project names databases of its own folder: through it, your own would be called as its writer likes."""
    named = file.data.get("databases")
    if key == "database" and isinstance(named, dict) and isinstance(named.get(value), dict) and "url" in named[value]:
        return
    if targets.has_host(value):
        raise Wrong("may not name a host in a project's file", f"put it in your own: {_OWN_FILE}")
    if not targets.is_inside(value, file.path.parent):
        raise Wrong("may not leave its folder in a project's file", f"put it in your own: {_OWN_FILE}")


_OWN_FILE = "$XDG_CONFIG_HOME/sqlagent/config.toml (by default ~/.config/sqlagent/config.toml)"

_YOUR_OWN_MAY = f"your own may: {_OWN_FILE}"


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'


def _unknown_key(file: ConfigFile, path: tuple[str, ...], definition: Definition | None = None) -> Problem:
    name, line = ".".join(path), file.line(*path)
    if definition is not None:
        ways = [way for way in (definition.long_flag, definition.env[0]) if way]
        return Problem(file.label, line, name, f"{name} is not for a file", f"use {' or '.join(ways)}")
    known = [d.key for d in (TABLE if len(path) == 1 else DATABASE_TABLE) if d.in_file]
    guess = nearest(path[-1], [*known, "databases"] if len(path) == 1 else known)
    return Problem(
        file.label,
        line,
        name,
        f"no setting named {name}",
        f"did you mean {guess}?" if guess else "sqlagent help environment",
    )


def pick(definition: Definition, said: Sequence[Said]) -> Said:
    """The one that counts, of words in order of nearness: the nearest, or for a restriction the strictest.

    The machine's own word holds for everybody; only what is stricter counts beside it.
    """
    system = next((one for one in said if one.layer is Layer.SYSTEM), None)
    chosen = _pick(definition, [one for one in said if one is not system])
    if system is None:
        return chosen
    asked, least = definition.strictness(chosen.value), definition.strictness(system.value)
    stricter = asked is not None and least is not None and asked > least
    return chosen if stricter and chosen.layer is not Layer.DEFAULT else system


def _pick(definition: Definition, said: Sequence[Said]) -> Said:
    if definition.project is Project.MAY_TIGHTEN:
        strict = [one for one in said if one.value != definition.loose and one.layer is not Layer.DEFAULT]
        if strict:
            return strict[0]
    return said[0]


def default_of(definition: Definition) -> Said:
    """What holds for a setting where nobody says anything."""
    return Said(definition.default, Layer.DEFAULT, lambda: "default", Path())


@dataclass(frozen=True, slots=True)
class Gathered:
    """What every source says, nearest first, and everything that is wrong with any of it."""

    said: dict[str, tuple[Said, ...]]
    databases: dict[str, dict[str, tuple[Said, ...]]]
    """By name, then by key of `[databases.NAME]`."""
    read: tuple[ConfigFile, ...]
    problems: tuple[Problem, ...]

    def pick(self, key: str) -> Said:
        """Of all that say something of this setting, the one that counts."""
        return pick(BY_KEY[key], self.said[key])


def gather(flags: Mapping[str, object], env: Mapping[str, str], cwd: Path, system: SystemFolder) -> Gathered:
    """Read every source once: flags, variables and files."""
    problems: _Problems = []
    flag, variable = from_flags(flags, cwd, problems), from_environment(env, cwd, problems)
    chosen = flag.get("config") or variable.get("config")
    read: list[ConfigFile] = []
    path = None if chosen is None else cwd / Path(str(chosen.value)).expanduser()
    for each, project in files.discover(path, env, cwd):
        match files.read(each, project=project, cwd=cwd):
            case Problem() as problem:
                problems.append(problem)
            case file:
                read.append(file)
    _read_system(system, cwd, read, problems)
    words: list[Mapping[str, Said]] = [flag, variable]
    for file in sorted(read, key=_bounds_the_next):
        own = {key: tuple(layer[key] for layer in words if key in layer) for key in BY_KEY}
        words.append(from_file(file, own, problems))
    said = {
        d.key: (*sorted((w[d.key] for w in words if d.key in w), key=lambda s: s.layer), default_of(d)) for d in TABLE
    }
    return Gathered(said, _databases(read, problems), tuple(read), tuple(problems))


def _read_system(system: SystemFolder, cwd: Path, read: list[ConfigFile], problems: _Problems) -> None:
    match system.find("config.toml"):
        case Problem() as problem:
            problems.append(problem)
        case Path() as path:
            match files.read(path, project=False, cwd=cwd):
                case Problem() as problem:
                    problems.append(problem)
                case file:
                    read.append(replace(file, system=True))


def _bounds_the_next(file: ConfigFile) -> int:
    """The machine's first, then the user's, then the project's, which both bound."""
    return 2 if file.project else 0 if file.system else 1


def _databases(read: Sequence[ConfigFile], problems: _Problems) -> dict[str, dict[str, tuple[Said, ...]]]:
    """`[databases.NAME]` of every file, key by key; the user's first, for they bound the project's."""
    found: dict[str, dict[str, tuple[Said, ...]]] = {}
    for file in sorted(read, key=_bounds_the_next):
        for name, table in _tables(file, problems):
            entry = found.setdefault(name, {})
            for key, value in table.items():
                definition = next((d for d in DATABASE_TABLE if d.key == key), None)
                if definition is None:
                    problems.append(_unknown_key(file, ("databases", name, *key.split("."))))
                    continue
                own = entry.get(key, ())
                one = _take(file, ("databases", name, *key.split(".")), definition, value, own, problems)
                if one:
                    entry[key] = (one, *own)
    for file in read:
        for name, _ in _tables(file, []):
            if "url" not in found[name] and "url" not in file.data["databases"][name]:
                key, line = f"databases.{name}", file.line("databases", name)
                problems.append(Problem(file.label, line, key, f"{key} has no url", 'url = "PATH or URL"'))
    return found


def _flat(table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """With `measure.rows` for the `rows` of a table `measure` in it, however the file spells that."""
    for key, value in table.items():
        inner = value.items() if isinstance(value, dict) and key == "measure" else None
        yield from ((f"{key}.{each}", its) for each, its in inner) if inner is not None else ((key, value),)


def _tables(file: ConfigFile, problems: _Problems) -> Iterator[tuple[str, dict[str, object]]]:
    tables = file.data.get("databases", {})
    if not isinstance(tables, dict):
        hint = '[databases.prod] and below it url = "..."'
        problems.append(Problem(file.label, file.line("databases"), "databases", "databases must be tables", hint))
        return
    for name, table in tables.items():
        if isinstance(table, dict):
            yield name, dict(_flat(table))
        else:
            hint = f'[databases.{name}] and below it url = "..."'
            line = file.line("databases", name)
            problems.append(Problem(file.label, line, f"databases.{name}", f"databases.{name} must be a table", hint))
