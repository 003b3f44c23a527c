"""Runs: the one right to carry a proposal out, how that ended, and what it changed."""

from __future__ import annotations

from typing import Any

import apsw
import msgspec

from sqlagent.core.approval.seats import unfilled
from sqlagent.core.errors import Stale
from sqlagent.core.nouns.session import Outcome, Proposal
from sqlagent.store.journal_file import Book, require_sealed_in
from sqlagent.store.rows import (
    Kept,
    Marked,
    Refusal,
    Run,
    RunState,
    decided_in,
    kept_in,
    newest_in,
    proposed_and_decided_in,
    proposed_in,
    run_in,
    undoable_in,
    undone_by_in,
)
from sqlagent.store.seals import Row


class Runs(Book):
    """What was carried out."""

    def claim(self, proposal: Proposal, *, by: str, marked: Marked) -> Run | Refusal | None:
        """Ask for the one right to run a proposal: None is yes; a Run says that it began before, and how it stands.

        Given only where the newest proposal of the thread is this one and every seat of it was filled by a person who
        may, on the digest of that stage; so nothing that LangGraph, a client or a second process does can run what
        nobody approved.
        """
        with self.writing("a claim") as db:
            if run := run_in(db, proposal.id):
                return run
            if newest_in(db, proposal.thread) != proposal.id:
                return self._refused(db, proposal, by, Refusal.SUPERSEDED)
            require_sealed_in(db, proposal.thread)
            first = proposed_in(db, proposal.id)
            same = first is not None and first.sql == proposal.sql and first.analysis == proposal.analysis
            if first is None or not same:
                return self._refused(db, proposal, by, Refusal.NOT_APPROVED)
            if why := unfilled(first, decided_in(db, proposal.id), check=self.signers.now):
                return self._refused(db, proposal, by, Refusal.NOT_APPROVED, why)
            db.execute(
                "INSERT INTO runs (id, state, marked, run_by, started_at) VALUES (?, 'started', ?, ?, ?)",
                (proposal.id, marked, by, self.time()),
            )
            self.log(
                db, "claimed", by, proposal.thread, run=proposal.id, digest=proposal.digest,
                tells_of=[("runs", proposal.id)],
            )  # fmt: skip
        return None

    def _refused(self, db: apsw.Connection, proposal: Proposal, by: str, why: Refusal, more: str = "") -> Refusal:
        because = f"{why}: {more}" if more else why
        self.log(db, "refused", by, proposal.thread, proposal=proposal.id, digest=proposal.digest, because=because)
        return why

    def require_approved(self, proposal_id: str) -> None:
        """Raise `Stale` where a seat is not filled as it must be by now: a key that signed it may have been revoked."""
        with self.reading() as db:
            first, decided = proposed_and_decided_in(db, proposal_id)
        why = unfilled(first, decided, check=self.signers.now) if first else "it is not on record"
        if why:
            raise Stale(f"its approval does not count any more: {why}", hint="nothing was changed")

    def run(self, run_id: str) -> Run | None:
        """A run, or None where none of this id began."""
        with self.reading() as db:
            return run_in(db, run_id)

    def runs_began_on(self, url: str) -> bool:
        """Whether a run on the database at this URL began and nobody knows yet how it ended."""
        with self.reading() as db:
            begun = (
                "SELECT 1 FROM runs r JOIN proposals p ON p.id = r.id JOIN threads t ON t.id = p.thread"
                " WHERE r.state = 'started' AND t.url = ? LIMIT 1"
            )
            return db.execute(begun, (url,)).get is not None

    def release(self, run_id: str, *, because: str = "") -> None:
        """Give a claim back, to try again: it is known that nothing was changed; `because` says why not."""
        self._give_back(run_id, "released", because)

    def stale(self, run_id: str, *, because: str) -> None:
        """Give a claim back whose run would not do what was approved; it was rolled back."""
        self._give_back(run_id, "stale", because)

    def _give_back(self, run_id: str, what: str, because: str) -> None:
        with self.writing("a release") as db:
            db.execute("DELETE FROM runs WHERE id = ? AND state = 'started'", (run_id,))
            if db.changes():  # what it kept tells of a run that was rolled back, and would tell it of the next
                db.execute("DELETE FROM changes WHERE run = ?", (run_id,))
            rows: list[Row] = [("runs", run_id), ("changes", run_id)]
            self.log(db, what, "", thread_of_run(run_id), run=run_id, because=because, tells_of=rows)

    def done(self, run_id: str, outcome: Outcome) -> None:
        """Record what a run came to."""
        text = msgspec.json.encode(outcome).decode()
        changed = [r.changed for r in outcome.results]
        self._end(run_id, RunState.DONE, "committed", outcome=text, only_from=("started",), changed=changed)

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
        with self.writing("a run's end") as db:
            db.execute(
                "UPDATE runs SET state = ?, ended_at = ?, outcome = ?, error = ?"
                " WHERE id = ? AND state IN (SELECT value FROM json_each(?))",
                (state, self.time(), outcome, error, run_id, msgspec.json.encode(only_from).decode()),
            )
            ended = db.changes() == 1
            if ended:
                db.execute("DELETE FROM changes WHERE run = ? AND changeset = x''", (run_id,))
                rows: list[Row] = [("runs", run_id), ("changes", run_id)]
                head = self.log(db, what, by, thread_of_run(run_id), run=run_id, tells_of=rows, **detail)
                db.execute("UPDATE runs SET audit_head = ? WHERE id = ?", (f"{head.number}:{head.hash}", run_id))
        return ended

    # ---- what a run changed --------------------------------------------------------------------------------------

    def keep(self, run_id: str, changes: bytes) -> None:
        """Store what a run is about to commit, for undo; a run of which nothing is kept did not come to its COMMIT."""
        with self.writing("what it changes") as db:
            db.execute("INSERT OR REPLACE INTO changes VALUES (?, ?, ?)", (run_id, changes, self.time()))

    def kept(self, run_id: str) -> bytes | None:
        """What a run changed; None where it was not kept, or is not kept any more."""
        with self.reading() as db:
            found: bytes | None = db.execute("SELECT changeset FROM changes WHERE run = ?", (run_id,)).get
        return found

    def kept_runs(self) -> tuple[Kept, ...]:
        """What can still be undone, the newest first; also what was undone, since that may be undone again."""
        with self.reading() as db:
            return kept_in(db)

    def is_undoable(self, run_id: str) -> bool:
        """Whether what this run changed is kept, and not taken back yet."""
        with self.reading() as db:
            return undoable_in(db, run_id)

    def undone_by(self, run_id: str) -> str:
        """The thread that has taken a run back, unless that was taken back in turn; else empty."""
        with self.reading() as db:
            return undone_by_in(db, run_id)

    def prune(self, *, before: str) -> tuple[str, ...]:
        """Forget what runs changed that ended before a time; answers which, so that their copies go too."""
        with self.reading() as db:
            if not db.execute("SELECT 1 FROM changes WHERE kept_at < ? LIMIT 1", (before,)).get:
                return ()
        with self.writing("a pruning") as db:
            rows: Any = db.execute(
                "DELETE FROM changes WHERE kept_at < ? AND run NOT IN (SELECT id FROM runs WHERE state = 'started')"
                " RETURNING run",
                (before,),
            ).fetchall()
        return tuple(str(run) for (run,) in rows)

    def forget(self, run_id: str) -> None:
        """Drop what a run changed, which then can no longer be undone; the run itself stays on record."""
        with self.writing("a forgetting") as db:
            db.execute("DELETE FROM changes WHERE run = ?", (run_id,))


def thread_of_run(run_id: str) -> str:
    """`k7f3` of `k7f3.2`."""
    return run_id.rpartition(".")[0]
