"""A team's store under races, crashes and a server that goes away: each approval counts once, and runs once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from journal_builders import a_decision, a_proposal, a_thread
from shared_store import PEOPLE, Store
from store_scene import Scene

from sqlagent.core.nouns.session import Choice, Decision, Status
from sqlagent.store.journal import Marked
from sqlagent.store.shared.journal import SharedJournal


def race(store: Store, people: list[str], thread: str) -> list[Decision]:
    """Everybody decides on the thread's proposal at the same moment, each by a login of their own."""
    together = Barrier(len(people))

    def decide(place: int) -> Decision:
        journal = SharedJournal(store.url_of(people[place]), store.folder)
        proposal = journal.proposal(f"{thread}.1")
        choice = Choice.APPROVE if place % 2 else Choice.REJECT
        together.wait()
        counted = journal.decide(proposal, a_decision(proposal, choice, by=people[place]))
        journal.claim(proposal, by=people[place], marked=Marked.TARGET)
        journal.close()
        return counted

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(decide, range(len(people))))


def raced(store: Store, people: list[str], rounds: int) -> None:
    ana = store.of("ana")
    for number in range(rounds):
        ana.admit(a_thread(id=f"r{number}"))
        ana.propose(a_proposal(thread=f"r{number}"), number=1, turn=1)
        counted = race(store, people, f"r{number}")
        assert len(set(counted)) == 1
        said = [e.what for e in ana.audit(thread=f"r{number}")]
        assert said.count("approved") + said.count("rejected") == 1
        assert said.count("claimed") == (counted[0].choice is Choice.APPROVE)
    assert ana.verified().problem == ""


def test_of_people_who_decide_at_once_one_counts_and_all_are_told_who(store: Store) -> None:
    raced(store, [*PEOPLE, "ben"], 3)


@pytest.mark.long
def test_of_thirty_people_who_decide_at_once_one_counts_in_every_round(store: Store) -> None:
    people = [f"racer{n}" for n in range(30)]
    for who in people:
        store.owner(
            f"DO $$ BEGIN IF to_regrole('{who}') IS NULL THEN CREATE ROLE {who} LOGIN IN ROLE sqlagent_people;"
            " END IF; END $$"
        )
    raced(store, people, 20)


# ---- crashes ------------------------------------------------------------------------------------------------------


@pytest.fixture
def scene(store: Store, tmp_path: Path) -> Scene:
    return Scene(store, tmp_path)


@pytest.mark.parametrize(
    "at",
    [
        "journal: after the commit of a claim#1",
        "journal: before the commit of a run's end#1",
        "journal: after the commit of a run's end#1",
        "saver: before a checkpoint#1",
    ],
)
def test_who_is_killed_while_it_runs_runs_it_once_in_all(scene: Scene, at: str) -> None:
    thread = scene.approved()
    scene.killed(at, lambda: scene.resumes(thread))
    scene.once(thread, at)


@pytest.mark.long
def test_killed_at_every_point_of_a_run_it_runs_once_in_all(scene: Scene) -> None:
    thread = scene.approved()
    points = scene.points(lambda: scene.resumes(thread))
    scene.runs += 1
    for point in points:
        thread = scene.approved()
        scene.killed(point, lambda: scene.resumes(thread))  # noqa: B023 - called here and now
        scene.once(thread, point)
    assert len(points) > 30


@pytest.mark.long
def test_an_approver_who_is_killed_at_every_point_approves_once_or_not_at_all(scene: Scene) -> None:
    def approves(thread: str, digest: str) -> None:
        with scene.agent("ben") as ben:
            ben.approve(thread, digest, run=False)

    first = scene.asked()
    for point in scene.points(lambda: approves(*first)):
        thread, digest = scene.asked()
        scene.killed(point, lambda: approves(thread, digest))  # noqa: B023 - called here and now
        approves(thread, digest)
        scene.once(thread, point)


# ---- a server that goes away --------------------------------------------------------------------------------------


def test_a_server_that_is_restarted_meanwhile_is_found_again(scene: Scene) -> None:
    thread, digest = scene.asked()
    with scene.agent("ben") as ben, scene.agent("ana") as ana:
        assert ben.journal.thread(thread).status is ana.journal.thread(thread).status
        scene.store.server.stop("immediate")
        scene.store.server.start()
        ben.approve(thread, digest, run=False)
        assert ana.resume(thread).status is Status.EXECUTED
    scene.runs += 1
    with scene.agent("cyd") as cyd:
        assert cyd.journal.verified().problem == ""


def test_sessions_that_the_server_ends_in_the_middle_of_a_run_change_nothing_of_its_end(scene: Scene) -> None:
    thread = scene.approved()
    with scene.agent("ana") as ana:
        parts = ana._parts

        def cut(point: str) -> None:
            if point in ("execute: after the claim", "saver: before a checkpoint", "execute: settled"):
                with psycopg.connect(scene.store.url, autocommit=True) as owner:
                    owner.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ana' AND datname ="
                        " current_database()"
                    )

        parts.__dict__["reached"] = cut
        assert ana.resume(thread).status is Status.EXECUTED
    scene.once(thread, "cut")
