"""Config files: where they are, what they hold, and which line said so."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlagent.core.errors import ConfigError
from sqlagent.core.policy import Origin
from sqlagent.plain_files import NotPlain, decoded, read_plain

PROJECT_FILE = "sqlagent.toml"
LARGEST = 1_000_000
"""Bytes of a config file, a policy or a file of cases."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration; `config check` prints them all, loading stops at the first."""

    file: str
    """The file, or the flag or variable that said it."""
    line: int
    """From 1; 0 where there is no line."""
    key: str
    message: str
    hint: str = ""

    @property
    def where(self) -> str:
        """`FILE:LINE`, or the file alone where no line is to blame."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def sentence(self) -> str:
        """`./sqlagent.toml:3: no setting named limt`, `SQLAGENT_LIMIT is out of range: 0`."""
        return f"{self.where}: {self.message}" if self.line else f"{self.file} {self.message}".strip()

    def error(self) -> ConfigError:
        """The same, to be raised."""
        return ConfigError(self.sentence, hint=self.hint)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One parsed file."""

    path: Path
    label: str
    """As a person would write its path."""
    text: str
    data: dict[str, Any]
    project: bool
    """It belongs to the folder, not to the user, and may only tighten."""
    system: bool = False
    """It is the machine's, and binds everybody."""

    def line(self, *key: str) -> int:
        """Where a key, or the first key below it, was set; 0 if it was not."""
        lines = lines_of(self.text)
        return min((line for path, line in lines.items() if path[: len(key)] == key), default=0)

    def where(self, *key: str) -> str:
        """`FILE:LINE` of a key, for a message."""
        return f"{self.label}:{self.line(*key)}"


@dataclass(frozen=True, slots=True)
class SystemFolder:
    """The folder where root keeps what binds everybody on this machine.  Only tests name another one."""

    path: Path = Path("/etc/sqlagent")
    owner: int = 0

    def find(self, name: str) -> Path | Problem | None:
        """A file of that folder; a problem where others could have written it, since it may then bind nobody."""
        path = self.path / name
        if not is_there(path):
            return None
        for each in (self.path, path):
            if not self._is_the_owners(each):
                hint = f"sudo chown root {each} && sudo chmod go-w {each}"
                return Problem(str(path), 0, "", f"binds everybody, and {each} is not root's alone", hint)
        return path

    def _is_the_owners(self, path: Path) -> bool:
        try:
            found = path.stat()
        except OSError:
            return False
        return found.st_uid == self.owner and not found.st_mode & 0o022


SYSTEM = SystemFolder()


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy file that somebody named; `policies` reads it."""

    path: Path
    label: str
    """As a person would write its path: `policy.toml`."""
    origin: Origin
    named_by: str
    """`--policy`, `./sqlagent.toml:3`."""


@cache
def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line of every table header and value in a valid TOML file.

    tomllib keeps no positions, so the file is cut into the smallest runs of lines that are TOML by themselves, each
    read below the header it stands under.  The second `[[rule]]` is ("rule", "2").
    """
    import tomllib

    found: dict[tuple[str, ...], int] = {}
    header, pending, start = "", "", 0
    counted: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        pending, start = (pending + "\n" + line, start) if pending else (line, number)
        is_header = start == number and line.lstrip().startswith("[")
        try:
            data = tomllib.loads(pending if is_header else f"{header}\n{pending}")
        except tomllib.TOMLDecodeError:
            continue  # a string or an array that goes on
        if is_header:
            header = line
            if line.lstrip().startswith("[["):
                array = _paths(data)[-1]
                counted[array] = counted.get(array, 0) + 1
        for path in _paths(data):
            found.setdefault(_placed(path, counted), start)
        pending = ""
    return found


def _placed(path: tuple[str, ...], counted: Mapping[tuple[str, ...], int]) -> tuple[str, ...]:
    """The path with the number of the newest table after the name of each array of tables."""
    placed: tuple[str, ...] = ()
    for end in range(1, len(path) + 1):
        placed = (*placed, path[end - 1])
        if path[:end] in counted:
            placed = (*placed, str(counted[path[:end]]))
    return placed


