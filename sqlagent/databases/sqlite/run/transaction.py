"""Runs what was approved: a read on a connection that cannot write, or a script in one transaction, whole or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic, thread_time
from typing import Any

import apsw

from sqlagent.core.errors import ConnectError, OutcomeUnknown, QueryError, SqlagentError, Stale
from sqlagent.core.nouns.analysis import Size
from sqlagent.core.nouns.session import Outcome, Result
from sqlagent.databases.base import Limits, Mark, Sink
from sqlagent.databases.changes.returned_rows import Done, counted, hand_over
from sqlagent.databases.sqlite.connection.authorizer import ROWS, SHAPE, UPKEEP, Guard, Mode, forbidding_rule
from sqlagent.databases.sqlite.connection.marker_table import Marker
from sqlagent.databases.sqlite.connection.open import Budget, is_half_written
from sqlagent.databases.sqlite.connection.prepare import Prepared, Uncompilable, prepare, start
from sqlagent.databases.sqlite.connection.progress import Telling
from sqlagent.databases.sqlite.run.binding import Binding
from sqlagent.databases.sqlite.run.broken_text import readable_rows
from sqlagent.databases.sqlite.run.mark_file import MarkFile

ROLLBACK_MODES = frozenset({"delete", "truncate", "persist"})
"""Journal modes in which a commit to two files is one commit."""
_NOTHING = "nothing was changed"
_NO_JOURNAL = "the directory of the database cannot be written, and SQLite keeps its journal there"

Row = tuple[Any, ...]


# ---- reading --------------------------------------------------------------------------------------------------------


def read(
    connection: apsw.Connection, guard: Guard, sql: str, *, sink: Sink, limits: Limits,
    heard: Callable[[str], None] | None = None,
) -> Outcome:  # fmt: skip
    """Run one proven read and hand its rows to the sink as they come."""
    begun = monotonic()
    telling = Telling(connection, heard)
    telling.begin("running the statement")
    budget = Budget(connection, limits.seconds, also=telling.look)
    with guard.watching(Mode.READ), budget.holding(), _refusals(guard):
        prepared, cursor = _start_read(connection, guard, sql)
        telling.end()  # the first row is there
        try:
            # Rows go straight through: a row of Python work a row would double the time of a large export.
            rows = readable_rows(connection, sql, len(prepared.columns), cursor)
            returned = sink.write(prepared.columns, rows if limits.rows is None else islice(rows, limits.rows))
            truncated = limits.rows is not None and next(rows, None) is not None
        finally:
            cursor.close(force=True)  # an open cursor keeps its read lock
    return Outcome((Result(1, returned=returned, truncated=truncated),), monotonic() - begun)


def _start_read(connection: apsw.Connection, guard: Guard, sql: str) -> tuple[Prepared, apsw.Cursor]:
    try:
        return start(connection, sql, lambda p: p.readonly or _not_a_read())
    except apsw.AuthError:
        if guard.refused is None or guard.refused.code not in ROWS | SHAPE:
            raise
        # EXPLAIN of a write compiles the write; it may run here if the engine itself says that it is an EXPLAIN.
        with guard.watching(Mode.STATEMENT):
            return start(connection, sql, lambda p: p.explain or _not_a_read())


def _not_a_read() -> bool:
    raise QueryError("the statement is not a read, and was refused where reads run", hint=_NOTHING)


def count(connection: apsw.Connection, guard: Guard, sql: str, *, seconds: float) -> Size:
    """The integer that a SELECT COUNT(*) gives, or `Size()` where it is refused or takes too long."""
    rows: list[Row] = []
    try:
        with guard.watching(Mode.READ), Budget(connection, seconds, clock=thread_time).holding(), _refusals(guard):
            _, cursor = start(connection, sql, lambda p: p.readonly)
            rows = list(islice(cursor, 2))
            cursor.close(force=True)
    except SqlagentError:
        return Size()
    return counted(rows)


@contextmanager
def _refusals(guard: Guard, *, statement: str = "the statement") -> Iterator[None]:
    """Turn the engine's refusal into a QueryError."""
    try:
        yield
    except apsw.InterruptError:
        raise
    except Uncompilable as e:
        raise QueryError(f"{statement} was refused: {e}") from e
    except apsw.BindingsError as e:
        raise QueryError(f"{statement} was refused: it has a parameter, and nothing gives it a value") from e
    except (apsw.BusyError, apsw.LockedError, apsw.NotADBError, apsw.CorruptError, apsw.IOError, apsw.CantOpenError):
        raise
    except apsw.ReadOnlyError as e:
        if is_half_written(e):
            raise
        raise QueryError(f"the database refused {statement}: {e}") from e
    except apsw.TooBigError as e:
        raise QueryError(
            f"the database refused {statement}: a value is larger than it may be", hint="select less of it"
        ) from e
    except UnicodeDecodeError as e:
        raise QueryError(
            "a text in the result is not valid UTF-8", hint="select CAST(column AS BLOB) to see its bytes"
        ) from e
    except apsw.Error as e:
        if guard.refused:
            rule = forbidding_rule(guard.refused)
            known = f"  [{rule}]" if rule else ""
            raise QueryError(f"{statement} was refused: {guard.refused} is not allowed{known}") from e
        raise QueryError(f"the database refused {statement}: {str(e) or type(e).__name__}") from e


