"""Two people, or eight processes, at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from openai_server import OpenAIServer, Reply
from shops import SCRATCH, SELL, Shop, a_shop, once_each, waiting

from sqlagent.core.errors import AuthError, Finished, SqlagentError, Stale
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.pipeline.thread.driver import Driver  # imported once, so that no child has to
from sqlagent.store.journal import RunState

assert Driver is not None


class Told(msgspec.Struct):
    """What a process was answered."""

    status: str = ""
    message: str = ""
    error: str = ""
    decided_by: str = ""


def at_once(folder: Path, works: Sequence[Callable[[], Report]]) -> list[Told]:
    """Each in a process of its own, all let go by one byte; what each was told."""
    gate, gun = os.pipe()
    children = [_child(folder / f"told-{n}", work, gate, gun) for n, work in enumerate(works)]
    os.close(gate)
    os.close(gun)  # the end of the pipe is what every child waits for
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    return [msgspec.json.decode((folder / f"told-{n}").read_bytes(), type=Told) for n in range(len(works))]


def _child(answer: Path, work: Callable[[], Report], gate: int, gun: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.close(gun)
        os.read(gate, 1)
        try:
            report = work()
            told = Told(report.status, report.message, "", report.decided_by)
        except SqlagentError as e:
            told = Told("", e.message, type(e).__name__)
        answer.write_bytes(msgspec.json.encode(told))
        code = 0
    finally:
        os._exit(code)


def deciding(shop: Shop, asked: Report, by: str, choice: Choice) -> Callable[[], Report]:
    assert asked.proposal is not None
    decision = Decision(choice, asked.proposal.digest, by, "key")

    def decide() -> Report:
        with shop.agent(by=by) as agent:
            return agent.decide(asked.thread, decision)

    return decide


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sqlagent-race-", dir=SCRATCH))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def shops(folder: Path) -> Iterator[Shop]:
    return (a_shop(folder / f"shop-{n}") for n in range(20))


def test_of_two_people_who_approve_at_once_one_runs_it_and_the_other_is_told(
    shops: Iterator[Shop], folder: Path
) -> None:
    for shop in shops:
        asked = waiting(shop)
        told = at_once(folder, [deciding(shop, asked, by, Choice.APPROVE) for by in ("ana", "ben")])
        report = shop.report(asked.thread)
        assert (report.status, shop.sold) == (Status.EXECUTED, 1)
        first, second = ("ana", "ben") if report.decided_by == "ana" else ("ben", "ana")
        by_name = dict(zip(("ana", "ben"), told, strict=True))
        assert (by_name[first].status, by_name[first].message) == ("executed", "")
        knows_who_was_first(
            by_name[second], f"{first} decided first: approve", f"is finished, executed: approved by {first}"
        )


def test_of_an_approval_and_a_rejection_at_once_one_counts_for_both(shops: Iterator[Shop], folder: Path) -> None:
    counted = set()
    for shop in shops:
        asked = waiting(shop)
        works = [deciding(shop, asked, "ana", Choice.APPROVE), deciding(shop, asked, "ben", Choice.REJECT)]
        ana, ben = at_once(folder, works)
        report = shop.report(asked.thread)
        counted.add(report.decided_by)
        if report.decided_by == "ana":
            assert (report.status, shop.sold, ana.status) == (Status.EXECUTED, 1, "executed")
            knows_who_was_first(ben, "ana decided first: approve", "is finished, executed: approved by ana")
        else:
            assert (report.status, shop.sold, ben.status) == (Status.REJECTED, 0, "rejected")
            knows_who_was_first(ana, "ben decided first: reject", "is finished, rejected: rejected by ben")
    assert counted <= {"ana", "ben"}


def knows_who_was_first(told: Told, says: str, state: str) -> None:
    """By name where both were in time to decide, by its end where it was over by then; never by a lock."""
    assert "locked" not in told.message
    assert told.message == says or (told.error == Finished.__name__ and state in told.message), told


def test_of_two_people_who_resume_what_a_crash_left_exactly_one_runs_it(shops: Iterator[Shop], folder: Path) -> None:
    for shop in islice(shops, 8):
        asked = waiting(shop)
        assert asked.proposal is not None
        with shop.agent() as agent:
            agent.journal.decide(asked.proposal, Decision(Choice.APPROVE, asked.proposal.digest, "ana", "key"))

        def resume(shop: Shop = shop, thread: str = asked.thread) -> Report:
            with shop.agent(by="ben") as agent:
                return agent.resume(thread)

        told = at_once(folder, [resume, resume])
        assert all(t.status == "executed" or t.error == Finished.__name__ for t in told), told
        assert (shop.report(asked.thread).status, shop.sold) == (Status.EXECUTED, 1)


def test_of_two_people_who_resume_a_question_at_once_one_asks_the_model(shops: Iterator[Shop], folder: Path) -> None:
    import langchain_openai  # here rather than in every child: it takes a second

    assert langchain_openai
    for shop in islice(shops, 3):
        with OpenAIServer([Reply.error(401), SELL]) as server:
            env = server.env()
            with shop.agent(model="test-model", env=env) as agent:
                with pytest.raises(AuthError):
                    agent.ask("sell an apple")
                (thread,) = agent.pending()

            def resume(shop: Shop = shop, thread: str = thread.id, env: dict[str, str] = env) -> Report:
                with shop.agent(model="test-model", env=env) as agent:
                    return agent.resume(thread)

            told = at_once(folder, [resume, resume])
            assert [t.status for t in told] == ["pending", "pending"], told
            assert len(server.requests) == 2, "one was refused, one was answered, and nobody asked again"


def test_of_an_edit_and_an_approval_at_once_what_was_not_seen_never_runs(shops: Iterator[Shop], folder: Path) -> None:
    edited = "UPDATE stock SET left = 0"
    for shop in islice(shops, 8):
        asked = waiting(shop)
        assert asked.proposal is not None
        edit = Decision(Choice.EDIT, asked.proposal.digest, "ben", "key", sql=edited)

        def change(shop: Shop = shop, thread: str = asked.thread, edit: Decision = edit) -> Report:
            with shop.agent(by="ben") as agent:
                return agent.decide(thread, edit)

        ana, _ = at_once(folder, [deciding(shop, asked, "ana", Choice.APPROVE), change])
        report = shop.report(asked.thread)
        assert report.proposal is not None
        if report.status is Status.EXECUTED:
            assert (shop.sold, report.proposal.sql) == (1, asked.proposal.sql)
        else:
            assert (shop.sold, report.status, report.proposal.sql) == (0, Status.PENDING, edited)
            assert ana.message == "ben decided first: edit" or ana.error == Stale.__name__, ana


def test_eight_processes_that_start_on_nothing_all_get_their_thread(folder: Path) -> None:
    for n in range(4):
        shop = a_shop(folder / f"shop-{n}")
        told = at_once(folder, [lambda shop=shop: waiting(shop)] * 8)  # type: ignore[misc]
        assert [t.status for t in told] == ["pending"] * 8, told
        with shop.agent() as agent:
            assert len(agent.pending()) == 8


def test_eight_processes_that_approve_eight_threads_run_each_of_them_once(folder: Path) -> None:
    shop = a_shop(folder / "shop")
    shop.rows("INSERT INTO stock SELECT value, 'box', 10 FROM json_each('[11, 12, 13, 14, 15, 16, 17, 18]')")
    asked = [waiting(shop, f"UPDATE stock SET left = left - 1 WHERE id = {row}") for row in range(11, 19)]
    told = at_once(folder, [deciding(shop, each, "ana", Choice.APPROVE) for each in asked])
    assert [t.status for t in told] == ["executed"] * 8, told
    assert shop.rows("SELECT left, count(*) FROM stock WHERE id > 10 GROUP BY left") == [(9, 8)]
    with shop.agent() as agent:
        for each in asked:
            assert each.proposal is not None
            run = agent.journal.run(each.proposal.id)
            assert run is not None
            assert run.state is RunState.DONE
    once_each(shop)


@pytest.mark.parametrize("wal", [False, True])
def test_of_eight_approvals_of_the_same_change_one_runs_and_the_others_are_measured_anew(
    folder: Path, wal: bool
) -> None:
    """Each was approved to make 9 of 10; the second to come would make 8 of 9, which nobody has seen."""
    shop = a_shop(folder / "shop", wal=wal)
    asked = [waiting(shop) for _ in range(8)]
    told = at_once(folder, [deciding(shop, each, "ana", Choice.APPROVE) for each in asked])
    assert sorted(t.status for t in told) == ["executed"] + ["stale"] * 7, told
    says = {t.message for t in told if t.status == "stale"}
    assert says == {"it would change 2 rows as approved, but other rows or to other values"}
    assert shop.sold == 1
    for each, was_told in zip(asked, told, strict=True):
        if was_told.status == "stale":
            report = shop.report(each.thread)
            assert report.proposal is not None
            assert (report.status, report.proposal.id) == (Status.PENDING, f"{each.thread}.2")
    once_each(shop)
