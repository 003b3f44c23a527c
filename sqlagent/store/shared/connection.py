"""A session with the shared store: runs the journal's own queries, and writes by calling the server's functions."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, NoReturn

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from sqlagent.core.errors import AuthError, NotPermitted, SqlagentError, StoreAway, StoreError
from sqlagent.core.secret import Secret
from sqlagent.store.reader import Query

VERSION = 2
"""The newest `NNN_*.sql` of this folder."""
_CONNECT_SECONDS = 10
_SILENT = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""Within a minute a machine that was switched off, or a network that was, is a lost connection."""


class Session:
    """One connection, opened when it is first used and again where it was lost; threads take turns."""

    def __init__(self, url: str, password: Secret | None = None) -> None:
        self.url = url
        self._password = password
        self._open: psycopg.Connection[Any] | None = None
        self._mine = RLock()

    def close(self) -> None:
        """End the session; the next query opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def another(self) -> Session:
        """A second one, of the same login, which nobody waits for."""
        return Session(self.url, self._password)

    def execute(self, statements: str, bindings: Sequence[Any] = ()) -> Answer:
        """One of the journal's queries, in the words of SQLite."""
        return Answer(self.again(lambda db: db.execute(translated(statements).encode(), bindings).fetchall()))

    def together(self, queries: Sequence[Query]) -> list[Answer]:
        """The answers of several of the journal's queries, as they stood at one moment, in one round trip."""
        answers: list[Answer] = self.again(lambda db: _together(db, queries))
        return answers

    def call(self, function: str, *arguments: Any) -> Any:
        """One function of the store: a transaction of its own, which may be called again where its answer was lost."""
        places = sql.SQL(", ").join(sql.SQL(f"${n}") for n in range(1, len(arguments) + 1))
        query = sql.SQL("SELECT sqlagent.{}({})").format(sql.Identifier(function), places)
        return self.again(lambda db: [row[0] for row in db.execute(query, arguments)])

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything that is read inside is as it stood at one moment."""
        with self._mine:
            self.again(lambda db: db.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            try:
                yield
            finally:
                if self._open is not None and not self._open.closed:
                    self._open.execute(b"ROLLBACK")

    def again(self, work: Any) -> Any:
        """What `work` answers; a second time where the connection was lost under it."""
        with guarded(self.url), self._mine:
            try:
                return work(self._connection())
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if self._open is None or not self._open.closed:
                    raise
            return work(self._connection())

    def _connection(self) -> psycopg.Connection[Any]:
        if self._open is None or self._open.closed:
            self._open = connect(self.url, self._password)
            require_version(self._open, self.url)
        return self._open


def _together(db: psycopg.Connection[Any], queries: Sequence[Query]) -> list[Answer]:
    is_one_moment = db.info.transaction_status is TransactionStatus.INTRANS
    try:
        with db.pipeline():
            if not is_one_moment:
                db.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursors = [db.execute(translated(text).encode(), bound) for text, bound in queries]
            if not is_one_moment:
                db.execute(b"COMMIT")
        return [Answer(cursor.fetchall()) for cursor in cursors]
    finally:
        if not is_one_moment and not db.closed and db.info.transaction_status is not TransactionStatus.IDLE:
            db.execute(b"ROLLBACK")  # one of them failed


class Answer:
    """The rows of a query, as SQLite's cursor gives them."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    @property
    def get(self) -> Any:
        """The only value of the first row; a tuple where it has several, None where there is no row."""
        if not self._rows:
            return None
        return self._rows[0][0] if len(self._rows[0]) == 1 else self._rows[0]

    def fetchone(self) -> Any:
        """The first row, or None."""
        return self._rows[0] if self._rows else None

    def fetchall(self) -> Any:
        """Every row."""
        return self._rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)


def connect(url: str, password: Secret | None = None) -> psycopg.Connection[Any]:
    """A session in the store's schema; nothing is prepared, so that it works behind a pooler too."""
    db = psycopg.connect(
        conninfo(url, password),
        autocommit=True, prepare_threshold=None, cursor_factory=psycopg.RawCursor,
    )  # fmt: skip
    db.execute(b"SET search_path = sqlagent, pg_catalog, pg_temp")
    return db


class Ear:
    """A connection of its own that the server tells of what is written, so that no other call waits meanwhile."""

    def __init__(self, url: str, password: Secret | None = None) -> None:
        self._url = url
        self._password = password
        self._open: psycopg.Connection[Any] | None = None

    def close(self) -> None:
        """Hear nothing any more."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def wait(self, seconds: float, thread: str = "") -> None:
        """Until somebody writes to a thread (to any, where none is named), or so long.

        It answers at once where it has only now begun to listen: of what came before, nobody told it.
        """
        with guarded(self._url):
            if self._open is None or self._open.closed:
                self._open = connect(self._url, self._password)
                self._open.execute(b"LISTEN sqlagent")
                return
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) >= 0:
                told = {n.payload for n in self._open.notifies(timeout=left, stop_after=1)}
                told |= {n.payload for n in self._open.notifies(timeout=0)}
                if told and (not thread or thread in told):
                    return

    def descriptor(self) -> int | None:
        """What can be read once the server tells of something; None where nobody listens yet."""
        if self._open is None or self._open.closed:
            return None
        return int(self._open.pgconn.socket)


def here(folder: Path) -> str:
    """What tells one state folder from those of other machines."""
    return f"{platform.node()}:{folder}"


def conninfo(url: str, password: Secret | None) -> str:
    """What libpq is told: the URL, the password if there is one, who we are, and how long silence is believed."""
    told = {"password": password.reveal()} if password else {}
    left_open = {name: value for name, value in _SILENT.items() if name not in conninfo_to_dict(url)}
    return make_conninfo(url, connect_timeout=_CONNECT_SECONDS, application_name="sqlagent", **left_open, **told)


@cache
def translated(statement: str) -> str:
    """A query of the local store's in PostgreSQL's words: `?` and `?2`, paths into JSON, no limit at all.

    Of kept changes the hash comes, which is all that a seal is made of.
    """
    numbers = iter(range(1, 100))
    text = statement.replace("SELECT run, changeset,", "SELECT run, encode(sha256(changeset), 'hex'),")
    text = text.replace("audit AS link", "links AS link")  # of an entry that one does not see, too
    text = re.sub(r"LIMIT (\?\d*)", r"LIMIT nullif(\1, -1)", text)
    text = re.sub(r"\?(\d*)", lambda m: f"${m[1] or next(numbers)}", text)
    return re.sub(
        r"([\w.]*(?:document|detail)) ->> '\$\.([\w.]+)'",
        lambda m: f"sqlagent.field({m[1]}, '{{{m[2].replace('.', ',')}}}')",
        text,
    )


def version(db: psycopg.Connection[Any]) -> int:
    """The store's version; 0 where there is none."""
    there = db.execute(b"SELECT to_regclass('sqlagent.version') IS NOT NULL").fetchone()
    if there is None or not there[0]:
        return 0
    row = db.execute(b"SELECT max(number) FROM sqlagent.version").fetchone()
    return int(row[0] or 0) if row else 0


