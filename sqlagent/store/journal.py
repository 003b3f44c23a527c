"""The journal: what was asked, proposed, decided and run.  It is the truth; a checkpoint is its projection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import apsw
import msgspec

from sqlagent.core.draft import Attempt, Turn
from sqlagent.core.errors import UnknownThread
from sqlagent.core.session import Choice, Decision, Outcome, Proposal, Source, Status, Thread
from sqlagent.store.audit import Entry, Head
from sqlagent.store.connection import guarded, open_file, transaction
from sqlagent.store.rows import THREADS, Kept, Refusal, Run, RunState, decision_in, kept_in, run_in, thread_of
from sqlagent.store.trail import append_in, entries_in, head_in

__all__ = ["Journal", "Refusal", "Run", "RunState"]


class Journal:
    """The journal in one SQLite file; every method is one transaction, and safe beside other processes.

    Errors: `StoreError` for a file that is damaged, locked for too long or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        reached: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """`reached` is called at named crash points, one on each side of every commit."""
        self.path = path
        self._now = now
        self._reached = reached

    @cached_property
    def _connection(self) -> apsw.Connection:
        return open_file(self.path)

    def close(self) -> None:
        if "_connection" in self.__dict__:
            self._connection.close()
            del self.__dict__["_connection"]

    @contextmanager
    def _writing(self, what: str) -> Iterator[apsw.Connection]:
        """One write transaction, on disk when the block is left."""
        with guarded(self.path):
            with transaction(self._connection) as db:
                yield db
                self._reached(f"journal: before the commit of {what}")
            self._reached(f"journal: after the commit of {what}")

    def now(self) -> datetime:
        """Aware, in UTC."""
        return self._now().astimezone(UTC)

    def time(self, *, ahead: float = 0.0) -> str:
        """Now, or so many seconds later, in UTC and ISO 8601: text order is time order."""
        return (self.now() + timedelta(seconds=ahead)).isoformat(timespec="milliseconds")

    # ---- threads -------------------------------------------------------------------------------------------------

    def admit(self, thread: Thread) -> bool:
        """Record a thread before its first step; False where the id is taken already."""
        with self._writing("a thread") as db:
            if db.execute("SELECT 1 FROM threads WHERE id = ?", (thread.id,)).fetchone():
                return False
            db.execute(
                "INSERT INTO threads (id, status, database, url, target, requested_by, model, turn, created_at,"
                " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
                (thread.id, Status.NEW, thread.database, thread.url, thread.target, thread.requested_by, thread.model,
                 thread.created_at, thread.created_at),
            )  # fmt: skip
            self._add_turn(db, thread.id, 1, thread.source, thread.question, thread.sql, thread.requested_by)
            self._log(
                db, "asked", thread.requested_by, thread.id, database=thread.database, target=thread.target,
                source=thread.source, question=thread.question,
            )  # fmt: skip
        return True

    def ask_again(self, thread: str, *, expected_turn: int, source: Source, question: str, sql: str, by: str) -> bool:
        """Begin another turn of a thread whose turn `expected_turn` has ended; False where somebody else did."""
        with self._writing("a question") as db:
            turn = db.execute(
                "UPDATE threads SET turn = turn + 1, status = 'new', proposal = '', message = '', hint = '',"
                " updated_at = ? WHERE id = ? AND turn = ? AND status NOT IN ('new', 'pending', 'unknown')"
                " RETURNING turn",
                (self.time(), thread, expected_turn),
            ).get
            if turn is None:
                return False
            self._add_turn(db, thread, turn, source, question, sql, by)
            self._log(db, "asked", by, thread, turn=turn, source=source, question=question)
        return True

    def _add_turn(
        self, db: apsw.Connection, thread: str, turn: int, source: Source, question: str, sql: str, by: str
    ) -> None:
        db.execute(
            "INSERT INTO turns (thread, turn, source, question, sql, asked_by, asked_at, status)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 'new')",
            (thread, turn, source, question, sql, by, self.time()),
        )

    def thread(self, thread: str) -> Thread:
        """Raises UnknownThread, with the nearest id as the hint."""
        with guarded(self.path):
            row = self._connection.execute(THREADS + "WHERE t.id = ?", (thread,)).fetchone()
            if row is not None:
                return thread_of(row)
        raise UnknownThread(f"no thread named {thread}", hint=self._nearest(thread))

    def _nearest(self, thread: str) -> str:
        """What was probably meant, among the newest."""
        from difflib import get_close_matches  # only needed once something is wrong

        with guarded(self.path):
            ids = [
                row[0] for row in self._connection.execute("SELECT id FROM threads ORDER BY updated_at DESC LIMIT 1000")
            ]
        near = get_close_matches(thread.lower(), ids, n=1, cutoff=0.7)
        return f"did you mean {near[0]}?" if near else "sqlagent sessions lists them"

    def threads(self, *, statuses: Sequence[Status] = (), limit: int = 50) -> tuple[Thread, ...]:
        """The newest first; all of them where no status is named; `limit` -1 for every one."""
        where = "WHERE t.status IN (SELECT value FROM json_each(?1))" if statuses else "WHERE ?1 = '[]'"
        with guarded(self.path):
            rows = self._connection.execute(
                f"{THREADS} {where} ORDER BY t.updated_at DESC LIMIT ?2",
                (msgspec.json.encode(statuses).decode(), limit),
            ).fetchall()
            return tuple(map(thread_of, rows))

    def count(self, status: Status) -> int:
        with guarded(self.path):
            return int(self._connection.execute("SELECT count(*) FROM threads WHERE status = ?", (status,)).get)

    def history(self, thread: str) -> tuple[Turn, ...]:
        """Earlier turns of the conversation that ran, oldest first."""
        with guarded(self.path):
            rows = self._connection.execute(
                "SELECT question, ran_sql FROM turns WHERE thread = ? AND status = 'executed' AND ran_sql <> ''"
                " ORDER BY turn",
                (thread,),
            ).fetchall()
        return tuple(Turn(str(question), str(sql)) for question, sql in rows)

    def attempts(self, thread: str, turn: int) -> tuple[Attempt, ...]:
        with guarded(self.path):
            found = self._connection.execute(
                "SELECT attempts FROM turns WHERE thread = ? AND turn = ?", (thread, turn)
            ).get
            return msgspec.json.decode(found, type=tuple[Attempt, ...]) if found else ()

    def finish(
        self, thread: str, turn: int, status: Status, *, message: str = "", hint: str = "", ran_sql: str = "",
        attempts: Sequence[Attempt] = (),
    ) -> None:  # fmt: skip
        """Say how a turn ended; saying it twice changes nothing."""
        with self._writing("an ending") as db:
            db.execute(
                "UPDATE threads SET status = ?, message = ?, hint = ?, updated_at = ? WHERE id = ? AND turn = ?",
                (status, message, hint, self.time(), thread, turn),
            )
            db.execute(
                "UPDATE turns SET status = ?, ran_sql = ?, attempts = ? WHERE thread = ? AND turn = ?",
                (status, ran_sql, msgspec.json.encode(attempts).decode(), thread, turn),
            )
            if status in _ENDS_WORTH_A_LINE:
                self._log(db, status, "", thread, turn=turn, because=message)

    # ---- proposals and decisions ---------------------------------------------------------------------------------

    def propose(self, proposal: Proposal, *, number: int, turn: int) -> Proposal:
        """Record a proposal and put its thread to waiting; answers the one that counts.

        Where the same number is there already (a process died between this and its checkpoint), a fresh analysis takes
        its place, unless somebody has decided on the old one: then that one stands.
        """
        with self._writing("a proposal") as db:
            if db.execute("SELECT 1 FROM decisions WHERE proposal = ?", (proposal.id,)).get:
                found = db.execute("SELECT document FROM proposals WHERE id = ?", (proposal.id,)).get
                return msgspec.json.decode(found, type=Proposal)
            db.execute(
                "INSERT INTO proposals (id, thread, number, turn, digest, risk, stage, stages, sql, document,"
                " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " digest = excluded.digest, risk = excluded.risk, sql = excluded.sql,"
                " document = excluded.document, created_at = excluded.created_at",
                (proposal.id, proposal.thread, number, turn, proposal.digest, proposal.analysis.risk.name,
                 proposal.stage, proposal.stages, proposal.sql, msgspec.json.encode(proposal).decode(),
                 proposal.created_at),
            )  # fmt: skip
            db.execute(
                "UPDATE threads SET status = 'pending', proposal = ?, expires_at = ?, message = '', hint = '',"
                " updated_at = ? WHERE id = ? AND turn = ?",
                (proposal.id, proposal.expires_at, self.time(), proposal.thread, turn),
            )
            self._log(
                db, "analyzed", proposal.author, proposal.thread, proposal=proposal.id, digest=proposal.digest,
                risk=proposal.analysis.risk.name, policy=proposal.policy, stale=proposal.stale,
                edited_by=proposal.edited_by,
            )  # fmt: skip
        return proposal

    def proposal(self, proposal_id: str) -> Proposal:
        with guarded(self.path):
            found = self._connection.execute("SELECT document FROM proposals WHERE id = ?", (proposal_id,)).get
            if found is not None:
                return msgspec.json.decode(found, type=Proposal)
        raise UnknownThread(f"no proposal named {proposal_id}", hint="sqlagent pending lists what waits")

    def last_number(self, thread: str) -> int:
        """How many proposals the thread has had, in all its turns."""
        with guarded(self.path):
            return int(
                self._connection.execute(
                    "SELECT coalesce(max(number), 0) FROM proposals WHERE thread = ?", (thread,)
                ).get
            )

    def decide(self, proposal: Proposal, decision: Decision) -> Decision:
        """Record a decision, unless there is one; answers the one that counts.  The first writer wins."""
        with self._writing("a decision") as db:
            if decision_in(db, proposal.id, proposal.stage) == decision:
                return decision  # said twice, after a crash perhaps: it is on record once
            db.execute(
                "INSERT INTO decisions (proposal, stage, choice, digest, decided_by, how, sql, reason, retry,"
                " decided_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (proposal.id, proposal.stage, decision.choice, decision.digest, decision.by, decision.how, decision.sql,
                 decision.reason, decision.retry, self.time()),
            )  # fmt: skip
            counted = decision_in(db, proposal.id, proposal.stage)
            assert counted is not None  # ours, or the one that was there
            what = _DECIDED[counted.choice] if counted == decision else "refused"
            self._log(
                db, what, decision.by, proposal.thread, proposal=proposal.id, digest=decision.digest,
                how=decision.how, stage=f"{proposal.stage}/{proposal.stages}", reason=decision.reason,
                because="" if counted == decision else f"{counted.by} decided first",
            )  # fmt: skip
            return counted

    def decision(self, proposal_id: str, stage: int = 1) -> Decision | None:
        with guarded(self.path):
            return decision_in(self._connection, proposal_id, stage)

    # ---- runs ----------------------------------------------------------------------------------------------------

    def claim(self, proposal: Proposal, *, by: str, marked: bool) -> Run | Refusal | None:
        """Ask for the one right to run a proposal: None is yes; a Run says that it began before, and how it stands.

        Given only where the newest proposal of the thread is this one and every stage of it was approved with exactly
        its digest; so nothing that LangGraph, a client or a second process does can run what nobody approved.
        """
        with self._writing("a claim") as db:
            if run := run_in(db, proposal.id):
                return run
            if db.execute("SELECT proposal FROM threads WHERE id = ?", (proposal.thread,)).get != proposal.id:
                return self._refused(db, proposal, by, Refusal.SUPERSEDED)
            approved = db.execute(
                "SELECT count(*) FROM decisions d JOIN proposals p ON p.id = d.proposal"
                " WHERE p.id = ? AND p.digest = ? AND p.sql = ? AND d.digest = p.digest AND d.choice = 'approve'",
                (proposal.id, proposal.digest, proposal.sql),
            ).get
            if approved < proposal.stages:
                return self._refused(db, proposal, by, Refusal.NOT_APPROVED)
            db.execute(
                "INSERT INTO runs (id, state, marked, run_by, started_at) VALUES (?, 'started', ?, ?, ?)",
                (proposal.id, marked, by, self.time()),
            )
            self._log(db, "claimed", by, proposal.thread, run=proposal.id, digest=proposal.digest)
        return None

    def _refused(self, db: apsw.Connection, proposal: Proposal, by: str, why: Refusal) -> Refusal:
        self._log(db, "refused", by, proposal.thread, proposal=proposal.id, digest=proposal.digest, because=why)
        return why

    def run(self, run_id: str) -> Run | None:
        with guarded(self.path):
            return run_in(self._connection, run_id)

    def release(self, run_id: str, *, because: str = "") -> None:
        """Give a claim back: it is known that nothing was changed; `because` says why not, where that is known."""
        with self._writing("a release") as db:
            db.execute("DELETE FROM runs WHERE id = ? AND state = 'started'", (run_id,))
            if db.changes():  # what it kept tells of a run that was rolled back, and would tell it of the next
                db.execute("DELETE FROM changes WHERE run = ?", (run_id,))
            self._log(db, "released", "", _thread_of(run_id), run=run_id, because=because)

    def mark(self, run_id: str) -> tuple[str, tuple[str, ...]]:
        """The statement that marks a run done inside the target's transaction; the adapter fills in `{journal}`."""
        return (
            "UPDATE {journal}.runs SET state = 'done', ended_at = ? WHERE id = ? AND state = 'started'",
            (self.time(), run_id),
        )

    def done(self, run_id: str, outcome: Outcome) -> None:
        """Record what a run came to; where its own transaction marked it already, the figures are added."""
        text = msgspec.json.encode(outcome).decode()
        changed = [r.changed for r in outcome.results]
        self._end(run_id, RunState.DONE, "committed", outcome=text, only_from=("started", "done"), changed=changed)

    def failed(self, run_id: str, error: str) -> None:
        """Record that a run was rolled back."""
        self._end(run_id, RunState.FAILED, "rolled back", error=error, only_from=("started",), because=error)

    def settle(self, run_id: str, state: RunState, *, by: str) -> bool:
        """Record a person's word on a run whose end was not seen; False where its end is known already."""
        return self._end(run_id, state, "settled", by=by, error=f"settled by {by}", only_from=("started",), as_=state)

    def _end(
        self, run_id: str, state: RunState, what: str, *, only_from: tuple[str, ...], outcome: str = "",
        error: str = "", by: str = "", **detail: Any,
    ) -> bool:  # fmt: skip
        with self._writing("a run's end") as db:
            db.execute(
                "UPDATE runs SET state = ?, ended_at = ?, outcome = ?, error = ?"
                " WHERE id = ? AND state IN (SELECT value FROM json_each(?))",
                (state, self.time(), outcome, error, run_id, msgspec.json.encode(only_from).decode()),
            )
            ended = db.changes() == 1
            if ended:
                head = self._log(db, what, by, _thread_of(run_id), run=run_id, **detail)
                db.execute("UPDATE runs SET audit_head = ? WHERE id = ?", (f"{head.number}:{head.hash}", run_id))
                db.execute("DELETE FROM changes WHERE run = ? AND changeset = x''", (run_id,))
        return ended

    # ---- what a run changed --------------------------------------------------------------------------------------

    def keep(self, run_id: str, changes: bytes) -> None:
        """Store what a run is about to commit: it decides after a crash whether it did, and it is what undo inverts."""
        with self._writing("what it changes") as db:
            db.execute("INSERT OR REPLACE INTO changes VALUES (?, ?, ?)", (run_id, changes, self.time()))

    def kept(self, run_id: str) -> bytes | None:
        """What a run changed; None where it was not kept, or is not kept any more."""
        with guarded(self.path):
            found: bytes | None = self._connection.execute("SELECT changeset FROM changes WHERE run = ?", (run_id,)).get
        return found

    def kept_runs(self) -> tuple[Kept, ...]:
        """What can still be undone, the newest first; also what was undone, since that may be undone again."""
        with guarded(self.path):
            return kept_in(self._connection)

    def prune(self, *, before: str) -> tuple[str, ...]:
        """Forget what runs changed that ended before a time; answers which, so that their copies go too."""
        with guarded(self.path):
            if not self._connection.execute("SELECT 1 FROM changes WHERE kept_at < ? LIMIT 1", (before,)).get:
                return ()
        with self._writing("a pruning") as db:
            rows: Any = db.execute(
                "DELETE FROM changes WHERE kept_at < ? AND run NOT IN (SELECT id FROM runs WHERE state = 'started')"
                " RETURNING run",
                (before,),
            ).fetchall()
        return tuple(str(run) for (run,) in rows)

    def forget(self, run_id: str) -> None:
        with self._writing("a forgetting") as db:
            db.execute("DELETE FROM changes WHERE run = ?", (run_id,))

    # ---- the audit log -------------------------------------------------------------------------------------------

    def note(self, what: str, *, who: str, thread: str, **detail: Any) -> None:
        """Put on record what no table of the journal holds: a draft, a proposal shown, an attempt that was refused."""
        with self._writing("a note") as db:
            self._log(db, what, who, thread, **detail)

    def audit(self, *, thread: str = "", since: str = "") -> Iterator[Entry]:
        """The log's entries in order; of one thread, or from a time (ISO 8601, UTC) on."""
        with guarded(self.path):
            yield from entries_in(self._connection, thread=thread, since=since)

    def head(self) -> Head | None:
        """The newest entry of the log: what a receipt prints, to be kept elsewhere."""
        with guarded(self.path):
            return head_in(self._connection)

    def _log(self, db: apsw.Connection, what: str, who: str, thread: str, **detail: Any) -> Head:
        return append_in(db, at=self.time(), who=who, what=what, thread=thread, detail=detail)


_DECIDED = {Choice.APPROVE: "approved", Choice.EDIT: "edited", Choice.REJECT: "rejected"}
_ENDS_WORTH_A_LINE = frozenset({Status.DENIED, Status.EXPIRED, Status.FAILED, Status.UNKNOWN})
"""What a decision or a run has not put on record already."""


def _thread_of(run_id: str) -> str:
    return run_id.rpartition(".")[0]
