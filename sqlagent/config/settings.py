"""Settings: read once, typed, frozen, passed down; each remembers where it came from."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlagent.config import files, targets
from sqlagent.config.files import PolicyFile, Problem, SystemFolder
from sqlagent.config.kinds import Wrong, nearest
from sqlagent.config.sources import Gathered, Layer, Said, from_flags, gather, in_ci, pick
from sqlagent.config.table import BY_KEY, DATABASE_TABLE, TABLE
from sqlagent.config.targets import DatabaseSettings, Known
from sqlagent.core.errors import AuthError, ConfigError, SqlagentError, UsageError
from sqlagent.core.nouns.policy import KnownAs
from sqlagent.core.policy import Origin
from sqlagent.core.secret import Secret
from sqlagent.plain_files import NotPlain, decoded, read_plain, refuse_odd

if TYPE_CHECKING:
    from sqlagent.config.policies import Book


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of `config show`."""

    key: str
    value: object
    """A string, a number or a boolean; a secret only says whether there is one."""
    origin: str
    """`default`, `--db`, `SQLAGENT_DB`, `./sqlagent.toml:3`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one invocation.  Durations are in seconds, None where there is no limit."""

    model: str
    """`auto`, `local`, `local:0.5b` or a server's name for it."""
    base_url: str
    """Empty for OpenAI's own."""
    model_timeout: float | None
    keep_alive: float
    """Idle seconds that the embedded model stays loaded; 0: it ends with the command."""
    send_examples: bool
    """Examples of values may go to remote models too."""
    examples: int
    samples: int
    """Drafts of one question, to see how many agree."""
    repair: bool
    tables: tuple[str, ...]
    """The tables that the model is told of; empty: those that the question is about."""
    ask_back: bool
    """Ask where the schema shows two readings of a question."""
    reads: str
    """`ask` or `allow`."""
    relax: tuple[str, ...]
    """Rules that ask instead of denying."""
    policy: tuple[PolicyFile, ...]
    """Every policy file that anybody named; `rules` is what they say."""
    timeout: float | None
    expires: float | None
    measure_again: float | None
    """Seconds after which a measurement is taken again before a person is asked; None for never."""
    keep_undo: float
    """Seconds that what a run changed is kept."""
    learn: bool
    """What people approve is kept as examples, and shown to the model."""
    on_pending: tuple[str, ...]
    on_decided: tuple[str, ...]
    """The commands that are told of what waits, and of what was decided; empty for none."""
    chat_rows: int
    limit: int
    """-1 for all rows."""
    format: str
    wide: str
    """`vertical` or `pager`: what becomes of a table that is wider than the screen."""
    auto_reject: bool
    no_input: bool
    ci: bool
    """The variable CI says that nobody is there."""
    color: str
    pager: str
    """A command line; empty for none.  `editor` is one too."""
    editor: str
    state_dir: Path
    store: str
    """The URL of a team's store; empty for the state folder."""
    cache_dir: Path
    debug: bool
    api_key_source: str
    """The variable or file that the key is from; empty where there is none."""
    databases: Mapping[str, DatabaseSettings]
    """Those configured, by name."""
    config_files: tuple[Path, ...]
    cwd: Path
    _database: DatabaseSettings | SqlagentError = field(repr=False)
    _api_key: Secret | SqlagentError = field(repr=False)
    _known: Known = field(repr=False)
    _gathered: Gathered = field(repr=False)

    def is_default(self, key: str) -> bool:
        """Whether nobody said anything of a setting."""
        return self._gathered.pick(key).layer is Layer.DEFAULT

    @property
    def database(self) -> DatabaseSettings:
        """The database to use.  Raises here, not while loading: `pending` and `config show` need none."""
        if isinstance(self._database, SqlagentError):
            raise self._database
        return self._database

    @property
    def api_key(self) -> Secret:
        """Empty where there is none.  A key file that others can read is refused when the key is wanted."""
        if isinstance(self._api_key, SqlagentError):
            raise self._api_key
        return self._api_key

    @property
    def rules(self) -> Book:
        """What the policy files say, read anew.  Raises `ConfigError`: half a policy is none."""
        from sqlagent.config import policies  # with every condition that a rule may have, which a listing does not need

        return policies.read(self.policy, self.cwd)

    def known_as(self, chosen: DatabaseSettings) -> KnownAs:
        """What a database is, whatever it is called here."""
        return self._known.known_as(chosen)

    def find_database(self, text: str) -> DatabaseSettings:
        """What a name, path or URL means here, with the restrictions configured for it."""
        found = targets.resolve(text, self._known, self.cwd)
        chosen = self._database
        if found.password or isinstance(chosen, SqlagentError) or chosen.url != found.url:
            return found
        return replace(found, password=chosen.password)  # it is the one on the command line, where it was typed


