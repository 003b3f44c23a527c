"""What an agent stands on, opened when it is first needed: journal, driver, model, databases."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import RLock, local
from typing import TYPE_CHECKING, Any, TypeVar

from sqlagent.config.files import LARGEST
from sqlagent.core.errors import AuthError, ConnectError, SqlagentError, Stale, StoreError
from sqlagent.core.nouns.session import Proposal, Report, Rowset, Thread
from sqlagent.core.policy import Policy, Reads, Writes
from sqlagent.databases.base import Database, Limits, MeasureBudget, Sink
from sqlagent.pipeline.crash_points import crash_points
from sqlagent.plain_files import read_plain
from sqlagent.store import private
from sqlagent.store.journal import Journal
from sqlagent.store.rows import Kept as KeptRun
from sqlagent.store.signatures import Signers

if TYPE_CHECKING:
    from sqlagent.config import DatabaseSettings, Settings
    from sqlagent.llm.client import Model
    from sqlagent.pipeline.context import Context
    from sqlagent.pipeline.state import State
    from sqlagent.pipeline.thread.driver import Driver


_T = TypeVar("_T")
_IDLE = 8
"""Calls whose databases are kept open for the next ones."""
_ASKING = "generate: before the model"
_BEFORE_IT_RAN = ("driver: before a step", "generate: ", "execute: before the claim", "begun", "ran ")
"""Where a call that was cancelled stops."""


@dataclass(slots=True)
class Kept:
    """A sink that keeps rows for a library caller, who gets them as `Report.rowsets`."""

    rowsets: list[Rowset] = field(default_factory=list)

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Take every row of a result into memory; answers how many there were."""
        taken = tuple(rows)
        self.rowsets.append(Rowset(tuple(columns), taken))
        return len(taken)

    def take(self) -> tuple[Rowset, ...]:
        """The results since the last call, which are forgotten here."""
        taken, self.rowsets = tuple(self.rowsets), []
        return taken


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told what happens meanwhile: a step that takes time, remarks, the model's text, a download's bytes, the
    step's end, and what the policy lets run unasked."""

    begin: Callable[[str], None] = lambda _words: None
    note: Callable[[str], None] = lambda _words: None
    heard: Callable[[str], None] = lambda _text: None
    progress: Callable[[int, int, str], None] | None = None
    ended: Callable[[], None] = lambda: None
    unasked: Callable[[Proposal], None] = lambda _proposal: None
    environment: str = "library"
    """Where this process says that it is: `terminal`, `ci`, `script` or `library`, for the policy's rules."""
    so_far: Callable[[str], None] = lambda _words: None
    """Told how far a long statement is; each takes the place of the one before, until `ended`."""


