"""Every way through the graph, with a real model server where a model is asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply
from shops import SELL, Shop, a_shop, shop, waiting

from sqlagent.core.errors import (
    AuthError,
    ConnectError,
    Finished,
    NeedsApproval,
    QueryError,
    Stale,
    UnknownThread,
)
from sqlagent.core.nouns.analysis import Risk
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.service import Agent, Listener

__all__ = ["shop"]

NO_COLUMN = "SELECT weight FROM stock"
NO_COLOUR = "SELECT colour FROM stock"
NAMES = "SELECT name FROM stock ORDER BY id"
KEY = "sk-canary-5f1e77"


@pytest.fixture
def asking(shop: Shop, openai_server: OpenAIServer) -> Iterator[Agent]:
    """Somebody who asks a model."""
    with shop.agent(model="test-model", env=openai_server.env()) as agent:
        yield agent


def answered(agent: Agent, report: Report, choice: Choice, **more: Any) -> Report:
    assert report.proposal is not None
    return agent.decide(report.thread, Decision(choice, report.proposal.digest, agent.by, "key", **more))


def approved(agent: Agent, report: Report) -> Report:
    return answered(agent, report, Choice.APPROVE)


def said(server: OpenAIServer, request: int = -1) -> str:
    """Everything that a request told the model."""
    return "\n".join(m["content"] for m in server.requests[request].messages)


# ---- a model's draft -----------------------------------------------------------------------------------------------


def test_a_draft_waits_for_a_person_and_runs_when_it_is_approved(asking: Agent, openai_server: OpenAIServer) -> None:
    openai_server.script = [NAMES]
    waits = asking.ask("which fruit is there?")
    assert waits.proposal is not None
    assert (waits.status, waits.proposal.sql, waits.proposal.author) == (Status.PENDING, NAMES, "test-model")
    done = approved(asking, waits)
    assert (done.status, done.rowsets[0].rows) == (Status.EXECUTED, (("apple",), ("pear",), ("fig",)))


def test_a_draft_that_the_database_refuses_goes_back_with_the_reason(
    asking: Agent, openai_server: OpenAIServer
) -> None:
    openai_server.script = [NO_COLUMN, NAMES]
    waits = asking.ask("which fruit is there?")
    assert waits.proposal is not None
    assert waits.proposal.sql == NAMES
    assert [a.sql for a in waits.proposal.attempts] == [NO_COLUMN]
    assert "weight" in said(openai_server).split(NO_COLUMN)[-1]
    assert waits.proposal.id == f"{waits.thread}.1"


def test_two_drafts_that_do_not_stand_end_the_turn_and_are_kept(asking: Agent, openai_server: OpenAIServer) -> None:
    openai_server.script = [broken := "SELECT name FROM stock WHERE", worse := "SELECT FROM stock", NAMES]
    report = asking.ask("which fruit is there?")
    assert (report.status, report.failure, report.proposal) == (Status.FAILED, "QueryError", None)
    assert [a.sql for a in report.attempts] == [broken, worse]
    assert len(openai_server.requests) == 2
    assert "2 tries" in report.message
    with pytest.raises(Finished):
        asking.resume(report.thread)


def test_an_answer_without_sql_counts_as_a_try(asking: Agent, openai_server: OpenAIServer) -> None:
    openai_server.script = ["I would rather talk about the weather.", NAMES]
    assert asking.ask("which fruit is there?").status is Status.PENDING
    assert len(openai_server.requests) == 2


def test_a_question_that_the_tables_cannot_answer_ends_with_the_models_reason(
    asking: Agent, openai_server: OpenAIServer
) -> None:
    openai_server.script = ["CANNOT: no table has colours"]
    report = asking.ask("which fruit is red?")
    assert (report.status, report.failure) == (Status.FAILED, "ModelError")
    assert "no table has colours" in report.message


def test_a_rejection_with_another_try_tells_the_model_why(asking: Agent, openai_server: OpenAIServer) -> None:
    openai_server.script = ["SELECT * FROM stock", NAMES]
    first = asking.ask("which fruit is there?")
    second = answered(asking, first, Choice.REJECT, reason="names only, in order", retry=True)
    assert second.proposal is not None
    assert (second.status, second.proposal.sql) == (Status.PENDING, NAMES)
    assert second.proposal.id == f"{first.thread}.2"
    assert "names only, in order" in said(openai_server)


def test_a_rejection_gives_the_next_draft_its_tries_back(asking: Agent, openai_server: OpenAIServer) -> None:
    openai_server.script = [NO_COLUMN, NAMES, NO_COLOUR, SELL]
    first = asking.ask("sell an apple")
    second = answered(asking, first, Choice.REJECT, reason="sell it", retry=True)
    assert second.proposal is not None
    assert second.proposal.sql == SELL


def test_a_later_turn_knows_what_was_asked_and_ran(asking: Agent, openai_server: OpenAIServer) -> None:
    openai_server.script = [NAMES, "SELECT left FROM stock"]
    first = approved(asking, asking.ask("which fruit is there?"))
    second = asking.ask("and how many?", thread=first.thread)
    assert second.proposal is not None
    assert (second.proposal.id, second.question) == (f"{first.thread}.2", "and how many?")
    _, *before, now = [m["content"] for m in openai_server.requests[-1].messages]
    assert before == ["which fruit is there?", NAMES]
    assert "and how many?" in now


def test_nothing_of_the_turn_before_is_left_in_the_next(asking: Agent, openai_server: OpenAIServer) -> None:
    openai_server.script = [NO_COLUMN, SELL, "CANNOT: no colours"]
    first = asking.ask("sell an apple")
    answered(asking, first, Choice.REJECT, reason="not today")
    second = asking.ask("which is red?", thread=first.thread)
    assert (second.status, second.reason, second.proposal, second.attempts) == (Status.FAILED, "", None, ())
    assert "not today" not in second.message


def test_a_thread_that_waits_takes_no_other_question(asking: Agent, openai_server: OpenAIServer) -> None:
    openai_server.script = [NAMES]
    waits = asking.ask("which fruit is there?")
    with pytest.raises(NeedsApproval):
        asking.ask("and how many?", thread=waits.thread)
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [(Reply.error(401), AuthError), (Reply.drop(), ConnectError), (Reply.truncated(NAMES), Exception)],
)
def test_a_model_that_fails_leaves_a_thread_that_resume_goes_on_with(
    asking: Agent, openai_server: OpenAIServer, reply: Reply, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sqlagent.llm.conversation.TRIES", 1)
    openai_server.script = [reply]
    with pytest.raises(error) as raised:
        asking.ask("which fruit is there?")
    thread = asking.pending()[0].id
    assert getattr(raised.value, "thread", "") == thread
    assert asking.show(thread).status is Status.NEW
    openai_server.script = [NAMES]
    assert asking.resume(thread).status is Status.PENDING
    assert len(asking.sessions()) == 1


def test_no_key_and_no_row_gets_into_a_checkpoint(shop: Shop) -> None:
    with OpenAIServer([NAMES], api_key=KEY) as server, shop.agent(model="test-model", env=server.env()) as agent:
        approved(agent, agent.ask("which fruit is there?"))
    for file in shop.state.glob("*.db*"):
        stored = file.read_bytes()
        assert KEY.encode() not in stored
        assert b"apple" not in stored
    assert any(b"which fruit" in file.read_bytes() for file in shop.state.glob("checkpoints.db*"))


# ---- a person's word -----------------------------------------------------------------------------------------------


def test_an_edit_is_measured_and_asked_under_a_digest_of_its_own(shop: Shop) -> None:
    first = waiting(shop)
    edited = "DELETE FROM stock WHERE id = 2"
    with shop.agent(by="ben") as agent:
        second = answered(agent, first, Choice.EDIT, sql=edited)
        assert first.proposal is not None
        assert second.proposal is not None
        assert (second.status, second.proposal.previous, second.proposal.edited_by) == (Status.PENDING, SELL, "ben")
        assert second.proposal.digest != first.proposal.digest
        with pytest.raises(Stale):
            agent.approve(first.thread, first.proposal.digest)
        assert shop.sold == 0
        assert approved(agent, second).status is Status.EXECUTED
    assert shop.rows("SELECT id FROM stock") == [(1,), (3,)]


def test_an_edit_that_the_database_refuses_leaves_what_waits(shop: Shop) -> None:
    first = waiting(shop)
    with shop.agent() as agent:
        with pytest.raises(QueryError, match="weight"):
            answered(agent, first, Choice.EDIT, sql=NO_COLUMN)
        assert agent.show(first.thread).proposal == first.proposal
        assert approved(agent, first).status is Status.EXECUTED


def test_a_rejection_ends_the_turn_with_its_reason(shop: Shop) -> None:
    asked = waiting(shop)
    with shop.agent(by="ben") as agent:
        report = answered(agent, asked, Choice.REJECT, reason="not on a Friday")
        assert (report.status, report.reason, report.decided_by) == (Status.REJECTED, "not on a Friday", "ben")
        with pytest.raises(Finished, match="rejected"):
            agent.resume(asked.thread)
        with pytest.raises(Finished, match="rejected"):
            approved(agent, asked)
    assert shop.sold == 0


def test_sql_that_the_database_refuses_ends_the_turn_at_once(shop: Shop) -> None:
    report = waiting(shop, NO_COLUMN)
    assert (report.status, report.failure) == (Status.FAILED, "QueryError")
    assert "weight" in report.message


def test_a_statement_that_fails_as_it_runs_fails_the_turn_and_changes_nothing(shop: Shop) -> None:
    asked = waiting(shop, "UPDATE stock SET left = left - 1; INSERT INTO stock VALUES (1, 'twice', 1)")
    with shop.agent() as agent:
        report = approved(agent, asked)
    assert (report.status, report.failure, shop.sold) == (Status.FAILED, "QueryError", 0)
    assert "statement 2 of 2" in report.message


def test_an_unknown_thread_is_an_error_and_makes_none(shop: Shop) -> None:
    waiting(shop)
    with shop.agent() as agent:
        with pytest.raises(UnknownThread):
            agent.resume("zz99")
        assert len(agent.sessions()) == 1
    assert shop.checkpoints().execute("SELECT count(DISTINCT thread_id) FROM checkpoints").fetchone() == (1,)


# ---- the policy's word ---------------------------------------------------------------------------------------------


def test_a_read_runs_unasked_where_reads_are_allowed_and_a_write_does_not(shop: Shop) -> None:
    with shop.agent(reads="allow") as agent:
        read = agent.run(NAMES)
        assert (read.status, read.decided_by, len(read.rowsets[0].rows)) == (Status.EXECUTED, "policy", 3)
        write = agent.run(SELL)
        assert write.status is Status.PENDING
    assert shop.sold == 0


def test_what_reaches_outside_is_denied_and_cannot_be_approved(shop: Shop) -> None:
    report = waiting(shop, "ATTACH 'other.db' AS other")
    assert (report.status, report.proposal is not None) == (Status.DENIED, True)
    with shop.agent() as agent, pytest.raises(Finished, match="denied"):
        approved(agent, report)


def test_a_read_that_a_person_rejected_does_not_run_though_reads_are_allowed_later(shop: Shop) -> None:
    """The process died between the proposal and its checkpoint; the rejection came from the journal alone."""
    asked = waiting(shop, NAMES)
    assert asked.proposal is not None
    checkpoints = shop.checkpoints()
    (newest,) = checkpoints.execute("SELECT max(checkpoint_id) FROM checkpoints").fetchone()
    checkpoints.execute("DELETE FROM checkpoints WHERE checkpoint_id = ?", (newest,))
    checkpoints.execute("DELETE FROM writes")
    checkpoints.close()
    with shop.agent(reads="allow") as agent:
        report = answered(agent, asked, Choice.REJECT, reason="no")
    assert (report.status, report.outcome, report.rowsets) == (Status.REJECTED, None, ())


# ---- what changed meanwhile ----------------------------------------------------------------------------------------


def test_an_approval_is_void_when_the_schema_changed_and_the_new_measure_waits(shop: Shop) -> None:
    asked = waiting(shop)
    shop.rows("CREATE INDEX by_name ON stock (name)")
    with shop.agent() as agent:
        report = approved(agent, asked)
        assert asked.proposal is not None
        assert report.proposal is not None
        assert (report.status, report.proposal.id) == (Status.STALE, f"{asked.thread}.2")
        assert "changed since it was approved" in report.message
        assert (shop.sold, agent.journal.run(asked.proposal.id)) == (0, None)
        assert approved(agent, report).status is Status.EXECUTED
    assert shop.sold == 1


def test_an_approval_is_void_when_the_file_is_another_database_now(shop: Shop) -> None:
    asked = waiting(shop)
    other = a_shop(shop.folder / "other")
    other.rows("ALTER TABLE stock ADD COLUMN price")
    with shop.agent() as agent:
        agent.database.fingerprint()
        other.db.rename(shop.db)
        assert approved(agent, asked).status is Status.STALE
    assert shop.sold == 0


def test_a_table_that_is_gone_when_it_is_approved_ends_the_turn(shop: Shop) -> None:
    asked = waiting(shop)
    shop.rows("DROP TABLE stock")
    with shop.agent() as agent:
        report = approved(agent, asked)
    assert (report.status, report.failure) == (Status.FAILED, "QueryError")


def test_an_approval_after_its_time_is_refused_and_the_thread_expired(shop: Shop) -> None:
    asked_at = datetime(2026, 3, 30, 10, tzinfo=UTC)
    with shop.agent(now=lambda: asked_at, expires="1h") as agent:
        asked = agent.run(SELL)
    with shop.agent(now=lambda: asked_at + timedelta(hours=1)) as agent:
        report = approved(agent, asked)
    assert (report.status, shop.sold) == (Status.EXPIRED, 0)
    with shop.agent() as agent, pytest.raises(Finished, match="expired"):
        agent.resume(asked.thread)


def test_an_approval_in_time_counts_though_the_run_comes_after(shop: Shop) -> None:
    asked_at = datetime(2026, 3, 30, 10, tzinfo=UTC)
    with shop.agent(now=lambda: asked_at, expires="1h") as agent:
        asked = agent.run(SELL)
        assert asked.proposal is not None
        agent.journal.decide(asked.proposal, Decision(Choice.APPROVE, asked.proposal.digest, "ana", "key"))
    with shop.agent(now=lambda: asked_at + timedelta(hours=2)) as agent:
        assert agent.resume(asked.thread).status is Status.EXECUTED
    assert shop.sold == 1


def test_the_same_schema_in_another_file_of_the_name_is_the_same_database(shop: Shop) -> None:
    """A copy that was put back overnight, say; what the SQL means has not changed."""
    asked = waiting(shop)
    restored = a_shop(shop.folder / "backup")
    restored.db.rename(shop.db)
    with shop.agent() as agent:
        assert approved(agent, asked).status is Status.EXECUTED
    assert shop.sold == 1


def test_a_read_is_told_before_it_runs_unasked(shop: Shop) -> None:
    told: list[Any] = []
    with shop.agent(reads="allow", listener=Listener(unasked=told.append)) as agent:
        agent.run(NAMES)
    assert [(p.sql, p.analysis.risk) for p in told] == [(NAMES, Risk.READ)]
