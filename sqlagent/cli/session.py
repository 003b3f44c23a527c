"""Seeing a report through to its end with whoever is there: a person, nobody, or a script."""

from __future__ import annotations

import sys
from dataclasses import replace

from sqlagent.cli.call import Call
from sqlagent.cli.charting import offer_chart
from sqlagent.cli.measuring import Measuring
from sqlagent.cli.waiting import decided_elsewhere, until_others_decide, watch
from sqlagent.core.errors import NeedsApproval, QueryError, SqlagentError, UsageError
from sqlagent.core.nouns.draft import Clarification
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Report, Source, Status
from sqlagent.ui.clarify import put, question
from sqlagent.ui.diagnostics import ExitCode, exit_code_of, report_error
from sqlagent.ui.human import review
from sqlagent.ui.layout import Block, paragraph
from sqlagent.ui.listing import receipt
from sqlagent.ui.machine import report_json
from sqlagent.ui.prompt import Answer, How, Retry, Then, ask, require_prompt
from sqlagent.ui.screen import Input

_WAITS = frozenset({Status.PENDING, Status.STALE})
_WENT_WRONG = frozenset({Status.FAILED, Status.DENIED, Status.EXPIRED, Status.UNKNOWN})


def attend(call: Call, report: Report) -> ExitCode:
    """Ask, decide and run until nothing waits any more or nobody answers; answers the exit code."""
    shown_stale, measuring, asked = "", Measuring(call), False
    while report.status in _WAITS:
        if report.asks is not None:
            if not call.interactive:
                return _leave_asking(call, report)
            answered = _answer_it(call, report, report.asks)
            if isinstance(answered, ExitCode):
                return answered
            report = answered
            continue
        if report.proposal is None:
            break
        proposal = report.proposal
        if call.settings.auto_reject:
            report = reject_unasked(call, proposal)
            break
        if call.waits:
            report = until_others_decide(call, report)
            continue
        if report.decided_by:  # from a machine that does not reach the database
            return left_to_others(call, report)
        if not call.interactive:
            return _leave_pending(call, report)
        if report.status is Status.STALE and shown_stale != proposal.id:
            shown_stale = proposal.id
            call.screen.line(f"  stale: {report.message}; measured again, approvals start over")
        if measuring.is_due(proposal):
            report = measuring.again(report)
            if report.status is Status.STALE:
                continue
        answer = _put_to_person(call, proposal, measuring.words(proposal))
        if answer.how is How.ELSEWHERE:
            report = decided_elsewhere(call, report)
            continue
        if answer.then is Then.MEASURE:
            report = measuring.again(report, budget=measuring.ten_times(proposal))
            continue
        if answer.choice is Choice.LATER:
            return ExitCode.INTERRUPTED if answer.how is How.INTERRUPT else ExitCode.PENDING
        report, asked = _decided(call, report, answer), True
        if _waits_for_others(call, report):
            break
        if report.status is Status.PENDING and (why := why_again(report, proposal)):
            call.screen.show(Block(tuple(paragraph(f"asked again: {why}", call.screen.columns))))
    code = conclude(call, report)
    if asked and report.status is Status.EXECUTED:
        offer_chart(call)
    return code


def left_to_others(call: Call, report: Report) -> ExitCode:
    """Say that it is decided, and that whoever has the database goes on with it."""
    if call.json:
        call.print_json(report_json(report))
    else:
        call.screen.line(f"  {report.message}; next: {report.hint}")
    return ExitCode.OK


def _waits_for_others(call: Call, report: Report) -> bool:
    """Whether what this person has just approved still needs somebody else: nobody is asked twice."""
    now = report.proposal
    mine = now is not None and any(approval.by == call.agent.by for approval in now.approvals)
    return report.status is Status.PENDING and mine and now is not None and bool(call.agent.unfit(now))


def why_again(report: Report, before: Proposal) -> str:
    """Why what is left of a batch is asked about once more, after a part of it was approved."""
    now = report.proposal
    return now.stale if now is not None and now.part_of == before.id else ""


def _answer_it(call: Call, report: Report, asked: Clarification) -> Report | ExitCode:
    """Put the model's question to the person; without an answer it waits."""
    call.narrator.done()
    text, how = put(report.thread, asked, screen=call.screen, stdin=sys.stdin)
    if text:
        return call.agent.answer(report.thread, text, how=how)
    return ExitCode.INTERRUPTED if how == How.INTERRUPT else ExitCode.PENDING


