"""Killed about its COMMIT, and the rows edited before it is gone on with: never run twice, never claimed falsely."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aftermath import How, approves, kept_shop
from shops import SELL, Shop, approved, in_child, once_each

from sqlagent.core.errors import Finished, OutcomeUnknown
from sqlagent.core.nouns.session import Report, Status
from sqlagent.service import parts as service_parts
from sqlagent.store.journal import RunState

INSERT = "INSERT INTO sales (stock_id, was) VALUES (1, 10)"
"""As into an outbox: it does the same each time."""
ADVERSARIES = {
    "a consumer takes the new rows": "DELETE FROM sales",
    "the old value is set back": "UPDATE stock SET left = 10 WHERE id = 1; DELETE FROM sales",
    "the same change is made by hand": f"{SELL}; DELETE FROM sales WHERE id > 1",
    "the same row is inserted by hand": "INSERT OR IGNORE INTO sales VALUES (1, 1, 10)",
    "another value is set": "UPDATE stock SET left = 77 WHERE id = 1",
}
Rows = tuple[object, ...]


@dataclass(slots=True)
class Seen:
    """How it ended, over all points."""

    points: int = 0
    twice: list[str] = field(default_factory=list)
    falsely: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        ends = ", ".join(f"{n} {end}" for end, n in sorted(self.ends.items()))
        return f"{self.points} points: run twice {len(self.twice)}, claimed falsely {len(self.falsely)}; {ends}"


def rows(shop: Shop) -> Rows:
    return (*shop.rows("SELECT * FROM stock ORDER BY id"), None, *shop.rows("SELECT * FROM sales ORDER BY id"))


def points_of(shop: Shop, kept: Path, asked: Report) -> list[str]:
    """From the claim to the journal's word on the end: before and after that, nothing is in doubt."""
    shop.restore(kept)
    listing = kept.with_suffix(".points")

    def approve() -> None:
        os.environ["SQLAGENT_CRASH_LIST"] = str(listing)
        approves(shop, asked)

    assert in_child(approve) == 0
    points = listing.read_text().splitlines()
    begin, end = points.index("execute: after the claim#1"), points.index("journal: after the commit of a run's end#1")
    return points[begin : end + 1]


def killed_at(shop: Shop, kept: Path, asked: Report, point: str) -> None:
    shop.restore(kept)

    def approve() -> None:
        os.environ["SQLAGENT_CRASH_AT"] = point
        approves(shop, asked)

    assert in_child(approve) == -signal.SIGKILL, point


def gone_on(shop: Shop, thread: str) -> Report:
    with shop.agent(by="ben") as agent:
        with suppress(Finished, OutcomeUnknown):
            agent.resume(thread)
        return agent.show(thread)


def judged(shop: Shop, asked: Report, before: Rows, edit: str, where: str, seen: Seen) -> None:
    committed = rows(shop) != before
    shop.rows(edit)
    edited = rows(shop)
    report = gone_on(shop, asked.thread)
    ran_now = rows(shop) != edited
    seen.points += 1
    seen.ends[report.status.value] += 1
    if committed and ran_now:
        seen.twice.append(where)
    if report.status is Status.EXECUTED and not (committed or ran_now):
        seen.falsely.append(where)
    if report.undoable and not (committed or ran_now):
        seen.falsely.append(f"undo: {where}")
    once_each(shop, where)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("sql", [SELL, INSERT], ids=["update", "insert"])
@pytest.mark.parametrize("how", How, ids=lambda how: how.value)
def test_whoever_edits_the_rows_between_a_crash_and_its_resume_makes_nothing_run_twice_or_be_claimed(
    how: How, sql: str, every: int
) -> None:
    seen = Seen()
    with kept_shop(how, sql) as (shop, asked, kept):
        before = rows(shop)
        points = points_of(shop, kept, asked)
        cases = [(point, name) for point in points for name in ADVERSARIES]
        for point, name in cases[::every]:
            killed_at(shop, kept, asked, point)
            judged(shop, asked, before, ADVERSARIES[name], f"{point}, {name}", seen)
    print(f"\n{how.value}, {sql.split()[0]}: {seen}")
    assert seen.twice == seen.falsely == []
    assert (seen.ends["unknown"] > 0) == (how is How.WAL), "with a mark nobody has to be asked"


def test_what_a_person_said_was_applied_is_undone_with_that_word_on_the_screen() -> None:
    with kept_shop(How.WAL) as (shop, asked, kept):
        killed_at(shop, kept, asked, "kept#1")
        shop.rows(SELL)  # a colleague, by hand
        assert gone_on(shop, asked.thread).status is Status.UNKNOWN
        with shop.agent(by="ben") as agent:
            assert "somebody else may have done" in agent.show(asked.thread).message
            agent.settle(asked.thread, RunState.SETTLED_APPLIED)
            undo = agent.undo(asked.thread)
        assert undo.proposal is not None
        (said,) = [f for f in undo.proposal.analysis.statements[0].findings if f.rule == "changed-since"]
        assert said.message == f"that {asked.thread}.1 ran is ben's word; its end was not seen"


# ---- a process that stops, and does not die ------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["begun", "marked"])
def test_a_process_that_is_stopped_in_its_commit_keeps_nobody_else_waiting(point: str) -> None:
    with kept_shop(How.ROLLBACK) as (shop, asked, _):
        other = Shop(shop.folder.with_name("other"))
        other.folder.mkdir()
        other.rows("CREATE TABLE stock (id INTEGER PRIMARY KEY, left INTEGER); INSERT INTO stock VALUES (1, 10)")
        with stopped_at(shop, asked, point):

            def works_elsewhere() -> None:
                signal.alarm(20)  # less than a journal is waited for
                with shop.agent(database=str(other.db)) as agent:
                    assert approved(agent, agent.run("UPDATE stock SET left = 9")).status is Status.EXECUTED

            assert in_child(works_elsewhere) == 0
        assert shop.report(asked.thread).status is Status.EXECUTED
        assert shop.sold == 1


@contextmanager
def stopped_at(shop: Shop, asked: Report, point: str) -> Iterator[None]:
    """A process that approves is stopped at a point of its run, and goes on when the block ends."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(service_parts, "crash_points", lambda *_: stops_at(point))
                approves(shop, asked)
            code = 0
        finally:
            os._exit(code)
    stopped = os.waitpid(child, os.WUNTRACED)[1]
    assert os.WIFSTOPPED(stopped)
    yield
    os.kill(child, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def stops_at(point: str) -> Callable[[str], None]:
    return lambda name: os.kill(os.getpid(), signal.SIGSTOP) if name == point else None
