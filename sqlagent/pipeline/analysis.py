"""From SQL to a proposal on record: two opinions, counted rows, the policy's word, and the digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from sqlagent.core import policy
from sqlagent.core.analyze import Counting, counting, judge, parse
from sqlagent.core.digest import digest
from sqlagent.core.errors import QueryError
from sqlagent.core.model import (
    Analysis,
    Attempt,
    Basis,
    Choice,
    Decision,
    EngineOpinion,
    Proposal,
    Risk,
    Size,
    Status,
    SyntaxOpinion,
)
from sqlagent.databases.base import Database
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.state import State


class Refused(QueryError):
    """The database would not prepare it, so there is nothing to put to a person."""


def propose(state: State, x: Context) -> State:
    """Analyze `state`'s SQL and record it as the thread's next proposal; raises Refused."""
    database = x.database()
    analysis = examine(state["sql"], database, seconds=x.count_seconds)
    number = state.get("number", 0) + 1
    drafted = _proposal(state, x, analysis, f"{state['thread']}.{number}")
    verdict = policy.decide(analysis, x.policy)
    drafted = replace(drafted, policy=policy.words(verdict))
    x.reached("analyze: before the journal")
    proposal = x.journal.propose(drafted, number=number, turn=state["turn"])
    x.reached("analyze: after the journal")
    return _found(proposal, number) | _ruling(verdict, proposal, x)


def examine(sql: str, database: Database, *, seconds: float) -> Analysis:
    """Everything known about a script before it runs; raises Refused where the database would not prepare it.

    `seconds` is the budget for counting rows, over all statements.
    """
    syntax = parse(sql, database.dialect)
    if not syntax:
        raise Refused("there is no SQL statement in it", hint="write one, or ask in words: sqlagent ask QUESTION")
    engine = database.inspect([s.sql for s in syntax])
    for opinion in engine:
        if opinion.error and not opinion.denied and not any(s.denied for s in syntax):
            raise Refused(f"the database refused it: {opinion.error}", hint="sqlagent schema shows what there is")
    return _judged(syntax, engine, database, seconds)


def _judged(
    syntax: Sequence[SyntaxOpinion], engine: Sequence[EngineOpinion], database: Database, seconds: float
) -> Analysis:
    deadline = monotonic() + seconds
    agreed = len(engine) == len(syntax)
    return Analysis(
        tuple(
            judge(
                index,
                opinion,
                engine[index - 1] if agreed else None,
                _size(counting(opinion, database.dialect), database, deadline - monotonic()),
            )
            for index, opinion in enumerate(syntax, 1)
        )
    )


def _size(query: Counting | None, database: Database, seconds: float) -> Size:
    if query is None or seconds <= 0:
        return Size()
    base = database.count(query.base, seconds=seconds).rows if query.base else None
    if query.rows is not None:
        return Size(query.rows, base, Basis.COUNTED)
    return replace(database.count(query.matching, seconds=seconds), of=base)


def _proposal(state: State, x: Context, analysis: Analysis, proposal_id: str) -> Proposal:
    database = x.database()
    target = database.identity()
    return Proposal(
        id=proposal_id,
        thread=state["thread"],
        question=state["question"],
        sql=state["sql"],
        database=database.name,
        target=target,
        analysis=analysis,
        requested_by=state["requested_by"],
        author=state.get("author", ""),
        created_at=x.journal.time(),
        digest=digest(
            proposal=proposal_id, sql=state["sql"], target=target, schema=database.fingerprint(), stage=1, stages=1
        ),
        note=state.get("note", ""),
        attempts=tuple(Attempt(a["sql"], a["error"]) for a in state.get("attempts", [])),
        previous=state.get("previous", ""),
        edited_by=state.get("edited_by", ""),
        stale=state.get("stale", ""),
        expires_at=x.journal.time(ahead=x.expires) if x.expires else "",
        read_only=analysis.risk is Risk.READ,
    )


def _found(proposal: Proposal, number: int) -> State:
    statements = proposal.analysis.statements
    return {
        "number": number,
        "proposal": proposal.id,
        "digest": proposal.digest,
        "risk": proposal.analysis.risk.name,
        "statements": [s.sql for s in statements],
        "tables": list(dict.fromkeys(t for s in statements for t in (*s.writes, *s.reads))),
        "stage": proposal.stage,
        "stages": proposal.stages,
        "requested_at": proposal.created_at,
        "end": "",
    }


def _ruling(verdict: policy.Verdict, proposal: Proposal, x: Context) -> State:
    match verdict:
        case policy.Deny(rule, why):
            return {
                "verdict": "deny",
                "end": Status.DENIED.value,
                "message": f"the policy denies this: {why}  [{rule}]",
                "hint": "nobody can approve this here; run it elsewhere",
            }
        case policy.Allow(rule):
            approval = Decision(Choice.APPROVE, proposal.digest, "policy", "policy", reason=rule)
            if x.journal.decide(proposal, approval).choice is not Choice.APPROVE:
                return {"verdict": "ask"}  # a person was first, in a process that died before this one
            x.unasked(proposal)
            return {"verdict": "allow"}
        case policy.Ask():
            return {"verdict": "ask"}