def require_version(db: psycopg.Connection[Any], url: str) -> None:
    """Refuse a store of another version than this program's."""
    found = version(db)
    if found == VERSION:
        return
    if found > VERSION:
        raise StoreError(
            f"the store {shown(url)} is of version {found}, and this sqlagent knows {VERSION}",
            hint="a newer sqlagent made it: pip install --upgrade sqlagent",
        )
    if not found:
        raise StoreError(f"the store {shown(url)} has no sqlagent in it", hint=_MAKE)
    raise StoreError(
        f"the store {shown(url)} is of version {found}, and this sqlagent needs {VERSION}",
        hint="its owner: sqlagent store upgrade URL",
    )


@contextmanager
def guarded(url: str) -> Iterator[None]:
    """Whatever the server says, in our own words."""
    try:
        yield
    except psycopg.Error as e:
        raise_ours(e, shown(url))


def shown(url: str) -> str:
    """The store as it may be printed: no password, none in a query either."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return "the store"
    host, port, name = (parts.get(k) for k in ("host", "port", "dbname"))
    return f"postgresql://{host or 'localhost'}{f':{port}' if port else ''}/{name or parts.get('user') or ''}"


def raise_ours(e: psycopg.Error, where: str) -> NoReturn:
    """Raise the server's error in our words, its SQLSTATE kept; `where` is the store as it may be printed."""
    error = _ours(e, where)
    error.sqlstate = e.sqlstate or ""
    raise error from e


def _ours(e: psycopg.Error, where: str) -> SqlagentError:
    message = (e.diag.message_primary or str(e)).strip().split("\n")[-1]
    said = _SAID.get(e.sqlstate or _state_of(message))
    if e.sqlstate == "SQ403":
        return NotPermitted(message, hint=e.diag.message_hint or "")
    if e.sqlstate == "SQ409":
        return StoreError(message, hint=e.diag.message_hint or "")
    if said is not None:
        kind = StoreAway if said in _IN_A_MOMENT else StoreError
        return kind(f"the store {where} {said[0]}", hint=said[1])
    if isinstance(e, psycopg.DataError) and "NUL" in message:
        return StoreError(
            "PostgreSQL keeps no NUL character in a text", hint="leave it out of the question and the SQL"
        )
    if (e.sqlstate or _state_of(message)).startswith("28"):
        return AuthError(f"the store {where} let nobody in: {message}", hint="PGPASSWORD, ~/.pgpass or a service file")
    if isinstance(e, psycopg.OperationalError) and e.sqlstate is None:
        return StoreAway(
            f"the store {where} cannot be reached: {message}", hint="is it up?  Say again what you did: it counts once"
        )
    return StoreError(f"the store {where} cannot be used: {message}", hint="sqlagent store check")


def _state_of(message: str) -> str:
    """What libpq knows of a session that did not come to be is its words alone."""
    return next((state for words, state in _WORDS if re.search(words, message)), "")


_WORDS = (
    (r'database ".*" does not exist', "3D000"),
    (r"password|authentication|pg_hba|role .* does not exist|not permitted to log in", "28000"),
    ("too many|remaining connection slots", "53300"),
    ("starting up|shutting down|recovery", "57P03"),
)
_MAKE = "the owner of the database makes it: sqlagent store init URL"
_SAID = {
    "3D000": ("is not there: the server has no such database", "createdb, then: sqlagent store init URL"),
    "3F000": ("has no sqlagent in it", _MAKE),
    "42P01": ("has no sqlagent in it, or an older one", _MAKE + "   or upgrade"),
    "42883": ("has no sqlagent in it, or an older one", _MAKE + "   or upgrade"),
    "42501": ("gives you no rights", "its owner: GRANT sqlagent_people TO you   then: sqlagent store check"),
    "25006": ("is read-only: a standby, perhaps", "name the primary in the URL: ?target_session_attrs=read-write"),
    "53100": ("has no room left", "its owner frees some; nothing of this call was kept"),
    "53300": ("has no connection left", "try again in a moment, or put a pooler before it"),
    **dict.fromkeys(("57P01", "57P02", "57P03"), ("is starting or ending", "try again in a moment")),
}  # fmt: skip
_IN_A_MOMENT = (_SAID["53300"], _SAID["57P03"])