class Parts:
    """Each part is made once, and none before it is asked for: listing what waits must not pay for LangGraph.

    The journal and the driver are shared by all threads.  What one call holds is its own: see `one_call`.
    """

    def __init__(self, settings: Settings, listener: Listener, now: Callable[[], datetime]) -> None:
        self.settings = settings
        self._listener = listener
        self._now = now
        self._making = RLock()
        self._made: dict[str, Any] = {}
        self._noted: set[tuple[str, str]] = set()
        self._idle: list[dict[str, Database]] = []
        self._calls: set[Parts] = set()
        self._local = local()
        self._of_call: dict[str, Database] | None = None
        self._cancelled = False
        self._is_over = False
        self._asks_model = False

    def _once(self, name: str, make: Callable[[], _T]) -> _T:
        with self._making:
            if name not in self._made:
                self._made[name] = make()
            made: _T = self._made[name]
        return made

    @property
    def journal(self) -> Journal:
        """The journal of this state folder, or of the team's store."""
        return self._once("journal", self._journal)

    def _journal(self) -> Journal:
        s = self.settings
        signers = Signers(lambda: s.rules.signers if s.policy else None)
        if not s.store:
            return Journal(s.state_dir / "journal.db", now=self._now, reached=self.reached, signers=signers)
        try:
            from sqlagent.store.shared.journal import SharedJournal  # with a driver that a folder does not need
        except ImportError as e:
            raise StoreError(f"a team's store needs more: {e}", hint='pip install "sqlagent[store]"') from e

        return SharedJournal(s.store, s.state_dir, now=self._now, reached=self.reached, signers=signers)

    @property
    def driver(self) -> Driver:
        """What moves threads; the first use of it loads LangGraph."""
        return self._once("driver", self._driver)

    def _driver(self) -> Driver:
        from sqlagent.pipeline.thread.driver import Driver  # imports LangGraph, which takes a second

        return Driver(self.settings.state_dir, store=self.settings.store, reached=self.reached)

    # ---- one call ------------------------------------------------------------------------------------------------

    @contextmanager
    def one_call(self, listener: Listener | None = None) -> Iterator[Parts]:
        """These parts for one call of the agent, whatever other threads do: databases, model and listener of its own.

        The databases are left open for the next call, unless this one lost its way.
        """
        call = copy(self)
        call.__dict__.pop("model", None)
        call._listener = listener or self._listener
        own = self._databases  # what this thread has open already, outside of any call
        call._of_call = own or self._idle_databases()
        self._calls.add(call)
        try:
            yield call
        except SqlagentError as e:
            if isinstance(e, ConnectError):
                call._close_databases()
            raise
        except BaseException:
            call._close_databases()
            raise
        finally:
            call._is_over = True
            self._calls.discard(call)
            if call._cancelled or (len(self._idle) >= _IDLE and call._databases is not own):
                call._close_databases()
            elif call._databases and call._databases is not own:
                self._idle.append(call._databases)

    def _idle_databases(self) -> dict[str, Database]:
        try:
            return self._idle.pop()
        except IndexError:
            return {}

    @property
    def _databases(self) -> dict[str, Database]:
        """What this call has open; outside of a call, what this thread has."""
        return self._local.__dict__ if self._of_call is None else self._of_call

    def cancel(self) -> bool:
        """Have this call, or every call there is, stop before it changes anything; what came to its COMMIT finishes.

        Answers whether there is something to wait for.  Say it again until there is not: a statement may begin just
        behind a look at it.
        """
        calls = [*self._calls] if self._of_call is None else [self]
        for call in calls:
            call._cancelled = True
            for database in [*call._databases.values()]:
                with suppress(SqlagentError, OSError):  # it may be closing
                    database.interrupt()
        return any(not call._is_over and not call._asks_model for call in calls)

    def _going_on(self, point: str) -> None:
        """Called at every named point: raises where the call was cancelled, and nothing has been committed."""
        if self._cancelled and point.startswith(_BEFORE_IT_RAN):
            raise KeyboardInterrupt
        self._asks_model = point == _ASKING
        self.reached(point)

    @cached_property
    def reached(self) -> Callable[[str], None]:
        """What is called at named crash points; idle but in tests."""
        return crash_points(os.environ.get("SQLAGENT_CRASH_AT", ""), os.environ.get("SQLAGENT_CRASH_LIST", ""))

    @cached_property
    def model(self) -> Model:
        """The model that the settings name; nothing is loaded or connected before it is asked."""
        private.make_folder(self.settings.state_dir)  # where the embedded model's server leaves its key
        from sqlagent.llm.client import (
            LOCAL_SECONDS,
            ModelSpec,
            open_model,
        )  # only the commands that ask a model pay for it

        s = self.settings
        spec = ModelSpec(
            model=s.model,
            base_url=s.base_url,
            api_key=s.api_key,
            timeout=s.model_timeout or 0.0,
            embedded_timeout=LOCAL_SECONDS if s.is_default("model_timeout") else s.model_timeout or 0.0,
            keep_alive=s.keep_alive,
        )
        heard = self._listener
        return open_model(
            spec, cache_dir=s.cache_dir, state_dir=s.state_dir, progress=heard.progress,
            trace=heard.note if s.debug else None,
        )  # fmt: skip

    def begin_model(self) -> None:
        """Have the embedded model load while LangGraph is imported."""
        with suppress(SqlagentError, OSError):  # whoever asks it is told
            self.model.begin()

    def database(self, chosen: DatabaseSettings) -> Database:
        """The open database of these settings."""
        from sqlagent.databases.open import open_database  # a driver that `pending` does not need
        from sqlagent.databases.password import printed_by

        if self._cancelled:
            raise KeyboardInterrupt
        if chosen.url not in self._databases:
            password = chosen.password or (printed_by(chosen.password_command) if chosen.password_command else None)
            self._databases[chosen.url] = open_database(
                chosen.url, name=chosen.name, password=password,
                foreign_keys=chosen.foreign_keys, marker_table=chosen.marker_table,
                measure_url=chosen.measure_url, cache=self.settings.cache_dir / "schemas",
                may_recover=lambda: self.journal.runs_began_on(chosen.url),  # then it is our own run that was cut off
            )  # fmt: skip
        return self._databases[chosen.url]

    def database_of(self, row: Thread) -> Database:
        """The thread's own database; refuses one that is not what it was asked of."""
        try:
            database = self.database(self.settings_of(row))
            identity = database.identity()
        except SqlagentError as e:
            e.thread = row.id
            raise
        if identity != row.target:
            raise Stale(
                f"{row.id} was asked of {row.target}, and {row.database} is {identity} now",
                hint="ask again in a new thread",
            )
        return database

    def reaches(self, row: Thread) -> bool:
        """Whether this machine reaches the thread's database; in a folder of one's own that is no question."""
        if not self.settings.store:
            return True
        try:
            self.database_of(row)
        except (AuthError, ConnectError):
            return False
        return True

    def context(self, row: Thread, *, by: str, sink: Sink) -> Context:
        """What the pipeline's nodes reach the world through, for this thread."""
        from sqlagent.pipeline.context import Context

        s, chosen, heard = self.settings, self.settings_of(row), self._listener
        return Context(
            database=lambda: self.database(chosen),
            model=lambda: self.model,
            journal=self.journal,
            policy=self.policy(chosen),
            limits=Limits(rows=None if s.limit < 0 else s.limit, seconds=s.timeout),
            sink=sink,
            by=by,
            begin=heard.begin,
            note=heard.note,
            heard=heard.heard,
            so_far=heard.so_far,
            ended=heard.ended,
            unasked=heard.unasked,
            send_examples=s.send_examples,
            environment=heard.environment,
            may_ask=not s.auto_reject,
            examples=min(s.examples, chosen.examples),
            samples=s.samples,
            repair=s.repair,
            tables=s.tables,
            ask_back=s.ask_back,
            learn=s.learn,
            expires=s.expires,
            budget=MeasureBudget(rows=chosen.measure_rows, scan_bytes=chosen.measure_scan_bytes),
            kept=self._kept,
            decided=lambda proposal: self.tell_decided(proposal, by=by),
            reached=self._going_on,
        )

    def policy(self, chosen: DatabaseSettings) -> Policy:
        """What people decided once about statements on this database."""
        s, writes = self.settings, Writes.DENY if chosen.read_only else Writes.ASK
        writes = writes if chosen.takes_writes else Writes.NEVER
        plain = Policy(
            reads=Reads(s.reads), writes=writes, relaxed=frozenset(s.relax), known_as=s.known_as(chosen)
        )  # fmt: skip
        return s.rules.policy(plain) if s.policy else plain

    def note_policy(self, *, by: str) -> None:
        """Put on record which policy files are in force, whenever they are not those of last time."""
        files = self.settings.policy
        if files:
            rules = len(self.settings.rules.rules)  # which refuses what is no file
            signers = self.settings.rules.signers
            named = [*(f.path for f in files), *filter(None, (signers.allowed, signers.revoked) if signers else ())]
            sealed = hashlib.sha256(b"\0".join(read_plain(path, LARGEST) for path in named)).hexdigest()
            if (by, sealed) not in self._noted:
                self.journal.note_policy([file.label for file in files], sealed, who=by, rules=rules)
                self._noted.add((by, sealed))

    @property
    def _kept(self) -> Path:
        return self.settings.state_dir / "kept"

    def note(self, words: str) -> None:
        """Tell the listener of what happens meanwhile."""
        self._listener.note(words)

    def announce(self, report: Report, state: State, *, by: str) -> None:
        """Tell the user's program of what waits, where there is one and somebody is to be asked."""
        if self.settings.on_pending and not self.settings.auto_reject:
            from sqlagent.service.notify import announce  # what starts a program, where there is one

            announce(report, state, self.settings, journal=self.journal, by=by, note=self._listener.note)

    def tell_decided(self, proposal: str, *, by: str) -> None:
        """Tell the user's program of what was decided on a proposal, where there is one, and nobody told it yet."""
        if self.settings.on_decided and proposal:
            from sqlagent.service.notify import tell_decided  # what starts a program, where there is one

            tell_decided(proposal, self.settings, journal=self.journal, by=by, note=self._listener.note)

    def undoable(self) -> tuple[KeptRun, ...]:
        """What runs changed, each with the size of all that is kept of it; what is too old is forgotten first."""
        self.prune()
        return tuple(replace(kept, size=kept.size + self._copied(kept.run)) for kept in self.journal.kept_runs())

    def _copied(self, run_id: str) -> int:
        """Bytes of the copy of what a run's DROP or ALTER lost."""
        try:
            return (self._kept / f"{run_id}.db").stat().st_size
        except FileNotFoundError:
            return 0

    def prune(self) -> None:
        """Forget what was kept for longer than `keep_undo`, and copies as old that belong to no run."""
        from sqlagent.pipeline.running.orphaned_copies import sweep  # only what is about to run or undo forgets

        before = self.journal.time(ahead=-self.settings.keep_undo)
        for run in self.journal.prune(before=before):
            (self._kept / f"{run}.db").unlink(missing_ok=True)
        past = datetime.fromisoformat(before).timestamp()
        sweep(self._kept, self.journal, locks=self.settings.state_dir / "locks", older_than=past)

    def close(self) -> None:
        """Close whatever is open; a call afterwards opens it anew."""
        self._close_databases()
        while self._idle:
            for database in self._idle.pop().values():
                database.close()
        with self._making:
            for made in self._made.values():
                made.close()
            self._made.clear()

    def _close_databases(self) -> None:
        for database in self._databases.values():
            database.close()
        self._databases.clear()

    def settings_of(self, row: Thread) -> DatabaseSettings:
        """The thread's database as it was opened then, with what is configured for it now."""
        known = self.settings.databases.get(row.database)
        if known is not None and known.url == row.url:
            return known
        return replace(self.settings.find_database(row.url), name=row.database)