def load(
    flags: Mapping[str, object], env: Mapping[str, str], cwd: Path, *, system: SystemFolder = files.SYSTEM
) -> Settings:
    """Flag > environment > project > user > default, but the strictest word of a restriction.

    `flags` are by the key of their setting (`database`, `no_input`, `config`, ...); None is one that was not given, and
    `pager=""` is --no-pager.  Raises `ConfigError` with the first problem, where it stands and what to write instead.
    """
    gathered = gather(flags, env, cwd, system)
    if gathered.problems:
        raise gathered.problems[0].error()
    known, problems = _configured(gathered)
    if problems:
        raise problems[0].error()
    key, key_source = _api_key(gathered, env, cwd)
    return Settings(
        **_plain_values(gathered, env),
        api_key_source=key_source,
        policy=_policy_files(gathered, env, cwd, system),
        ci=in_ci(env),
        databases=known.databases,
        config_files=tuple(file.path for file in gathered.read),
        cwd=cwd,
        _database=_chosen(gathered, known, cwd),
        _api_key=key,
        _known=known,
        _gathered=gathered,
    )


def check_given(given: Mapping[str, object], cwd: Path) -> None:
    """Raise UsageError for what a program gives that is no setting, or no value of it."""
    for key in given:
        if key not in BY_KEY:
            guess = nearest(key, list(BY_KEY))
            raise UsageError(
                f"there is no setting named {key}",
                hint=f"did you mean {guess}?" if guess else "sqlagent config show lists them",
            )
    problems: list[Problem] = []
    for key, value in given.items():
        from_flags({key: value}, cwd, problems)
        if problems:
            raise UsageError(f"{key} {problems[0].message}", hint=problems[0].hint)


_NO_LIMIT_IS_NONE = frozenset({"timeout", "model_timeout", "expires"})
_RESOLVED = frozenset({"database", "api_key_file", "config", "policy"})
_FOLDERS = {"state_dir": "state", "cache_dir": "cache"}


def _plain_values(gathered: Gathered, env: Mapping[str, str]) -> dict[str, Any]:
    """Every setting that stands for itself."""
    values: dict[str, Any] = {}
    for definition in TABLE:
        key = definition.key
        if key in _RESOLVED:
            continue
        said = gathered.pick(key)
        if key in _FOLDERS:
            values[key] = _folder(said) if said.value else files.user_folder(_FOLDERS[key], env)
        elif key in _NO_LIMIT_IS_NONE:
            values[key] = said.value or None
        else:
            values[key] = said.value
    return values


STORE_POLICY = "policy.toml"
"""In the state folder: in force for everybody who shares it, whatever else they name."""


