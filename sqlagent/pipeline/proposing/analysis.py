"""From SQL to a proposal on record: two opinions, counted rows, the policy's word, and the digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from time import monotonic

from sqlagent.core import policy
from sqlagent.core.analysis.measured import capped, direct_size, found_by, with_effects, with_line
from sqlagent.core.analyze import Counting, counting
from sqlagent.core.approval.seats import POLICY, first_digest
from sqlagent.core.nouns.analysis import Analysis, Basis, Risk, Size, Verb
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.rule import Tried
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Source, Status
from sqlagent.databases.base import Database
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing import undo_proposal
from sqlagent.pipeline.proposing.approved_part import unlike
from sqlagent.pipeline.proposing.in_words import with_words
from sqlagent.pipeline.proposing.opinions import SizeOf, heard, judged
from sqlagent.pipeline.proposing.several_matches import with_matches
from sqlagent.pipeline.state import State, attempts_of


def propose(state: State, x: Context) -> State:
    """Analyze `state`'s SQL and record it as the thread's next proposal; raises Refused."""
    database = x.database()
    row = x.journal.thread(state["thread"])
    measurement: Measurement | None
    if row.source is Source.UNDO:
        analysis, measurement = undo_proposal.planned(row, database, x)
    else:
        analysis, measurement = measured(state["sql"], database, x)
    number = state.get("number", 0) + 1
    analysis = with_words(analysis, state["requested_by"], x)
    drafted = _proposal(state, x, analysis, measurement, f"{state['thread']}.{number}")
    if row.source is Source.UNDO:
        run, on_conflict = undo_proposal.meant(row)
        drafted = replace(drafted, undo_of=run, on_conflict=on_conflict.value)
    verdict = policy.decide(analysis, x.policy, drafted.facts(x.journal.now()))
    drafted = _asked_of(drafted, verdict)
    if drafted.part_of and not drafted.stale and isinstance(verdict, policy.Ask):
        drafted = replace(drafted, stale=unlike(drafted, number, x))
    # the last of all: the digest is over everything that is shown
    drafted = replace(drafted, digest=first_digest(drafted, target=drafted.target, schema=database.fingerprint()))
    x.reached("analyze: before the journal")
    proposal = x.journal.propose(drafted, number=number, turn=state["turn"])
    x.reached("analyze: after the journal")
    return found(proposal, number) | ruling(verdict, proposal, x)


def measured(sql: str, database: Database, x: Context) -> tuple[Analysis, Measurement | None]:
    """The analysis of a script with the rows that it would change: measured where that is possible, else counted.

    Nothing is measured that only reads, that the policy denies, or that could not be classified without doubt.
    """
    opinions = heard(sql, database)

    def verdicts(size_of: SizeOf, tried: Sequence[Tried] = ()) -> Analysis:
        return policy.relax(judged(opinions, size_of, tried), x.policy)

    analysis = verdicts(lambda _index, _opinion: Size())
    if analysis.risk is Risk.READ or policy.builtin_denial(analysis, x.policy):
        return verdicts(_counting(database, x.count_seconds)), None
    statements = [s.sql for s in analysis.statements]
    try:
        measurement = database.measure(statements, budget=x.budget, heard=x.so_far)
    finally:
        x.ended()
    measurement = with_line(measurement, analysis)
    tried = with_matches(
        found_by(measurement),
        [syntax for syntax, _ in opinions],
        lambda opinion: counting(opinion, database.dialect),
        lambda sql: database.count(sql, seconds=x.count_seconds / 2).rows,
    )
    sizes = [direct_size(e, s) for e, s in zip(measurement.effects, analysis.statements, strict=True)]
    if not measurement.is_exact:
        counts = _counting(database, x.count_seconds)
        known = [e.basis is Basis.EXACT for e in measurement.effects]
        counted = verdicts(lambda i, opinion: sizes[i - 1] if known[i - 1] else counts(i, opinion), tried)
        return with_effects(counted, measurement), capped(measurement, counted)
    return with_effects(verdicts(lambda index, _opinion: sizes[index - 1], tried), measurement), measurement


def _asked_of(drafted: Proposal, verdict: policy.Verdict) -> Proposal:
    """The proposal with the policy's verdict, and whom it asks."""
    seats = verdict.seats if isinstance(verdict, policy.Ask) else (policy.Seat(),)
    why = verdict.why if isinstance(verdict, policy.Ask) else ""
    return replace(drafted, policy=policy.words(verdict), seats=seats, stages=len(seats), why=why)


