"""The steps of a turn: each reads the state, calls its port, and answers a partial state."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from sqlagent.core.approval.seats import EXPIRED, ended_by, passes_on
from sqlagent.core.errors import NoDraft, NotPermitted, Stale, UsageError
from sqlagent.core.nouns.draft import Example
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Source, Status
from sqlagent.core.wire import answers as wire
from sqlagent.llm.outgoing import Values
from sqlagent.llm.two_readings import ASKED_BY
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing import answer_arrival, interrupt_payload
from sqlagent.pipeline.proposing.analysis import at_seat, propose
from sqlagent.pipeline.proposing.approved_part import carry_over
from sqlagent.pipeline.proposing.asking_first import ask_first
from sqlagent.pipeline.proposing.draft_agreement import weighed
from sqlagent.pipeline.proposing.failed_drafts import another_try, wrote_before
from sqlagent.pipeline.proposing.put_again import WAITS, asked_back, put_again
from sqlagent.pipeline.proposing.refusal import Refused
from sqlagent.pipeline.proposing.told_schema import told_schema
from sqlagent.pipeline.running.execution import run
from sqlagent.pipeline.running.partial_batch import check_it_can_be, left_of
from sqlagent.pipeline.state import AS_WRITTEN, Failed, State, attempts_of, on_record
from sqlagent.store.examples import Examples
from sqlagent.store.journal import RunState

QUESTIONS_BACK = 2
"""How often a model may ask back in one turn; then it drafts, and says what it assumed."""


def generate(state: State, runtime: Runtime[Context]) -> State:
    """Ask the model for SQL, telling it what became of its last drafts."""
    x = runtime.context
    model = x.model()
    alike = _alike(state, x)
    told = told_schema(state, x, model, alike)
    schema = told.shown
    if unclear := ask_first(state, x, told.whole, alike):
        asked = x.journal.ask_back(state["thread"], state["turn"], unclear.question, unclear.choices, by=ASKED_BY)
        return {
            "asks": unclear.question, "choices": list(unclear.choices), "asked": asked, "author": ASKED_BY, "sql": "",
        }  # fmt: skip
    attempts = attempts_of(state)
    clarified = tuple(c for c in x.journal.clarifications(state["thread"], state["turn"]) if c.answer)
    may_ask = x.may_ask and len(clarified) < QUESTIONS_BACK and state.get("author") != ASKED_BY
    x.begin(f"asking {model.name} about {told.words}")
    x.reached("generate: before the model")
    try:
        draft = model.draft(
            state["question"], schema, history=x.journal.history(state["thread"]), attempts=attempts,
            examples=alike, clarified=clarified, asked_by=state.get("author", ""),
            values=Values.SENT if x.send_examples else Values.WITHHELD, may_ask=may_ask, samples=x.samples,
            on_text=x.heard, on_wait=x.note,
        )  # fmt: skip
    except NoDraft as e:
        x.ended()
        return another_try(state, x, sql="", error=e.message, hint=e.hint, author=model.name)
    draft, weight = weighed(draft, told.whole, state, x)
    written = weight.get("drafted") or draft.sql
    x.ended()
    x.journal.note(
        "drafted",
        who=draft.model,
        thread=state["thread"],
        prompt_sha256=draft.prompt_sha256,
        sql_sha256=sha256(written.encode("utf-8", "surrogatepass")).hexdigest(),
        cannot=draft.cannot,
        tokens_in=draft.tokens_in,
        tokens_out=draft.tokens_out,
    )
    x.reached("generate: after the model")
    if draft.cannot:
        return {
            "author": draft.model, "end": Status.FAILED.value, "failure": "ModelError",
            "message": f"the model says it cannot answer this from these tables: {draft.cannot}",
            "hint": "ask it another way, or see what it is told: sqlagent schema",
        }  # fmt: skip
    if wrote_before(written, state):
        error = "the model wrote again what did not stand"
        return another_try(state, x, sql=written, error=error, hint="ask it another way", author=model.name)
    if draft.asks and may_ask:
        asked = x.journal.ask_back(state["thread"], state["turn"], draft.asks, draft.choices, by=draft.model)
        return {"asks": draft.asks, "choices": list(draft.choices), "asked": asked, "author": draft.model, "sql": ""}
    if draft.asks:
        error = "nobody answers any more: write the SQL, and say in a comment what it assumes"
        return another_try(state, x, sql="", error=error, hint="ask it another way", author=model.name)
    return {
        "sql": draft.sql, "author": draft.model, "note": draft.note, "previous": "", "edited_by": "", "part_of": "",
        "rejected": [], **weight,
    }  # fmt: skip


def _alike(state: State, x: Context) -> tuple[Example, ...]:
    """What was approved for questions like this one on the same database."""
    if not x.learn:
        return ()
    return Examples(x.journal).like(state["question"], target=x.database().identity(), thread=state["thread"])


def clarify(state: State) -> State:
    """Wait for a person's answer to what the model asks back; as bare as `review`, for the same reasons."""
    name = answer_arrival.interrupt_id()
    asked = interrupt_payload.clarification(state, name)
    return {"reply": interrupt(asked, response_schema=answer_arrival.CLARIFIED), "answered": name}


