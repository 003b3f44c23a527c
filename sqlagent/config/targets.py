"""Which database is meant: a configured name, a path or a URL, resolved to one `DatabaseSettings`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sqlagent.config.files import is_there
from sqlagent.config.kinds import Wrong, nearest
from sqlagent.core.errors import ConfigError
from sqlagent.core.nouns.policy import KnownAs
from sqlagent.core.secret import Secret
from sqlagent.plain_files import holds_data

SAMPLE = "sample.db"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?", re.ASCII)
_FILE_SCHEMES = frozenset({"sqlite", "file", "duckdb"})
_PGPASS = "keep the password in ~/.pgpass, or in the file that PGPASSFILE names"


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """One database and how to treat it."""

    name: str
    """As the person calls it: `prod`, `sample.db`."""
    url: str
    """`sqlite:/absolute/path`, `duckdb:/absolute/path`, or the URL of a server; never with a password."""
    foreign_keys: bool = True
    read_only: bool = False
    examples: int = 3
    """Example values a column that a model is shown; 0 for none."""
    marker_table: bool = False
    """Runs leave their marks in a small table of the database itself; only the user's own file allows that."""
    measure_url: str = ""
    """A clone or a branch of it on which changes are tried; empty for the database itself."""
    measure_rows: int = 100_000
    """A change of more rows than this, as the server's planner estimates, is not tried."""
    measure_scan_bytes: int = 2_000_000_000
    """Tables larger than this in all are counted, and their rows not read."""
    password_command: tuple[str, ...] = ()
    """A program that prints the password; only the user's own file names one."""
    password: Secret = field(default_factory=Secret)
    """What a URL on the command line carried; kept for this process alone."""
    is_sample: bool = False
    """Nobody chose it: it is the sample next to the person, and stderr says so."""

    @property
    def engine(self) -> str:
        """`sqlite`, `postgresql`, `duckdb`: the URL's scheme."""
        return self.url.partition(":")[0]

    @property
    def takes_writes(self) -> bool:
        """Files of rows are only read."""
        return self.engine != "duckdb"

    @property
    def path(self) -> Path:
        """The file, for an engine that has one."""
        return Path(self.url.partition(":")[2])


def normal_url(text: str, base: Path) -> str:
    """`sqlite:/absolute/path` for a path or a file's URL, else the URL as it is; a password in it is refused.

    Files of rows and folders are `duckdb:/absolute/path`, however they are named.

    `sqlite:///shop.db` is relative and `sqlite:////srv/shop.db` absolute, as SQLAlchemy has it.
    """
    scheme = _URL.match(text)
    if scheme is None or (os.name == "nt" and len(scheme[1]) == 1):
        return _file_url(text, base)
    name = scheme[1].lower()
    if name not in _FILE_SCHEMES:
        if not scheme[2]:
            return _file_url(text, base)  # a colon in a file's name
        _refuse_passwords(text, name)
        return text
    rest = text[scheme.end() :]
    if not scheme[2]:
        return _file_url(rest, base)
    if not rest.startswith("/"):
        raise Wrong(f"names a host, and {name} has none: {name}://...", f"{name}:PATH, or the path alone")
    return _file_url(rest[1:] if name == "sqlite" else rest, base)


def _file_url(path: str, base: Path) -> str:
    if not path:
        raise Wrong("names no file", "such as sqlite:shop.db, or the path alone")
    place = Path(os.path.abspath(base / Path(path).expanduser()))  # noqa: PTH100 - symlinks stay as typed
    return f"{'duckdb' if holds_data(place) else 'sqlite'}:{place}"


def is_file(url: str) -> bool:
    """Whether a normal URL is a path on this machine."""
    return url.startswith(("sqlite:", "duckdb:"))


def without_password(text: str) -> tuple[str, Secret]:
    """A server's URL, and the password that a person typed in it; text that is no such URL comes back as it is."""
    scheme = _URL.match(text)
    if scheme is None or not scheme[2] or scheme[1].lower() in _FILE_SCHEMES:
        return text, Secret()
    rest, _, query = text[scheme.end() :].partition("?")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    name, _, password = user.partition(":")
    asked = [part for part in query.split("&") if part]
    kept = [part for part in asked if unquote(part.partition("=")[0]).lower() != "password"]
    written = [part.partition("=")[2] for part in asked if part not in kept]
    secret = Secret(unquote(password or (written[-1] if written else "")))
    return f"{scheme[0]}{name}{at}{host}{slash}{path}{'?' if kept else ''}{'&'.join(kept)}", secret


def _refuse_passwords(url: str, scheme: str) -> None:
    try:
        parts = urlsplit(url)  # raises for a bracket that does not close
        hosts = parts.netloc.rpartition("@")[2].split(",")
        carries = parts.password is not None or "password" in {key.lower() for key in parse_qs(parts.query)}
    except ValueError:
        hosts, carries = [":?"], False
    ports = [host.rpartition("]")[2].rpartition(":")[2] if ":" in host else "" for host in hosts]
    if any(port and not port.isdigit() for port in ports):  # `user:pass/word@host` is no URL either
        raise Wrong(f"is not a URL: {scheme}://...", f"{scheme}://host/database")
    if carries:
        raise Wrong(f"carries a password: {scheme}://...", _PGPASS)


