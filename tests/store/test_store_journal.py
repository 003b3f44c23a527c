"""The journal alone decides who may run what, and how often: once."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from journal_builders import a_decision, a_journal, a_proposal, a_thread

from sqlagent.core.errors import NotPermitted, Stale, StoreError, UnknownThread
from sqlagent.core.nouns.draft import Attempt, Turn
from sqlagent.core.nouns.session import Choice, Outcome, Result, Source, Status
from sqlagent.store.connection import open_file
from sqlagent.store.journal import Journal, Marked, Refusal, Run, RunState
from sqlagent.store.notices import Notices


@pytest.fixture
def local(tmp_path: Path) -> Journal:
    made = a_journal(tmp_path)
    made.admit(a_thread())
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def journal(request: pytest.FixtureRequest) -> Journal:
    """Both engines, held to the same: what passes here is a store."""
    if request.param == "sqlite":
        local: Journal = request.getfixturevalue("local")
        return local
    shared: Journal = request.getfixturevalue("store").everybody()
    shared.admit(a_thread())
    return shared


def ran(journal: Journal, number: int = 1, **changes: Any) -> None:
    """Proposed, approved and carried out."""
    proposal = journal.propose(a_proposal(number, **changes), number=number, turn=1)
    journal.decide(proposal, a_decision(proposal))
    assert journal.claim(proposal, by="ana", marked=Marked.BESIDE) is None
    journal.done(proposal.id, Outcome((Result(1, changed=3),)))


def test_only_its_owner_can_read_what_people_asked(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    journal.admit(a_thread())
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_every_commit_of_the_journal_is_on_disk_before_anything_runs(tmp_path: Path) -> None:
    connection = open_file(tmp_path / "journal.db")
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("journal_mode") == "delete"
    assert connection.pragma("foreign_keys") == 1


def test_a_second_look_at_the_journal_does_not_drop_the_lock_of_the_first(tmp_path: Path) -> None:
    first = open_file(tmp_path / "journal.db")
    first.execute("BEGIN IMMEDIATE")
    open_file(tmp_path / "journal.db").close()
    write = (
        f"import sqlite3; sqlite3.connect({str(tmp_path / 'journal.db')!r}, timeout=0).execute('DELETE FROM threads')"
    )
    witness = subprocess.run([sys.executable, "-c", write], capture_output=True, text=True, check=False)
    assert "database is locked" in witness.stderr


def test_a_thread_comes_back_as_it_was_admitted(journal: Journal) -> None:
    assert journal.thread("k7f3") == replace(a_thread(), updated_at=a_thread().created_at)


def test_an_id_that_is_taken_is_not_given_twice(journal: Journal) -> None:
    assert journal.admit(a_thread(question="another")) is False
    assert journal.thread("k7f3").question == "cancel old orders"


def test_an_unknown_thread_is_said_to_be_unknown(journal: Journal) -> None:
    with pytest.raises(UnknownThread, match="no thread named zzzz"):
        journal.thread("zzzz")


def test_a_proposal_puts_its_thread_to_waiting(journal: Journal) -> None:
    journal.propose(a_proposal(), number=1, turn=1)
    waiting = journal.thread("k7f3")
    assert (waiting.status, waiting.proposal, waiting.digest) == (Status.PENDING, "k7f3.1", a_proposal().digest)
    assert journal.proposal("k7f3.1") == a_proposal()


def test_a_proposal_recorded_again_before_anybody_decided_is_the_fresh_one(journal: Journal) -> None:
    journal.propose(a_proposal(), number=1, turn=1)
    journal.propose(a_proposal(sql="DELETE FROM t WHERE id = 2"), number=1, turn=1)
    assert journal.proposal("k7f3.1").sql == "DELETE FROM t WHERE id = 2"


def test_a_proposal_that_somebody_decided_on_stands(journal: Journal) -> None:
    first = journal.propose(a_proposal(), number=1, turn=1)
    journal.decide(first, a_decision(first))
    again = journal.propose(a_proposal(sql="DELETE FROM t"), number=1, turn=1)
    assert again == first
    assert journal.proposal("k7f3.1") == first


def test_of_two_decisions_the_first_one_counts(journal: Journal) -> None:
    proposal = journal.propose(a_proposal(), number=1, turn=1)
    first = a_decision(proposal, Choice.REJECT, by="ana", reason="no")
    assert journal.decide(proposal, first) == first
    assert journal.decide(proposal, a_decision(proposal, by="ben")) == first
    assert journal.decision(proposal.id) == first


def test_what_nobody_approved_cannot_be_claimed(journal: Journal) -> None:
    proposal = journal.propose(a_proposal(), number=1, turn=1)
    assert journal.claim(proposal, by="ana", marked=Marked.BESIDE) is Refusal.NOT_APPROVED
    assert journal.run(proposal.id) is None


@pytest.mark.parametrize("choice", [Choice.REJECT, Choice.EDIT])
def test_what_was_decided_otherwise_cannot_be_claimed(journal: Journal, choice: Choice) -> None:
    proposal = journal.propose(a_proposal(), number=1, turn=1)
    journal.decide(proposal, a_decision(proposal, choice, sql="SELECT 1"))
    assert journal.claim(proposal, by="ana", marked=Marked.BESIDE) is Refusal.NOT_APPROVED


def test_an_approval_of_another_digest_is_no_approval(journal: Journal) -> None:
    proposal = journal.propose(a_proposal(), number=1, turn=1)
    with pytest.raises(Stale):
        journal.decide(proposal, a_decision(proposal, digest="0" * 64))
    assert journal.decision(proposal.id) is None
    assert journal.claim(proposal, by="ana", marked=Marked.BESIDE) is Refusal.NOT_APPROVED


def test_other_sql_under_an_approved_digest_cannot_be_claimed(journal: Journal) -> None:
    proposal = journal.propose(a_proposal(), number=1, turn=1)
    journal.decide(proposal, a_decision(proposal))
    forged = replace(proposal, sql="DROP TABLE t")
    assert journal.claim(forged, by="ana", marked=Marked.BESIDE) is Refusal.NOT_APPROVED


def test_an_approved_proposal_that_a_later_one_replaced_cannot_be_claimed(journal: Journal) -> None:
    old = journal.propose(a_proposal(1), number=1, turn=1)
    journal.decide(old, a_decision(old))
    journal.propose(a_proposal(2), number=2, turn=1)
    assert journal.claim(old, by="ana", marked=Marked.BESIDE) is Refusal.SUPERSEDED


def test_a_claim_is_given_once(journal: Journal) -> None:
    proposal = journal.propose(a_proposal(), number=1, turn=1)
    journal.decide(proposal, a_decision(proposal))
    assert journal.claim(proposal, by="ana", marked=Marked.BESIDE) is None
    second = journal.claim(proposal, by="ben", marked=Marked.BESIDE)
    assert isinstance(second, Run)
    assert (second.state, second.run_by) == (RunState.STARTED, "ana")


def test_a_released_claim_can_be_had_again(journal: Journal) -> None:
    proposal = journal.propose(a_proposal(), number=1, turn=1)
    journal.decide(proposal, a_decision(proposal))
    journal.claim(proposal, by="ana", marked=Marked.BESIDE)
    journal.release(proposal.id)
    assert journal.claim(proposal, by="ana", marked=Marked.BESIDE) is None


def test_a_run_that_is_done_cannot_be_released_failed_or_settled(journal: Journal) -> None:
    proposal = journal.propose(a_proposal(), number=1, turn=1)
    journal.decide(proposal, a_decision(proposal))
    journal.claim(proposal, by="ana", marked=Marked.BESIDE)
    outcome = Outcome((Result(1, changed=3),), 0.1, settled=True)
    journal.done(proposal.id, outcome)
    journal.release(proposal.id)
    journal.failed(proposal.id, "too late")
    with suppress(NotPermitted):  # the one says that it is settled already, the other that it may not be
        assert journal.settle(proposal.id, RunState.SETTLED_NOT_APPLIED, by="ana") is False
    run = journal.run(proposal.id)
    assert run is not None
    assert (run.state, run.outcome) == (RunState.DONE, outcome)


def test_a_finished_turn_is_history_and_the_next_one_starts_clean(journal: Journal) -> None:
    ran(journal)
    journal.finish("k7f3", 1, Status.EXECUTED, ran_sql="SELECT 1", attempts=[Attempt("SELECT x", "no such column")])
    assert journal.history("k7f3") == (Turn("cancel old orders", "SELECT 1", "gpt"),)
    assert journal.attempts("k7f3", 1) == (Attempt("SELECT x", "no such column"),)
    assert journal.ask_again("k7f3", expected_turn=1, source=Source.MODEL, question="only in Germany", sql="", by="ben")
    row = journal.thread("k7f3")
    assert (row.status, row.turn, row.proposal, row.question) == (Status.NEW, 2, "", "only in Germany")


def test_a_thread_that_waits_is_not_asked_another_question(journal: Journal) -> None:
    journal.propose(a_proposal(), number=1, turn=1)
    asked = journal.ask_again("k7f3", expected_turn=1, source=Source.MODEL, question="and now?", sql="", by="ben")
    assert asked is False
    assert journal.thread("k7f3").question == "cancel old orders"


def test_an_ending_of_an_earlier_turn_does_not_end_the_present_one(journal: Journal) -> None:
    ran(journal)
    journal.finish("k7f3", 1, Status.EXECUTED, ran_sql="SELECT 1")
    journal.ask_again("k7f3", expected_turn=1, source=Source.MODEL, question="and now?", sql="", by="ben")
    journal.finish("k7f3", 1, Status.REJECTED)
    assert journal.thread("k7f3").status is Status.NEW


def test_lists_are_newest_first_and_by_status(journal: Journal) -> None:
    for place, name in enumerate(("a2b3", "c4d5", "e6f7")):
        journal.admit(a_thread(id=name, created_at=f"2026-04-0{place + 1}T00:00:00.000+00:00"))
    journal.propose(a_proposal(thread="c4d5"), number=1, turn=1)
    assert [t.id for t in journal.threads(statuses=[Status.PENDING])] == ["c4d5"]
    assert {t.id for t in journal.threads()} == {"k7f3", "a2b3", "c4d5", "e6f7"}
    assert [t.id for t in journal.threads(limit=2)] == ["c4d5", "e6f7"]


def test_of_a_seat_and_of_a_question_somebody_is_told_once(journal: Journal) -> None:
    journal.propose(a_proposal(), number=1, turn=1)
    notices = Notices(journal)
    for key in (("k7f3.1", 1), ("k7f3.1", 2), ("k7f3?1.1", 1)):
        assert [notices.claim(*key), notices.claim(*key)] == [True, False]


def test_a_file_that_is_no_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is not a database, it is a letter to my aunt" * 40)
    with pytest.raises(StoreError, match="is damaged") as failure:
        Journal(path).threads()
    assert "mv " in failure.value.hint


def test_a_journal_of_a_later_version_is_refused(local: Journal) -> None:
    local.close()
    with sqlite3.connect(local.path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        Journal(local.path).threads()


def test_a_state_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written") as failure:
        Journal(tmp_path / "file" / "journal.db").threads()
    assert "--state-dir" in failure.value.hint


def _claim_in_process(path: str, queue: Any) -> None:
    claimed = Journal(Path(path)).claim(a_proposal(), by="x", marked=Marked.BESIDE)
    queue.put("mine" if claimed is None else "other")


def test_of_many_processes_exactly_one_gets_the_claim(local: Journal) -> None:
    proposal = local.propose(a_proposal(), number=1, turn=1)
    local.decide(proposal, a_decision(proposal))
    local.close()
    spawn = get_context("spawn")
    queue = spawn.Queue()
    racers = [spawn.Process(target=_claim_in_process, args=(str(local.path), queue)) for _ in range(6)]
    for racer in racers:
        racer.start()
    answers = [queue.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    assert sorted(answers) == ["mine"] + ["other"] * 5
