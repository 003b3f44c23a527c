"""Approve here, run there: a decision is put on record by one process, and gone on with by another."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_shop import Shop as CliShop
from shops import SELL, Shop, a_shop, approved, in_order, waiting
from test_service_people import Company

from sqlagent.core.errors import Finished, NeedsApproval, NotPermitted, Stale
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.service import Agent


@pytest.fixture
def stock(tmp_path: Path) -> Shop:
    return a_shop(tmp_path / "shop")


def digest(report: Report) -> str:
    assert report.proposal is not None
    return report.proposal.digest


def approved_alone(agent: Agent, asked: Report) -> Report:
    return agent.approve(asked.thread, digest(asked), run=False)


def test_whoever_asked_runs_what_another_approved_and_gets_the_rows(stock: Shop) -> None:
    with stock.agent() as asker:
        asked = asker.run("SELECT name FROM stock ORDER BY id")
        with stock.agent() as approver:
            said = approved_alone(approver, asked)
        assert (said.status, said.decided_by, said.rowsets) == (Status.PENDING, "ana", ())
        assert said.message == "approved by ana, and not gone on with yet"
        assert said.hint == f"sqlagent resume {asked.thread}"
        done = asker.resume(asked.thread)
    assert (done.status, done.rowsets[0].rows) == (Status.EXECUTED, (("apple",), ("pear",), ("fig",)))
    in_order(stock, asked.thread, "asked", "analyzed", "approved", "claimed", "committed")


def test_a_change_runs_once_and_only_when_it_is_resumed(stock: Shop) -> None:
    asked = waiting(stock)
    with stock.agent() as agent:
        approved_alone(agent, asked)
    assert stock.sold == 0
    with stock.agent() as agent:
        assert agent.resume(asked.thread).status is Status.EXECUTED
        with pytest.raises(Finished):
            agent.resume(asked.thread)
    assert stock.sold == 1


def test_whoever_approves_need_not_reach_the_database(stock: Shop) -> None:
    asked = waiting(stock)
    away = stock.db.rename(stock.folder / "away.db")
    with stock.agent() as agent:
        assert approved_alone(agent, asked).decided_by == "ana"
    away.rename(stock.db)
    with stock.agent() as agent:
        assert agent.resume(asked.thread).status is Status.EXECUTED


def test_what_was_changed_since_is_not_run_and_is_asked_anew(stock: Shop) -> None:
    asked = waiting(stock)
    with stock.agent() as agent:
        approved_alone(agent, asked)
    stock.rows("ALTER TABLE stock ADD COLUMN colour TEXT")
    with stock.agent() as agent:
        again = agent.resume(asked.thread)
    assert (again.status, stock.sold) == (Status.PENDING, 0)
    assert again.proposal is not None
    assert "schema" in again.proposal.stale


def test_a_rejection_ends_it_at_once(stock: Shop) -> None:
    asked = waiting(stock)
    with stock.agent() as agent:
        no = Decision(Choice.REJECT, digest(asked), agent.by, "library", reason="not today")
        said = agent.decide(asked.thread, no, run=False)
        assert (said.status, said.message) == (Status.REJECTED, "not today")
        with pytest.raises(Finished):
            agent.resume(asked.thread)
        assert agent.run("SELECT 1", thread=asked.thread).status is Status.PENDING  # the conversation goes on


def test_an_edit_waits_for_whoever_measures_it(stock: Shop) -> None:
    asked = waiting(stock)
    with stock.agent() as agent:
        better = Decision(Choice.EDIT, digest(asked), agent.by, "library", sql=SELL.replace("= 1", "= 2"))
        said = agent.decide(asked.thread, better, run=False)
        assert (said.message, said.proposal) == ("edited by ana, and not gone on with yet", asked.proposal)
        again = agent.resume(asked.thread)
    assert again.proposal is not None
    assert again.proposal.sql == better.sql


def test_the_first_of_two_counts_and_the_other_is_told(stock: Shop) -> None:
    asked = waiting(stock)
    with stock.agent(by="ana") as agent:
        approved_alone(agent, asked)
        no = Decision(Choice.REJECT, digest(asked), "ana", "flag")
        said = agent.decide(asked.thread, no, run=False)
        assert (said.status, said.message, said.decided_by) == (Status.PENDING, "ana decided first: approve", "ana")
        assert approved(agent, asked).status is Status.EXECUTED  # an answer that says the same goes on with it
    assert stock.sold == 1


def test_it_holds_whoever_approves_to_what_decide_holds_them_to(stock: Shop) -> None:
    asked = waiting(stock)
    with stock.agent() as agent:
        with pytest.raises(Stale):
            agent.approve(asked.thread, "f" * 64, run=False)
        fresh = agent.admit(run=SELL)
        with pytest.raises(NeedsApproval, match="has no proposal yet"):
            agent.approve(fresh.id, digest(asked), run=False)


def test_every_seat_is_filled_before_it_can_be_resumed(tmp_path: Path) -> None:
    company = Company(tmp_path)
    asked = company.asks()
    with company.agent("ben") as ben:
        assert approved_alone(ben, asked).decided_by == ""  # the next seat is asked
    with company.agent("ana") as ana:
        assert ana.resume(asked.thread).status is Status.PENDING
        with pytest.raises(NotPermitted):
            ana.approve(asked.thread, company.digest(asked), run=False)
    with company.agent("max") as owner:
        owner.approve(asked.thread, company.digest(asked), run=False)
    assert company.shop.sold == 0
    with company.agent("ana") as ana:
        assert ana.resume(asked.thread).status is Status.EXECUTED
    assert company.shop.sold == 1


# ---- on the command line -------------------------------------------------------------------------------------------


def test_the_command_line_approves_and_does_not_run(shop: CliShop) -> None:
    asked = shop.run("run", "--sql", "SELECT count(*) FROM customers", "--db", "shop.db", "--json").document
    done = shop.run("resume", asked["thread"], "--approve", asked["digest"][:12], "--no-run")
    assert (done.code, done.out) == (0, b"")
    assert "and not gone on with yet; next: sqlagent resume" in done.err
    ran = shop.run("resume", asked["thread"], "--csv")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, b"3")


def test_no_run_says_nothing_without_an_approval(shop: CliShop) -> None:
    asked = shop.run("run", "--sql", "DELETE FROM odd", "--db", "shop.db", "--json").document
    for flags in (("--no-run",), ("--no-run", "--reject", "no"), ("--no-run", "--edit", "x.sql")):
        assert shop.run("resume", asked["thread"], *flags).code == 2
    wrong = shop.run("resume", asked["thread"], "--approve", "f" * 64, "--no-run", "--json")
    assert (wrong.code, len(shop.rows("SELECT * FROM odd"))) == (7, 6)
