"""The journal's file and its transactions: what every part of the journal stands on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import apsw

from sqlagent.core.errors import Altered
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
    """One SQLite file; every method is one transaction, and safe beside other processes.

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

    @cached_property
    def _connection(self) -> apsw.Connection:
        return open_file(self.path)

    def close(self) -> None:
        if "_connection" in self.__dict__:
            self._connection.close()
            del self.__dict__["_connection"]

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """The connection, to read; what goes wrong is a StoreError."""
        with guarded(self.path):
            yield self._connection

    @contextmanager
    def writing(self, what: str) -> Iterator[apsw.Connection]:
        """One write transaction, on disk when the block is left."""
        with guarded(self.path):
            with transaction(self._connection) as db:
                yield db
                self._reached(f"journal: before the commit of {what}")
            self._reached(f"journal: after the commit of {what}")

    def me(self) -> str:
        """Who acts, where this store can tell: the operating system's user."""
        return current_user()

    def wait(self, seconds: float) -> None:
        """Until somebody else has written to it, or so long."""
        with self.reading() as db:
            before, end = db.execute("PRAGMA data_version").get, time.monotonic() + seconds
            while db.execute("PRAGMA data_version").get == before and time.monotonic() < end:
                time.sleep(min(_LOOK_SECONDS, seconds))

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
            self.log(db, "policy loaded", who, "", files=list(files), sha256=sha256, rules=rules)

    def _last_policy(self, who: str) -> str:
        with self.reading() as db:
            last = db.execute(
                "SELECT detail ->> '$.sha256' FROM audit WHERE what = 'policy loaded' AND who = ?"
                " ORDER BY number DESC LIMIT 1",
                (who,),
            ).get
        return str(last or "")

    def audit(self, *, thread: str = "", since: str = "") -> Iterator[Entry]:
        """The log's entries in order; of one thread, or from a time (ISO 8601, UTC) on."""
        with self.reading() as db:
            yield from entries_in(db, thread=thread, since=since)

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
        with self.reading() as db, snapshot(self._connection):
            entries = list(entries_in(db))
            checked = verify(entries, head)
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

    def require_sealed(self, thread: str) -> None:
        """Raise `Altered` where something of a session is not as the log has it: nothing of it may be used."""
        with self.reading() as db, snapshot(self._connection):
            require_sealed_in(db, thread)


def require_sealed_in(db: Reader, thread: str) -> None:
    if found := problem_in_thread(db, thread):
        raise Altered(
            f"the record of {thread} was changed behind its log: {found}", hint="nothing was run; sqlagent audit verify"
        )
