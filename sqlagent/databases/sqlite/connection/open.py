"""Opening a SQLite file so that the connection can do no more than it is for, and saying well why it cannot."""

from __future__ import annotations

import difflib
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from urllib.parse import quote

import apsw

from sqlagent.core.errors import ConnectError, QueryError, TimedOut
from sqlagent.databases.base import HotJournal, Locked
from sqlagent.databases.sqlite.connection.authorizer import Guard, Mode
from sqlagent.plain_files import NotPlain, refuse_odd_database

_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_STEPS_BETWEEN_LOOKS = 20_000  # about a millisecond of SQLite's work: Ctrl-C and time limits are noticed that fast
_LIMITS = {
    apsw.SQLITE_LIMIT_LENGTH: 200_000_000,
    apsw.SQLITE_LIMIT_SQL_LENGTH: 10_000_000,
    apsw.SQLITE_LIMIT_VDBE_OP: 5_000_000,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_SETTINGS = {
    apsw.SQLITE_DBCONFIG_DEFENSIVE: 1,
    apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER: 0,
    apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA: 0,
}


def no_right() -> bool:
    """The default of `may_recover`: what another program left half written is not ours to roll back."""
    return False


def open_reader(
    path: Path, *, foreign_keys: bool, busy_seconds: float, may_recover: Callable[[], bool] = no_right
) -> tuple[apsw.Connection, Guard]:
    """A connection that cannot write, whatever is asked of it.

    Raises HotJournal where another program was cut off while it wrote: to look at such a file is to roll it back, by
    whatever the journal says, and a journal may have come with the folder.  `may_recover` says whether it is our own.
    """
    with speaking_of(path):
        connection, guard = _opened(path, "ro", foreign_keys=foreign_keys, busy_seconds=busy_seconds)
        connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        try:
            _look(connection)
        except apsw.ReadOnlyError as e:
            if not is_half_written(e):
                raise
            if not may_recover():
                raise hot(path) from e
            recover(path, busy_seconds=busy_seconds)
            _look(connection)
        connection.pragma("query_only", 1)
        return connection, guard


def open_writer(
    path: Path, *, foreign_keys: bool, busy_seconds: float, vfs: str | None = None
) -> tuple[apsw.Connection, Guard]:
    """A connection for one approved run; the file must exist already."""
    check_file(path)
    with speaking_of(path):
        connection, guard = _opened(path, "rw", foreign_keys=foreign_keys, busy_seconds=busy_seconds, vfs=vfs)
        if connection.readonly("main"):  # SQLite falls back to that without a word
            connection.close()
            raise ConnectError(f"{path} cannot be written: permission denied", hint=f"chmod u+w {path}, or copy it")
        _look(connection)
        return connection, guard


def open_memory(*, foreign_keys: bool, vfs: str | None = None) -> tuple[apsw.Connection, Guard]:
    """A private database that nobody else sees."""
    connection = apsw.Connection(":memory:", vfs=vfs, statementcachesize=0)
    connection.pragma("max_page_count", 25_000)  # 100 MB: a CREATE TABLE ... AS SELECT may be endless
    connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
    return connection, _restrict(connection, foreign_keys=foreign_keys)


def open_kept(path: Path) -> apsw.Connection:
    """A file of ours, read as if somebody had altered it: nothing but plain reads get through."""
    connection, guard = _opened(path, "ro", foreign_keys=False, busy_seconds=0)
    connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
    guard.mode = Mode.READ
    return connection


def file_uri(path: Path, mode: str) -> str:
    """The path as SQLite's URI, whatever characters are in it."""
    return f"file:{quote(os.fsencode(path))}?mode={mode}"


def _opened(
    path: Path, mode: str, *, foreign_keys: bool, busy_seconds: float, vfs: str | None = None
) -> tuple[apsw.Connection, Guard]:
    access = apsw.SQLITE_OPEN_READONLY if mode == "ro" else apsw.SQLITE_OPEN_READWRITE
    # No statement cache: a cached statement would be run without asking the authorizer again.
    flags = access | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(file_uri(path, mode), flags=flags, vfs=vfs, statementcachesize=0)
    connection.set_busy_timeout(int(busy_seconds * 1000))
    return connection, _restrict(connection, foreign_keys=foreign_keys)


def _restrict(connection: apsw.Connection, *, foreign_keys: bool) -> Guard:
    guard = Guard(connection)
    for setting, value in _SETTINGS.items():
        connection.config(setting, value)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, int(foreign_keys))
    for limit, value in _LIMITS.items():
        connection.limit(limit, value)
    return guard


def _look(connection: apsw.Connection) -> None:
    """Opening reads nothing; this does, so that a file that is no database is found here."""
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()


def is_half_written(error: apsw.Error) -> bool:
    """Whether that is how a connection that cannot write says that a crash left something to undo."""
    code = getattr(error, "extendedresult", 0)
    return code in (apsw.SQLITE_READONLY_ROLLBACK, apsw.SQLITE_READONLY_RECOVERY)


def hot(path: Path) -> HotJournal:
    """The error for a file that another program left half written."""
    return HotJournal(
        f"{path} has a hot journal: another program was cut off while it wrote",
        hint=f"if the journal is your own: sqlagent doctor --recover --db {shlex.quote(str(path))}",
    )


