"""A process is killed at every named point, and at every write to a file; the next one goes on as if nothing was."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
from openai_server import OpenAIServer
from shops import SCRATCH, SELL, Shop, a_shop, approved, in_child, in_this_process, once_each, unkept, waiting
from struck_scenes import (
    Scene,
    a_scene,
    approves,
    decided,
    decides,
    gone_on,
    gone_on_here,
    hit,
    ran,
    seen_through,
    settles_as_it_is,
)

from sqlagent.core.errors import ConnectError, Finished
from sqlagent.core.nouns.session import Choice, Decision, Status
from sqlagent.pipeline.crash_points import crash_points
from sqlagent.pipeline.thread.driver import Driver  # imported once, so that no child has to
from sqlagent.store.journal import RunState

assert Driver is not None
EDITED = "UPDATE stock SET left = 5 WHERE id = 2"


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sqlagent-crash-", dir=SCRATCH))
    yield made
    shutil.rmtree(made)


def test_an_approved_change_runs_exactly_once_wherever_the_process_dies(folder: Path) -> None:
    shop = a_shop(folder / "shop")
    asked = waiting(shop)
    scene = a_scene(shop, approves(asked))
    points = scene.points()
    assert len(points) > 30
    for point in points:
        scene.killed_at(point)
        seen_through(shop, asked, point)


def test_in_wal_a_person_is_asked_about_a_process_that_died_about_its_commit_and_about_no_other(folder: Path) -> None:
    """Nothing but a mark could prove that it ran: the rows could be anybody's."""
    shop = a_shop(folder / "shop", wal=True)
    asked = waiting(shop)
    scene = a_scene(shop, approves(asked))
    points = scene.points()
    assert "marked#1" not in points, "no mark is safe there"
    asked_about = points.index("journal: after the commit of what it changes#1")
    known = points.index("journal: before the commit of a run's end#1")
    for place, point in enumerate(points):
        scene.killed_at(point)
        if asked_about <= place <= known:
            gone_on(shop, asked.thread)
            report, applied = shop.report(asked.thread), shop.sold == 1
            assert (report.status, applied) == (Status.UNKNOWN, place >= points.index("committed#1")), point
            assert ("left them" if applied else "before it") in report.message, point
            settles_as_it_is(shop, asked.thread, applied=applied)
        else:
            seen_through(shop, asked, point)


def test_in_wal_only_a_change_that_cannot_be_kept_is_unknown_and_only_about_its_commit(folder: Path) -> None:
    shop = a_shop(folder / "shop", wal=True)
    asked = unkept(shop)
    assert asked.proposal is not None
    scene = a_scene(shop, approves(asked))
    points = scene.points()
    unknown = []
    for point in points:
        scene.killed_at(point)
        if decided(shop, asked.proposal.id) is not None:
            gone_on(shop, asked.thread)
        hits = hit(shop)
        assert hits <= 1, point
        match shop.report(asked.thread).status:
            case Status.UNKNOWN:
                unknown.append(point)
                settles_as_it_is(shop, asked.thread, applied=hits == 1)
            case status:
                assert (status, hits) in {(Status.EXECUTED, 1), (Status.PENDING, 0)}, point
    begins = points.index("journal: after the commit of what it changes#1")
    ends = points.index("journal: before the commit of a run's end#1")
    assert unknown == points[begins : ends + 1]
    assert {"ran 1#1", "committed#1"} < set(unknown)


def test_a_mode_that_changes_between_a_death_and_the_next_attempt_does_not_run_it_twice(folder: Path) -> None:
    """What was claimed to be marked could not be marked any more; an INSERT would do the same a second time."""
    shop = a_shop(folder / "shop")
    asked = waiting(shop, "INSERT INTO sales (stock_id, was) VALUES (1, 10)")
    first = a_scene(shop, approves(asked))
    first.killed_at("begun")
    shop.rows("PRAGMA journal_mode = wal")
    shop.keep(folder / "dead")
    second = Scene(shop, folder / "dead", lambda shop: gone_on_here(shop, asked.thread))
    second.killed_at("committed")
    gone_on(shop, asked.thread)
    assert shop.report(asked.thread).status is Status.UNKNOWN
    assert shop.rows("SELECT count(*) FROM sales") == [(1,)]
    once_each(shop)


def test_what_a_rolled_back_attempt_kept_says_nothing_of_the_next(folder: Path) -> None:
    """The same rows were changed by somebody else in between: that it ran would be wrong."""
    shop = a_shop(folder / "shop", wal=True)
    asked = waiting(shop)
    with shop.agent() as agent:
        agent._parts.__dict__["reached"] = raises_at("kept")
        with pytest.raises(ConnectError):
            approved(agent, asked)
    scene = a_scene(shop, lambda shop: gone_on_here(shop, asked.thread))
    scene.killed_at("begun")
    shop.rows(SELL)
    gone_on(shop, asked.thread)
    report = shop.report(asked.thread)
    assert report.proposal is not None
    assert (report.status, report.proposal.id, shop.sold) == (Status.PENDING, f"{asked.thread}.2", 1)
    once_each(shop)


