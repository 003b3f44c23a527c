"""What is left of an approved change after a fault, judged and seen through to its end."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
from shops import SCRATCH, SELL, Shop, a_shop, in_child, once_each, waiting

from sqlagent.core.errors import Finished, OutcomeUnknown, SqlagentError
from sqlagent.core.nouns.session import Report, Status
from sqlagent.pipeline.thread.driver import Driver  # imported once, so that no child has to
from sqlagent.store.journal import RunState

assert Driver is not None
Rows = list[tuple[Any, ...]]
BEFORE: tuple[Rows, Rows] = [(1, "apple", 10), (2, "pear", 10), (3, "fig", 10)], []
AFTER: tuple[Rows, Rows] = [(1, "apple", 9), (2, "pear", 10), (3, "fig", 10)], [(1, 1, 10)]


class Told(msgspec.Struct):
    """What a process was answered."""

    status: str = ""
    message: str = ""
    error: str = ""
    decided_by: str = ""
    seen: tuple[Any, ...] = ()
    """What the test itself wanted to know of that process."""


KINDS = ("lost", "double", "split", "wrong word", "unknown", "trouble")


@dataclass(slots=True)
class Tally:
    """How it ended, each time."""

    points: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    """Lost, double, split, or a wrong word: each with the point where it was."""

    def __str__(self) -> str:
        ends = ", ".join(f"{n} {end}" for end, n in sorted(self.ends.items()))
        kinds = Counter(each.partition(":")[0] for each in self.bad)
        counted = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS)
        return f"{self.points} points: {counted}; {ends}"


class How(Enum):
    """What tells after a fault whether a change was committed."""

    ROLLBACK = "rollback"
    """A file beside the journal, marked in the same transaction."""
    WAL = "wal"
    """Nothing, from what it keeps before its commit to the journal's word: a person is asked."""
    MARKED = "wal, marked"
    """Its mark in a table of the database itself."""


@contextmanager
def kept_shop(how: How, sql: str = SELL) -> Iterator[tuple[Shop, Report, Path]]:
    """A shop with a change that waits, and the copy that it is restored from."""
    folder = Path(tempfile.mkdtemp(prefix="sqlagent-fault-", dir=SCRATCH))
    try:
        shop = a_shop(folder / "shop", wal=how is not How.ROLLBACK, marker_table=how is How.MARKED)
        asked = waiting(shop, sql)
        shop.keep(folder / "kept")
        yield shop, asked, folder / "kept"
    finally:
        shutil.rmtree(folder)


def approves(shop: Shop, asked: Report, by: str = "ana") -> Report:
    assert asked.proposal is not None
    with shop.agent(by=by) as agent:
        return agent.approve(asked.thread, asked.proposal.digest)


def answered(answer: Path, work: Callable[[], Report], seen: Callable[[], tuple[Any, ...]] = tuple) -> None:
    """Write down what `work` was told; what is no SqlagentError is what a person would see as a traceback."""
    try:
        report = work()
        told = Told(report.status, report.message, "", report.decided_by)
    except SqlagentError as e:
        told = Told("", e.message, type(e).__name__)
    except BaseException as e:
        told = Told("", traceback.format_exc(), f"! {type(e).__name__}")
    told.seen = seen()
    answer.write_bytes(msgspec.json.encode(told))


def read_answer(answer: Path) -> Told:
    return msgspec.json.decode(answer.read_bytes(), type=Told)


def judge(shop: Shop, asked: Report, point: str, tally: Tally, told: Told | None = None) -> None:
    """Go on with the thread as the next person would, and note how it ended; raises nothing of its own."""
    tally.points += 1
    try:
        end, bad = _judged(shop, asked, told)
    except (AssertionError, SqlagentError) as e:
        end, bad = "trouble", [f"trouble: {e or traceback.format_exc()}"]
    tally.ends[end] += 1
    tally.bad.extend(f"{each}  (at {point})" for each in bad)