def _counting(database: Database, seconds: float) -> SizeOf:
    """Counts on the database, until the time for all statements together is up."""
    deadline = monotonic() + seconds
    return lambda _index, opinion: _size(counting(opinion, database.dialect), database, deadline - monotonic())


def _size(query: Counting | None, database: Database, seconds: float) -> Size:
    if query is None or seconds <= 0:
        return Size()
    base = database.count(query.base, seconds=seconds).rows if query.base else None
    if query.rows is not None:
        return Size(query.rows, base, Basis.COUNTED)
    return replace(database.count(query.matching, seconds=seconds), of=base)


def _proposal(
    state: State, x: Context, analysis: Analysis, measurement: Measurement | None, proposal_id: str
) -> Proposal:
    database = x.database()
    return Proposal(
        id=proposal_id,
        thread=state["thread"],
        question=state["question"],
        sql=state["sql"],
        database=database.name,
        target=database.identity(),
        analysis=analysis,
        requested_by=state["requested_by"],
        author=state.get("author", ""),
        created_at=x.journal.time(),
        digest="",
        measurement=measurement,
        note=state.get("note", ""),
        drafted=state.get("drafted", ""),
        corrections=tuple(state.get("corrections", [])),
        why_empty=tuple(state.get("why_empty", [])),
        attempts=attempts_of(state),
        previous=state.get("previous", ""),
        edited_by=state.get("edited_by", ""),
        stale=state.get("stale", ""),
        expires_at=x.journal.time(ahead=x.expires) if x.expires else "",
        read_only=analysis.risk is Risk.READ,
        environment=x.environment,
        confidence=state.get("confidence"),
        drafts=state.get("drafts", 0),
        chance=state.get("chance"),
        others=tuple(state.get("others", [])),
        clarified=tuple(c for c in x.journal.clarifications(state["thread"], state["turn"]) if c.answer),
        part_of=state.get("part_of", ""),
        rejected=tuple(state.get("rejected", [])),
        cautions=() if analysis.risk is Risk.READ else database.cautions(),
    )


def found(proposal: Proposal, number: int) -> State:
    """What the state says of a proposal, and review shows."""
    statements = proposal.analysis.statements
    return {
        "number": number,
        "proposal": proposal.id,
        "risk": proposal.analysis.risk.name,
        "statements": [s.sql for s in statements],
        "tables": list(dict.fromkeys(t for s in statements for t in (*s.writes, *s.reads))),
        "requested_at": proposal.created_at,
        "effect": effect_words(proposal),
        "words": [line for s in statements for line in (s.words, *s.assumes) if line],
        "undo": proposal.measurement.undo.value if proposal.measurement else "",
        "end": "",
    } | at_seat(proposal)


def at_seat(proposal: Proposal) -> State:
    """What differs from one stage of a proposal to the next."""
    return {
        "digest": proposal.digest,
        "stage": proposal.stage,
        "stages": proposal.stages,
        "stage_name": proposal.seat.stage,
        "expires_at": proposal.expires_at,
        "approvals": [asdict(approval) for approval in proposal.approvals],
        "decision": None,
        "problem": "",
    }


def effect_words(proposal: Proposal) -> list[dict[str, str | int | None]]:
    """What it was measured or counted to do, a line a table, verb and cause."""
    return [
        {"table": o.target, "verb": o.verb.value, "rows": o.size.rows, "of": o.size.of, "via": o.via}
        for statement in proposal.analysis.statements
        for o in statement.operations
        if o.verb is not Verb.READ
    ]


def ruling(verdict: policy.Verdict, proposal: Proposal, x: Context) -> State:
    """Where the policy's word on a proposal of record leads; one that is allowed is decided by it here."""
    match verdict:
        case policy.Deny():
            message, hint = policy.refusal(verdict, proposal.database)
            return {"verdict": "deny", "end": Status.DENIED.value, "message": message, "hint": hint}
        case policy.Allow(rule):
            approval = Decision(Choice.APPROVE, proposal.digest, POLICY, POLICY, reason=rule)
            if x.journal.decide(proposal, approval).choice is not Choice.APPROVE:
                return {"verdict": "ask"}  # a person was first, in a process that died before this one
            x.unasked(proposal)
            return {"verdict": "allow"}
        case policy.Ask():
            return {"verdict": "ask"}
