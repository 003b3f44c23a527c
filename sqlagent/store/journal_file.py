"""The journal's file and its transactions: what every part of the journal stands on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import apsw

from sqlagent.core.errors import Altered
from sqlagent.fork_gate import GATE
from sqlagent.store.audit import Checked, Entry, Head, verify
from sqlagent.store.audit_log import append_in, entries_in, head_in
from sqlagent.store.connection import guarded, open_file, snapshot, transaction
from sqlagent.store.identity import current_user
from sqlagent.store.reader import Reader
from sqlagent.store.seals import Row, problem, problem_in_thread, seals_in
from sqlagent.store.signatures import Signers, unproven

_LOOK_SECONDS = 0.5
"""How often a file is looked at, which tells nobody that it was written."""


class Book:
    """One SQLite file; every method is one transaction, and safe beside other processes and other threads.

    Errors: `StoreError` for a file that is damaged, locked for too long or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        reached: Callable[[str], None] = lambda _point: None,
        signers: Signers | None = None,
    ) -> None:
        """`reached` is called at named crash points, one on each side of every commit; `signers` know whose a signature
        is."""
        self.path = path
        self._now = now
        self._reached = reached
        self.signers = signers or Signers()
        self._asks_signers = signers is not None
        self._idle: list[apsw.Connection] = []
        self._writer = Lock()

    @contextmanager
    def _connected(self) -> Iterator[apsw.Connection]:
        """A connection that no other thread has meanwhile."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = open_file(self.path)
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def close(self) -> None:
        """Close every connection; the journal can be used again, and opens them anew."""
        with GATE.inside():
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """A connection, to read; what goes wrong is a StoreError."""
        with guarded(self.path), GATE.inside(), self._connected() as connection:
            yield connection

    @contextmanager
    def at_one_moment(self) -> Iterator[Reader]:
        """Several reads that see the same, whatever others write meanwhile."""
        with guarded(self.path), GATE.inside(), self._connected() as connection, snapshot(connection):
            yield connection

    @contextmanager
    def at_once(self) -> Iterator[Reader]:
        """For one call of `together`: its answers are of the same moment."""
        with self.at_one_moment() as db:
            yield db

    @contextmanager
    def writing(self, what: str) -> Iterator[apsw.Connection]:
        """One write transaction, on disk when the block is left; threads of this process take turns."""
        with guarded(self.path), GATE.inside(), self._connected() as connection:
            with self._writer, transaction(connection) as db:
                yield db
                self._reached(f"journal: before the commit of {what}")
            self._reached(f"journal: after the commit of {what}")

    def me(self) -> str:
        """Who acts, where this store can tell: the operating system's user."""
        return current_user()

    def wait(self, seconds: float, thread: str = "") -> None:  # noqa: ARG002 - a file does not tell of what
        """Until somebody else has written to it (to that thread, where the store can tell), or so long."""
        with guarded(self.path), self._connected() as db:  # the version is told to one connection
            before, end = _version(db), time.monotonic() + seconds
            while _version(db) == before and time.monotonic() < end:
                time.sleep(min(_LOOK_SECONDS, seconds))

    @contextmanager
    def alone(self, thread: str) -> Iterator[None]:  # noqa: ARG002 - the lock of the folder is enough
        """Nobody on another machine works on a thread meanwhile: a folder is one machine's."""
        yield

    def told_by(self) -> int | None:
        """A file descriptor that can be read when somebody has written; None where nobody tells."""
        return None

    def now(self) -> datetime:
        """Aware, in UTC."""
        return self._now().astimezone(UTC)

    def time(self, *, ahead: float = 0.0) -> str:
        """Now, or so many seconds later, in UTC and ISO 8601: text order is time order."""
        return (self.now() + timedelta(seconds=ahead)).isoformat(timespec="milliseconds")

    # ---- the audit log -------------------------------------------------------------------------------------------

    def note(self, what: str, *, who: str, thread: str, **detail: Any) -> None:
        """Put on record what no table of the journal holds: a draft, a proposal shown, an attempt that was refused."""
        with self.writing("a note") as db:
            self.log(db, what, who, thread, **detail)

    def note_policy(self, files: Sequence[str], sha256: str, *, who: str, rules: int) -> None:
        """Put on record that somebody's policy is not what it was when they last came."""
        if self._last_policy(who) == sha256:
            return
        with self.writing("a policy") as db:
            if _policy_in(db, who) != sha256:
                self.log(db, "policy loaded", who, "", files=list(files), sha256=sha256, rules=rules)

    def _last_policy(self, who: str) -> str:
        with self.reading() as db:
            return _policy_in(db, who)

    def audit(self, *, thread: str = "", since: str = "") -> Iterator[Entry]:
        """The log's entries in order; of one thread, or from a time (ISO 8601, UTC) on."""
        with self.reading() as db:  # read at once: whoever is slow to look keeps nobody from writing
            entries = list(entries_in(db, thread=thread, since=since))
        yield from entries

    def head(self) -> Head | None:
        """The newest entry of the log: what a receipt prints, to be kept elsewhere."""
        with self.reading() as db:
            return head_in(db)

    def log(
        self, db: apsw.Connection, what: str, who: str, thread: str, *, tells_of: Sequence[Row] = (), **detail: Any
    ) -> Head:
        """Add an entry, with the seals of the rows that it tells of, as they stand now."""
        if tells_of:
            detail["seals"] = seals_in(db, tells_of)
        return append_in(db, at=self.time(), who=who, what=what, thread=thread, detail=detail)

    def verified(self, head: Head | None = None) -> Checked:
        """Whether the log is whole, and everything that it tells of is as it tells."""
        with self.at_one_moment() as db:
            entries = list(entries_in(db))
            checked = self._chain(db, entries, head)
            if checked.problem:
                return checked
            if found := problem(db, entries):
                hint = (
                    "restore the state folder from a backup, or keep it as evidence and start another: --state-dir DIR"
                )
                return replace(checked, problem=found, hint=hint)
            if self._asks_signers and (found := unproven(db, self.signers.then)):
                return replace(checked, problem=found, hint="the policy that names who may sign: --policy FILE")
        return checked

    def _chain(self, _db: Reader, entries: Sequence[Entry], head: Head | None) -> Checked:
        return verify(entries, head)

    def problem_of(self, thread: str) -> str:
        """What of one session is not as the log has it, empty where all is; `verified` looks at the whole record."""
        with self.at_once() as db:
            return problem_in_thread(db, thread)

    def require_sealed(self, thread: str) -> None:
        """Raise `Altered` where something of a session is not as the log has it: nothing of it may be used."""
        with self.at_once() as db:
            require_sealed_in(db, thread)


def _policy_in(db: Reader, who: str) -> str:
    """What somebody's policy was when they last came."""
    last = db.execute(
        "SELECT detail ->> '$.sha256' FROM audit WHERE what = 'policy loaded' AND who = ? ORDER BY number DESC LIMIT 1",
        (who,),
    ).get
    return str(last or "")


def _version(db: apsw.Connection) -> object:
    """What another connection's commit changes."""
    with GATE.inside():
        return db.execute("PRAGMA data_version").get


def require_sealed_in(db: Reader, thread: str) -> None:
    """Raise `Altered` where something of a session is not as the log has it; in a transaction that is open."""
    if found := problem_in_thread(db, thread):
        raise altered(thread, found)


def altered(thread: str, problem: str) -> Altered:
    """What is raised where something of a session is not as the log has it."""
    return Altered(
        f"the record of {thread} was changed behind its log: {problem}", hint="nothing was run; sqlagent audit verify"
    )