def _paths(data: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in data.items():
        found.append((*above, key))
        inside = value[0] if isinstance(value, list) and value else value
        if isinstance(inside, dict):
            found += _paths(inside, (*above, key))
    return found


def discover(chosen: Path | None, env: Mapping[str, str], cwd: Path) -> list[tuple[Path, bool]]:
    """Files to read, nearest first, each with whether it is a project's; one that the user names counts as theirs."""
    if chosen is not None:
        return [(chosen, False)]
    user = user_folder("config", env) / "config.toml"
    return [(path, project) for path, project in ((cwd / PROJECT_FILE, True), (user, False)) if is_there(path)]


def is_there(path: Path) -> bool:
    """Whether there is such a file, or something that keeps us from knowing, which reading it will say."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def user_folder(what: str, env: Mapping[str, str]) -> Path:
    """The user's `config`, `state` or `cache` folder for sqlagent; XDG's variables count on every system."""
    stated = env.get(f"XDG_{what.upper()}_HOME", "")
    if Path(stated).is_absolute():
        return Path(stated) / "sqlagent"
    import platformdirs  # 5 ms that a set variable saves

    folders = {
        "config": platformdirs.user_config_path,
        "state": platformdirs.user_state_path,
        "cache": platformdirs.user_cache_path,
    }
    return folders[what]("sqlagent", appauthor=False)


def read(path: Path, *, project: bool, cwd: Path) -> ConfigFile | Problem:
    """The file, or what is wrong with all of it."""
    import tomllib  # 3 ms that a user with no config file need not spend

    label = shown(path, cwd)
    if project and (stranger := _stranger(path)):
        message = f"belongs to {stranger}: a file that a project brings must be yours or root's"
        return Problem(label, 0, "", message, f"look at it, then take it as your own: --config {label}")
    try:
        text = decoded(read_plain(path, LARGEST))
    except FileNotFoundError:
        return Problem(label, 0, "", "does not exist", "leave --config and SQLAGENT_CONFIG out, or create it")
    except NotPlain as e:
        return Problem(label, 0, "", str(e), "name another: --config FILE")
    except UnicodeDecodeError as e:
        line = e.object[: e.start].count(b"\n") + 1
        return Problem(label, line, "", "is not UTF-8 text", "save the file as UTF-8")
    except OSError as e:
        return Problem(label, 0, "", f"cannot be read: {(e.strerror or str(e)).lower()}", "name another: --config FILE")
    try:
        data = tomllib.loads(text + "\n")  # so that a mistake on an unended last line has a column
        return ConfigFile(path, label, text, data, project)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        return _broken(label, text, str(e))


def _stranger(path: Path) -> str:
    """The owner of the file, where that is neither the user nor root; empty otherwise."""
    try:
        found = path.stat()
        return "" if found.st_uid in (os.getuid(), 0) else path.owner()
    except KeyError:
        return f"user {found.st_uid}"
    except OSError:
        return ""  # reading it says what is wrong


def _broken(label: str, text: str, message: str) -> Problem:
    at = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", message, re.S)
    if not at:
        return Problem(label, 0, "", f"is not TOML: {message}", "https://toml.io/en/v1.0.0")
    line = int(at[2]) if at[2] else max(1, len(text.splitlines()))
    column = f"column {at[3]}: " if at[3] else "end of file: "
    what = at[1][:1].lower() + at[1][1:]
    return Problem(label, line, "", f"{column}{what}", 'one `key = "value"` a line, tables as `[databases.name]`')


def shown(path: Path, cwd: Path) -> str:
    """`./sqlagent.toml` and `~/.config/...` rather than the whole path."""
    if path.is_relative_to(cwd):
        return f"./{path.relative_to(cwd)}"
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
