"""Whatever several people do, in whatever order, and wherever a process dies: what was applied is what was approved.

Hypothesis plays: people ask, approve, edit, reject, leave it, come too late, approve in part, die in the middle, resume
and undo.  After every step the database is held against the journal: each change that is there was approved at every
stage, by different people who may, on the digest of that stage, and was made once; and the audit log says the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from shops import Shop, a_shop, audited, in_child

from sqlagent.core.approval.seats import unfilled
from sqlagent.core.errors import OutcomeUnknown, SqlagentError
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Report, Status
from sqlagent.core.policy import OnTimeout
from sqlagent.service import Agent
from sqlagent.store.rows import decided_in, proposed_in

POLICY = """
[roles]
dba = ["ben", "eva"]

[[rule]]
id = "pears"
when = { hidden = true, requester = ["ana", "ben"] }
then = { ask = { stages = [
  { name = "technical", role = "dba", not_requester = true, expires = "1h", on_timeout = "escalate" },
  { name = "business", people = 2, expires = "3h" },
] } }

[[rule]]
id = "own"
when = { requester = "eva" }
then = { ask = { people = 1, not_requester = true, expires = "2h" } }
"""
PEOPLE = st.sampled_from(["ana", "ben", "eva", "max"])
ITEMS = st.integers(1, 3)
POINTS = st.sampled_from([
    "journal: before the commit of a decision", "journal: after the commit of a decision", "driver: before a step",
    "driver: after a step", "execute: before the claim", "execute: after the claim", "ran 1", "kept", "committed",
    "execute: settled", "finish: before the journal", "finish: after the journal", "analyze: before the journal",
    "analyze: after the journal", "journal: after the commit of a claim", "journal: before the commit of a run's end",
])  # fmt: skip
T0 = datetime(2026, 3, 30, 10, 0, tzinfo=UTC)
DEAD = 9


def sell(item: int) -> str:
    return f"UPDATE stock SET left = left - 1 WHERE id = {item}"


class Shopkeepers(RuleBasedStateMachine):
    wal = False
    seen: ClassVar[Counter[str]] = Counter()
    """What the audit logs of all games say, all told."""
    threads: Bundle[str] = Bundle("threads")

    def __init__(self) -> None:
        super().__init__()
        scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(dir=scratch))
        self.shop: Shop = a_shop(self.folder, wal=self.wal)
        (self.folder / "policy.toml").write_text(POLICY)
        self.now = T0
        self.digests: list[str] = ["0" * 64]

    def teardown(self) -> None:
        self.seen.update(entry.what for entry in audited(self.shop))
        shutil.rmtree(self.folder)

    def agent(self, by: str) -> Agent:
        return self.shop.agent(by=by, now=lambda: self.now, policy=str(self.folder / "policy.toml"))

    def pending(self, thread: str) -> Proposal | None:
        report = self.shop.report(thread)
        if report.status is not Status.PENDING or report.proposal is None:
            return None
        self.digests.append(report.proposal.digest)
        return report.proposal

    # ---- what people do ----------------------------------------------------------------------------------------------

    @rule(target=threads, by=PEOPLE, items=st.lists(ITEMS, min_size=1, max_size=3, unique=True))
    def ask(self, by: str, items: list[int]) -> str:
        with self.agent(by) as agent:
            return str(agent.run(";\n".join(map(sell, items))).thread)

    @rule(thread=threads, by=PEOPLE)
    def approve(self, thread: str, by: str) -> None:
        self.decide(thread, by, Choice.APPROVE)

    @rule(thread=threads, people=st.permutations(["ana", "ben", "eva", "max"]))
    def approve_with_everybody(self, thread: str, people: list[str]) -> None:
        for by in people:
            self.decide(thread, by, Choice.APPROVE)

    @rule(thread=threads, by=PEOPLE, which=st.integers(0, 50))
    def approve_something_older(self, thread: str, by: str, which: int) -> None:
        old = self.digests[-1 - which % len(self.digests)]
        with self.agent(by) as agent, suppress(SqlagentError):
            agent.approve(thread, old)

    @rule(thread=threads, by=PEOPLE, item=ITEMS)
    def edit(self, thread: str, by: str, item: int) -> None:
        self.decide(thread, by, Choice.EDIT, sql=sell(item))

    @rule(thread=threads, by=PEOPLE, retry=st.booleans())
    def reject(self, thread: str, by: str, retry: bool) -> None:
        self.decide(thread, by, Choice.REJECT, reason="no")

    @rule(thread=threads, by=PEOPLE, keep=st.sets(ITEMS, min_size=1))
    def approve_in_part(self, thread: str, by: str, keep: set[int]) -> None:
        self.decide(thread, by, Choice.PARTIAL, keep=tuple(sorted(keep)), reason="not those")

    @rule(
        thread=threads, by=PEOPLE, point=POINTS, choice=st.sampled_from([Choice.APPROVE, Choice.APPROVE, Choice.EDIT])
    )
    def die(self, thread: str, by: str, point: str, choice: Choice) -> None:
        def work() -> None:
            os.environ["SQLAGENT_CRASH_AT"] = point
            self.decide(thread, by, choice, sql=sell(1) if choice is Choice.EDIT else "")

        self.pending(thread)
        in_child(work)

    @rule(thread=threads, by=PEOPLE)
    def resume(self, thread: str, by: str) -> None:
        with self.agent(by) as agent, suppress(SqlagentError):
            agent.resume(thread)

    @rule(thread=threads, by=PEOPLE)
    def lose_the_checkpoints(self, thread: str, by: str) -> None:
        """What waits then waits as it did, under the same digest, unless it would do another thing."""
        before = self.pending(thread)
        for file in self.shop.state.glob("checkpoints.db*"):
            file.unlink()
        self.resume(thread, by)
        after = self.pending(thread)
        if before is not None and after is not None and after.id == before.id:
            assert after.digest == before.digest or after.stage > before.stage

    @rule(target=threads, thread=threads, by=PEOPLE)
    def undo(self, thread: str, by: str) -> str | MultipleResults[str]:
        with self.agent(by) as agent, suppress(SqlagentError):
            return str(agent.undo(thread).thread)
        return multiple()

    @rule(minutes=st.sampled_from([1, 61, 200, -30]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(by=PEOPLE)
    def expire(self, by: str) -> None:
        with self.agent(by) as agent:
            assert all(r.status in (Status.EXPIRED, Status.PENDING) for r in agent.expire())

    def decide(self, thread: str, by: str, choice: Choice, **more: object) -> Report | None:
        proposal = self.pending(thread)
        if proposal is None:
            return None
        with self.agent(by) as agent:
            try:
                said = Decision(choice, proposal.digest, by, "library", **more)  # type: ignore[arg-type]
                return agent.decide(thread, said)
            except OutcomeUnknown:
                raise AssertionError("nothing here leaves a doubt") from None
            except SqlagentError:
                return None

    # ---- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def what_was_applied_is_what_was_approved_each_once(self) -> None:
        applied = {item: 10 - left for item, left in self.shop.rows("SELECT id, left FROM stock")}
        db = self.shop.journal() if (self.shop.state / "journal.db").exists() else None
        if db is None:
            assert set(applied.values()) == {0}
            return
        try:
            assert db.execute("SELECT count(*) FROM runs WHERE state NOT IN ('done', 'failed', 'started')").get == 0
            expected = Counter(dict.fromkeys(applied, 0))
            for run, state in db.execute("SELECT id, state FROM runs").fetchall():
                first = proposed_in(db, str(run))
                assert first is not None
                decided = decided_in(db, str(run))
                assert unfilled(first, decided) == ""
                people = [d.decision.by for d in decided if d.decision.choice is Choice.APPROVE]
                assert len(people) == len(set(people)) >= 1
                for seat, d in zip(first.seats, decided, strict=True):
                    assert d.decision.choice is Choice.APPROVE or seat.on_timeout is OnTimeout.ESCALATE
                    assert seat.who is None or d.decision.choice is Choice.ESCALATE or d.decision.by in seat.who
                if state == "done":
                    expected.update(sold(first, db))
        finally:
            db.close()
        if not self.under_way():
            assert applied == dict(expected)

    def under_way(self) -> bool:
        """Whether a run began whose process died: only somebody who comes to it can tell how it ended."""
        db = self.shop.journal()
        try:
            return bool(db.execute("SELECT 1 FROM runs WHERE state = 'started'").get)
        finally:
            db.close()

    @invariant()
    def the_audit_log_says_the_same(self) -> None:
        if not (self.shop.state / "journal.db").exists():
            return
        entries = audited(self.shop)
        ended = Counter(msgspec.json.decode(e.detail)["run"] for e in entries if e.what == "committed")
        assert set(ended.values()) <= {1}
        approved = Counter(
            (msgspec.json.decode(e.detail)["proposal"], msgspec.json.decode(e.detail)["stage"])
            for e in entries if e.what in ("approved", "escalated")
        )  # fmt: skip
        assert set(approved.values()) <= {1}
        assert {run for run, _ in approved} >= set(ended)


def sold(proposal: Proposal, db: object) -> dict[int, int]:
    """What a run took off the shelves; an undo puts it back, but for what was sold again since."""
    if proposal.undo_of:
        assert proposal.measurement is not None
        if proposal.measurement.left_alone:
            return put_back(proposal.measurement)
        undone = proposed_in(db, proposal.undo_of)  # type: ignore[arg-type]
        assert undone is not None
        return {item: -n for item, n in sold(undone, db).items()}
    taken = Counter(int(s.sql.rsplit("=", 1)[1]) for s in proposal.analysis.statements)
    return dict(taken)


def put_back(measurement: Measurement) -> dict[int, int]:
    """By the samples, which are of every row where there are so few."""
    stock = [s for effect in measurement.effects for s in effect.samples if s.table == "stock"]
    assert len(stock) == sum(t.rows for e in measurement.effects for t in e.touched if t.table == "stock")
    left = {int(str(s.key[0][1])): c for s in stock for c in s.cells if c.column == "left"}
    return {item: int(str(c.before)) - int(str(c.after)) for item, c in left.items()}


class InWal(Shopkeepers):
    wal = True


def play(machine: type[Shopkeepers], examples: int, steps: int) -> Counter[str]:
    machine.seen = Counter()
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    how = settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(machine, settings=how)
    return machine.seen


def test_the_model_knows_that_an_undo_leaves_alone_what_was_sold_since() -> None:
    """Found by play: an undo that was proposed before the shelf changed once more."""
    people = ["ana", "ben", "eva", "max"]
    state = Shopkeepers()
    first = state.ask(by="ana", items=[1])
    state.approve_with_everybody(thread=first, people=people)
    then = state.ask(by="ana", items=[1])
    undo = state.undo(thread=first, by="ana")
    assert isinstance(undo, str)
    state.approve_with_everybody(thread=then, people=people)
    state.approve_with_everybody(thread=undo, people=people)
    try:
        state.what_was_applied_is_what_was_approved_each_once()
        assert dict(state.shop.rows("SELECT id, left FROM stock")) == {1: 8, 2: 10, 3: 10}
    finally:
        state.teardown()


@pytest.mark.parametrize("machine", [Shopkeepers, InWal])
def test_whatever_people_do_what_was_applied_is_what_was_approved(machine: type[Shopkeepers]) -> None:
    play(machine, examples=6, steps=14)


@pytest.mark.long
@pytest.mark.parametrize("machine", [Shopkeepers, InWal])
def test_whatever_people_do_for_long(machine: type[Shopkeepers]) -> None:
    seen = play(machine, examples=150, steps=30)
    print(machine.__name__, dict(seen))
    for what in ("committed", "refused", "escalated", "expired", "edited", "rejected", "approved in part", "stale"):
        assert seen[what], what