def _policy_files(
    gathered: Gathered, env: Mapping[str, str], cwd: Path, system: SystemFolder
) -> tuple[PolicyFile, ...]:
    """The machine's, the state folder's own, then those of every source, the nearest first: restrictions add up."""
    found: list[PolicyFile] = []
    match system.find(STORE_POLICY):
        case Problem() as problem:
            raise problem.error()
        case Path() as path:
            found.append(PolicyFile(path, str(path), Origin.SYSTEM, "this machine"))
    said_folder = gathered.pick("state_dir")
    folder = _folder(said_folder) if said_folder.value else files.user_folder("state", env)
    store = folder / STORE_POLICY
    own = PolicyFile(store, files.shown(store, cwd), Origin.USER, "the state folder")
    found += [own] if files.is_there(store) else []
    for said in gathered.said["policy"]:
        origin = _ORIGINS.get(said.layer, Origin.USER)
        for name in said.value if isinstance(said.value, tuple) else ():
            path = said.base / Path(str(name)).expanduser()
            label = files.shown(path, cwd).removeprefix("./")
            found.append(PolicyFile(path, label, origin, said.origin()))
    return tuple(found)


_ORIGINS = {Layer.PROJECT: Origin.PROJECT, Layer.SYSTEM: Origin.SYSTEM}


def _folder(said: Said) -> Path:
    return Path(os.path.abspath(said.base / Path(str(said.value)).expanduser()))  # noqa: PTH100 - symlinks stay as typed


def _configured(gathered: Gathered) -> tuple[Known, list[Problem]]:
    """The databases of the files; one that any file calls read-only is so under every name."""
    found: dict[str, DatabaseSettings] = {}
    closed: set[str] = set()
    problems: list[Problem] = []
    examples = gathered.pick("examples").value
    for name, entry in gathered.databases.items():
        picked = {d.key: pick(d, entry[d.key]) for d in DATABASE_TABLE if d.key in entry}
        changes: dict[str, Any] = {
            d.field: picked[d.key].value for d in DATABASE_TABLE if d.key in picked and d != _URL
        }
        try:
            # Every file's word on the URL: the one that is not used may still be the one that was closed.
            urls = [targets.normal_url(str(said.value), said.base) for said in (picked["url"], *entry["url"])]
        except Wrong as wrong:
            problems.append(_problem_at(picked["url"], f"databases.{name}.url", wrong))
            continue
        if clone := picked.get("measure_url"):
            try:
                changes["measure_url"] = targets.normal_url(str(clone.value), clone.base)
            except Wrong as wrong:
                problems.append(_problem_at(clone, f"databases.{name}.measure_url", wrong))
                continue
        found[name] = replace(DatabaseSettings(name, urls[0], examples=_count(examples)), **changes)
        closed |= {targets.place(url) for url in urls if found[name].read_only}
    for name, settings in found.items():
        found[name] = replace(settings, read_only=settings.read_only or targets.place(settings.url) in closed)
    own = (name for name in found if pick(_URL, gathered.databases[name]["url"]).layer is not Layer.PROJECT)
    where = " or ".join(file.label for file in gathered.read)
    return Known(found, frozenset(closed), where, frozenset(own)), problems


_URL = next(definition for definition in DATABASE_TABLE if definition.key == "url")


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _problem_at(said: Said, key: str, wrong: Wrong) -> Problem:
    file, line = _place(said)
    return Problem(file, line, key, f"{key} {wrong.message}", wrong.hint)


def _place(said: Said) -> tuple[str, int]:
    """The file and line of a word, or the flag or variable and 0."""
    file, _, line = said.origin().rpartition(":")
    return (file, int(line)) if file and line.isdigit() else (said.origin(), 0)


def _chosen(gathered: Gathered, known: Known, cwd: Path) -> DatabaseSettings | SqlagentError:
    said = gathered.pick("database")
    try:
        if said.value:
            return targets.resolve(str(said.value), known, said.base)
        found = targets.default(known, cwd)
    except ConfigError as e:
        return e
    return replace(found, examples=_count(gathered.pick("examples").value)) if found.is_sample else found


