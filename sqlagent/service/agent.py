"""The library, and the product's one door to the pipeline: ask, decide, run, resume, pending, show."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlagent import config
from sqlagent.core.approval.seats import EXPIRED, takes_a_signature, unfit
from sqlagent.core.errors import Finished, NeedsApproval, SqlagentError, UsageError
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Report, Source, Status, Thread
from sqlagent.databases.base import Database, MeasureBudget, OnConflict, Sink
from sqlagent.service.calls import a_call, checks_arguments
from sqlagent.service.endings import at_home, close_rejected, doubt, finished, run_to_undo, settle
from sqlagent.service.parts import Kept, Listener, Parts
from sqlagent.service.reads_only import require
from sqlagent.service.reports import report_of
from sqlagent.service.waiting import waited
from sqlagent.store.journal import Journal, RunState
from sqlagent.store.rows import Kept as KeptRun

if TYPE_CHECKING:
    from sqlagent.config import Settings
    from sqlagent.pipeline.context import Context
    from sqlagent.service.weighing import Weighed


class Agent:
    """One person's door to threads: durable, and the same for a terminal, a script and a program.

    Nothing is opened before it is needed: `pending` and `show` read the journal alone.  Threads of a program may share
    an agent: what a call holds is its own, rows, listener and connections too.
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
        self._is_call = False

    @classmethod
    def open(cls, database: str | Path | None = None, **settings: Any) -> Self:
        """An agent for a database: a path, a configured name or a URL, and any setting by its name in the config file.

        `Agent.open("shop.db", model="local", reads="allow")`.  What is not given comes from the
        environment and the config files, as on the command line.
        """
        given = {"database": str(database) if isinstance(database, Path) else database, **settings}
        config.check_given(given, Path.cwd())
        return cls(config.load(given, os.environ, Path.cwd()))

    @cached_property
    def by(self) -> str:
        """Who acts: the operating system's user, or whoever a team's store says is connected."""
        return self.journal.me()

    def close(self) -> None:
        """Close what was opened; leaving `with Agent.open(...) as agent:` does it too."""
        self._parts.close()

    @contextmanager
    def one_call(self, listener: Listener | None = None) -> Iterator[Self]:
        """This agent for one call, or several in a row: with rows, connections and a listener that no other has."""
        if self._is_call:
            yield self
            return
        with self._parts.one_call(listener) as parts:
            call = copy(self)
            call._is_call, call._parts, call._kept = True, parts, Kept()
            call._sink = call._kept if self._sink is self._kept else self._sink
            yield call

    def cancel(self) -> bool:
        """Have every call that goes on stop before it changes anything; one that has come to its COMMIT finishes.

        Answers whether there is something to wait for; say it again until there is not.
        """
        return self._parts.cancel()

    def use(self, settings: Settings) -> None:
        """Go on with other settings; what is open stays open."""
        self.settings = self._parts.settings = settings

    @property
    def journal(self) -> Journal:
        """What was asked, proposed, decided and run."""
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

    @a_call
    def ask(self, question: str, *, thread: str = "") -> Report:
        """Have a model draft SQL for a question, and measure it; `thread` continues a finished conversation.

        Answers PENDING (a person decides), EXECUTED (the policy allows it), DENIED or FAILED.  Raises `ConnectError`,
        `AuthError` or `ModelError` where the model gave nothing: the thread is kept, and `resume` tries again.
        """
        row = self.admit(ask=question, thread=thread)
        self._parts.begin_model()
        return self._drive(row)

    @a_call
    def run(self, sql: str, *, title: str = "", thread: str = "", only: str = "") -> Report:
        """Put SQL that a person or a program wrote through the same gate; no model is asked.

        `only="read"` raises `NotPermitted` for what is no proven read; nothing but that is on record then.
        """
        if only:
            require(only, sql, self)
        return self._drive(self.admit(run=sql, title=title, thread=thread))

    @a_call
    def admit(self, *, ask: str | None = None, run: str | None = None, title: str = "", thread: str = "") -> Thread:
        """Put a question or SQL on record, without going on: for whoever moves the thread otherwise."""
        from sqlagent.service.admitting import Turn, admitted, continued  # only what begins a turn needs ids

        turn = Turn.begun(ask=ask, run=run, title=title, by=self.by)
        return continued(self._parts, thread, turn) if thread else admitted(self._parts, turn)

    def context(self, thread: str, *, sink: Sink) -> Context:
        """What the pipeline's nodes reach the world through, for a thread that is moved by LangGraph's own tools."""
        row = self.journal.thread(thread)
        self._parts.database_of(row)
        return self._parts.context(row, by=self.by, sink=sink)

    # ---- deciding ------------------------------------------------------------------------------------------------

    @a_call
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
        run = run and self._parts.reaches(row)
        rewrites = decision.choice in (Choice.EDIT, Choice.PARTIAL) and decision.digest == proposal.digest
        if run or rewrites:  # whoever only says yes or no need not reach the database
            database = self._parts.database_of(row)
        if rewrites:
            from sqlagent.pipeline.running.partial_batch import check_it_can_be  # with the parser

            check_it_can_be(decision, proposal, database)
        counted = self.journal.decide(proposal, decision)
        if run:
            report = self._drive(row, approved=proposal if counted.choice is Choice.APPROVE else None)
        else:
            close_rejected(self.journal, row, proposal, counted, learn=self.settings.learn)
            self._parts.tell_decided(proposal.id, by=self.by)
            report = self.show(thread)
        if counted != decision and counted.how != EXPIRED:
            return replace(report, message=f"{counted.by} decided first: {counted.choice}", decided_by=counted.by)
        return report

    @checks_arguments
    def approve(self, thread: str, digest: str, *, run: bool = True) -> Report:
        """Approve exactly what `digest` names, and run it; with `run=False`, leave the run to whoever resumes it."""
        return self.decide(thread, Decision(Choice.APPROVE, digest, self.by, "library"), run=run)

    @checks_arguments
    def reject(self, thread: str, digest: str, why: str = "") -> Report:
        """Say no to what `digest` names; `why` is on record, and told to the model where one is asked again."""
        return self.decide(thread, Decision(Choice.REJECT, digest, self.by, "library", reason=why))

    @checks_arguments
    def edit(self, thread: str, digest: str, sql: str) -> Report:
        """Put other SQL in its place: it is measured and asked anew."""
        return self.decide(thread, Decision(Choice.EDIT, digest, self.by, "library", sql=sql))

    @a_call
    def resume(self, thread: str) -> Report:
        """Go on with a thread that was left or cut short, as far as it goes without a decision.

        In a team's store, of a database that this machine does not reach: where it stands, to be decided on and run
        elsewhere.  Raises `Finished` where there is nothing to go on with.
        """
        row = self.journal.thread(thread)
        self.journal.require_sealed(thread)
        if row.status in (Status.NEW, Status.PENDING):
            if row.status is Status.PENDING and not self._parts.reaches(row):
                return self.show(thread)
            self._parts.database_of(row)
            if row.proposal:
                self.journal.expire(row.proposal)
            return self._drive(row)
        if row.status is Status.UNKNOWN:
            raise doubt(row)
        raise finished(self.journal, row)

    @a_call
    def measure_again(self, thread: str, *, budget: MeasureBudget | None = None) -> Report:
        """Measure what a thread waits with once more, on the database as it is now; `budget` is what that may cost.

        PENDING where it would still do the same, and the proposal is the same too.  STALE where it would not: the
        message says what changed since, and a new proposal waits.
        """
        from sqlagent.service.measuring_again import measured_again  # with the pipeline, which `pending` does not need

        context = self._parts.context(self.journal.thread(thread), by=self.by, sink=self._sink)
        return measured_again(self._parts, thread, context, show=self.show, budget=budget)

    @a_call
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

    @a_call
    def expire(self) -> tuple[Report, ...]:
        """Close every proposal whose time is up, or pass it on where its policy says so; answers what was touched."""
        touched = [thread for thread in self.journal.due() if self.journal.expire(self.journal.thread(thread).proposal)]
        return tuple(self._drive(self.journal.thread(thread)) for thread in touched)

    @a_call
    def undo(self, thread: str, *, on_conflict: OnConflict = OnConflict.LEAVE_ALONE) -> Report:
        """Propose to take back what a thread's last run changed: measured, asked and run like any other change.

        `k7f3` is the last run of that thread that is not taken back yet, `k7f3.2` the run of its second proposal.
        Raises `Finished` where there is nothing that was kept.
        """
        row = self.journal.thread(thread.partition(".")[0])
        self.journal.require_sealed(row.id)
        run = run_to_undo(self.journal, thread, row, self._parts.undoable(), keep_undo=self.settings.keep_undo)
        from sqlagent.pipeline.proposing.undo_proposal import spelled  # with all of the pipeline's ports
        from sqlagent.service.admitting import Turn, admitted

        question = f"undo {thread} (run {at_home(run.ran_at)} by {run.run_by})"
        self._parts.database_of(row)
        turn = Turn(Source.UNDO, question, spelled(run.run, on_conflict), self.by)
        return self._drive(admitted(self._parts, turn, database=self._parts.settings_of(row)))

    def undoable(self) -> tuple[KeptRun, ...]:
        """What can still be undone, the newest first; what is too old is forgotten first."""
        return tuple(kept for kept in self._parts.undoable() if not kept.undone_by)

    @a_call
    def weigh(self, sql: str) -> Weighed:
        """What the policy would look at if this SQL were run; nothing is put on record.  `policy.explain` says why.

        Raises `QueryError` where the database would not prepare it.
        """
        from sqlagent.service import weighing  # only what explains the policy weighs without a run

        return weighing.of_sql(self._parts, self.settings.database, sql, by=self.by, sink=self._sink)

    @a_call
    def weigh_again(self, thread: str) -> Weighed:
        """The same of a thread's newest proposal, by the rules of today."""
        from sqlagent.service import weighing  # as for `weigh`

        return weighing.of_thread(self._parts, thread)

    def settle(self, thread: str, state: RunState) -> Report:
        """Record a person's word on a run whose end was not seen: SETTLED_APPLIED or SETTLED_NOT_APPLIED."""
        settle(self.journal, thread, state, by=self.by)
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
        waiting = {p.thread: p for p in self.journal.proposals([t.proposal for t in threads if t.proposal])}
        return tuple(t.id for t in threads if t.id not in waiting or not unfit(waiting[t.id], self.by))

    def unfit(self, proposal: Proposal) -> str:
        """Why this person may not approve what is asked now, here; empty where they may."""
        return unfit(proposal, self.by) or takes_a_signature(proposal)

    def sessions(self, *, limit: int = 50) -> tuple[Thread, ...]:
        """Every thread, the newest first."""
        return self.journal.threads(limit=limit)

    @checks_arguments
    def show(self, thread: str) -> Report:
        """Where a thread stands, from the journal alone.  Raises `Altered` where that is not as its log has it."""
        return report_of(self.journal, thread)

    @checks_arguments
    def wait(self, thread: str, *, timeout: float | None = None) -> Report:
        """Wait until somebody has decided, here or elsewhere, or the thread has ended; then `resume` goes on with it.

        Raises `TimedOut` where nobody has within `timeout` seconds.
        """
        return waited(self, thread, timeout)

    def note(self, words: str) -> None:
        """Tell whoever listens to this agent a remark."""
        self._parts.note(words)

    # ---- moving --------------------------------------------------------------------------------------------------

    def _waiting(self, thread: str, *, run: bool) -> Thread:
        row = self.journal.thread(thread)
        if row.status is Status.UNKNOWN:
            raise doubt(row)
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
        finally:
            self._parts.tell_decided(row.proposal, by=self.by)
        report = replace(self.show(row.id), failure=state.get("failure", ""), rowsets=self._kept.take())
        if report.status is Status.PENDING:
            self._parts.announce(report, state, by=self.by)
        moved_on = approved is not None and report.proposal is not None and report.proposal.id != approved.id
        if report.status is Status.PENDING and moved_on and report.proposal is not None and report.proposal.stale:
            return replace(report, status=Status.STALE, message=report.proposal.stale)
        return report
