"""From what a person types to an open database: a path or a URL, and the adapter for its scheme."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from sqlagent.core.errors import ConnectError
from sqlagent.databases.base import Capabilities, Database

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_LATER = {
    "postgresql": "PostgreSQL",
    "postgres": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "duckdb": "DuckDB",
}


def open_database(
    url_or_path: str, *, name: str, foreign_keys: bool = True, busy_seconds: float = 5.0, marker_table: bool = False
) -> Database:
    """The database at a path or URL; raises ConnectError.  Never creates one.

    `marker_table` lets runs leave their marks in a small table of the database itself.

    `sqlite:///shop.db` is relative and `sqlite:////srv/shop.db` absolute, as SQLAlchemy has it; after `sqlite:` and
    no slashes more than one, the rest is the path as it is.
    """
    scheme, rest = _scheme(url_or_path)
    return _ADAPTERS[scheme](rest, name, foreign_keys, busy_seconds, marker_table)


def _scheme(text: str) -> tuple[str, str]:
    found = _URL.match(text)
    if found is None or len(found[1]) == 1:  # C:\shop.db
        return "sqlite", text
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme in _ADAPTERS:
        return scheme, unquote(rest[3:]) if rest.startswith("///") else rest
    if scheme in _LATER:
        raise ConnectError(
            f"{found[0]}// needs the adapter for {_LATER[scheme]}, which is not there yet", hint="use a SQLite file"
        )
    if rest.startswith("//"):
        raise ConnectError(
            f"no adapter for {found[0]}//", hint=f"there is {', '.join(sorted(_ADAPTERS))}: a path will do"
        )
    return "sqlite", text


def _open_sqlite(path: str, name: str, foreign_keys: bool, busy_seconds: float, marker_table: bool) -> Database:
    from sqlagent.databases.sqlite import Sqlite  # apsw is 3 MB of shared library: not for `--help`

    if path in ("", ":memory:"):
        raise ConnectError("no file was named", hint="--db PATH")
    return Sqlite(
        Path(path).expanduser(),
        name=name,
        foreign_keys=foreign_keys,
        busy_seconds=busy_seconds,
        marker_table=marker_table,
    )


def capabilities() -> dict[str, Capabilities]:
    """What each engine that there is an adapter for can do, by its name."""
    from sqlagent.databases.sqlite import Sqlite  # as above

    return {"SQLite": Sqlite.capabilities}


_ADAPTERS: dict[str, Callable[[str, str, bool, float, bool], Database]] = {"sqlite": _open_sqlite}