def _api_key(gathered: Gathered, env: Mapping[str, str], cwd: Path) -> tuple[Secret | SqlagentError, str]:
    """From the key file, else from OPENAI_API_KEY: a file is not inherited by every program that is started."""
    said = gathered.pick("api_key_file")
    if said.value:
        path = said.base / Path(str(said.value)).expanduser()
        label = files.shown(path, cwd)
        try:
            return Secret(_read_key(path, label)), label
        except AuthError as e:
            return e, label
    text = env.get("OPENAI_API_KEY", "").strip()
    return Secret(text), "OPENAI_API_KEY" if text else ""


def _read_key(path: Path, label: str) -> str:
    try:
        mode = path.stat().st_mode
        refuse_odd(mode)
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise AuthError(f"others can read the key in {label} (mode {mode & 0o777:04o})", hint=f"chmod 600 {label}")
        text = decoded(read_plain(path, 65_536)).strip()
    except (OSError, UnicodeDecodeError, NotPlain) as e:
        said = f"it {e}" if isinstance(e, NotPlain) else getattr(e, "strerror", "")
        why = (said or "it is not text").lower()
        raise AuthError(f"cannot read the key file {label}: {why}", hint="SQLAGENT_API_KEY_FILE=FILE") from e
    if not text or len(text.split()) != 1 or not text.isprintable():
        raise AuthError(f"{label} does not hold one key on one line", hint="put the key there, and nothing else")
    return text


def explain(settings: Settings) -> tuple[Setting, ...]:
    """Every value and where it came from, for `config show`; a key only says that it is there."""
    gathered = settings._gathered
    rows: list[Setting] = []
    for definition in TABLE:
        said = gathered.pick(definition.key)
        origin = said.origin()
        if definition.key == "policy" and settings.policy:
            origin = ", ".join(dict.fromkeys(file.named_by for file in settings.policy))
        rows.append(Setting(definition.key, _explained(settings, definition.key, said), origin))
        if definition.key == "api_key_file":
            rows.append(Setting("api_key", _key_state(settings), settings.api_key_source or "default"))
    for name, entry in gathered.databases.items():
        for each in DATABASE_TABLE:
            if each.key in entry:
                value = getattr(settings.databases[name], each.field)
                rows.append(Setting(f"databases.{name}.{each.key}", value, pick(each, entry[each.key]).origin()))
    return tuple(rows)


def _explained(settings: Settings, key: str, said: Said) -> object:
    if key == "database":
        found = settings._database
        return "none" if isinstance(found, SqlagentError) else f"{found.name} ({found.url})"
    if key in _FOLDERS:
        return str(getattr(settings, key))
    if key == "policy":
        return ", ".join(file.label for file in settings.policy) or "none"
    return BY_KEY[key].kind.show(said.value) if said.value != "" else "none"


def _key_state(settings: Settings) -> str:
    if isinstance(settings._api_key, SqlagentError):
        return "refused"
    return "set, not shown" if settings._api_key else "none"


def check(
    flags: Mapping[str, object], env: Mapping[str, str], cwd: Path, *, system: SystemFolder = files.SYSTEM
) -> tuple[Problem, ...]:
    """Everything wrong with the configuration at once, where loading stops at the first."""
    gathered = gather(flags, env, cwd, system)
    complete = {name: entry for name, entry in gathered.databases.items() if "url" in entry}
    usable = replace(gathered, databases=complete)
    known, problems = _configured(usable)
    problems = [*gathered.problems, *problems]
    if not problems and usable.pick("database").value:
        found = _chosen(usable, known, cwd)
        if isinstance(found, SqlagentError):
            file, line = _place(usable.pick("database"))
            problems.append(Problem(file, line, "database", found.message, found.hint))
    if isinstance(broken := system.find(STORE_POLICY), Problem):
        return (*problems, broken)
    if named := _policy_files(gathered, env, cwd, system):
        from sqlagent.config import policies  # as for `rules`

        problems += policies.gather(named, cwd).problems
    key, source = _api_key(usable, env, cwd)
    if isinstance(key, SqlagentError):
        problems.append(Problem(source, 0, "api_key_file", key.message, key.hint))
    return tuple(problems)
