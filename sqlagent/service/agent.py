"""The library, and the product's one door to the pipeline: ask, decide, run, resume, pending, show."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlagent import config
from sqlagent.core.approval.seats import EXPIRED, takes_a_signature, unfit
from sqlagent.core.errors import Finished, NeedsApproval, OutcomeUnknown, SqlagentError, UsageError
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Report, Source, Status, Thread
from sqlagent.databases.base import Database, OnConflict, Sink
from sqlagent.service.endings import at_home, close_rejected, finished, left_to_resume, why_nothing_is_kept
from sqlagent.service.parts import Kept, Listener, Parts
from sqlagent.store.ids import new_id
from sqlagent.store.journal import Journal, RunState
from sqlagent.store.rows import Kept as KeptRun

if TYPE_CHECKING:
    from sqlagent.config import DatabaseSettings, Settings
    from sqlagent.pipeline.context import Context
    from sqlagent.service.weighing import Weighed

LONGEST_QUESTION = 20_000
"""Characters; what is longer is a file, not a question."""


class Agent:
    """One person's door to threads: durable, and the same for a terminal, a script and a program.

    Nothing is opened before it is needed: `pending` and `show` read the journal alone.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sink: Sink | None = None,
        listener: Listener | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self._kept = Kept()
        self._sink: Sink = sink or self._kept
        self._parts = Parts(settings, listener or Listener(), now)

    @classmethod
    def open(cls, database: str | None = None, **settings: Any) -> Self:
        """An agent for a database: a path, a configured name or a URL, and any setting by its name in the config file.

        `Agent.open("shop.db", model="local", reads="allow")`.  What is not given comes from the
        environment and the config files, as on the command line.
        """
        return cls(config.load({"database": database, **settings}, os.environ, Path.cwd()))

    @cached_property
    def by(self) -> str:
        """Who acts: the operating system's user, or whoever a team's store says is connected."""
        return self.journal.me()

    def close(self) -> None:
        self._parts.close()

    @property
    def journal(self) -> Journal:
        return self._parts.journal

    @property
    def database(self) -> Database:
        """The database that the settings name."""
        return self._parts.database(self.settings.database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- asking --------------------------------------------------------------------------------------------------

    def ask(self, question: str, *, thread: str = "") -> Report:
        """Have a model draft SQL for a question, and measure it; `thread` continues a finished conversation.

        Answers PENDING (a person decides), EXECUTED (the policy allows it), DENIED or FAILED.  Raises `ConnectError`,
        `AuthError` or `ModelError` where the model gave nothing: the thread is kept, and `resume` tries again.
        """
        row = self.admit(ask=question, thread=thread)
        self._parts.begin_model()
        return self._drive(row)

    def run(self, sql: str, *, title: str = "", thread: str = "") -> Report:
        """Put SQL that a person or a program wrote through the same gate; no model is asked."""
        return self._drive(self.admit(run=sql, title=title, thread=thread))

    def admit(self, *, ask: str | None = None, run: str | None = None, title: str = "", thread: str = "") -> Thread:
        """Put a question or SQL on record, without going on: for whoever moves the thread otherwise."""
        if (ask is None) == (run is None):
            raise UsageError("a turn begins with a question or with SQL", hint='{"ask": "..."} or {"run": "..."}')
        if run is not None and not run.strip():
            raise UsageError("there is no SQL in it", hint="sqlagent run FILE, or sqlagent run --sql TEXT")
        source, question, sql = Source.PERSON, title or "SQL from a program", run or ""
        if ask is not None:
            source, question = Source.MODEL, _question(ask)
        return self._continue(thread, source, question, sql) if thread else self._admit(source, question, sql)

    def context(self, thread: str, *, sink: Sink) -> Context:
        """What the pipeline's nodes reach the world through, for a thread that is moved by LangGraph's own tools."""
        row = self.journal.thread(thread)
        self._parts.database_of(row)
        return self._parts.context(row, by=self.by, sink=sink)

    def _admit(self, source: Source, question: str, sql: str, *, database: DatabaseSettings | None = None) -> Thread:
        self._parts.prune()
        chosen = database or self.settings.database
        target = self._parts.database(chosen).identity()
        now = self.journal.time()
        row = Thread(
            id="", status=Status.NEW, database=chosen.name, url=chosen.url, target=target, source=source,
            question=question, requested_by=self.by, created_at=now, updated_at=now, sql=sql,
            model=self.settings.model if source is Source.MODEL else "",
        )  # fmt: skip
        taken = 0
        while not self.journal.admit(row := replace(row, id=new_id(taken))):
            taken += 1
        return row

    def _continue(self, thread: str, source: Source, question: str, sql: str) -> Thread:
        row = self.journal.thread(thread)
        match row.status:
            case Status.PENDING | Status.STALE:
                raise NeedsApproval(
                    f"{thread} waits for a decision on its last question", hint=f"sqlagent resume {thread}"
                )
            case Status.NEW:
                raise NeedsApproval(
                    f"{thread} has not answered its last question yet", hint=f"sqlagent resume {thread}"
                )
            case Status.UNKNOWN:
                raise _doubt(row)
            case _:
                self._parts.database_of(row)
        if not self.journal.ask_again(
            thread, expected_turn=row.turn, source=source, question=question, sql=sql, by=self.by
        ):
            raise NeedsApproval(f"somebody else asked {thread} first", hint=f"sqlagent show {thread}")
        return self.journal.thread(thread)

    # ---- deciding ------------------------------------------------------------------------------------------------

    def decide(self, thread: str, decision: Decision, *, run: bool = True) -> Report:
        """Answer what a thread waits for, and go on from there; of two decisions on a proposal the first one counts.

        With `run=False` the decision is put on record and nothing is run or measured here: whoever asked goes on with
        `resume`, and gets the rows.  A rejection ends the thread all the same.

        STALE in the answer: it was approved, but the database is no longer what was measured, so nothing ran and a new
        proposal waits.  Raises `Stale` for the digest of another proposal, `Finished` where nothing waits, `QueryError`
        for an edit that the database would not prepare (the proposal stays pending).
        """
        try:
            row = self._waiting(thread, run=run)
        except Finished as e:
            self.refused(thread, decision.digest, e.message)
            raise
        if not row.proposal:
            raise NeedsApproval(f"{thread} asks back first", hint=f"sqlagent resume {thread} --answer TEXT")
        self.journal.require_sealed(thread)
        proposal = self.journal.proposal(row.proposal)
        rewrites = decision.choice in (Choice.EDIT, Choice.PARTIAL) and decision.digest == proposal.digest
        if run or rewrites:  # whoever only says yes or no need not reach the database
            database = self._parts.database_of(row)
        if rewrites:
            from sqlagent.pipeline.running.partial_batch import (
                check_it_can_be,  # with the parser, which `pending` does not need
            )

            check_it_can_be(decision, proposal, database)
        counted = self.journal.decide(proposal, decision)
        if run:
            report = self._drive(row, approved=proposal if counted.choice is Choice.APPROVE else None)
        else:
            close_rejected(self.journal, row, proposal, counted, learn=self.settings.learn)
            report = self.show(thread)
        if counted != decision and counted.how != EXPIRED:
            return replace(report, message=f"{counted.by} decided first: {counted.choice}", decided_by=counted.by)
        return report

    def approve(self, thread: str, digest: str, *, run: bool = True) -> Report:
        """Approve exactly what `digest` names, and run it; with `run=False`, leave the run to whoever resumes it."""
        return self.decide(thread, Decision(Choice.APPROVE, digest, self.by, "library"), run=run)

    def reject(self, thread: str, digest: str, why: str = "") -> Report:
        """Say no to what `digest` names; `why` is on record, and told to the model where one is asked again."""
        return self.decide(thread, Decision(Choice.REJECT, digest, self.by, "library", reason=why))

    def edit(self, thread: str, digest: str, sql: str) -> Report:
        """Put other SQL in its place: it is measured and asked anew."""
        return self.decide(thread, Decision(Choice.EDIT, digest, self.by, "library", sql=sql))

    def resume(self, thread: str) -> Report:
        """Go on with a thread that was left or cut short, as far as it goes without a decision.

        Raises `Finished` where there is nothing to go on with.
        """
        row = self.journal.thread(thread)
        self.journal.require_sealed(thread)
        if row.status in (Status.NEW, Status.PENDING):
            self._parts.database_of(row)
            if row.proposal:
                self.journal.expire(row.proposal)
            return self._drive(row)
        if row.status is Status.UNKNOWN:
            raise _doubt(row)
        raise finished(self.journal, row)

    def answer(self, thread: str, text: str, *, how: str = "library") -> Report:
        """Answer what the model asked back, and go on from there; of two answers the first one counts."""
        row = self.journal.thread(thread)
        asked = self.journal.clarifications(thread, row.turn)
        if row.status is not Status.PENDING or not row.asks or not asked:
            raise Finished(f"{thread} asks nothing back", hint=f"sqlagent show {thread}")
        if not text.strip():
            raise UsageError("the answer is empty", hint=f"sqlagent resume {thread} --answer TEXT")
        self._parts.database_of(row)
        self.journal.answer(thread, row.turn, len(asked), text.strip(), by=self.by, how=how)
        return self._drive(row)

    def expire(self) -> tuple[Report, ...]:
        """Close every proposal whose time is up, or pass it on where its policy says so; answers what was touched."""
        touched = [thread for thread in self.journal.due() if self.journal.expire(self.journal.thread(thread).proposal)]
        return tuple(self._drive(self.journal.thread(thread)) for thread in touched)

    def undo(self, thread: str, *, on_conflict: OnConflict = OnConflict.LEAVE_ALONE) -> Report:
        """Propose to take back what a thread's last run changed: measured, asked and run like any other change.

        `k7f3` is the last run of that thread that is not taken back yet, `k7f3.2` the run of its second proposal.
        Raises `Finished` where there is nothing that was kept.
        """
        name, _, number = thread.partition(".")
        row = self.journal.thread(name)
        self.journal.require_sealed(name)
        runs = [k for k in self._parts.undoable() if (k.run == thread if number else k.thread == name)]
        run = next((k for k in runs if not k.undone_by), runs[0] if runs else None)
        if run is None:
            why = why_nothing_is_kept(self.journal, row, keep_undo=self.settings.keep_undo)
            raise Finished(
                f"{thread} has nothing to undo{why}",
                hint="sqlagent undo --list shows what can be undone",
            )
        from sqlagent.pipeline.proposing.undo_proposal import (
            spelled,  # with all of the pipeline's ports, which `pending` does not need
        )

        question = f"undo {thread} (run {at_home(run.ran_at)} by {run.run_by})"
        self._parts.database_of(row)
        return self._drive(
            self._admit(Source.UNDO, question, spelled(run.run, on_conflict), database=self._parts.settings_of(row))
        )

    def undoable(self) -> tuple[KeptRun, ...]:
        """What can still be undone, the newest first; what is too old is forgotten first."""
        return tuple(kept for kept in self._parts.undoable() if not kept.undone_by)

    def weigh(self, sql: str) -> Weighed:
        """What the policy would look at if this SQL were run; nothing is put on record.  `policy.explain` says why.

        Raises `QueryError` where the database would not prepare it.
        """
        from sqlagent.service import weighing  # only what explains the policy weighs without a run

        return weighing.of_sql(self._parts, self.settings.database, sql, by=self.by, sink=self._sink)

    def weigh_again(self, thread: str) -> Weighed:
        """The same of a thread's newest proposal, by the rules of today."""
        from sqlagent.service import weighing  # as for `weigh`

        return weighing.of_thread(self._parts, thread)

    def settle(self, thread: str, state: RunState) -> Report:
        """Record a person's word on a run whose end was not seen: SETTLED_APPLIED or SETTLED_NOT_APPLIED."""
        row = self.journal.thread(thread)
        if row.status is not Status.UNKNOWN:
            raise Finished(f"{thread} is {row.status}, so there is nothing to settle", hint=f"sqlagent show {thread}")
        self.journal.require_sealed(thread)
        self.journal.settle(row.proposal, state, by=self.by)
        run = self.journal.run(row.proposal)  # the first word counts: somebody else's, or of who was cut off after it
        assert run is not None  # there is none to be in doubt about
        applied = run.state in (RunState.SETTLED_APPLIED, RunState.DONE)
        self.journal.finish(
            thread, row.turn, Status.EXECUTED if applied else Status.FAILED,
            message=f"{run.error or 'its end was seen'}: {'it was applied' if applied else 'it was not applied'}",
            ran_sql=self.journal.proposal(row.proposal).sql if applied else "",
        )  # fmt: skip
        return self.show(thread)

    def refused(self, thread: str, digest: str, because: str) -> None:
        """Put on record that somebody tried to decide what could not be decided."""
        self.journal.note("refused", who=self.by, thread=thread, digest=digest, because=because)

    def shown(self, proposal: Proposal) -> None:
        """Put on record that a person is looking at a proposal."""
        self.journal.note("shown", who=self.by, thread=proposal.thread, proposal=proposal.id, digest=proposal.digest)

    # ---- looking -------------------------------------------------------------------------------------------------

    def pending(self, *, limit: int = -1) -> tuple[Thread, ...]:
        """What waits for a person, the newest first, and what was cut short before it could."""
        return self.journal.threads(statuses=(Status.PENDING, Status.NEW, Status.UNKNOWN), limit=limit)

    def answerable(self, threads: Sequence[Thread]) -> tuple[str, ...]:
        """Those of the threads that wait for a person, and for one who this one may be."""
        return tuple(t.id for t in threads if not t.proposal or not unfit(self.journal.proposal(t.proposal), self.by))

    def unfit(self, proposal: Proposal) -> str:
        """Why this person may not approve what is asked now, here; empty where they may."""
        return unfit(proposal, self.by) or takes_a_signature(proposal)

    def sessions(self, *, limit: int = 50) -> tuple[Thread, ...]:
        """Every thread, the newest first."""
        return self.journal.threads(limit=limit)

    def show(self, thread: str) -> Report:
        """Where a thread stands, from the journal alone.  Raises `Altered` where that is not as its log has it."""
        row = self.journal.thread(thread)
        self.journal.require_sealed(thread)
        proposal = self.journal.proposal(row.proposal) if row.proposal else None
        decision = self.journal.decision(proposal.id, proposal.stage) if proposal else None
        asked = self.journal.clarifications(thread, row.turn) if row.asks else ()
        run = self.journal.run(proposal.id) if proposal else None
        message, hint = row.message, row.hint
        if row.status is Status.PENDING and decision is not None:
            message, hint = left_to_resume(thread, decision)
        return Report(
            thread=thread, status=row.status, database=row.database, question=row.question, proposal=proposal,
            outcome=run.outcome if run else None, message=message, hint=hint,
            decided_by=decision.by if decision else "", reason=decision.reason if decision else "",
            how=decision.how if decision else "",
            asks=asked[-1] if asked else None, requested_by=row.requested_by,
            asked_at=row.created_at, attempts=self.journal.attempts(thread, row.turn),
            audit_head=run.audit_head if run else "",
            undoable=run is not None and self.journal.is_undoable(run.id),
        )  # fmt: skip

    # ---- moving --------------------------------------------------------------------------------------------------

    def _waiting(self, thread: str, *, run: bool) -> Thread:
        row = self.journal.thread(thread)
        if row.status is Status.UNKNOWN:
            raise _doubt(row)
        if row.status is Status.NEW and not run:
            raise NeedsApproval(f"{thread} has no proposal yet", hint=f"sqlagent resume {thread}")
        if row.status is Status.NEW:
            report = self.resume(thread)
            row = self.journal.thread(thread)
            if report.status is not Status.PENDING:
                raise finished(self.journal, row)
        if row.status is not Status.PENDING:
            raise finished(self.journal, row)
        return row

    def _drive(self, row: Thread, *, approved: Proposal | None = None) -> Report:
        self.journal.require_sealed(row.id)
        self._parts.note_policy(by=self.by)
        try:
            state = self._parts.driver.drive(row.id, self._parts.context(row, by=self.by, sink=self._sink))
        except SqlagentError as e:
            e.thread = row.id
            raise
        report = replace(self.show(row.id), failure=state.get("failure", ""), rowsets=self._kept.take())
        if report.status is Status.PENDING:
            self._parts.announce(report, state, by=self.by)
        moved_on = approved is not None and report.proposal is not None and report.proposal.id != approved.id
        if report.status is Status.PENDING and moved_on and report.proposal is not None and report.proposal.stale:
            return replace(report, status=Status.STALE, message=report.proposal.stale)
        return report


def _question(text: str) -> str:
    asked = text.strip()
    if not asked:
        raise UsageError("the question is empty", hint='sqlagent ask "how many customers are there?"')
    if len(asked) > LONGEST_QUESTION:
        raise UsageError(
            f"the question has {len(asked):,} characters, and {LONGEST_QUESTION:,} is the most",
            hint="SQL in a file goes through: sqlagent run FILE",
        )
    return asked


def _doubt(row: Thread) -> OutcomeUnknown:
    return OutcomeUnknown(row.message or f"the end of {row.id} was not seen", hint=row.hint)