def recover(path: Path, *, busy_seconds: float) -> None:
    """Roll back what a crashed process left half done; only a connection that may write can."""
    check_file(path)
    try:
        connection = apsw.Connection(file_uri(path, "rw"), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)
        connection.set_busy_timeout(int(busy_seconds * 1000))
        _look(connection)
        connection.close()
    except (apsw.CantOpenError, apsw.ReadOnlyError) as e:
        raise ConnectError(
            f"a crash left {path} half written, and undoing that needs write permission",
            hint=f"as someone who may write it: sqlite3 {path} 'PRAGMA integrity_check'",
        ) from e


def recovered(path: Path) -> bool:
    """Roll it back if there is anything to roll back, and whether there was."""
    try:
        open_reader(path, foreign_keys=False, busy_seconds=0)[0].close(force=True)
    except HotJournal:
        with speaking_of(path):
            recover(path, busy_seconds=5.0)
        return True
    return False


def check_file(path: Path) -> None:
    """Raise ConnectError where it is plain from outside that this is no readable file.

    It is never opened here: closing a file by hand drops every lock that SQLite holds on it in this process.
    """
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
        names = sorted(p.name for p in path.iterdir() if p.suffix in _SUFFIXES) if is_directory else []
        if not is_directory:
            refuse_odd_database(path)
    except NotPlain as e:
        raise ConnectError(f"{path} {e}", hint="name a SQLite file: --db PATH") from e
    except FileNotFoundError as e:
        raise ConnectError(f"no such file: {path}", hint=_nearest_file(path)) from e
    except PermissionError as e:
        raise _unreadable(path) from e
    except ValueError as e:
        raise ConnectError("a path cannot hold a NUL character", hint="--db PATH") from e
    except OSError as e:
        raise ConnectError(f"{path} cannot be read: {(e.strerror or str(e)).lower()}", hint=f"ls -l {path}") from e
    if is_directory:
        hint = f"did you mean {path / names[0]}?" if names else "name a file in it"
        raise ConnectError(f"{path} is a directory, not a database", hint=hint)
    if not _may(path, os.R_OK):
        raise _unreadable(path)


def _unreadable(path: Path) -> ConnectError:
    return ConnectError(f"{path} cannot be read: permission denied", hint=f"ls -l {path}")


def _may(path: Path, access: int) -> bool:
    return os.access(path, access, effective_ids=os.access in os.supports_effective_ids)


def _nearest_file(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir()]
    except OSError:
        return f"there is no directory {path.parent}"
    close = difflib.get_close_matches(path.name, names, n=1)
    if close:
        return f"did you mean {path.with_name(close[0])}?"
    databases = sorted(n for n in names if n.endswith(_SUFFIXES))
    return f"in {path.parent} there is {', '.join(databases[:5])}" if databases else "sqlagent never creates a database"


@contextmanager
def speaking_of(path: Path) -> Iterator[None]:
    """Turn what the driver says of the file as a whole into what a person would say."""
    try:
        yield
    except apsw.NotADBError as e:
        raise ConnectError(
            f"{path} is not a SQLite database, or it is encrypted", hint=f"run `file {path}` to see what it is"
        ) from e
    except apsw.CorruptError as e:
        raise ConnectError(f"{path} is damaged: {e}", hint=f"sqlite3 {path} .recover | sqlite3 repaired.db") from e
    except (apsw.BusyError, apsw.LockedError) as e:
        raise Locked(
            f"{path} is locked by another process", hint="try again when it is done; fuser or lsof names it"
        ) from e
    except (apsw.CantOpenError, apsw.PermissionsError, apsw.ReadOnlyError, apsw.IOError) as e:
        raise ConnectError(f"{path} cannot be opened: {e}", hint=_why_not(path)) from e


def _why_not(path: Path) -> str:
    if not _may(path.parent, os.W_OK):
        return f"a database in WAL mode needs write permission on {path.parent}, even to be read"
    return f"ls -l {path}"


class Budget:
    """How long statements may run on a connection, and who stopped them."""

    def __init__(
        self,
        connection: apsw.Connection,
        seconds: float | None,
        *,
        also: Callable[[], None] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`also` is called every millisecond or so while something runs; `thread_time` is a clock of work done."""
        self.connection = connection
        self.seconds = seconds
        self.also = also
        self.clock = clock
        self.spent = False

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Cancel what runs in the block when the time is up: TimedOut; or when someone interrupts: QueryError."""
        deadline = None if self.seconds is None else self.clock() + self.seconds

        # Also what lets Ctrl-C through: Python handles signals only where Python code runs.
        def look() -> bool:
            self.spent = deadline is not None and self.clock() > deadline
            if self.also is not None:
                self.also()
            return self.spent

        self.connection.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
        try:
            yield
        except apsw.InterruptError as e:
            if self.spent:
                raise TimedOut(
                    f"the statement was cancelled after {self.seconds:g} s",
                    hint="--timeout 60s gives it longer; 0 is no limit",
                ) from e
            raise QueryError("the statement was cancelled") from e
        finally:
            self.connection.set_progress_handler(None)