# ---- changing -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Run:
    """One approved script on its own connection, with its limits and what it is held to."""

    connection: apsw.Connection
    guard: Guard
    path: Path
    limits: Limits
    reached: Callable[[str], None]
    binding: Binding | None = None
    """What was approved and what is to be kept of it; None where nobody asks."""
    marks_in_itself: bool = False
    """The owner allows a table of marks in the database."""
    heard: Callable[[str], None] | None = None
    """Told how far it is."""
    committing: Callable[[], object] = lambda: None
    """Told that only COMMIT is left."""
    telling: Telling = field(init=False)

    def __post_init__(self) -> None:
        self.telling = Telling(self.connection, self.heard)

    def look(self) -> None:
        """Watch limits and progress while a statement runs."""
        if self.binding:
            self.binding.look()
        self.tell()

    def tell(self) -> None:
        """Say how far it is, where it takes long."""
        self.telling.look(self.binding.recorded if self.binding else 0)

    def apply(self, statements: Sequence[str], *, sink: Sink, mark: Mark | None, verify: Callable[[], None]) -> Outcome:
        """Run the statements in one transaction: all of them or none."""
        done: list[Done] = []

        def work() -> None:
            with Budget(self.connection, self.limits.seconds, also=self.look).holding():
                done.extend(self._run(index, sql, len(statements)) for index, sql in enumerate(statements, 1))

        seconds = self.transaction(work, mark=mark, verify=verify)
        results, unwritten = hand_over(done, sink)
        return Outcome(results, seconds, settled=self.settles(mark), unwritten=unwritten)

    def begin_mark(self, mark: Mark) -> None:
        """Say `begun` in the database itself, in a transaction of its own.

        And on a connection of its own: the statements of the run could see that something was changed on theirs.
        """
        self._begin()
        try:
            Marker(self.connection, self.path, mark).prepare()
            self._commit(marked=True)
        except BaseException:
            self._roll_back()
            raise

    def settles(self, mark: Mark | None) -> bool:
        """Whether the mark says of itself, after COMMIT, that the run is done."""
        return mark is not None and (mark.beside is not None or self.marks_in_itself)

    def transaction(self, work: Callable[[], None], *, mark: Mark | None, verify: Callable[[], None]) -> float:
        """`work`, compared with what was approved, kept, marked and committed; answers the seconds it took."""
        begun = monotonic()
        file = MarkFile(mark.beside, mark) if mark and mark.beside else None
        marker = Marker(self.connection, self.path, mark) if mark and self.marks_in_itself else None
        if file:
            file.prepare(self.connection)
        self._begin()
        try:
            if mark is not None:
                self._still(atomic=file is not None)
            self.reached("begun")
            verify()
            if marker:
                marker.begin()
            if self.binding:
                self.binding.begin(check=self.tell)
            work()
            if self.binding and self.binding.settle():
                self.reached("kept")
            if marker:
                marker.write()
            if file:
                file.write(self.connection)
            if marker or file:
                self.reached("marked")
            self.committing()
            self._commit(marked=file is not None)
        except OutcomeUnknown:
            self._roll_back()  # what was kept stays kept: a person who looks will want it
            raise
        except BaseException:
            self._roll_back()
            if self.binding:
                self.binding.discard()
            raise
        self.reached("committed")
        return monotonic() - begun

    def _still(self, *, atomic: bool) -> None:
        if atomic != (journal_mode(self.connection) in ROLLBACK_MODES):
            raise Stale(f"{self.path} changed its journal mode since it was looked at", hint="ask again")

    def _begin(self) -> None:
        try:
            self.connection.execute("BEGIN IMMEDIATE")
        except apsw.BusyError as e:
            raise ConnectError(
                f"{self.path} is locked by another process", hint="nothing was changed; try again when it is done"
            ) from e
        except (apsw.ReadOnlyError, apsw.CantOpenError, apsw.IOError) as e:
            raise ConnectError(
                f"{self.path} cannot be written: {e}", hint=f"ls -ld {self.path} {self.path.parent}"
            ) from e

    def _run(self, index: int, sql: str, of: int) -> Done:
        name = f"statement {index} of {of}" if of > 1 else "the statement"
        self.telling.begin(f"running {name}")
        with _failing(self.guard, name, sql):
            if self.binding:
                with self.guard.watching(Mode.STATEMENT):
                    prepare(self.connection, sql)
                self.binding.before(sql, tuple(self.guard.events))
            with self.guard.watching(Mode.STATEMENT):
                prepared, cursor = start(self.connection, sql, lambda _: True)
                rows = self._rows(prepared, cursor)
        if not self.connection.in_transaction:
            raise QueryError(f"{name} ended the transaction", hint="look at what it left: nothing after it was run")
        changes_rows = any(e.code in ROWS for e in self.guard.events) and not prepared.readonly
        shape = any(e.code in SHAPE | UPKEEP for e in self.guard.events)
        changed = None if prepared.readonly else self.connection.changes() if changes_rows and not shape else 0
        if self.binding:
            self.binding.after(changed or 0)
        self.reached(f"ran {index}")
        kept = rows if self.limits.rows is None else rows[: self.limits.rows]
        return Done(index, changed, prepared.columns, kept, len(kept) < len(rows))

    def _rows(self, prepared: Prepared, cursor: apsw.Cursor) -> list[Row]:
        """What it returns, up to one more than the limit; a write is run to its end whatever it returns."""
        try:
            rows = list(cursor if self.limits.rows is None else islice(cursor, self.limits.rows + 1))
            if not prepared.readonly:
                for _ in cursor:
                    pass
            return rows
        finally:
            cursor.close(force=True)

    def _commit(self, *, marked: bool) -> None:
        try:
            self.connection.execute("COMMIT")
        except KeyboardInterrupt:
            if self.connection.in_transaction:
                raise
        except apsw.BusyError as e:
            raise ConnectError(
                f"{self.path} is being read by another process, so it could not be changed", hint=_NOTHING
            ) from e
        except apsw.Error as e:
            if isinstance(e, apsw.IOError) and not marked:
                # In WAL the commit may stand in the file although it could not be synced: recovery then accepts it.
                raise OutcomeUnknown(
                    f"the disk of {self.path} failed while it was committed: {e}", hint="look at the disk first"
                ) from e
            raise QueryError(f"the database refused to commit: {e}", hint=_NOTHING) from e

    def _roll_back(self) -> None:
        if not self.connection.in_transaction:
            return
        try:
            self.connection.execute("ROLLBACK")
        except apsw.Error as e:
            raise OutcomeUnknown(f"the run failed, and so did rolling it back: {e}", hint=f"look at {self.path}") from e