def _leave_asking(call: Call, report: Report) -> ExitCode:
    """Print the model's question where nobody is there to answer it, and how to answer it later."""
    assert report.asks is not None
    if call.json:
        call.print_json(report_json(report))
        return ExitCode.PENDING
    call.narrator.done()
    call.screen.show(question(report.thread, report.asks, columns=call.screen.columns))
    raise NeedsApproval(
        f"{report.thread} asks back, and there is no terminal to answer on",
        hint=f"sqlagent resume {report.thread} --answer TEXT",
    )


def conclude(call: Call, report: Report) -> ExitCode:
    """Print what became of it: a receipt, or the two lines of an error."""
    call.narrator.done()
    call.finish_rows()
    if call.json:
        call.print_json(report_json(report))
    elif report.status in _WENT_WRONG:
        if report.status is Status.DENIED and report.proposal is not None:
            call.screen.show(review(report.proposal, columns=call.screen.columns, title="It would"))
        if report.failure == "KeyboardInterrupt" and call.screen.terminal:
            call.screen.line()  # the cursor still stands behind the ^C
        said = report.message or f"{report.thread} is {report.status}"
        report_error(SqlagentError(said, hint=report.hint or f"sqlagent show {report.thread}"))
    else:
        sys.stdout.flush()
        call.screen.show(receipt(report, columns=call.screen.columns))
    return code_of(report)


def code_of(report: Report) -> ExitCode:
    """The exit code for where a thread stands, and for what kept it from going on."""
    return {"TimedOut": ExitCode.TIMEOUT, "KeyboardInterrupt": ExitCode.INTERRUPTED}.get(
        report.failure, exit_code_of(report.status)
    )


def _put_to_person(call: Call, proposal: Proposal, measured: str) -> Answer:
    call.narrator.done()
    call.agent.shown(proposal)
    asked = call.agent.journal.thread(proposal.thread).source
    retry = Retry.OFFERED if asked is Source.MODEL else Retry.NOT_OFFERED  # SQL of a person's own has no drafter
    return ask(
        proposal, screen=call.screen, stdin=sys.stdin, retry=retry, unfit=call.agent.unfit(proposal), measured=measured,
        elsewhere=watch(call, proposal),
    )  # fmt: skip


def _decided(call: Call, report: Report, answer: Answer) -> Report:
    """Carry out the answer; where the database refuses an edit or a part, say so and ask the same again."""
    assert report.proposal is not None
    decision = Decision(
        answer.choice, report.proposal.digest, call.agent.by, answer.how, answer.sql, answer.reason, answer.retry,
        answer.keep,
    )  # fmt: skip
    try:
        return call.agent.decide(report.thread, decision)
    except (QueryError, UsageError) as e:
        if answer.choice not in (Choice.EDIT, Choice.PARTIAL):
            raise
        report_error(e)
        return replace(report, status=Status.PENDING)


def reject_unasked(call: Call, proposal: Proposal) -> Report:
    """`--auto-reject`: show the proposal and reject it, on record as the switch's doing and nobody's decision."""
    if not call.json:
        call.narrator.done()
        call.screen.show(review(proposal, columns=call.screen.columns))
    why = "nobody was to be asked (--auto-reject)"
    return call.agent.decide(
        proposal.thread, Decision(Choice.REJECT, proposal.digest, call.agent.by, "auto-reject", reason=why)
    )


def _leave_pending(call: Call, report: Report) -> ExitCode:
    """Print what waits and how to answer it, as JSON on stdout or in words on stderr: nobody is there to ask."""
    assert report.proposal is not None
    if call.json:
        call.print_json(report_json(report))
        return code_of(report)
    call.narrator.done()
    call.screen.show(review(report.proposal, columns=call.screen.columns))
    call.screen.line(f"  digest {report.proposal.digest}")
    if report.status is Status.STALE:
        call.screen.line(f"  stale: {report.message}; measured again, approvals start over")
        return ExitCode.STALE
    require_prompt(report.proposal, sys.stdin, sys.stderr, Input.NEVER)
    return ExitCode.PENDING
