"""Several people and one proposal: stages, deadlines, and every way around them."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shops import SELL, a_shop

from sqlagent.core.errors import Finished, NotPermitted, Stale
from sqlagent.core.nouns.session import Choice, Decision, Report, Status
from sqlagent.service import Agent

TWO = """
[roles]
dba = ["ben", "eva"]
owner = ["eva", "max"]

[[rule]]
id = "prod-writes"
when = { risk = ">=write" }
then = { ask = { stages = [
  { name = "technical", role = "dba", not_requester = true, expires = "1h", on_timeout = "escalate" },
  { name = "business", role = "owner", not_requester = true, expires = "2h" },
] } }
why = "two departments sign off"
"""
T0 = datetime(2026, 3, 30, 10, 0, tzinfo=UTC)


class Company:
    """A shop, its policy, a clock, and people who come one at a time."""

    def __init__(self, folder: Path, policy: str = TWO) -> None:
        self.shop = a_shop(folder)
        self.policy = folder / "policy.toml"
        self.policy.write_text(policy)
        self.now = T0

    def agent(self, by: str, **settings: Any) -> Agent:
        return self.shop.agent(by=by, now=lambda: self.now, **({"policy": str(self.policy)} | settings))

    def asks(self, by: str = "ana", sql: str = SELL) -> Report:
        with self.agent(by) as agent:
            return agent.run(sql)

    def approves(self, by: str, asked: Report, digest: str = "") -> Report:
        with self.agent(by) as agent:
            return agent.approve(asked.thread, digest or self.digest(asked))

    def digest(self, asked: Report) -> str:
        now = self.shop.report(asked.thread)
        assert now.proposal is not None
        return now.proposal.digest

    def audit(self, what: str = "") -> list[str]:
        with self.agent("auditor") as agent:
            return [e.what for e in agent.journal.audit() if what in ("", e.what)]

    def refused(self) -> int:
        return len(self.audit("refused"))


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


def status(report: Report) -> tuple[Status, int]:
    assert report.proposal is not None
    return report.status, report.proposal.stage


def test_two_people_of_two_roles_approve_and_it_runs_once(company: Company) -> None:
    asked = company.asks()
    assert status(asked) == (Status.PENDING, 1)
    first = company.approves("ben", asked)
    assert status(first) == (Status.PENDING, 2)
    assert company.shop.sold == 0
    assert first.proposal is not None
    [said] = first.proposal.approvals
    assert (said.by, said.name, said.digest, said.how) == ("ben", "technical", company_digest(asked), "library")
    done = company.approves("max", asked)
    assert (done.status, company.shop.sold) == (Status.EXECUTED, 1)
    assert company.audit("approved") == ["approved", "approved"]
    assert company.audit("policy loaded") == ["policy loaded"] * 3  # each of the three people, once


def company_digest(asked: Report) -> str:
    assert asked.proposal is not None
    return asked.proposal.digest


@pytest.mark.parametrize("person", ["ana", "max", "uid1007", "policy", "-"])
def test_whoever_may_not_fill_the_seat_is_refused_and_it_is_on_record(company: Company, person: str) -> None:
    asked = company.asks()
    with pytest.raises(NotPermitted):
        company.approves(person, asked)
    assert (company.refused(), company.shop.sold) == (1, 0)
    assert status(company.shop.report(asked.thread)) == (Status.PENDING, 1)
    company.approves("ben", asked)
    assert company.approves("eva", asked).status is Status.EXECUTED


def test_nobody_fills_two_seats(company: Company) -> None:
    asked = company.asks()
    company.approves("eva", asked)
    with pytest.raises(NotPermitted, match="eva has approved stage 1 already"):
        company.approves("eva", asked)
    assert (company.refused(), company.shop.sold) == (1, 0)
    assert company.approves("max", asked).status is Status.EXECUTED


def test_the_digest_of_the_first_stage_is_worth_nothing_at_the_second(company: Company) -> None:
    asked = company.asks()
    old = company.digest(asked)
    company.approves("ben", asked)
    with pytest.raises(Stale):
        company.approves("max", asked, digest=old)
    assert (company.refused(), company.shop.sold) == (1, 0)


def test_an_approval_of_another_thread_is_worth_nothing_here(company: Company) -> None:
    one, other = company.asks(), company.asks()
    with pytest.raises(Stale):
        company.approves("ben", one, digest=company.digest(other))
    assert company.refused() == 1


@pytest.mark.parametrize("stage", [1, 2])
def test_a_rejection_at_any_stage_ends_it(company: Company, stage: int) -> None:
    asked = company.asks()
    if stage == 2:
        company.approves("ben", asked)
    with company.agent("ana") as agent:
        ended = agent.reject(asked.thread, company.digest(asked), "not today")
    assert (ended.status, ended.reason, company.shop.sold) == (Status.REJECTED, "not today", 0)
    with pytest.raises(Finished):
        company.approves("max", asked)


def test_an_edit_voids_what_was_approved_and_makes_its_editor_the_author(company: Company) -> None:
    asked = company.asks()
    company.approves("ben", asked)
    old = company.digest(asked)
    with company.agent("eva") as agent:
        edited = agent.edit(asked.thread, old, SELL.replace("id = 1", "id = 2"))
    assert edited.proposal is not None
    assert (edited.proposal.stage, edited.proposal.approvals, edited.proposal.author) == (1, (), "eva")
    with pytest.raises(Stale):
        company.approves("max", asked, digest=old)
    with pytest.raises(NotPermitted, match="eva wrote it"):
        company.approves("eva", asked)
    company.approves("ben", asked)
    assert company.approves("max", asked).status is Status.EXECUTED


# ---- time ------------------------------------------------------------------------------------------------------------


def test_a_stage_that_nobody_came_to_in_time_is_passed_on(company: Company) -> None:
    asked = company.asks()
    company.now += timedelta(minutes=61)
    with company.agent("cron") as agent:
        [touched] = agent.expire()
        assert agent.expire() == ()
    assert status(touched) == (Status.PENDING, 2)
    assert company.audit("escalated") == ["escalated"]
    assert company.approves("max", asked).status is Status.EXECUTED


def test_the_last_stage_that_nobody_came_to_ends_it(company: Company) -> None:
    asked = company.asks()
    company.approves("ben", asked)
    company.now += timedelta(hours=2)
    with company.agent("max") as agent:
        late = agent.approve(asked.thread, company.digest(asked))
    assert (late.status, company.shop.sold) == (Status.EXPIRED, 0)
    assert company.audit("expired") == ["expired"]


@pytest.mark.parametrize("touch", ["approve", "reject", "edit", "resume", "expire"])
def test_whoever_touches_it_first_ends_what_is_out_of_time(company: Company, touch: str) -> None:
    company.policy.write_text("")
    with company.agent("ana", expires="30m") as agent:
        asked = agent.run(SELL)
    digest = company.digest(asked)
    company.now += timedelta(minutes=30)
    with company.agent("ben") as agent:
        match touch:
            case "approve":
                agent.approve(asked.thread, digest)
            case "reject":
                agent.reject(asked.thread, digest)
            case "edit":
                agent.edit(asked.thread, digest, "SELECT 1")
            case "resume":
                agent.resume(asked.thread)
            case _:
                agent.expire()
    assert company.shop.report(asked.thread).status is Status.EXPIRED
    assert (company.shop.sold, company.audit("expired")) == (0, ["expired"])


def test_a_clock_that_is_set_back_revives_nothing(company: Company) -> None:
    company.policy.write_text("")
    with company.agent("ana", expires="30m") as agent:
        asked = agent.run(SELL)
    company.now += timedelta(minutes=31)
    company.asks("ben", "SELECT 1")  # something is on record at a later time
    company.now -= timedelta(minutes=20)
    assert company.approves("ben", asked).status is Status.EXPIRED
    assert company.shop.sold == 0


# ---- the policy changes meanwhile ------------------------------------------------------------------------------------

DENIED = '[[rule]]\nid = "freeze"\nwhen = { table = "stock" }\nthen = "deny"\nwhy = "stock is being counted"\n'


def test_a_denial_that_came_after_the_approvals_is_heard_before_it_runs(company: Company) -> None:
    asked = company.asks()
    company.approves("ben", asked)
    company.policy.write_text(TWO + DENIED)
    after = company.approves("max", asked)
    assert (after.status, company.shop.sold) == (Status.DENIED, 0)


def test_a_question_that_came_after_an_approval_is_asked(company: Company) -> None:
    company.policy.write_text("")
    asked = company.asks()
    company.policy.write_text(TWO)
    after = company.approves("ana", asked)
    assert (after.status, company.shop.sold) == (Status.STALE, 0)
    assert after.proposal is not None
    assert after.proposal.stages == 2


def test_a_policy_in_the_state_folder_is_in_force_whatever_else_is_named(company: Company) -> None:
    company.shop.state.mkdir(mode=0o700, exist_ok=True)
    (company.shop.state / "policy.toml").write_text(TWO)
    with company.shop.agent(by="ana") as agent:  # names no policy at all
        asked = agent.run(SELL)
    assert asked.proposal is not None
    assert asked.proposal.stages == 2


# ---- who somebody is -------------------------------------------------------------------------------------------------

WHO = "import sys; from sqlagent.store.identity import current_user; sys.stdout.write(current_user())"
FORGED = dict.fromkeys(("USER", "LOGNAME", "USERNAME", "LNAME", "SUDO_USER", "SQLAGENT_USER", "SQLAGENT_BY"), "ben")


def identity(env: dict[str, str]) -> str:
    ran = subprocess.run([sys.executable, "-c", WHO], env=os.environ | env, capture_output=True, text=True, check=True)
    return str(ran.stdout)


def test_no_variable_says_who_somebody_is() -> None:
    assert identity(FORGED) == identity({}) != "ben"


def test_a_state_folder_of_ones_own_stays_so(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    with shop.agent() as agent:
        agent.run(SELL)
    modes = {p.relative_to(shop.state).as_posix(): p.stat().st_mode & 0o777 for p in shop.state.rglob("*")}
    assert {modes[name] for name in modes if not name.endswith("locks")} == {0o600}
    assert modes["locks"] == shop.state.stat().st_mode & 0o777 == 0o700


def test_what_only_time_decides_no_person_does(company: Company) -> None:
    asked = company.asks()
    with company.agent("ben") as agent, pytest.raises(NotPermitted, match="only time decides"):
        agent.decide(asked.thread, Decision(Choice.ESCALATE, company.digest(asked), "ben", "key"))
    assert status(company.shop.report(asked.thread)) == (Status.PENDING, 1)
