"""Plans and signed approvals beside the store: writes plans, takes approvals, and tells whether a plan still fits."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlagent.core.approval.plan import Plan
from sqlagent.core.approval.seats import cover, first_digest
from sqlagent.core.approval.signed import read
from sqlagent.core.errors import NotPermitted, Stale, UsageError
from sqlagent.core.nouns.policy import Ask, Deny, Policy
from sqlagent.core.nouns.session import Proposal, Report, Status
from sqlagent.core.text.counted import counted
from sqlagent.service.endings import finished
from sqlagent.service.parts import Kept

if TYPE_CHECKING:
    from sqlagent.service.agent import Agent
    from sqlagent.service.weighing import Weighed


def plan_of(agent: Agent, thread: str) -> Plan:
    """What waits in a thread, to be shown elsewhere.  Raises `Stale` where the schema changed since it was measured."""
    row = agent.journal.thread(thread)
    agent.journal.require_sealed(thread)
    if row.status is not Status.PENDING or not row.proposal:
        raise finished(agent.journal, row)
    first, decided = agent.journal.proposed(row.proposal)
    database = agent.context(thread, sink=Kept()).database()
    plan = Plan(first, database.fingerprint(), decided)
    if first_digest(first, target=database.identity(), schema=plan.schema) != first.digest:
        raise Stale(
            f"the schema of {first.database} changed since {thread} was measured", hint=f"sqlagent resume {thread}"
        )
    return plan


def approve_signed(agent: Agent, thread: str, file: bytes) -> Report:
    """Take an approval that somebody signed elsewhere, and go on from there; what is refused is on record."""
    try:
        signed = read(file)
    except UsageError as e:
        agent.refused(thread, "", e.message)
        raise
    if signed.thread != thread:
        why = f"the approval was signed for {signed.thread}, and this is {thread}"
        agent.refused(thread, signed.digest, why)
        raise NotPermitted(why, hint=f"sqlagent resume {signed.thread} --approval FILE")
    return agent.decide(thread, signed.decision)


def misfit(agent: Agent, plan: Plan) -> str:
    """Why a plan no longer fits the database and the policy that the settings name; empty where it does."""
    first, database = plan.first, agent.database
    if database.identity() != first.target:
        return f"it is of {first.target}, and this is {database.identity()}"
    now = datetime.fromisoformat(agent.journal.time())
    until = plan.asked.expires_at
    if until and datetime.fromisoformat(until) <= now:
        return f"it expired at {until}"
    if first_digest(first, target=first.target, schema=database.fingerprint()) != first.digest:
        return "the schema changed since it was measured"
    if first.undo_of:  # what it takes back is kept where it ran, and it is held to that there
        return ""
    weighed = agent.weigh(first.sql)
    return _other_effect(first, weighed) or _other_policy(first, weighed.policy, now)


def _other_effect(first: Proposal, weighed: Weighed) -> str:
    before, after = first.measurement, weighed.facts.measurement
    if weighed.analysis.risk != first.analysis.risk:
        return f"it is {weighed.analysis.risk.name} now, and was {first.analysis.risk.name}"
    if (before.fingerprint if before else "") == (after.fingerprint if after else ""):
        return ""
    rows = [counted(m.changes, "row") if m and m.is_exact else "what was not measured exactly" for m in (after, before)]
    return f"it changes other rows now: {rows[0]}, and it was {rows[1]}"


def _other_policy(first: Proposal, rules: Policy, now: datetime) -> str:
    from sqlagent.core.policy.decision import decide, words  # with all of the rules, which only this asks

    verdict = decide(first.analysis, rules, first.facts(now))
    if isinstance(verdict, Deny):
        return f"the policy denies it now: {verdict.why}  [{verdict.rule}]"
    asked_nobody = first.policy.startswith("allow")
    if isinstance(verdict, Ask) and (asked_nobody or not cover(first.seats, verdict.seats)):
        return f"the policy asks other people now: {words(verdict)}"
    return ""