def raises_at(point: str) -> Callable[[str], None]:
    """A lock that is met there."""

    def reached(name: str) -> None:
        if name == point:
            raise ConnectError("it is locked by another process", hint="try again")

    return reached


def test_a_damaged_change_is_unknown_and_a_person_settles_it(folder: Path) -> None:
    shop = a_shop(folder / "shop", wal=True)
    asked = waiting(shop)
    assert asked.proposal is not None
    a_scene(shop, approves(asked)).killed_at("committed")
    with shop.agent() as agent:
        kept = agent.journal.kept(asked.proposal.id)
        assert kept is not None
        agent.journal.keep(asked.proposal.id, kept[: len(kept) // 2])
    gone_on(shop, asked.thread)
    assert shop.report(asked.thread).status is Status.UNKNOWN
    settles_as_it_is(shop, asked.thread, applied=True)
    assert shop.sold == 1


def test_a_word_on_a_run_in_doubt_counts_once_wherever_the_process_dies(folder: Path) -> None:
    """Whoever says otherwise afterwards came too late, where the word was recorded; nothing is contradicted."""
    shop = a_shop(folder / "shop", wal=True)
    asked = waiting(shop)
    assert asked.proposal is not None
    a_scene(shop, approves(asked)).killed_at("committed")
    gone_on(shop, asked.thread)
    scene = a_scene(shop, says(asked.thread, RunState.SETTLED_APPLIED, by="ben"))
    for point in scene.points():
        scene.killed_at(point)
        recorded = ran(shop, asked.proposal.id) is RunState.SETTLED_APPLIED
        with suppress(Finished):
            says(asked.thread, RunState.SETTLED_NOT_APPLIED, by="cem")(shop)
        assert shop.report(asked.thread).status is (Status.EXECUTED if recorded else Status.FAILED), point
        assert shop.report(asked.thread).message.startswith(f"settled by {'ben' if recorded else 'cem'}: "), point
        once_each(shop, point)


def says(thread: str, state: RunState, *, by: str) -> Callable[[Shop], object]:
    def act(shop: Shop) -> object:
        with shop.agent(by=by) as agent:
            return agent.settle(thread, state)

    return act


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.long)])
def test_an_undo_is_carried_out_once_and_the_record_is_whole_wherever_the_process_dies(
    folder: Path, every: int
) -> None:
    shop = a_shop(folder / "shop")
    with shop.agent() as agent:
        done = approved(agent, waiting(shop))
        asked = agent.undo(done.thread)
    scene = a_scene(shop, approves(asked))
    for point in scene.points()[::every]:
        scene.killed_at(point)
        gone_on(shop, asked.thread)
        if shop.report(asked.thread).status is Status.PENDING:
            assert in_child(lambda: approves(asked)(shop)) == 0, point
        assert (shop.report(asked.thread).status, shop.sold) == (Status.EXECUTED, 0), point
        with shop.agent() as agent:
            assert [kept.run for kept in agent.undoable()] == [f"{asked.thread}.1"], point
        once_each(shop, point)


def test_what_was_asked_is_asked_still_wherever_the_process_dies(folder: Path) -> None:
    shop = a_shop(folder / "shop")
    scene = a_scene(shop, waiting)
    for point in scene.points():
        scene.killed_at(point)
        the_one_thread_waits(shop, SELL, point)


def test_what_a_model_was_asked_is_asked_still_wherever_the_process_dies(folder: Path) -> None:
    import langchain_openai  # here rather than in every child: it takes a second

    assert langchain_openai
    with OpenAIServer(["UPDATE stock SET zzzzzz = 1", SELL]) as server:
        shop = a_shop(folder / "shop")
        env = server.env()

        def ask(shop: Shop) -> object:
            with shop.agent(env=env, model="test-model") as agent:
                return agent.ask("sell an apple")

        scene = a_scene(shop, ask)
        points = scene.points()
        assert "generate: after the model#2" in points
        for point in (p for p in points if not p.startswith("saver")):  # those are the same as above
            server.script = ["UPDATE stock SET zzzzzz = 1", SELL]
            scene.killed_at(point)
            the_one_thread_waits(shop, SELL, point, env=env, model="test-model")


def the_one_thread_waits(shop: Shop, sql: str, point: str, **settings: Any) -> None:
    with shop.agent() as agent:
        threads = agent.sessions()
    if not threads:
        assert point.startswith("journal: before the commit of a thread"), point
        return

    def resume() -> None:
        with shop.agent(**settings) as agent:
            agent.resume(threads[0].id)

    assert in_child(resume) == 0, point
    assert len(threads) == 1, point
    report = shop.report(threads[0].id)
    assert report.proposal is not None, point
    assert (report.status, report.proposal.sql, report.proposal.id) == (
        Status.PENDING, sql, f"{threads[0].id}.1"), point  # fmt: skip
    assert in_child(lambda: approves(report)(shop)) == 0, point
    assert shop.report(threads[0].id).status is Status.EXECUTED, point
    assert shop.sold == 1, point
    once_each(shop, point)


