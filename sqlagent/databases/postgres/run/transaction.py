"""Running what was approved: a script in one transaction, all of it or none, held to what was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from time import monotonic

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult

from sqlagent.core.errors import ConnectError, OutcomeUnknown, QueryError, SqlagentError, Stale, TimedOut
from sqlagent.core.nouns.session import Outcome
from sqlagent.databases.base import Limits, Mark, Sink
from sqlagent.databases.changes.budget import Budget, PastBudget
from sqlagent.databases.changes.returned_rows import Done, hand_over
from sqlagent.databases.postgres.connection.error_text import LOCK_TIMEOUT, in_words, is_lost
from sqlagent.databases.postgres.connection.pooler import said_by_the_pooler
from sqlagent.databases.postgres.connection.progress import telling
from sqlagent.databases.postgres.connection.rows import Session
from sqlagent.databases.postgres.effect.giving_way import Watcher
from sqlagent.databases.postgres.effect.reading import Before, NotForeseen, Reader, State
from sqlagent.databases.postgres.effect.row_versions import BrokenText, adding_up
from sqlagent.databases.postgres.effect.script import LAST, EndsTransaction, execute
from sqlagent.databases.postgres.effect.tables import leaves
from sqlagent.databases.postgres.effect.two_sessions import Connect, Pair, Sessions, Waits, two_sessions
from sqlagent.databases.postgres.opinion.rewritten import Refused
from sqlagent.databases.postgres.run.binding import Binding
from sqlagent.databases.postgres.run.durable_id import answer_durably, durable
from sqlagent.databases.postgres.run.marker_table import TABLE, Marker
from sqlagent.databases.postgres.run.reading import loaded

_NOTHING = "nothing was changed"
_LOCK_SECONDS = 5.0  # that a run waits for a lock
_ATTEMPTS = 4  # each finds out more that has to be read before
_CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})


@dataclass(slots=True)
class Run:
    """One approved change, with its session, its limits and what it is held to."""

    connect: Connect
    limits: Limits
    reached: Callable[[str], None]
    verify: Callable[[], None]
    binding: Binding
    mark: Mark | None
    """Written in the database itself, where its owner allows that."""
    scan_bytes: int = 100_000_000_000
    """Tables larger than this in all are not read, and so not kept."""
    began: Callable[[Session], None] = lambda _: None
    """Told which session runs, for whoever cancels it."""
    heard: Callable[[str], None] | None = None
    """Told how far it is."""
    budget: Budget = field(init=False)
    before: Before = field(default_factory=Before)

    def __post_init__(self) -> None:
        self.budget = Budget(seconds=self.limits.seconds, changes_bytes=self.limits.changes_bytes, heard=None)

    def apply(self, statements: Sequence[str], *, sink: Sink) -> Outcome:
        """Run the statements in one transaction: all of them or none."""
        done: list[Done] = []

        def work(pair: Pair, reader: Reader) -> tuple[State, str]:
            done.clear()
            return _Statements(self, done).run(pair, reader, statements)

        seconds = self.transaction(work)
        results, unwritten = hand_over(done, sink)
        return Outcome(results, seconds, unwritten=unwritten)

    def transaction(self, work: Callable[[Pair, Reader], tuple[State, str]]) -> float:
        """`work`, compared with what was approved, kept, marked and committed; answers the seconds it took.

        `work` answers what was changed, and why that is not all, where it is not.
        """
        begun = monotonic()
        for _ in range(_ATTEMPTS):
            try:
                with _speaking(self.budget):
                    self._attempt(work)
            except NotForeseen as e:
                self.before |= e.needed
            else:
                return monotonic() - begun
        raise Stale("what it changes is another thing each time", hint=_NOTHING)

    def _attempt(self, work: Callable[[Pair, Reader], tuple[State, str]]) -> None:
        locked = self._to_lock()
        if self.mark is not None:
            with closing(self.connect()) as session:
                Marker(session, self.mark).prepare()
        with (
            _naming_the_holder(self.connect) as began,
            two_sessions(self.connect, Waits(_LOCK_SECONDS, self.limits.seconds), locked=locked, began=began) as pair,
        ):
            self.began(pair.writer)
            answer_durably(pair.writer)
            self.reached("begun")
            self.verify()
            marker = Marker(pair.writer, self.mark) if self.mark is not None else None
            if marker:
                marker.begin()
            reader = Reader(pair, adding_up(self.budget.check_size), self.before, self.scan_bytes)
            reader.begin()
            state, unread = work(pair, reader)
            _check_marks(state)
            self.binding.compare(state, self.changed, unread=unread)
            if marker:
                marker.write()
                self.reached("marked")
            if self.binding.settle(state, lambda: durable(pair.writer), unread=unread):
                self.reached("kept")
            commit(pair.writer)
        self.reached("committed")

    changed: list[int] = field(default_factory=list)
    """Rows by statement, as the server counts them."""

    def _to_lock(self) -> list[str]:
        """Tables that it truncates, drops or writes anew: nobody may add a row that then goes unseen."""
        if not self.before.leaves:
            return []
        with closing(self.connect()) as session:
            found = leaves(session, self.before.leaves).values()
            return [leaf.sql for leaf in found if leaf.kind != "m"]  # which nobody may lock, nor add a row to


@dataclass(frozen=True, slots=True)
class _Statements:
    """The statements of one attempt."""

    of: Run
    done: list[Done]

    def run(self, pair: Pair, reader: Reader, statements: Sequence[str]) -> tuple[State, str]:
        self.of.changed.clear()
        for index, sql in enumerate(statements, 1):
            self.of.budget.check()
            try:
                with telling(self.of.heard, f"running {_named(index, len(statements))}"):
                    answer = execute(pair.writer, sql)
            except Refused as e:
                raise QueryError(f"it cannot be sent: {e.message}", hint=_NOTHING) from e
            except EndsTransaction as e:
                raise QueryError("a statement ended the transaction", hint="look at what it left") from e
            self._ran(index, answer, pair.writer)
        pair.writer.execute(LAST)
        return read_out(pair, reader) if self.of.binding.is_read_out else (State(), "nobody asked")

    def _ran(self, index: int, answer: PGresult, writer: Session) -> None:
        word = (answer.command_status or b"").decode().partition(" ")[0]
        changed = answer.command_tuples or 0 if word in _CHANGES else None if word == "SELECT" else 0
        self.of.changed.append(changed or 0)
        columns = tuple((answer.fname(place) or b"").decode() for place in range(answer.nfields))
        limit = self.of.limits.rows
        shown = answer.ntuples if limit is None else min(answer.ntuples, limit)
        rows = loaded(writer, answer, shown) if columns else []
        self.done.append(Done(index, changed, columns, rows, len(rows) < answer.ntuples))
        self.of.reached(f"ran {index}")


def _named(index: int, of: int) -> str:
    return f"statement {index} of {of}" if of > 1 else "the statement"


def read_out(pair: Pair, reader: Reader) -> tuple[State, str]:
    """Everything that was changed, or why it is too much to be kept."""
    pair.writer.execute("SAVEPOINT reading")  # a reading that is broken off breaks the transaction
    try:
        return reader.read(State()), ""
    except (PastBudget, BrokenText) as e:
        pair.writer.execute("ROLLBACK TO SAVEPOINT reading")
        return State(), f"it is too large to keep: {e}" if isinstance(e, PastBudget) else str(e)


def commit(writer: Session) -> None:
    """Raises OutcomeUnknown where its answer did not come; QueryError where the server refused."""
    try:
        answer = writer.execute("COMMIT").statusmessage
    except KeyboardInterrupt as e:
        raise OutcomeUnknown("it was interrupted while it was committed", hint=_RESUME) from e
    except psycopg.Error as e:
        if is_lost(e) or writer.info.transaction_status is TransactionStatus.UNKNOWN:
            raise OutcomeUnknown("it was sent to COMMIT and the connection was lost", hint=_RESUME) from e
        raise QueryError(f"the database refused to commit: {in_words(e).message}", hint=_NOTHING) from e
    if answer != "COMMIT":
        raise QueryError("the database rolled it back", hint=_NOTHING)


_RESUME = "resume it: what became of it is looked up"


def _check_marks(state: State) -> None:
    """No statement may write the marks of runs, or they would tell nothing."""
    if any(table.name.rpartition(".")[2] == TABLE for table in state.tables.values()):
        raise QueryError(f"the SQL writes {TABLE}, where sqlagent keeps its marks  [marker-table]", hint=_NOTHING)


@contextmanager
def _naming_the_holder(connect: Connect) -> Iterator[Callable[[Sessions], None]]:
    """Who had the lock that was waited for too long."""
    watcher = Watcher(connect)
    try:
        with watcher.watching():
            yield watcher.began
    except errors.LockNotAvailable as e:
        holder = watcher.holder or "another session"
        found = ConnectError(f"rows are locked by {holder} (waited {_LOCK_SECONDS:g} s)", hint=_NOTHING)
        found.sqlstate = LOCK_TIMEOUT
        raise found from e


@contextmanager
def _speaking(budget: Budget) -> Iterator[None]:
    """What the server refused before COMMIT was sent, in words: nothing was changed."""
    try:
        yield
    except PastBudget as e:
        raise TimedOut(f"the time limit ran out: {e}", hint=_NOTHING) from e
    except psycopg.Error as e:
        raise said(e, budget) from e


def said(error: psycopg.Error, budget: Budget) -> SqlagentError:
    """The driver's error before COMMIT, as one of sqlagent's."""
    message = (error.diag.message_primary or str(error)).strip()
    found: SqlagentError
    by_pooler = said_by_the_pooler(error)
    match error:
        case _ if by_pooler is not None:
            found = by_pooler
        case errors.SerializationFailure():
            found = Stale("somebody changed the same rows meanwhile, and it was rolled back")
        case errors.DeadlockDetected():
            found = ConnectError("rows are locked by another session, which waits for ours", hint=_NOTHING)
        case errors.QueryCanceled() if budget.left == 0 or "timeout" in message:
            found = TimedOut("the time limit ran out and the statement was cancelled", hint=_NOTHING)
        case errors.QueryCanceled():
            found = QueryError("it was cancelled", hint=_NOTHING)
        case _ if is_lost(error):
            found = ConnectError(f"the connection was lost: {message}", hint=f"{_NOTHING}; try again")
        case _:
            found = QueryError(f"the database refused it: {message}", hint=_NOTHING)
    found.sqlstate = error.sqlstate or ""
    return found
