"""The journal in a shared store: it reads as the local one does, and writes by the server's functions alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from sqlagent.core.approval.seats import NOBODY, POLICY, refusal, standing, unfilled
from sqlagent.core.approval.signed import SIGNATURE
from sqlagent.core.errors import NotPermitted, Stale, StoreError
from sqlagent.core.nouns.draft import Attempt, Clarification
from sqlagent.core.nouns.session import Decision, Outcome, Proposal, Source, Status, Thread
from sqlagent.core.secret import Secret
from sqlagent.store.audit import Checked, Entry, Head, verify, verify_seen
from sqlagent.store.examples import lesson_of
from sqlagent.store.journal import Alike, Journal
from sqlagent.store.reader import Reader, together
from sqlagent.store.rows import RUNS, Marked, Refusal, Run, RunState, proposed_and_decided_in, run_of
from sqlagent.store.shared.connection import Ear, Session, guarded, here
from sqlagent.store.shared.lease import lease
from sqlagent.store.signatures import Signers

_SEAT = "the server says who you are; the policy says whom the seat takes"


class SharedJournal(Journal):
    """One database for many people.

    What a caller says of who acts is not taken: the server writes down who is connected.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        password: Secret | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        reached: Callable[[str], None] = lambda _point: None,
        signers: Signers | None = None,
    ) -> None:
        """`folder` is this process's own state folder: marks of runs are there, and on no other machine."""
        super().__init__(folder / "journal.db", now=now, reached=reached, signers=signers)
        self.session = Session(url, password)
        self._ear = Ear(url, password)
        self._me = ""
        self._here = here(folder)

    def close(self) -> None:
        """End the session with the store."""
        self.session.close()
        self._ear.close()

    def me(self) -> str:
        """Who the server says is connected: one login for as long as this is open."""
        if not self._me:
            self._me = str(self.session.execute("SELECT session_user").get)
        return self._me

    @contextmanager
    def alone(self, thread: str) -> Iterator[None]:
        """By a lease of the store.  This folder's own lock is held, so that a lease it has is a dead process's."""
        with lease(self.session, thread, holder=self._here):
            yield

    @contextmanager
    def at_once(self) -> Iterator[Reader]:
        """What the server is asked together, it answers of one moment."""
        with self.reading() as db:
            yield db

    def wait(self, seconds: float, thread: str = "") -> None:
        """Until the server tells of something, or so long: behind a pooler it tells nobody."""
        self._ear.wait(seconds, thread)

    def told_by(self) -> int | None:
        """As the local store's: here the server tells."""
        return self._ear.descriptor()

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """The session, to read; what goes wrong is an error that names the store."""
        with guarded(self.session.url):
            yield self.session

    @contextmanager
    def at_one_moment(self) -> Iterator[Reader]:
        """Several reads that see the same, whatever others write meanwhile."""
        with guarded(self.session.url), self.session.snapshot():
            yield self.session

    def writing(self, what: str) -> NoReturn:
        """Never: a store takes no write but by the functions of its server."""
        raise AssertionError(f"{what} is written by a function of the server")

    def _call(self, what: str, function: str, *arguments: Any, by: str = "") -> Any:  # noqa: ARG002 - said, not believed
        """One function's answer, between the crash points of its transaction; a list where it answers rows."""
        self._reached(f"journal: before the commit of {what}")
        answers = self.session.call(function, *arguments)
        self._reached(f"journal: after the commit of {what}")
        return answers[0] if len(answers) == 1 else answers

    # ---- sessions and turns --------------------------------------------------------------------------------------

    def admit(self, thread: Thread) -> bool:
        """Record a thread's beginning, or False where its id is taken; the server writes down whose it is."""
        t = thread
        return bool(
            self._call("a thread", "admit", t.id, t.database, t.url, t.target, t.model, t.source.value, t.question,
                       t.sql, t.created_at, by=t.requested_by)
        )  # fmt: skip

    def ask_again(self, thread: str, *, expected_turn: int, source: Source, question: str, sql: str, by: str) -> bool:
        """Begin a thread's next turn, or False where it is not at `expected_turn` any more."""
        return bool(self._call("a question", "ask_again", thread, expected_turn, source.value, question, sql, by=by))

    def finish(
        self, thread: str, turn: int, status: Status, *, message: str = "", hint: str = "", ran_sql: str = "",
        attempts: Sequence[Attempt] = (), learn: bool = False,
    ) -> None:  # fmt: skip
        """Record how a turn ended; with `learn`, what it teaches for later questions too."""
        text = msgspec.json.encode(attempts).decode()
        self._call("an ending", "finish", thread, turn, status.value, message, hint, ran_sql, text)
        if learn:
            self._learn(thread, turn)

    def _learn(self, thread: str, turn: int) -> None:
        with self.reading() as db:
            told, lesson = lesson_of(db, thread, turn)
        self._call("what speaks against an example", "unlearn", thread, turn, told)
        if lesson is not None:
            x = lesson
            self._call("an example", "learn", x.run, x.database, x.question, x.drafted, x.final, x.choice.value, x.why)

    def claim_notice(self, proposal: str, stage: int) -> bool:
        """Whether this caller is the one that tells people of a seat."""
        return bool(self._call("a notice", "claim_notice", proposal, stage))

    def alike(self, words: Sequence[str], *, target: str, thread: str, longest: int, limit: int) -> tuple[Alike, ...]:
        """Examples of this target that share words with a question, the best first, by the server's own search."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT e.question, e.final, e.run FROM newest_examples e,"
                "  (SELECT string_agg(quote_literal(w), ' | ')::tsquery AS q, array_agg(w) AS words FROM"
                "   unnest(?1::text[]) AS t, unnest(tsvector_to_array(to_tsvector('english', t))) AS w) AS asked"
                " WHERE to_tsvector('english', e.question) @@ asked.q AND e.target = ?2"
                "   AND length(e.question) + length(e.final) <= ?3"
                "   AND e.run NOT IN (SELECT id FROM proposals WHERE thread = ?4)"
                " ORDER BY (SELECT count(*) FROM unnest(tsvector_to_array(to_tsvector('english', e.question))) AS x"
                "   WHERE x = ANY (asked.words)) DESC,"
                "  ts_rank(to_tsvector('english', e.question), asked.q, 1) DESC, e.approved_at DESC, e.id DESC"
                " LIMIT ?5",
                (list(words), target, longest, thread, limit),
            ).fetchall()
        return tuple(rows)

    def forget_examples(self, ids: Sequence[int] | None, *, by: str, target: str) -> int:
        """Drop these examples, or for None every one of the target; answers how many."""
        chosen = None if ids is None else list(ids)
        return int(self._call("a forgetting of examples", "forget_examples", chosen, target, by=by))

    # ---- the record ----------------------------------------------------------------------------------------------

    def note(self, what: str, *, who: str, thread: str, **detail: Any) -> None:
        """Put on record what no table of the journal holds."""
        said = msgspec.json.encode(detail | {"by": who}).decode()
        self._call("a note", "note", what, thread, said, by=who)

    def note_policy(self, files: Sequence[str], sha256: str, *, who: str, rules: int) -> None:
        """Put on record that somebody's policy is not what it was when they last came."""
        if self._last_policy(who) != sha256:
            self.note("policy loaded", who=who, thread="", files=list(files), sha256=sha256, rules=rules)

    def _chain(self, db: Reader, entries: Sequence[Entry], head: Head | None) -> Checked:
        """Somebody may see some databases' entries alone."""
        hashes = {int(number): str(digest) for number, digest in db.execute("SELECT number, hash FROM links")}
        return verify(entries, head) if len(hashes) == len(entries) else verify_seen(entries, hashes, head)

    # ---- proposals and decisions ---------------------------------------------------------------------------------

    def propose(self, proposal: Proposal, *, number: int, turn: int) -> Proposal:
        """Record a proposal and answer it as the store has it: whoever came first counts."""
        text = msgspec.json.encode(proposal).decode()
        self._call("a proposal", "propose", proposal.id, number, turn, proposal.analysis.risk.name, text)
        return self.proposal(proposal.id)

    def decide(self, proposal: Proposal, decision: Decision) -> Decision:
        """Record a decision; answers what counts.

        Raises NotPermitted for who is not connected as who they say, Stale for a proposal that was overtaken.
        """
        d = decision
        if d.by not in (self.me(), POLICY, NOBODY):
            raise NotPermitted(f"{d.by} is not who is connected to the store: {self.me()} is", hint=_SEAT)
        if proposal.seat.signed or d.how == SIGNATURE:
            self._require_proven(proposal, d)
        refused = self._call(
            "a decision", "decide", proposal.id, proposal.stage, d.choice.value, d.digest, d.how, d.sql, d.reason,
            int(d.retry), msgspec.json.encode(d.keep).decode(), d.signed, by=d.by,
        )  # fmt: skip
        kind, _, why = refused.partition(" ")
        if kind == "stale":
            raise Stale(why, hint=f"look at it first: sqlagent show {proposal.thread}")
        if kind:
            raise NotPermitted(why, hint=_SEAT)
        counted = self.decision(proposal.id, proposal.stage)
        if counted is None:
            raise StoreError(f"the decision on {proposal.id} is not on record", hint="sqlagent store check")
        return counted

    def _require_proven(self, proposal: Proposal, d: Decision) -> None:
        """The server knows who is connected, and not whose a key is: `ssh-keygen` does, here and before every run."""
        if why := refusal(proposal, d, check=self.signers.now, at=self.time()):
            self.note("refused", who=d.by, thread=proposal.thread, proposal=proposal.id, because=why)
            raise NotPermitted(why, hint=f"sqlagent show {proposal.thread}")

    def expire(self, proposal_id: str) -> Decision | None:
        """Record what time decided, by the server's clock; None where nothing is due."""
        with self.reading() as db:  # every look at a thread asks, and few are due
            first, decided = proposed_and_decided_in(db, proposal_id)
        if first is None or not (now := standing(first, decided)).expires_at:
            return None
        stage = now.stage
        return self.decision(proposal_id, stage) if self._call("a timeout", "expire", proposal_id) else None

    def ask_back(self, thread: str, turn: int, question: str, choices: tuple[str, ...], *, by: str) -> int:
        """Record what the model asks; answers its number in the turn, from 1."""
        text = msgspec.json.encode(choices).decode()
        return int(self._call("a question back", "ask_back", thread, turn, question, text, by=by))

    def answer(self, thread: str, turn: int, number: int, text: str, *, by: str, how: str) -> Clarification:
        """Record a person's answer, unless there is one; answers what counts."""
        self._call("an answer", "answer", thread, turn, number, text, how, by=by)
        return self.clarifications(thread, turn)[number - 1]

    # ---- runs ----------------------------------------------------------------------------------------------------

    def claim(self, proposal: Proposal, *, by: str, marked: Marked) -> Run | Refusal | None:
        """Ask for the one right to run a proposal: None is yes; a Run began before, a Refusal says why not."""
        self.require_sealed(proposal.thread)
        with self.reading() as db:
            first, decided = proposed_and_decided_in(db, proposal.id)
        signed = first is not None and (any(s.signed for s in first.seats) or any(d.decision.signed for d in decided))
        unproven = first is not None and signed and self.run(proposal.id) is None
        if first is not None and unproven and (why := unfilled(first, decided, check=self.signers.now)):
            self.note("refused", who=by, thread=proposal.thread, proposal=proposal.id, because=why)
            return Refusal.NOT_APPROVED
        same = first is not None and first.sql == proposal.sql and first.analysis == proposal.analysis
        match self._call(
            "a claim", "claim", proposal.id, proposal.digest, int(marked), self._here, secrets.token_hex(8),
            same, by=by,
        ):  # fmt: skip
            case "":
                return None
            case "superseded":
                return Refusal.SUPERSEDED
            case "not approved":
                return Refusal.NOT_APPROVED
            case _:
                return self.run(proposal.id)

    def run(self, run_id: str) -> Run | None:
        """A run that was begun elsewhere has its mark there, so that nobody can tell by it here."""
        with self.reading() as db:
            told, on = together(db, (f"{RUNS}?", (run_id,)), ("SELECT run_on FROM runs WHERE id = ?", (run_id,)))
        found, begun_on = run_of(told), on.get
        here = found is None or found.marked is not Marked.BESIDE or begun_on == self._here
        return found if here or found is None else replace(found, marked=Marked.NOWHERE)

    def runs_began_on(self, url: str) -> bool:
        """Of those that this state folder has the marks of: what another machine began is another's file."""
        with self.reading() as db:
            begun = (
                "SELECT 1 FROM runs r JOIN proposals p ON p.id = r.id JOIN threads t ON t.id = p.thread"
                " WHERE r.state = 'started' AND t.url = ? AND r.run_on = ? LIMIT 1"
            )
            return db.execute(begun, (url, self._here)).get is not None

    def release(self, run_id: str, *, because: str = "") -> None:
        """Give a claim back, to try again: it is known that nothing was changed."""
        self._call("a release", "give_back", run_id, "released", because, self._here)

    def stale(self, run_id: str, *, because: str) -> None:
        """Give a claim back whose run would not do what was approved; it was rolled back."""
        self._call("a release", "give_back", run_id, "stale", because, self._here)

    def done(self, run_id: str, outcome: Outcome) -> None:
        """Record what a run came to."""
        changed = msgspec.json.encode([r.changed for r in outcome.results]).decode()
        self._call("a run's end", "done", run_id, msgspec.json.encode(outcome).decode(), changed)

    def failed(self, run_id: str, error: str) -> None:
        """Record that a run was rolled back."""
        self._call("a run's end", "failed", run_id, error, self._here)

    def settle(self, run_id: str, state: RunState, *, by: str) -> bool:
        """Record a person's word on a run whose end was not seen; False where its end is known already."""
        return bool(self._call("a run's end", "settle", run_id, state.value, by=by))

    def keep(self, run_id: str, changes: bytes) -> None:
        """Store what a run is about to commit, for undo."""
        self._call("what it changes", "keep", run_id, changes, self._here)

    def prune(self, *, before: str) -> tuple[str, ...]:
        """Forget what runs changed that ended before a time; answers which."""
        with self.reading() as db:
            if not db.execute("SELECT 1 FROM changes WHERE kept_at < ? LIMIT 1", (before,)).get:
                return ()
        gone = self._call("a pruning", "prune", before)
        return tuple(gone) if isinstance(gone, list) else (str(gone),)

    def forget(self, run_id: str) -> None:
        """Drop what a run changed, which then can no longer be undone."""
        self._call("a forgetting", "forget", run_id, self._here)
