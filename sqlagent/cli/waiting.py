"""What a person or a script that asked does until others have decided: it waits, is told, and goes on."""

from __future__ import annotations

from sqlagent.cli.call import Call
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.session import Proposal, Report, Status
from sqlagent.service.waiting import Watch, seen_through
from sqlagent.ui.human import review
from sqlagent.ui.people import whom
from sqlagent.ui.visible import one_line


def refuse_to_wait_and_decide(call: Call, *decides: object) -> None:
    """`--wait` leaves the word to others, so that none of one's own goes with it."""
    if call.waits and (call.settings.auto_reject or any(word not in (None, []) for word in decides)):
        raise UsageError(
            "--wait waits for others' word, and here is one's own", hint="leave one of them out; then: sqlagent resume"
        )


def until_others_decide(call: Call, report: Report) -> Report:
    """Show what waits, wait for others' word, and go on from there: what they approve is run here."""
    assert report.proposal is not None
    call.narrator.done()
    if not call.json:
        if report.status is Status.STALE:
            call.screen.line(f"  stale: {one_line(report.message)}; measured again, approvals start over")
        if not report.decided_by:
            call.screen.show(review(report.proposal, columns=call.screen.columns))
            call.screen.line(f"  digest {report.proposal.digest}")
        said = report.message if report.decided_by else f"waits for {whom(report.proposal)}"
        call.screen.line(f"  {one_line(said)}; Ctrl-C leaves it so")
    return _gone_on(call, report)


def decided_elsewhere(call: Call, report: Report) -> Report:
    """Somebody else decided while a person was asked here: that is said, and gone on with."""
    call.screen.line()  # the cursor still stands behind the prompt
    return _gone_on(call, report)


def watch(call: Call, proposal: Proposal) -> Watch | None:
    """Of a team's store, whose people decide on machines of their own; in a folder of one's own nobody else does."""
    return Watch(call.agent, proposal.thread) if call.settings.store else None


def _gone_on(call: Call, report: Report) -> Report:
    after = seen_through(call.agent, report)
    if not call.json and after.status is Status.EXECUTED:
        _say_who(call, after)
    return after


def _say_who(call: Call, after: Report) -> None:
    """Who decided, and where its rows are if somebody else has run it."""
    assert after.proposal is not None
    run = call.agent.journal.run(after.proposal.id)
    said = f"approved by {after.decided_by} ({after.how})"
    if run is not None and run.run_by != call.agent.by:
        said += f"; run by {run.run_by}" + (", who has the rows" if after.proposal.read_only else "")
    call.screen.line(f"  {one_line(said)}")
