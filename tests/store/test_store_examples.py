"""What people approved is kept for the next question, of its database alone; what they rejected or took back is not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from examples_past import OTHER, SHOP, Past
from hypothesis import given
from hypothesis import strategies as st
from shared_store import Store

from sqlagent.core.errors import NotPermitted, UsageError
from sqlagent.core.nouns.draft import Attempt, Clarification
from sqlagent.core.nouns.session import Choice, Source, Status
from sqlagent.store.examples import LONGEST, Lesson, telling_words
from sqlagent.store.journal import Journal


@pytest.fixture
def alone(tmp_path: Path) -> Past:
    """In a folder, whose clock and whose file are ours."""
    return Past(lambda now: Journal(tmp_path / "journal.db", now=now))


@pytest.fixture(params=["sqlite", "postgres"])
def past(request: pytest.FixtureRequest) -> Past:
    """Both engines, held to the same."""
    if request.param == "sqlite":
        local: Past = request.getfixturevalue("alone")
        return local
    shared: Store = request.getfixturevalue("store")
    return Past(lambda _now: shared.everybody())


# ---- what is an example ------------------------------------------------------------------------------------------


def test_what_a_person_approved_and_ran_is_an_example(past: Past) -> None:
    thread = past.approved("old orders", "SELECT 1")
    assert past.only.approved_at.endswith("+00:00")
    assert replace(past.only, approved_at="") == Lesson(
        id=1, target=SHOP, database="shop.db", run=f"{thread}.1", question="old orders", drafted="SELECT 1",
        final="SELECT 1", choice=Choice.APPROVE, why="", approved_by="ana", approved_at="",
    )  # fmt: skip


def test_what_a_person_changed_it_to_is_the_example_and_the_draft_is_kept_beside_it(past: Past) -> None:
    thread = past.asked("cancel old orders")
    first = past.drafted(
        thread,
        "DELETE FROM orders",
        attempts=(Attempt("", "no SQL"), Attempt("DELETE ordrs", "no such")),
    )
    past.decided(first, Choice.EDIT, sql="UPDATE orders SET status = 'x'", reason="never delete")
    edited = past.drafted(thread, "UPDATE orders SET status = 'x'", author="ana", edited_by="ana")
    past.decided(edited, Choice.APPROVE, by="ben")
    past.ended(thread)
    lesson = past.only
    assert (lesson.drafted, lesson.final) == ("DELETE ordrs", "UPDATE orders SET status = 'x'")
    assert (lesson.choice, lesson.why, lesson.approved_by) == (Choice.EDIT, "never delete", "ben")


def test_a_draft_after_a_rejection_is_an_example_with_the_reason_and_the_rejected_one_is_none(past: Past) -> None:
    thread = past.asked("cancel old orders")
    past.decided(past.drafted(thread, "DELETE FROM a"), Choice.REJECT, reason="not all of them", retry=True)
    past.decided(past.drafted(thread, "DELETE FROM a WHERE old"), Choice.APPROVE)
    past.ended(thread)
    assert past.kept == [("cancel old orders", "DELETE FROM a WHERE old")]
    assert (past.only.drafted, past.only.choice, past.only.why) == ("DELETE FROM a", Choice.APPROVE, "not all of them")


def test_everybody_who_approved_is_named_once(alone: Past) -> None:
    thread = alone.approved("old orders", "SELECT 1")
    db = apsw.Connection(str(alone.journal.path))
    for stage, by in ((2, "ben"), (3, "ana")):
        db.execute(
            "INSERT INTO decisions SELECT proposal, ?, choice, digest, ?, how, sql, reason, retry, keep, signed,"
            " decided_at FROM decisions WHERE stage = 1",
            (stage, by),
        )
    alone.ended(thread)
    assert alone.only.approved_by == "ana, ben"


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.EXECUTED])
def test_a_turn_that_did_not_run_is_no_example(past: Past, status: Status) -> None:
    thread = past.asked("old orders")
    past.decided(past.drafted(thread, "SELECT 1"), Choice.APPROVE)
    with suppress(NotPermitted):  # a server does not take what its record does not bear out
        past.ended(thread, status)
    assert past.kept == []


def test_a_rejected_draft_is_no_example(past: Past) -> None:
    thread = past.asked("old orders")
    past.decided(past.drafted(thread, "SELECT 1"), Choice.REJECT)
    past.ended(thread, Status.REJECTED)
    assert past.kept == []


def test_what_the_policy_let_run_unasked_is_no_example(past: Past) -> None:
    thread = past.asked("old orders")
    past.decided(past.drafted(thread, "SELECT 1", policy="allow [reads]"), Choice.APPROVE, by="policy", how="policy")
    past.ended(thread)
    assert past.kept == []


@pytest.mark.parametrize("source", [Source.PERSON, Source.UNDO])
def test_sql_that_no_model_drafted_is_no_example(past: Past, source: Source) -> None:
    past.approved("old orders", "SELECT 1", source=source)
    assert past.kept == []


def test_a_part_of_a_batch_is_no_example_for_the_question_asked_for_all_of_it(past: Past) -> None:
    thread = past.asked("drop a and b")
    past.decided(past.drafted(thread, "DROP a", part_of=f"{thread}.0"), Choice.APPROVE)
    past.ended(thread)
    assert past.kept == []


def test_nothing_is_learned_unless_that_is_asked_for(past: Past) -> None:
    thread = past.asked("old orders")
    past.decided(past.drafted(thread, "SELECT 1"), Choice.APPROVE)
    past.ran(thread)
    past.journal.finish(thread, 1, Status.EXECUTED)
    assert past.kept == []


def test_an_ending_said_twice_gives_one_example(past: Past) -> None:
    thread = past.approved("old orders", "SELECT 1")
    past.ended(thread)
    assert past.kept == [("old orders", "SELECT 1")]


def test_a_follow_up_is_kept_with_the_questions_that_it_follows(past: Past) -> None:
    thread = past.approved("orders of May", "SELECT may")
    past.approved("only of Berlin", "SELECT may, berlin", thread=thread)
    assert past.kept == [("orders of May; then: only of Berlin", "SELECT may, berlin"), ("orders of May", "SELECT may")]


def test_what_was_asked_back_is_a_part_of_the_question(past: Past) -> None:
    thread = past.asked("best customers")
    clarified = (Clarification("By what?", ("revenue", "orders"), "revenue"), Clarification("Which year?"))
    past.decided(past.drafted(thread, "SELECT 1", clarified=clarified), Choice.APPROVE)
    past.ended(thread)
    assert past.only.question == "best customers (By what? revenue)"


# ---- what people take back ---------------------------------------------------------------------------------------


def test_an_undo_takes_the_example_back(past: Past) -> None:
    kept, undone = past.approved("old orders", "DELETE 1"), past.approved("new orders", "DELETE 2")
    assert kept != undone
    undo = past.asked("undo it", source=Source.UNDO)
    past.decided(past.drafted(undo, "-- takes back", undo_of=f"{undone}.1"), Choice.APPROVE)
    past.ended(undo)
    assert past.kept == [("old orders", "DELETE 1")]


def test_an_undo_that_was_rejected_takes_nothing_back(past: Past) -> None:
    undone = past.approved("old orders", "DELETE 1")
    undo = past.asked("undo it", source=Source.UNDO)
    past.decided(past.drafted(undo, "-- takes back", undo_of=f"{undone}.1"), Choice.REJECT)
    past.ended(undo, Status.REJECTED)
    assert past.kept == [("old orders", "DELETE 1")]


def test_the_same_sql_rejected_for_the_same_question_is_no_example_any_more(past: Past) -> None:
    past.approved("old orders", "DELETE 1")
    past.approved("ancient orders", "DELETE 1")
    thread = past.asked("old orders")
    past.decided(past.drafted(thread, "DELETE 1"), Choice.REJECT)
    past.ended(thread, Status.REJECTED)
    assert past.kept == [("ancient orders", "DELETE 1")]


def test_nobody_s_rejection_drops_no_example(alone: Past) -> None:
    alone.approved("old orders", "DELETE 1")
    thread = alone.asked("old orders")
    alone.decided(alone.drafted(thread, "DELETE 1"), Choice.REJECT, how="auto-reject")
    alone.ended(thread, Status.REJECTED)
    thread = alone.asked("old orders")
    proposal = alone.drafted(thread, "DELETE 1", expires_at="2026-03-30T11:00:00.000+00:00")
    alone.now += timedelta(hours=2)
    assert alone.journal.expire(proposal.id) is not None
    alone.ended(thread, Status.EXPIRED)
    assert alone.kept == [("old orders", "DELETE 1")]


def test_of_two_answers_to_a_question_the_later_counts(past: Past) -> None:
    past.approved("old orders", "SELECT a")
    past.approved("old orders", "SELECT b")
    assert past.like("old orders") == ["SELECT b"]
    assert [lesson.final for lesson in past.examples.newest()] == ["SELECT b"]
    past.approved("old orders", "SELECT a")
    assert past.like("old orders") == ["SELECT a"]
    assert len(past.kept) == 2


# ---- which are told ----------------------------------------------------------------------------------------------


def test_the_closest_questions_are_told_first_and_three_at_most(past: Past) -> None:
    for question in ("orders of customers in Berlin", "orders in Berlin", "Berlin", "stock of apples", "orders"):
        past.approved(question, f"SELECT '{question}'")
    assert past.like("how many orders are there in Berlin?") == [
        "SELECT 'orders in Berlin'", "SELECT 'orders of customers in Berlin'", "SELECT 'orders'",
    ]  # fmt: skip
    assert past.like("Apple") == ["SELECT 'stock of apples'"]


def test_words_that_every_question_has_make_none_alike(past: Past) -> None:
    past.approved("how many customers are there", "SELECT 1")
    assert past.like("how many orders are there?") == []
    assert past.like("show me the CUSTOMER") == ["SELECT 1"]
    assert past.like("how many are there?") == []


def test_no_example_is_told_of_another_database(past: Past) -> None:
    past.approved("old orders", "SELECT 1", target=OTHER)
    assert past.like("old orders") == []
    assert past.like("old orders", target=OTHER) == ["SELECT 1"]
    past.approved("old orders", "SELECT 2")
    thread = past.asked("old orders")
    past.decided(past.drafted(thread, "SELECT 1"), Choice.REJECT)
    past.ended(thread, Status.REJECTED)
    assert past.like("old orders", target=OTHER) == ["SELECT 1"]


def test_a_session_is_not_told_its_own_turns_twice_and_its_follow_ups_are_understood(past: Past) -> None:
    thread = past.approved("orders of May", "SELECT may")
    past.approved("orders of June", "SELECT june")
    past.asked("and in the year before?", thread=thread)
    assert past.like("and in the year before?", thread=thread) == ["SELECT june"]


def test_an_example_too_long_for_a_prompt_is_kept_and_not_told(past: Past) -> None:
    past.approved("old orders", "SELECT '" + "x" * LONGEST + "'")
    assert len(past.kept) == 1
    assert past.like("old orders") == []


HOSTILE = [
    '"', "'", "a\" OR question : \"b", "NEAR(a b, 2)", "old* AND NOT ^orders", "{question} : old", "\x00", "--", "*",
    "old AND", "_", "old\x00orders", "ª ² ½ ٣", "日本語 注文", "e\u0301te\u0301", "(" * 500, "🙂",
]  # fmt: skip


@pytest.mark.parametrize("question", HOSTILE)
def test_any_text_is_a_safe_query(past: Past, question: str) -> None:
    past.approved("old orders of été 日本語", "SELECT 1")
    assert past.like(question) in ([], ["SELECT 1"])


def test_whatever_is_asked_finds_what_was_asked_with_the_same_words(alone: Past) -> None:
    db = apsw.Connection(":memory:")
    db.execute("CREATE VIRTUAL TABLE words USING fts5 (question, tokenize = 'porter unicode61')")

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
    def check(question: str) -> None:
        alone.examples.like(question, target=SHOP)
        db.execute("DELETE FROM words")
        db.execute("INSERT INTO words VALUES (?)", (f"zebra {question}",))
        query = " OR ".join(f'"{word}"' for word in telling_words(f"{question} zebra"))
        assert db.execute("SELECT count(*) FROM words WHERE words MATCH ?", (query,)).get == 1

    check()


def test_a_very_long_question_is_looked_for_by_its_first_words(past: Past) -> None:
    past.approved("w0 w1", "SELECT 1")
    assert past.like(" ".join(f"w{n}" for n in range(20_000))) == ["SELECT 1"]


# ---- forgetting --------------------------------------------------------------------------------------------------


def test_what_is_forgotten_is_not_found_and_that_is_on_record(past: Past) -> None:
    past.approved("old orders", "SELECT 1")
    past.approved("new orders", "SELECT 2")
    assert past.examples.forget([1, 1], by="ana") == 1
    assert past.like("old orders") == ["SELECT 2"]
    entry = list(past.journal.audit())[-1]
    assert (entry.what, entry.who, entry.detail) == ("forgot", "ana", '{"examples": [1]}')


def test_an_id_that_is_not_there_forgets_nothing(past: Past) -> None:
    past.approved("old orders", "SELECT 1")
    with pytest.raises(UsageError, match="no example 7; nothing was forgotten"):
        past.examples.forget([1, 7], by="ana")
    with pytest.raises(UsageError, match="no example 1"):
        past.examples.forget([1], by="ana", target=OTHER)
    assert len(past.kept) == 1
    assert [entry.what for entry in past.journal.audit()].count("forgot") == 0


def test_the_id_of_a_forgotten_example_is_not_given_again(past: Past) -> None:
    past.approved("old orders", "SELECT 1")
    past.examples.forget([1], by="ana")
    past.approved("old orders", "SELECT 1")
    assert past.only.id == 2


def test_all_of_one_database_or_of_every_one_can_be_forgotten(past: Past) -> None:
    past.approved("old orders", "SELECT 1")
    past.approved("old orders", "SELECT 1", target=OTHER)
    assert past.examples.forget_all(by="ana", target=SHOP) == 1
    assert past.only.target == OTHER
    assert past.examples.forget_all(by="ana") == 1
    assert past.examples.forget_all(by="ana") == 0
    assert past.like("old orders", target=OTHER) == []


def test_a_list_is_newest_first_and_as_long_as_it_is_asked_for(past: Past) -> None:
    for name in ("a", "b", "c"):
        past.approved(name, f"SELECT '{name}'")
    past.approved("d", "SELECT 'd'", target=OTHER)
    assert [lesson.question for lesson in past.examples.all(limit=2)] == ["d", "c"]
    assert [lesson.question for lesson in past.examples.all(target=SHOP, limit=2)] == ["c", "b"]


def test_an_example_names_a_run_of_the_journal(alone: Past) -> None:
    alone.approved("old orders", "SELECT 1")
    db = apsw.Connection(str(alone.journal.path))
    assert db.execute("SELECT count(*) FROM examples e JOIN proposals p ON p.id = e.run").get == 1
    assert replace(alone.only, id=2).run == alone.only.run
