"""From what a person types to an open database: a path or a URL, and the adapter for its scheme."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from sqlagent.core.errors import ConnectError
from sqlagent.core.secret import Secret
from sqlagent.databases.base import DUCKDB, POSTGRESQL, Capabilities, Database

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_LATER = {
    "mysql": "MySQL",
    "mariadb": "MariaDB",
}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How a database is to be treated; each adapter takes of it what means something to its engine."""

    name: str
    foreign_keys: bool
    busy_seconds: float
    marker_table: bool
    measure_url: str
    cache: Path | None
    password: Secret
    may_recover: Callable[[], bool]


def open_database(
    url_or_path: str,
    *,
    name: str,
    foreign_keys: bool = True,
    busy_seconds: float = 5.0,
    marker_table: bool = False,
    measure_url: str = "",
    cache: Path | None = None,
    password: Secret | None = None,
    may_recover: Callable[[], bool] = lambda: False,
) -> Database:
    """The database at a path or URL; raises ConnectError or AuthError.  Never creates one.

    `marker_table` lets runs leave their marks in a small table of the database itself.  `measure_url` is a
    clone of a server's database, where changes are tried; `cache` a folder to keep what its catalogs say in.  A
    server's driver looks for a password in its own places where none is given.  `may_recover` is asked where a crash
    left a file half written: whether that crash was our own, and may be rolled back; HotJournal otherwise.

    `sqlite:///shop.db` is relative and `sqlite:////srv/shop.db` absolute, as SQLAlchemy has it; after `sqlite:` and
    no slashes more than one, the rest is the path as it is.
    """
    scheme, rest = _scheme(url_or_path)
    wanted = _Wanted(
        name, foreign_keys, busy_seconds, marker_table, measure_url, cache, password or Secret(), may_recover
    )
    return _ADAPTERS[scheme](rest, wanted)


def _scheme(text: str) -> tuple[str, str]:
    found = _URL.match(text)
    if found is None or len(found[1]) == 1:  # C:\shop.db
        return "sqlite", text
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme in _ADAPTERS:
        return scheme, unquote(rest[3:]) if scheme == "sqlite" and rest.startswith("///") else rest
    if scheme in _LATER:
        raise ConnectError(
            f"{found[0]}// needs the adapter for {_LATER[scheme]}, which is not there yet", hint="use a SQLite file"
        )
    if rest.startswith("//"):
        raise ConnectError(f"no adapter for {found[0]}//", hint="there is a path, and postgresql://")
    return "sqlite", text


def _open_sqlite(path: str, wanted: _Wanted) -> Database:
    from sqlagent.databases.sqlite import Sqlite  # apsw is 3 MB of shared library: not for `--help`
    from sqlagent.databases.sqlite.isolated import Isolated

    if path in ("", ":memory:"):
        raise ConnectError("no file was named", hint="--db PATH")
    make = partial(
        Sqlite,
        Path(path).expanduser().absolute(),
        name=wanted.name,
        foreign_keys=wanted.foreign_keys,
        marker_table=wanted.marker_table,
        may_recover=wanted.may_recover,
    )
    return Isolated(make, busy_seconds=wanted.busy_seconds)


def recover(url_or_path: str) -> bool:
    """Undo what a program that was cut off left half written in a SQLite file; whether there was anything to undo."""
    from sqlagent.databases.sqlite.connection.open import recovered  # as above

    scheme, rest = _scheme(url_or_path)
    return scheme == "sqlite" and recovered(Path(rest).expanduser())


def _open_postgres(rest: str, wanted: _Wanted) -> Database:
    try:
        from sqlagent.databases.postgres import Postgres  # psycopg and libpq, which no other engine needs
    except ImportError as e:
        if (e.name or "").partition(".")[0] not in ("psycopg", "psycopg_binary"):
            raise
        raise ConnectError(
            "PostgreSQL needs its driver, which is not installed", hint='pip install "sqlagent[postgres]"'
        ) from e

    return Postgres(f"postgresql:{rest}", name=wanted.name, password=wanted.password, marker_table=wanted.marker_table,
                    measure_url=wanted.measure_url, cache=wanted.cache)  # fmt: skip


def _open_files(path: str, wanted: _Wanted) -> Database:
    try:
        import duckdb  # noqa: F401 - 20 MB of shared library, which no other engine needs
        import python_calamine  # noqa: F401

        from sqlagent.databases.duckdb import Files
    except ImportError as e:
        if e.name not in ("duckdb", "python_calamine"):
            raise
        raise ConnectError(
            f"{wanted.name} is opened by DuckDB, which is not installed", hint='pip install "sqlagent[duckdb]"'
        ) from e

    return Files(Path(path).expanduser().absolute(), name=wanted.name)


def capabilities() -> dict[str, Capabilities]:
    """What each engine that there is an adapter for can do, by its name."""
    from sqlagent.databases.sqlite import Sqlite  # as above

    return {"SQLite": Sqlite.capabilities, "PostgreSQL": POSTGRESQL, "files (DuckDB)": DUCKDB}


_ADAPTERS: dict[str, Callable[[str, _Wanted], Database]] = {
    "sqlite": _open_sqlite,
    "postgresql": _open_postgres,
    "postgres": _open_postgres,
    "duckdb": _open_files,
}