def place(url: str) -> str:
    """The same for two URLs of one database: links of either kind are followed, and who connects does not matter."""
    if not is_file(url):
        return _server_place(url)
    path = Path(url.partition(":")[2])
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return f"{found.st_dev}:{found.st_ino}"


_PORTS = {"postgresql": "5432", "mysql": "3306"}
_SCHEMES = {"postgres": "postgresql", "mariadb": "mysql"}


def _server_place(url: str) -> str:
    """`postgresql://host:5432/database`, however the URL spells it."""
    try:
        parts = urlsplit(url)
        asked = {key.lower(): values[-1] for key, values in parse_qs(parts.query).items()}
        scheme = _SCHEMES.get(parts.scheme.lower(), parts.scheme.lower())
        host = (asked.get("hostaddr") or asked.get("host") or parts.hostname or "").lower().rstrip(".")
        port = asked.get("port") or str(parts.port or _PORTS.get(scheme, ""))
        user = asked.get("user") or parts.username or ""
    except ValueError:
        return url
    if asked.get("service"):
        return f"{scheme}:service={asked['service']}"
    here = not host or host.startswith("/") or host in {"localhost", "127.0.0.1", "::1"}
    return f"{scheme}://{'localhost' if here else host}:{port}/{asked.get('dbname') or parts.path.strip('/') or user}"


def spellings(url: str) -> frozenset[str]:
    """How a rule may name the place of a database: its path, as typed and without links, or its URL and its place."""
    if not is_file(url):
        return frozenset({url, place(url)})
    path = url.partition(":")[2]
    return frozenset({path, os.path.realpath(path)})


def is_inside(text: str, folder: Path) -> bool:
    """Whether a path or URL stays in the folder, links followed; raises `Wrong` for one that is none."""
    url = normal_url(text, folder)
    path = Path(os.path.realpath(url.partition(":")[2]))
    return is_file(url) and path.is_relative_to(os.path.realpath(folder))


def has_host(url: str) -> bool:
    """Whether a URL reaches a machine by name; what cannot be read counts as reaching."""
    if is_file(url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.netloc) or bool({"host", "hostaddr", "service"} & {k.lower() for k in parse_qs(parts.query)})
    except ValueError:
        return True


@dataclass(frozen=True, slots=True)
class Known:
    """The databases of the config files."""

    databases: Mapping[str, DatabaseSettings]
    closed: frozenset[str]
    """Places (see `place`) that some file calls read-only, under whatever name."""
    named_in: str
    """The files, for a message."""
    own: frozenset[str] = frozenset()
    """Names of the user's own files, and of the machine's, whose place those files say."""

    def known_as(self, chosen: DatabaseSettings) -> KnownAs:
        """What a database is, whatever it is called here."""
        here = place(chosen.url)
        names = (name for name in self.own if place(self.databases[name].url) == here)
        return KnownAs(chosen.name, frozenset(names), spellings(chosen.url))


def resolve(text: str, known: Known, cwd: Path) -> DatabaseSettings:
    """The database that `--db`, a variable or a file means by `text`: a name first, then a URL or a path."""
    if text in known.databases:
        return known.databases[text]
    if not _looks_like_a_place(text, cwd):
        raise _unknown(text, known)
    text, password = without_password(text)
    try:
        url = normal_url(text, cwd)
    except Wrong as wrong:
        raise ConfigError(f"the database {wrong.message}", hint=wrong.hint) from None
    here = place(url)
    same = [settings for settings in known.databases.values() if place(settings.url) == here]
    found = same[0] if same else DatabaseSettings(_short_name(url), url)
    return replace(found, read_only=found.read_only or here in known.closed, password=password or found.password)


def _looks_like_a_place(text: str, cwd: Path) -> bool:
    scheme = _URL.match(text)
    if scheme and (scheme[2] or scheme[1].lower() in _FILE_SCHEMES):
        return True
    return bool(text) and (any(c in text for c in "./\\") or is_there(cwd / text))


def _short_name(url: str) -> str:
    if is_file(url):
        return Path(url).name
    parts = urlsplit(url)
    return parts.path.strip("/") or parts.netloc.rpartition("@")[2] or url


def _unknown(text: str, known: Known) -> ConfigError:
    names = sorted(known.databases)
    hint = f"a path has a dot or a slash: ./{text}"
    if guess := nearest(text, names):
        hint = f"did you mean {guess}?"
    elif names:
        hint = f"there is {', '.join(names)}; {hint}"
    where = f" in {known.named_in}" if known.named_in else ""
    return ConfigError(f"no database named {text}{where}", hint=hint)


def default(known: Known, cwd: Path) -> DatabaseSettings:
    """What is meant when nobody names one: the only one configured, else the sample next to the person."""
    if len(known.databases) == 1:
        return next(iter(known.databases.values()))
    if known.databases:
        names = sorted(known.databases)
        raise ConfigError(
            f"{len(names)} databases are configured, and none was chosen",
            hint=f"--db {names[0]}, or: {', '.join(names)}",
        )
    if (cwd / SAMPLE).is_file() and is_inside(SAMPLE, cwd):
        return replace(resolve(f"./{SAMPLE}", known, cwd), is_sample=True)
    raise ConfigError("no database was chosen", hint="--db PATH, or SQLAGENT_DB, or `database` in sqlagent.toml")