def hear(state: State, runtime: Runtime[Context]) -> State:
    """Take the answer: the journal's, or else what a LangGraph client said, once that is on record."""
    x = runtime.context
    turn, number = state["turn"], state.get("asked", 1)
    known = x.journal.clarifications(state["thread"], turn)
    if not 0 < number <= len(known) or known[number - 1].question != state.get("asks"):
        row = x.journal.thread(state["thread"])
        waits: State = asked_back(row, x) or {"asks": "", "choices": [], "verdict": WAITS if row.proposal else ""}
        return {"reply": None, "problem": "what was asked is not what is on record", **waits}
    asked = known[number - 1]
    if not asked.answer:
        try:
            answer_arrival.check_let_in(state.get("reply"))
            text = wire.decode_answer(state.get("reply"), choices=asked.choices, interrupt_id=state.get("answered", ""))
        except UsageError as e:
            x.journal.note("refused", who=x.by, thread=state["thread"], because=e.message)
            return {"reply": None, "problem": f"{e.message}; {e.hint}"}
        x.journal.answer(state["thread"], turn, number, text, by=x.by, how="graph")
    return {"reply": None, "problem": "", "asks": "", "choices": []}


def analyze(state: State, runtime: Runtime[Context]) -> State:
    """Find out what the SQL would do, ask the policy, and put it on record as a proposal."""
    try:
        found = (put_again if state.get("verdict") == WAITS else propose)(state, runtime.context)
    except Refused as e:
        drafted = state.get("source") == Source.MODEL and not state.get("edited_by")
        if drafted:
            wrote = state.get("drafted") or state["sql"]
            author = state.get("author", "")
            return another_try(state, runtime.context, sql=wrote, error=e.message, hint=e.hint, author=author)
        return {"end": Status.FAILED.value, "failure": "QueryError", "message": e.message, "hint": e.hint}
    if state.get("part_of") and found["verdict"] == "ask":
        carry_over(runtime.context.journal.proposal(found["proposal"]), runtime.context)
    if found["verdict"] == "ask" and runtime.context.journal.decision(found["proposal"], found["stage"]) is not None:
        return {**found, "verdict": "decided"}  # nobody is asked what is on record
    return found


def review(state: State) -> State:
    """Wait for a person.  Nothing before the interrupt has an effect, and nothing after it can fail."""
    name = answer_arrival.interrupt_id()
    asked = interrupt_payload.question(state, name)
    return {"decision": interrupt(asked, response_schema=answer_arrival.REVIEWED), "answered": name}