def journal_mode(connection: apsw.Connection) -> str:
    """How SQLite keeps its own journal of this file: `delete`, `wal`, ..."""
    return str(connection.pragma("journal_mode"))


@contextmanager
def _failing(guard: Guard, name: str, sql: str) -> Iterator[None]:
    """Say which statement and line it was, and that nothing came of it."""
    try:
        with _refusals(guard, statement=name):
            yield
    except QueryError as e:
        if isinstance(e.__cause__, apsw.ReadOnlyError):
            raise ConnectError(_NO_JOURNAL, hint=_NOTHING) from e.__cause__
        offset = getattr(e.__cause__, "error_offset", -1)
        line = sql.encode()[:offset].count(b"\n") + 1 if offset > 0 else 0
        where = f" (line {line} of it)" if line > 1 else ""
        raise QueryError(f"{e.message}{where}", hint=_NOTHING) from e.__cause__
    except (apsw.BusyError, apsw.LockedError) as e:
        raise ConnectError(f"{name} met a lock of another process", hint=_NOTHING) from e
    except apsw.FullError as e:
        raise QueryError(f"{name} did not fit: {e}", hint=f"{_NOTHING}; make room and try again") from e
    except apsw.CantOpenError as e:
        raise ConnectError(_NO_JOURNAL, hint=_NOTHING) from e
    except (apsw.CorruptError, apsw.IOError) as e:
        raise QueryError(f"the database failed at {name}: {e}", hint=_NOTHING) from e
