"""The commands that put SQL to a person: `ask`, `run`, `resume`, `settle`."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from sqlagent.cli.call import Call
from sqlagent.cli.each import each as one_by_one
from sqlagent.cli.options import DATABASE, MODEL, PERSON, PROPOSING, ROWS, takes
from sqlagent.cli.session import attend, conclude, left_to_others
from sqlagent.cli.sources import open_source, script
from sqlagent.cli.waiting import refuse_to_wait_and_decide
from sqlagent.config import show_duration
from sqlagent.core.approval.batch import places, rejection
from sqlagent.core.errors import Finished, NeedsApproval, Stale, UsageError
from sqlagent.core.nouns.session import Choice, Decision, Proposal, Report, Status, Thread
from sqlagent.core.text.counted import counted
from sqlagent.databases.base import OnConflict
from sqlagent.store.journal import RunState
from sqlagent.ui.clarify import chosen
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.effects import size_words
from sqlagent.ui.listing import receipt, undo_table
from sqlagent.ui.machine import report_json
from sqlagent.ui.out import say


@takes(DATABASE, MODEL, PERSON, PROPOSING, ROWS)
def ask(
    call: Call,
    question: Annotated[
        list[str], typer.Argument(help="What you want to know or to have changed, in words.", metavar="QUESTION")
    ],
    thread: Annotated[
        str, typer.Option("--thread", help="Continue this finished conversation.", metavar="THREAD")
    ] = "",
) -> ExitCode:
    """Ask in words: SQL is drafted, measured, and you decide.

    \b
    sqlagent ask "top 3 customers by revenue"
    sqlagent ask "cancel orders stuck in 'pending' for a year" --db prod
    sqlagent ask "only those in Germany" --thread k7f3
    sqlagent ask "orders per month" --csv > orders.csv
    sqlagent ask "delete the test orders" --wait --expires 2h
    """
    refuse_to_wait_and_decide(call)
    if not thread:
        call.say_which_database()
    return attend(call, call.agent.ask(" ".join(question), thread=thread))


@takes(DATABASE, PERSON, PROPOSING, ROWS)
def run(
    call: Call,
    file: Annotated[str, typer.Argument(help="A file of SQL, or - for standard input.", metavar="[FILE]")] = "",
    sql: Annotated[str, typer.Option("--sql", help="The SQL itself.", metavar="TEXT")] = "",
    each: Annotated[
        bool, typer.Option("--each", help="Every statement by itself: decided, run and undone one by one.")
    ] = False,
) -> ExitCode:
    """Review and run your own SQL.

    \b
    sqlagent run cleanup.sql --db prod
    sqlagent run cleanup.sql --each
    sqlagent run --sql "DELETE FROM orders WHERE id = 7"
    other-program | sqlagent run -
    """
    refuse_to_wait_and_decide(call)
    if call.waits and each and call.json:
        raise UsageError("--each --json ends with one document, and --wait waits in between", hint="leave one out")
    text, title = open_source(file, sql)
    call.say_which_database()
    if each:
        return one_by_one(call, text, title)
    return attend(call, call.agent.run(text, title=title))


@takes(DATABASE, MODEL, PERSON, ROWS)
def resume(
    call: Call,
    thread: Annotated[str, typer.Argument(help="The session's id, such as k7f3.", show_default=False)],
    approve: Annotated[
        str | None, typer.Option("--approve", help="Approve exactly this digest, and run.", metavar="DIGEST")
    ] = None,
    edit: Annotated[str | None, typer.Option("--edit", help="Replace its SQL by this file's.", metavar="FILE")] = None,
    reject: Annotated[str | None, typer.Option("--reject", help="Reject it; WHY may be empty.", metavar="WHY")] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", help="With --approve: approve only these statements, reject the rest.", metavar="N"),
    ] = None,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="With --approve: leave the run to whoever resumes it next.")
    ] = False,
    because: Annotated[
        str, typer.Option("--because", help="With --only: why the rest is rejected.", metavar="WHY")
    ] = "",
    answer: Annotated[
        str | None, typer.Option("--answer", help="Answer what it asks back: a number or words.", metavar="TEXT")
    ] = None,
    approval: Annotated[
        list[str] | None,
        typer.Option("--approval", help="Take this signed approval; several in the order of stages.", metavar="FILE"),
    ] = None,
) -> ExitCode:
    """Show what a session waits for, and go on with it.

    \b
    sqlagent resume k7f3
    sqlagent resume k7f3 --wait
    sqlagent resume k7f3 --approve 9f2c41d0...
    sqlagent resume k7f3 --approve 9f2c41d0... --no-run
    sqlagent resume k7f3 --approve 9f2c41d0... --only 1,3-5 --because "too soon"
    sqlagent resume k7f3 --edit better.sql
    sqlagent resume k7f3 --reject "not on a Friday"
    sqlagent resume k7f3 --answer 2
    sqlagent resume k7f3 --approval k7f3.approval
    """
    refuse_to_wait_and_decide(call, approve, edit, reject, answer, approval)
    if sum(flag is not None for flag in (approve, edit, reject, answer, approval or None)) > 1:
        raise UsageError(
            "--approve, --approval, --edit, --reject and --answer exclude one another",
            hint=f"sqlagent resume {thread} --help",
        )
    if (only is not None and approve is None) or (because and only is None):
        raise UsageError(
            "--only says which statements --approve is of, and --because why not the others",
            hint=f"sqlagent resume {thread} --approve DIGEST --only 1,3-5 --because WHY",
        )
    if no_run and approve is None:
        raise UsageError(
            "--no-run says that --approve does not run it", hint=f"sqlagent resume {thread} --approve DIGEST --no-run"
        )
    row = call.agent.journal.thread(thread)
    _same_database(call, row)
    if row.status is Status.FAILED and edit is not None:
        text, _ = script(edit)
        return attend(call, call.agent.run(text, title=row.question, thread=thread))
    try:
        report = call.agent.show(thread) if no_run else call.agent.resume(thread)
    except Finished as e:
        if approve is not None:
            call.agent.refused(thread, approve, e.message)
        raise
    if answer is not None:
        return _answered(call, report, answer)
    if no_run:
        return _approved_alone(call, report, str(approve), only=only, because=because)
    if approval:
        from sqlagent.cli.signing import bring  # only where somebody signed

        return bring(call, report, approval)
    if report.status is Status.PENDING and (approve, edit, reject) != (None, None, None):
        return _scripted(call, report, approve=approve, only=only, because=because, edit=edit, reject=reject)
    return attend(call, report)


def _answered(call: Call, report: Report, text: str) -> ExitCode:
    """One answer from the command line to what the model asks back."""
    if report.asks is None:
        raise UsageError(f"{report.thread} asks nothing back", hint=f"sqlagent resume {report.thread}")
    words, _ = chosen(text, report.asks)
    if not words:
        raise UsageError(f"{text} is none of its {len(report.asks.choices)} choices", hint="a number, or other words")
    return attend(call, call.agent.answer(report.thread, words, how="flag"))


@takes(PERSON)
def undo(
    call: Call,
    thread: Annotated[
        str, typer.Argument(help="The session, or one run of it such as k7f3.2.", metavar="[THREAD]")
    ] = "",
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Undo nothing at all where a row was changed since.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List what can be undone.")] = False,
) -> ExitCode:
    """Take back what a run changed: a proposal like any other.

    \b
    sqlagent undo k7f3
    sqlagent undo --list
    """
    if list_ or not thread:
        return list_undoable(call)
    refuse_to_wait_and_decide(call)
    on_conflict = OnConflict.REFUSE if all_or_nothing else OnConflict.LEAVE_ALONE
    return attend(call, call.agent.undo(thread, on_conflict=on_conflict))


def list_undoable(call: Call) -> ExitCode:
    """What can be taken back, the newest first."""
    kept = call.agent.undoable()
    if call.json:
        call.print_json({"undoable": [asdict(k) for k in kept]})
        return ExitCode.OK
    if kept:
        width = call.screen.columns if sys.stdout.isatty() else None
        say(undo_table(kept, now=datetime.now(UTC), columns=width))
    size = sum(k.size for k in kept)
    runs = counted(len(kept), "run")
    call.screen.line(f"({runs}, {size_words(size)}; each is kept for {show_duration(call.settings.keep_undo)})")
    if kept:
        call.screen.line(f"next: sqlagent undo {kept[0].thread}")
    return ExitCode.OK


@takes()
def settle(
    call: Call,
    thread: Annotated[str, typer.Argument(help="The session whose run was interrupted.", show_default=False)],
    applied: Annotated[
        bool | None, typer.Option("--applied/--not-applied", help="What you found in the database.")
    ] = None,
) -> ExitCode:
    """Record whether an interrupted run took effect.

    \b
    sqlagent settle k7f3 --applied
    sqlagent settle k7f3 --not-applied
    """
    if applied is None:
        raise UsageError("say which it was", hint=f"sqlagent settle {thread} --applied   or   --not-applied")
    state = RunState.SETTLED_APPLIED if applied else RunState.SETTLED_NOT_APPLIED
    conclude(call, call.agent.settle(thread, state))
    return ExitCode.OK


@takes()
def expire(call: Call) -> ExitCode:
    """Close every proposal whose time is up, or pass it on where its policy says so; for cron.

    \b
    sqlagent expire
    sqlagent expire --json
    """
    touched = call.agent.expire()
    if call.json:
        call.print_json({"expired": [report_json(report) for report in touched]})
        return ExitCode.OK
    for report in touched:
        call.screen.show(receipt(report, columns=call.screen.columns))
    ended = sum(report.status is Status.EXPIRED for report in touched)
    passed = f", {len(touched) - ended} passed on" if len(touched) > ended else ""
    call.screen.line(f"({ended} expired{passed})")
    return ExitCode.OK


def _scripted(
    call: Call, report: Report, *, approve: str | None, only: str | None, because: str, edit: str | None,
    reject: str | None,
) -> ExitCode:  # fmt: skip
    """One decision from the command line; what it leads to is not asked about again."""
    proposal = report.proposal
    if proposal is None:
        raise NeedsApproval(f"{report.thread} asks back first", hint=f"sqlagent resume {report.thread} --answer TEXT")
    if approve is not None:
        decision = Decision(Choice.APPROVE, _whole_digest(approve, proposal.digest), call.agent.by, "flag")
        decision = decision if only is None else _of_part(decision, proposal, only, because)
    elif edit is not None:
        text, _ = script(edit)
        decision = Decision(Choice.EDIT, proposal.digest, call.agent.by, "flag", sql=text)
    else:
        decision = Decision(Choice.REJECT, proposal.digest, call.agent.by, "flag", reason=reject or "")
    after = call.agent.decide(report.thread, decision)
    if after.status is Status.PENDING and after.decided_by and approve is not None:
        return left_to_others(call, after)
    return attend(call, after) if edit is not None else conclude(call, after)


def _approved_alone(call: Call, report: Report, typed: str, *, only: str | None, because: str) -> ExitCode:
    """`--no-run`: the approval is on record, and nothing is run here."""
    pending = report.proposal.digest if report.proposal else ""
    decision = Decision(Choice.APPROVE, _whole_digest(typed, pending), call.agent.by, "flag")
    if only is not None and report.proposal is not None:
        decision = _of_part(decision, report.proposal, only, because)
    after = call.agent.decide(report.thread, decision, run=False)
    if after.status is not Status.PENDING or not after.decided_by:  # time had run out, or another seat is asked
        return conclude(call, after)
    return left_to_others(call, after)


def _of_part(approval: Decision, proposal: Proposal, only: str, because: str) -> Decision:
    """The approval of these statements alone; of all of them it is one of the whole."""
    numbers = {s.index for s in proposal.analysis.statements}
    keep = places(only, len(numbers))
    out = numbers - set(keep)
    reason = rejection(dict.fromkeys(out, because))
    return replace(approval, choice=Choice.PARTIAL, keep=keep, reason=reason) if out else approval


def _whole_digest(typed: str, pending: str) -> str:
    """The pending digest where at least 12 characters of it were typed; else what was typed, to be refused."""
    wanted = typed.removeprefix("sha256:").replace(" ", "").lower()
    if len(wanted) < 12:
        raise Stale(
            f"a digest of {len(wanted)} characters is too short to name what is approved",
            hint="give at least 12 characters of the digest",
        )
    return pending if pending.startswith(wanted) else wanted


def _same_database(call: Call, row: Thread) -> None:
    """Refuse a --db that is not the thread's own."""
    if typed := call.flag("database"):
        chosen = call.settings.find_database(str(typed))
        if chosen.url != row.url:
            raise UsageError(
                f"{row.id} belongs to {row.database} ({row.url}), not to {typed}", hint=f"sqlagent resume {row.id}"
            )