def decide(state: State, runtime: Runtime[Context]) -> State:
    """Take the journal's decision on the seat that was asked; where it has none, what a LangGraph client said.

    Anybody who can reach the checkpoints can resume review with anything.  What is not an answer, or comes from a
    person who may not give it, is on record as refused, and review asks again and says why.
    """
    x = runtime.context
    proposal = x.journal.proposal(state["proposal"])
    stage = state.get("stage", 1)
    decision = x.journal.decision(proposal.id, stage)
    problem = _was_first(decision, state.get("decision")) if decision is not None else ""
    if decision is None:
        restored = answer_arrival.restored(state, proposal)
        try:
            if restored:
                raise wire.Invalid("what was asked is not what is on record", "an answer to what is asked now")
            decision, problem = _answered(state, proposal, x)
        except (UsageError, NotPermitted, Stale, Refused) as e:
            if not isinstance(e, NotPermitted | Stale):  # of those the journal has written it down
                x.journal.note("refused", who=x.by, thread=proposal.thread, proposal=proposal.id, because=e.message)
            return {**restored, "decision": None, "problem": f"{e.message}; {e.hint}" if e.hint else e.message}
    if passes_on(decision) and stage < proposal.stages:
        return at_seat(x.journal.proposal(proposal.id)) | {"problem": problem}
    return {"decision": on_record(decision), "problem": problem}


def _was_first(decision: Decision, answer: Any) -> str:
    """Who decided before an answer came that says something else; empty where it was that, or time, or none came."""
    if answer is None or answer == on_record(decision) or decision.how == EXPIRED:
        return ""
    return f"{decision.by} decided first: {decision.choice}"


def _answered(state: State, proposal: Proposal, x: Context) -> tuple[Decision, str]:
    """What counts of what a LangGraph client answered, and who was first if somebody was; raises where it may not."""
    raw = state.get("decision")
    answer_arrival.check_let_in(raw)
    pending = wire.Pending(
        digest=proposal.digest, sql=proposal.sql, statements=tuple(s.sql for s in proposal.analysis.statements),
        interrupt_id=state.get("answered", ""), addressed=answer_arrival.addressed(raw),
    )  # fmt: skip
    said = wire.decode(raw, pending=pending)
    said = said if said.signed else replace(said, by=x.by)
    check_it_can_be(said, proposal, x.database())
    counted = x.journal.decide(proposal, said)
    x.decided(proposal.id)
    return counted, _was_first(counted, on_record(said))


def revise(state: State, runtime: Runtime[Context]) -> State:
    """Make a person's edit, or the reason of a rejection, the start of the next draft."""
    answer = _decided(state, runtime.context)
    if answer is None:
        return {"stale": "an answer came that is not on record"}
    if answer.choice is Choice.EDIT:
        return {
            "previous": state.get("sql", ""), "sql": answer.sql, "author": answer.by, "edited_by": answer.by,
            "note": "", "stale": "", "verdict": "", "confidence": None, "others": [], "part_of": "", "rejected": [],
            **AS_WRITTEN,
        }  # fmt: skip
    if answer.choice is Choice.PARTIAL:
        whole = runtime.context.journal.proposal(state["proposal"])
        return {
            **AS_WRITTEN, "sql": left_of(whole, answer.keep), "part_of": whole.id, "stale": "", "verdict": "",
            "rejected": [*state.get("rejected", []), answer.reason],
        }  # fmt: skip
    rejected: Failed = {
        "sql": state.get("sql", ""),
        "error": f"a person rejected it: {answer.reason or 'it is not what was asked for'}",
        "author": state.get("author", ""),
        "rejected_by": answer.by,
    }
    attempts = [*state.get("attempts", []), rejected]
    return {
        "attempts": attempts, "retries": len(attempts),
        "sql": "", "previous": "", "edited_by": "", "stale": "", "verdict": "again", "confidence": None, "others": [],
        **AS_WRITTEN,
    }  # fmt: skip


