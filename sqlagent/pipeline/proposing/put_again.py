"""Putting to people again what the journal says waits for them, where the checkpoint that waited with it is lost."""

from __future__ import annotations

from sqlagent.core import policy
from sqlagent.core.approval.seats import cover, present_digest
from sqlagent.core.nouns.draft import Attempt
from sqlagent.core.nouns.session import Proposal, Thread
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing.analysis import found, propose, ruling
from sqlagent.pipeline.proposing.measured_since import changed_since
from sqlagent.pipeline.state import Failed, State

WAITS = "waits"
"""The verdict of a state that is rebuilt: a proposal of the journal's waits, and is to be put to people again."""


def put_again(state: State, x: Context) -> State:
    """The same proposal, under the digest that people were shown, where all that the digest binds still holds.

    Where it does not, a new proposal says what changed since.  What the state says of it is not asked: anybody may
    have written that, and only the journal knows what waits.
    """
    row = x.journal.thread(state["thread"])
    if not row.proposal:
        return propose(state, x)
    proposal, number = x.journal.proposal(row.proposal), x.journal.last_number(row.id)
    recorded = as_recorded(proposal)
    verdict = policy.decide(proposal.analysis, x.policy, proposal.facts(x.journal.now()))
    if changed := _changed(proposal, verdict, x):
        return {"stale": changed} | propose({**state, **recorded, "number": number, "stale": changed}, x)
    # whom the proposal asks it goes on asking, also where whoever comes now would be allowed to run it
    said = policy.Ask() if proposal.policy.startswith("ask") else verdict
    return recorded | found(proposal, number) | {"problem": state.get("problem", "")} | ruling(said, proposal, x)


def asked_back(row: Thread, x: Context) -> State:
    """The question back that nobody has answered, to be put in the words that people were shown; empty for none."""
    known = x.journal.clarifications(row.id, row.turn)
    if not row.asks or not known or known[-1].answer:
        return {}
    return {"asks": known[-1].question, "choices": [*known[-1].choices], "asked": len(known)}


def as_recorded(proposal: Proposal) -> State:
    """What a state has of a proposal before it is analyzed: the text, who wrote it, and how it came about."""
    attempts = [_failed(attempt) for attempt in proposal.attempts]
    return {
        "sql": proposal.sql, "author": proposal.author, "note": proposal.note, "drafted": proposal.drafted,
        "corrections": [*proposal.corrections], "why_empty": [*proposal.why_empty], "previous": proposal.previous,
        "edited_by": proposal.edited_by, "attempts": attempts, "stale": proposal.stale,
        "retries": max((place for place, a in enumerate(attempts, 1) if a["rejected_by"]), default=0),
        "confidence": proposal.confidence, "drafts": proposal.drafts, "chance": proposal.chance,
        "others": [*proposal.others], "part_of": proposal.part_of, "rejected": [*proposal.rejected],
    }  # fmt: skip


def _failed(attempt: Attempt) -> Failed:
    return {
        "sql": attempt.sql, "error": attempt.error, "author": attempt.author, "rejected_by": attempt.rejected_by,
    }  # fmt: skip


def _changed(proposal: Proposal, verdict: policy.Verdict, x: Context) -> str:
    """What of all that the digest binds is not as it was; empty where it still is."""
    database = x.database()
    target = database.identity()
    if target != proposal.target:
        return f"{proposal.database} is another database now: {target}"
    if present_digest(proposal, target=target, schema=database.fingerprint()) != proposal.digest:
        return f"the schema of {proposal.database} changed since it was proposed"
    if wanted := wants_more(verdict, proposal):
        return wanted
    if proposal.measurement is None:
        return ""
    return changed_since(proposal, x.journal.thread(proposal.thread), x)


def wants_more(verdict: policy.Verdict, proposal: Proposal) -> str:
    """Why what the policy says here and now is not met by what it said then; empty where it is.

    A proposal that was denied is on record as denied: what may be asked of people by now is proposed anew.
    """
    denied = proposal.policy.startswith("deny")
    if isinstance(verdict, policy.Deny):
        return "" if denied else f"the policy denies it now: {verdict.why}  [{verdict.rule}]"
    if denied:
        return f"the policy denies it no longer: {policy.words(verdict)}"
    asked_nobody = proposal.policy.startswith("allow")
    if isinstance(verdict, policy.Ask) and (asked_nobody or not cover(proposal.seats, verdict.seats)):
        return f"the policy asks other people now: {policy.words(verdict)}"
    return ""