def test_a_rejection_stands_wherever_the_process_dies(folder: Path) -> None:
    shop = a_shop(folder / "shop")
    asked = waiting(shop)
    assert asked.proposal is not None
    act = decides(asked.thread, Decision(Choice.REJECT, asked.proposal.digest, "ana", "key", reason="not today"))
    scene = a_scene(shop, act)
    for point in scene.points():
        scene.killed_at(point)
        recorded = decided(shop, asked.proposal.id)
        gone_on(shop, asked.thread)
        report = shop.report(asked.thread)
        expected = (Status.REJECTED, "not today") if recorded else (Status.PENDING, "")
        assert (report.status, report.reason) == expected, point
        assert shop.sold == 0, point
        once_each(shop, point)


def test_an_edit_stands_wherever_the_process_dies(folder: Path) -> None:
    shop = a_shop(folder / "shop")
    asked = waiting(shop)
    assert asked.proposal is not None
    act = decides(asked.thread, Decision(Choice.EDIT, asked.proposal.digest, "ana", "key", sql=EDITED))
    scene = a_scene(shop, act)
    for point in scene.points():
        scene.killed_at(point)
        recorded = decided(shop, asked.proposal.id)
        gone_on(shop, asked.thread)
        report = shop.report(asked.thread)
        assert report.proposal is not None, point
        number, sql, editor = (2, EDITED, "ana") if recorded else (1, SELL, "")
        assert report.status is Status.PENDING, point
        assert (report.proposal.id, report.proposal.sql, report.proposal.edited_by) == (
            f"{asked.thread}.{number}", sql, editor), point  # fmt: skip
        assert shop.sold == 0, point
        once_each(shop, point)


def test_an_approved_read_is_shown_wherever_the_process_dies(folder: Path) -> None:
    shop = a_shop(folder / "shop")
    asked = waiting(shop, "SELECT name FROM stock")
    assert asked.proposal is not None
    scene = a_scene(shop, approves(asked))
    for point in scene.points():
        scene.killed_at(point)
        recorded = decided(shop, asked.proposal.id)
        gone_on(shop, asked.thread)
        assert shop.report(asked.thread).status is (Status.EXECUTED if recorded else Status.PENDING), point
        once_each(shop, point)


@pytest.mark.long
def test_a_process_that_dies_while_it_makes_good_another_death_changes_nothing(folder: Path) -> None:
    shop = a_shop(folder / "shop")
    asked = waiting(shop)
    first = a_scene(shop, approves(asked))
    for point in first.points():
        first.killed_at(point)
        if decided(shop, f"{asked.thread}.1") is None or shop.report(asked.thread).status is Status.EXECUTED:
            continue
        shop.keep(folder / "dead")
        second = Scene(shop, folder / "dead", lambda shop: gone_on_here(shop, asked.thread))
        for then in second.points():
            second.killed_at(then)
            seen_through(shop, asked, f"{point}, then {then}")


# ---- killed at every write of SQLite itself ------------------------------------------------------------------------


class _Files(apsw.VFS):
    """The system's files, where somebody is told of every change before it is made."""

    def __init__(self, told: Callable[[], None]) -> None:
        self.system = apsw.vfs_names()[0]
        self.told = told
        super().__init__("told", self.system, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self.system, name, flags, self.told)

    def xDelete(self, name: str, sync: bool) -> None:
        self.told()
        super().xDelete(name, sync)


class _File(apsw.VFSFile):
    def __init__(self, system: str, name: Any, flags: list[int], told: Callable[[], None]) -> None:
        super().__init__(system, name, flags)
        self.told = told

    def xWrite(self, data: bytes, offset: int) -> None:
        self.told()
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self.told()
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self.told()
        super().xSync(flags)


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.long)])
def test_an_approved_change_runs_exactly_once_whichever_write_to_a_file_was_the_last(folder: Path, every: int) -> None:
    """Two files are changed in one commit; this is the proof that they are changed as one."""
    shop = a_shop(folder / "shop")
    asked = waiting(shop)
    approve = approves(asked)

    def act(shop: Shop) -> None:
        told = crash_points(os.environ.get("SQLAGENT_CRASH_AT", ""), os.environ.pop("SQLAGENT_CRASH_LIST", ""))
        files = _Files(lambda: told("file"))
        with in_this_process():
            approve(shop)
        files.unregister()

    scene = a_scene(shop, act)
    points = [p for p in scene.points() if p.startswith("file")]
    assert len(points) > 60
    for point in points[::every]:
        scene.killed_at(point)
        seen_through(shop, asked, point)