def _judged(shop: Shop, asked: Report, told: Told | None) -> tuple[str, list[str]]:
    bad: list[str] = []
    if told is not None and told.error.startswith("!"):
        bad.append(f"wrong word: a traceback\n{told.message}")
    _resumed(shop, asked.thread)
    report = shop.report(asked.thread)
    found = content(shop)
    if found not in (BEFORE, AFTER):
        return "neither before nor after", [*bad, f"{'double' if len(found[1]) > 1 else 'split'}: {found}"]
    applied = found == AFTER
    bad.extend(_wrong_marks(shop, asked, applied))
    if told is not None:
        bad.extend(_wrong_words(told, applied))
    if report.status is Status.UNKNOWN:
        if shop.config.exists():
            bad.append("unknown: its mark tells")
        _settled(shop, asked.thread, applied=applied)
        once_each(shop)
        return f"cannot tell ({'applied' if applied else 'not applied'})", bad
    bad.extend(_disagreement(shop, report, applied=applied))
    once_each(shop)
    if not bad:
        _carried_to_its_end(shop, report, applied=applied)
    return f"{report.status.value} after resume", bad


def _resumed(shop: Shop, thread: str) -> None:
    def resume() -> None:
        with shop.agent(by="ben") as agent:
            try:
                agent.resume(thread)
            except (Finished, OutcomeUnknown):
                return

    assert in_child(resume) == 0, "it could not be resumed"


def content(shop: Shop) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Everything in the target, which is whole."""
    assert shop.rows("PRAGMA integrity_check") == [("ok",)], "the target is damaged"
    return shop.rows("SELECT * FROM stock ORDER BY id"), shop.rows("SELECT * FROM sales ORDER BY id")


def _wrong_marks(shop: Shop, asked: Report, applied: bool) -> list[str]:
    """Where marks are left, there is one exactly if it was applied."""
    if not shop.config.exists():
        return []
    there = shop.rows("SELECT 1 FROM sqlite_schema WHERE name = 'sqlagent_runs'")
    marks = [str(run) for (run,) in shop.rows("SELECT id FROM sqlagent_runs WHERE at <> ''")] if there else []
    expected = [f"{asked.thread}.1"] if applied else []
    return [] if marks == expected else [f"split: applied is {applied}, and the marks are {marks}"]


def _wrong_words(told: Told, applied: bool) -> list[str]:
    """Whatever the process that met the fault said must have been true."""
    if told.status == Status.EXECUTED and not applied:
        return ["lost: it was told that it was executed"]
    said_no = told.status == Status.FAILED or "nothing was changed" in told.message
    return [f"wrong word: told {told.status or told.error}: {told.message}, and it was applied"] * (said_no and applied)


def _disagreement(shop: Shop, report: Report, *, applied: bool) -> list[str]:
    """Where the journal says something else than the target."""
    assert report.proposal is not None
    with shop.agent() as agent:
        run = agent.journal.run(report.proposal.id)
    state = run.state if run else None
    if applied:
        same = report.status is Status.EXECUTED and state is RunState.DONE
        return [] if same else [f"split: applied, and the journal says {report.status}, {state}: {report.message}"]
    if report.status is Status.EXECUTED or state is RunState.DONE:
        return [f"lost: not applied, and the journal says {report.status}, {state}"]
    same = report.status is Status.PENDING or (report.status is Status.FAILED and state is RunState.FAILED)
    return [] if same else [f"split: not applied, and the journal says {report.status}, {state}"]


def _settled(shop: Shop, thread: str, *, applied: bool) -> None:
    with shop.agent(by="ben") as agent:
        agent.settle(thread, RunState.SETTLED_APPLIED if applied else RunState.SETTLED_NOT_APPLIED)


def _carried_to_its_end(shop: Shop, report: Report, *, applied: bool) -> None:
    """The thread can be gone on with: what waits is approved, what failed is asked again in the same thread."""
    if applied:
        return

    def go_on() -> None:
        again = report
        if report.status is Status.FAILED:
            with shop.agent() as agent:
                again = agent.run(SELL, thread=report.thread)
        ended = approves(shop, again, by="cem")
        assert ended.status is Status.EXECUTED, ended

    assert in_child(go_on) == 0, f"the thread ({report.status}) could not be gone on with"
    assert content(shop) == AFTER, "gone on with, and not applied once"
    once_each(shop)


def at_once(folder: Path, works: Sequence[Callable[[], Report]]) -> list[Told]:
    """Each in a process of its own, all let go by one end of a pipe; what each was told."""
    gate, gun = os.pipe()
    children = []
    for number, work in enumerate(works):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(gun)
                os.read(gate, 1)
                answered(folder / f"told-{number}", work)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(gate)
    os.close(gun)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    return [read_answer(folder / f"told-{number}") for number in range(len(works))]
