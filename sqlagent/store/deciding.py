"""Proposals, the decisions of people on them, and the questions that the model asks back."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import msgspec

from sqlagent.core.approval.seats import EXPIRED, ONE_PERSON, Decided, refusal, standing, timed_out
from sqlagent.core.approval.signed import SIGNATURE
from sqlagent.core.errors import NotPermitted, Stale, UnknownThread
from sqlagent.core.nouns.draft import Clarification
from sqlagent.core.nouns.session import Choice, Decision, Proposal
from sqlagent.store.identity import current_user
from sqlagent.store.journal_file import Book
from sqlagent.store.reader import Reader
from sqlagent.store.rows import (
    Refusal,
    clarifications_in,
    decided_in,
    newest_in,
    proposals_in,
    proposed_and_decided_in,
    proposed_in,
)

_AT_ONCE = 500
"""Proposals that are read by one query."""


class Deciding(Book):
    """What waits for people, and what they say."""

    def propose(self, proposal: Proposal, *, number: int, turn: int) -> Proposal:
        """Record a proposal and put its thread to waiting; answers the one that counts, at the seat that is asked.

        Where the same number is there already (a process died between this and its checkpoint), a fresh analysis takes
        its place, unless somebody has decided on the old one: then that one stands.
        """
        with self.writing("a proposal") as db:
            if decided := decided_in(db, proposal.id):
                found = proposed_in(db, proposal.id)
                assert found is not None  # decisions are on proposals
                return standing(found, decided)
            now = standing(proposal, ())
            db.execute(
                "INSERT INTO proposals (id, thread, number, turn, digest, risk, stage, stages, sql, document,"
                " undo_of, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " digest = excluded.digest, risk = excluded.risk, stage = excluded.stage, stages = excluded.stages,"
                " sql = excluded.sql, document = excluded.document, created_at = excluded.created_at",
                (proposal.id, proposal.thread, number, turn, now.digest, proposal.analysis.risk.name,
                 now.stage, now.stages, proposal.sql, msgspec.json.encode(proposal).decode(), proposal.undo_of,
                 proposal.created_at),
            )  # fmt: skip
            db.execute(
                "UPDATE threads SET status = 'pending', proposal = ?, expires_at = ?, message = '', hint = '',"
                " asks = '', updated_at = ? WHERE id = ? AND turn = ?",
                (proposal.id, now.expires_at, self.time(), proposal.thread, turn),
            )
            self.log(
                db, "analyzed", proposal.author, proposal.thread, proposal=proposal.id, digest=proposal.digest,
                risk=proposal.analysis.risk.name, policy=proposal.policy, stale=proposal.stale,
                edited_by=proposal.edited_by, part_of=proposal.part_of, tells_of=[("proposals", proposal.id)],
            )  # fmt: skip
        return now

    def proposal(self, proposal_id: str) -> Proposal:
        """At the seat that is asked now; at the last one once that is decided."""
        found, decided = self.proposed(proposal_id)
        return standing(found, decided)

    def proposals(self, ids: Sequence[str]) -> tuple[Proposal, ...]:
        """Several at once, each at the seat that is asked now."""
        found: list[Proposal] = []
        for place in range(0, len(ids), _AT_ONCE):
            with self.reading() as db:
                found += proposals_in(db, ids[place : place + _AT_ONCE])
        return tuple(found)

    def proposed(self, proposal_id: str) -> tuple[Proposal, tuple[Decided, ...]]:
        """As it was first put, and every decision on it."""
        with self.reading() as db:
            found, decided = proposed_and_decided_in(db, proposal_id)
            if found is not None:
                return found, decided
        raise UnknownThread(f"no proposal named {proposal_id}", hint="sqlagent pending lists what waits")

    def last_number(self, thread: str) -> int:
        """How many proposals the thread has had, in all its turns."""
        with self.reading() as db:
            return int(db.execute("SELECT coalesce(max(number), 0) FROM proposals WHERE thread = ?", (thread,)).get)

    # ---- decisions -----------------------------------------------------------------------------------------------

    def decide(self, proposal: Proposal, decision: Decision) -> Decision:
        """Record a decision on the seat that `proposal` stands at, unless there is one; answers the one that counts.

        The first writer wins.  Where time ran out, that is the decision.  Raises `Stale` for another digest or a
        proposal that another one has taken the place of, `NotPermitted` for a person who may not fill the seat; both
        are on record then.
        """
        with self.writing("a decision") as db:
            counted = self._on_record(db, proposal, decision)
            if counted is not None:
                return counted
            first = proposed_in(db, proposal.id)
            now = standing(first, decided_in(db, proposal.id)) if first else proposal
            error = self._unfit(db, now, decision)
            if first and error is None and (timeout := timed_out(first, now, self.latest(db, first))):
                return self._record(db, now, timeout)
            if error is None and (why := refusal(now, decision, check=self.signers.now, at=self.time())):
                error = NotPermitted(why, hint=_hint(now, decision))
            if error is None:
                return self._record(db, now, decision)
            self._log_refused(db, now, decision, error.message)
        raise error

    def _on_record(self, db: apsw.Connection, proposal: Proposal, decision: Decision) -> Decision | None:
        """The decision that this seat has already."""
        there = next((d.decision for d in decided_in(db, proposal.id) if d.stage == proposal.stage), None)
        if there is not None and there != decision:  # said twice, after a crash perhaps: it is on record once
            self._log_refused(db, proposal, decision, f"{there.by} decided first")
        return there

    def _unfit(self, db: apsw.Connection, now: Proposal, decision: Decision) -> Stale | NotPermitted | None:
        if newest_in(db, now.thread) != now.id:
            return Stale(f"{now.id} is not decided: {Refusal.SUPERSEDED}", hint=f"sqlagent show {now.thread}")
        if decision.digest != now.digest:
            return Stale(
                f"{decision.digest[:12]} is not what waits in {now.thread}: {now.digest[:12]} is",
                hint=f"look at it first: sqlagent show {now.thread}",
            )
        return None

    def _record(self, db: apsw.Connection, now: Proposal, decision: Decision) -> Decision:
        db.execute(
            "INSERT INTO decisions (proposal, stage, choice, digest, decided_by, how, sql, reason, retry, keep,"
            " signed, decided_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (now.id, now.stage, decision.choice, decision.digest, decision.by, decision.how, decision.sql,
             decision.reason, decision.retry, msgspec.json.encode(decision.keep).decode(), decision.signed,
             self.time()),
        )  # fmt: skip
        first = proposed_in(db, now.id)
        after = standing(first, decided_in(db, now.id)) if first else now
        if after.stage != now.stage:
            db.execute("UPDATE proposals SET stage = ?, digest = ? WHERE id = ?", (after.stage, after.digest, now.id))
            db.execute(
                "UPDATE threads SET expires_at = ?, updated_at = ? WHERE id = ? AND proposal = ?",
                (after.expires_at, self.time(), now.thread, now.id),
            )
        self.log(
            db, _DECIDED[decision.choice], decision.by, now.thread, proposal=now.id, digest=decision.digest,
            how=decision.how, stage=f"{now.stage}/{now.stages}", reason=decision.reason,
            kept=", ".join(map(str, decision.keep)), brought_by=current_user() if decision.signed else "",
            **self._timed(db, now, decision),
            tells_of=[("decisions", now.id, now.stage), ("proposals", now.id)],
        )  # fmt: skip
        return decision

    def _timed(self, db: apsw.Connection, now: Proposal, decision: Decision) -> dict[str, str]:
        """What time was judged by, where only time decided: a clock that was set ahead is seen by it for good."""
        if decision.how != EXPIRED:
            return {}
        return {"due": now.expires_at, "clock": self.time(), "latest_on_record": self._latest_on_record(db, now)}

    def _log_refused(self, db: apsw.Connection, now: Proposal, decision: Decision, because: str) -> None:
        signed = decision.how == SIGNATURE  # whose it is has not been shown, and who brought it is known
        who = current_user() if signed else decision.by
        self.log(
            db, "refused", who, now.thread, proposal=now.id, digest=decision.digest, how=decision.how,
            stage=f"{now.stage}/{now.stages}", choice=decision.choice, because=because,
            in_the_name_of=decision.by if signed else "",
        )  # fmt: skip

    def decided(self, proposal_id: str) -> tuple[Decided, ...]:
        """Every decision on a proposal, seat by seat."""
        with self.reading() as db:
            return decided_in(db, proposal_id)

    def decision(self, proposal_id: str, stage: int = 1) -> Decision | None:
        """What was decided of one seat of a proposal, counted from 1; None where nothing was."""
        with self.reading() as db:
            return next((d.decision for d in decided_in(db, proposal_id) if d.stage == stage), None)

    # ---- time that ran out ---------------------------------------------------------------------------------------

    def latest(self, db: Reader, proposal: Proposal) -> str:
        """Now, and never before the latest time on record since it was proposed: a slow clock revives nothing."""
        return max(self.time(), self._latest_on_record(db, proposal))

    def _latest_on_record(self, db: Reader, proposal: Proposal) -> str:
        last = db.execute(
            "SELECT max(at) FROM audit WHERE number >= (SELECT max(number) FROM audit WHERE thread = ?"
            " AND what = 'analyzed' AND detail ->> '$.proposal' = ?)",
            (proposal.thread, proposal.id),
        ).get
        return str(last or "")

    def expire(self, proposal_id: str) -> Decision | None:
        """Record what time decided of a proposal that waits, where its own or its stage's is up."""
        with self.reading() as db:  # every look at a thread asks, and few are due
            first = proposed_in(db, proposal_id)
            if first is None:
                return None
            if not timed_out(first, standing(first, decided_in(db, proposal_id)), self.latest(db, first)):
                return None
        with self.writing("a timeout") as db:
            decided = decided_in(db, proposal_id)
            now = standing(first, decided)
            timeout = timed_out(first, now, self.latest(db, first))
            if timeout is None or newest_in(db, now.thread) != now.id or any(d.stage == now.stage for d in decided):
                return None
            return self._record(db, now, timeout)

    def due(self) -> tuple[str, ...]:
        """Threads with a proposal whose time is up, and that nobody has touched since."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT id FROM threads t WHERE status = 'pending' AND expires_at <> '' AND (expires_at <= ?"
                " OR expires_at <= (SELECT max(at) FROM audit WHERE number >= (SELECT max(number) FROM audit a"
                "  WHERE a.thread = t.id AND a.what = 'analyzed'))) ORDER BY expires_at",
                (self.time(),),
            ).fetchall()
        return tuple(str(name) for (name,) in rows)

    # ---- what the model asks back --------------------------------------------------------------------------------

    def ask_back(self, thread: str, turn: int, question: str, choices: tuple[str, ...], *, by: str) -> int:
        """Record what the model asks, and put the thread to waiting; answers its number in the turn, from 1.

        One that nobody has answered yet is asked anew in the words of this one.
        """
        with self.writing("a question back") as db:
            answered = [c for c in clarifications_in(db, thread, turn) if c.answer]
            number = len(answered) + 1
            db.execute(
                "INSERT INTO clarifications (thread, turn, number, question, choices, asked_at)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET question = excluded.question,"
                " choices = excluded.choices, asked_at = excluded.asked_at",
                (thread, turn, number, question, msgspec.json.encode(choices).decode(), self.time()),
            )
            db.execute(
                "UPDATE threads SET status = 'pending', asks = ?, expires_at = '', message = '', hint = '',"
                " updated_at = ? WHERE id = ? AND turn = ?",
                (question, self.time(), thread, turn),
            )
            self.log(db, "asked back", by, thread, question=question, choices=list(choices))
        return number

    def answer(self, thread: str, turn: int, number: int, text: str, *, by: str, how: str) -> Clarification:
        """Record a person's answer, unless there is one; answers what counts."""
        with self.writing("an answer") as db:
            asked = clarifications_in(db, thread, turn)[number - 1]
            if not asked.answer:
                db.execute(
                    "UPDATE clarifications SET answer = ?, answered_by = ?, how = ?, answered_at = ?"
                    " WHERE thread = ? AND turn = ? AND number = ?",
                    (text, by, how, self.time(), thread, turn, number),
                )
                db.execute("UPDATE threads SET asks = '', updated_at = ? WHERE id = ?", (self.time(), thread))
                self.log(db, "answered", by, thread, how=how, answer=text)
            elif asked.answer != text:
                self.log(db, "refused", by, thread, because="it was answered already", answer=text)
            return clarifications_in(db, thread, turn)[number - 1]

    def clarifications(self, thread: str, turn: int) -> tuple[Clarification, ...]:
        """What the model asked back in this turn, in order; the last one may wait for its answer."""
        with self.reading() as db:
            return clarifications_in(db, thread, turn)


def _hint(now: Proposal, decision: Decision) -> str:
    """How somebody who may can approve it."""
    if decision.how == SIGNATURE:
        return f"sqlagent show {now.thread}"
    return f"sqlagent plan {now.thread}, and: sqlagent approve PLAN" if now.seat.signed else ONE_PERSON


_DECIDED = {
    Choice.APPROVE: "approved", Choice.EDIT: "edited", Choice.REJECT: "rejected", Choice.PARTIAL: "approved in part",
    Choice.ESCALATE: "escalated",
}  # fmt: skip