def _decided(state: State, x: Context) -> Decision | None:
    """The journal's decision on what was asked, where it is the one that review was resumed with.

    Anybody who can write the checkpoints can resume review with anything; only the journal's word counts.
    """
    answer: Any = state.get("decision") or {}
    decision = x.journal.decision(state.get("proposal", ""), state.get("stage", 1))
    return decision if decision is not None and decision.choice == answer.get("choice") else None


def execute(state: State, runtime: Runtime[Context]) -> State:
    """Run the approved bytes, if the journal gives the claim.  No interrupt, no retry policy, no error handler here."""
    return run(state, runtime.context)


def finish(state: State, runtime: Runtime[Context]) -> State:
    """Write how the turn ended where everybody reads it."""
    x = runtime.context
    answer = None if state.get("end") else _decided(state, x)
    if not _is_on_record(state, answer, x):
        return {"status": ""}  # the driver sees an end that is none, and asks again
    status, message, hint = _ending(state, answer)
    x.reached("finish: before the journal")
    x.journal.finish(
        state["thread"], state["turn"], status, message=message, hint=hint, ran_sql=state.get("ran_sql", ""),
        attempts=attempts_of(state), learn=x.learn,
    )  # fmt: skip
    x.reached("finish: after the journal")
    return {"status": status.value, "message": message, "hint": hint}


def _is_on_record(state: State, answer: Decision | None, x: Context) -> bool:
    """Whether the journal bears out how the turn is to end: a state that says so may have been written by anybody."""
    if state.get("end") != Status.EXECUTED:
        return bool(state.get("end")) or answer is not None
    run = x.journal.run(state.get("proposal", ""))
    return run is not None and run.state in (RunState.DONE, RunState.SETTLED_APPLIED)


def _ending(state: State, answer: Decision | None) -> tuple[Status, str, str]:
    if answer is None:
        return Status(state["end"]), state.get("message", ""), state.get("hint", "")
    return ended_by(state["thread"], answer)


# ---- where to go next; each is total, since LangGraph skips the routing of a router that raised ------------------


STARTS = ["generate", "clarify", "analyze", "decide"]
"""Where a turn may begin, or be taken up again from the journal."""


def from_start(state: State) -> str:
    """Where a turn begins: what is decided is taken up, what waits is put again, and a question goes to the model."""
    if state.get("asks"):
        return "clarify"
    if state.get("decision"):
        return "decide"
    return "generate" if state.get("source") == Source.MODEL and not state.get("sql") else "analyze"


def after_generate(state: State) -> str:
    """The model's answer is analyzed, put to the person as a question, asked for again, or ends the turn."""
    if state.get("end"):
        return "finish"
    if state.get("asks"):
        return "clarify"
    return "analyze" if state.get("sql") else "generate"


def after_hear(state: State) -> str:
    """Where a question back leads: to the next one, to what waits already, or to a draft."""
    if state.get("asks"):
        return "clarify"
    return "analyze" if state.get("verdict") == WAITS else "generate"


def after_analyze(state: State) -> str:
    """By the policy's verdict: run it, ask people, draft anew, or end."""
    if state.get("end"):
        return "finish"
    ways = {"again": "generate", "allow": "execute", "ask": "review", "decided": "decide"}
    return ways.get(state.get("verdict", ""), "finish")


def after_decide(state: State) -> str:
    """By the person's answer: run it, revise it, ask once more, or end."""
    answer: Any = state.get("decision")
    if not isinstance(answer, dict):
        return "review"
    if answer.get("choice") == "approve":
        return "execute"
    if answer.get("choice") in ("edit", "partial") or (
        answer.get("choice") == "reject" and answer.get("retry") is True
    ):
        return "revise"
    return "finish"


def after_revise(state: State) -> str:
    """SQL that a person wrote is analyzed; without any the model drafts anew."""
    return "analyze" if state.get("sql") else "generate"


def after_execute(state: State) -> str:
    """Ends the turn, unless the run found that what was approved is stale: then it is analyzed anew."""
    return "finish" if state.get("end") else "analyze"
