"""What `pending`, `sessions` and `show` print, and the two lines after anything was done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlagent.core.nouns.analysis import Verb
from sqlagent.core.nouns.draft import Attempt, Table
from sqlagent.core.nouns.effect import Measurement
from sqlagent.core.nouns.session import TERMINAL, Choice, Outcome, Proposal, Report, Status, Thread
from sqlagent.core.text.counted import counted
from sqlagent.core.text.titles import cut_at_word
from sqlagent.ui.clarify import question
from sqlagent.ui.effects import size_words
from sqlagent.ui.layout import Block, Line, local, paragraph, table, text_line
from sqlagent.ui.people import still_needed
from sqlagent.ui.visible import one_line

_STATUS_WORDS = {
    Status.NEW: "has no SQL yet",
    Status.PENDING: "waits for a person",
    Status.EXECUTED: "is done",
    Status.REJECTED: "is rejected",
    Status.DENIED: "is denied by the policy",
    Status.STALE: "is stale: it is no longer what would run",
    Status.EXPIRED: "expired before anybody approved it",
    Status.UNKNOWN: "started and its end was not seen; it may have been applied",
    Status.FAILED: "failed",
}
_STANDS = {
    status: f"{status.value}, {_STATUS_WORDS[status]}" for status in (Status.NEW, Status.PENDING, Status.UNKNOWN)
} | {Status.STALE: "stale: it is no longer what would run"}
_LONGEST_IN_A_LIST = 400
_NAMED = 4
_MOST_COUNTS = 8


_JUST_NOW = 60  # seconds


def age(since: str, now: datetime) -> str:
    """`4m`, `2h`, `3d`; `?` for a time that cannot be read."""
    try:
        seconds = (now - datetime.fromisoformat(since)).total_seconds()
    except (ValueError, TypeError):
        return "?"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)}s"


def pending_table(threads: Sequence[Thread], *, now: datetime, columns: int | None = None) -> Block:
    """Who waits for a person, one a line; the question is shortened to `columns` where there is a screen."""
    timed = any(thread.expires_at for thread in threads)
    rows = [
        (
            thread.id,
            age(thread.updated_at or thread.created_at, now),
            thread.risk or "?",
            thread.database,
            "-" if thread.asks else f"{thread.stage - 1} of {thread.stages}",
            thread.requested_by,
            *([_left(thread.expires_at, now)] if timed else []),
            _listed(f"asks: {thread.asks}" if thread.asks else thread.question or thread.sql),
        )
        for thread in threads
    ]
    expires = ("expires",) if timed else ()
    return _table(("id", "age", "risk", "database", "approvals", "by", *expires, "question"), rows, columns)


def _left(until: str, now: datetime) -> str:
    """`in 28m`; `due` where the time is up and nobody has touched it since."""
    if not until:
        return "-"
    return (
        "due" if datetime.fromisoformat(until) <= now else f"in {age(now.isoformat(), datetime.fromisoformat(until))}"
    )


def pending_footer(threads: Sequence[Thread], *, yours: Sequence[str]) -> Block:
    """How many wait, which of them the person who looks may answer, and what to type next."""
    named = ", ".join(map(one_line, yours[:_NAMED])) + (" ..." if len(yours) > _NAMED else "")
    mine = f"; {len(yours)} can be answered by you: {named}" if threads and len(yours) < len(threads) and yours else ""
    nothing = "; none of them by you" if threads and not yours else ""
    lines = [text_line(f"({len(threads)} waiting{mine}{nothing})")]
    if threads:
        lines.append(text_line(f"next: sqlagent show {one_line((yours or [threads[0].id])[0])}"))
    return Block(tuple(lines))


def cut_off(threads: Sequence[Thread]) -> Block:
    """Those that ended before there was anything to decide: they wait for nobody."""
    named = _several([one_line(thread.id) for thread in threads])
    lines = [f"({len(threads):,} begun and cut off, so without anything to decide: {named})"]
    lines += [f"next: sqlagent resume {one_line(threads[0].id)}"]
    return Block(tuple(map(text_line, lines)))


def tables_table(tables: Sequence[Table], *, columns: int | None = None) -> Block:
    """Tables and views, one a line, each with its columns."""
    rows = [(t.name, "view" if t.is_view else "table", ", ".join(one_line(c.name) for c in t.columns)) for t in tables]
    return _table(("name", "kind", "columns"), rows, columns)


def sessions_table(threads: Sequence[Thread], *, now: datetime, columns: int | None = None) -> Block:
    """Every session, the one touched last first as it was given."""
    rows = [
        (
            thread.id,
            age(thread.updated_at or thread.created_at, now),
            thread.status.value,
            thread.risk or "-",
            thread.database,
            thread.requested_by,
            _listed(thread.question or thread.sql),
        )
        for thread in threads
    ]
    return _table(("id", "age", "status", "risk", "database", "by", "question"), rows, columns)


def undo_table(kept: Sequence[Any], *, now: datetime, columns: int | None = None) -> Block:
    """What can be undone, the newest first; an earlier run of a session by its own id, `k7f3.1`."""
    rows, seen = [], set()
    for k in kept:
        name = k.run if k.thread in seen else k.thread
        seen.add(k.thread)
        rows.append((name, age(k.kept_at, now), k.database, k.run_by, size_words(k.size), _listed(k.question)))
    return _table(("id", "age", "database", "run by", "kept", "question"), rows, columns)


def examples_table(examples: Sequence[Any], *, now: datetime, columns: int | None = None) -> Block:
    """What was approved, and whether a person had to change it first."""
    said = {Choice.APPROVE: "approved", Choice.EDIT: "edited"}
    rows = [(str(e.id), age(e.approved_at, now), e.database, said[e.choice], _listed(e.question)) for e in examples]
    return _table(("id", "age", "database", "decision", "question"), rows, columns)


def audit_table(rows: Sequence[Sequence[str]], *, now: datetime, columns: int | None = None) -> Block:
    """The audit log: number, time (UTC as stored, shown local, today's without the day), who, what, session, detail."""
    today = f"{now.astimezone():%Y-%m-%d} "
    times = [local(at) for _, at, *_ in rows]
    if all(time.startswith(today) for time in times):
        times = [time.removeprefix(today) for time in times]
    shown = [(number, time, *rest) for time, (number, _, *rest) in zip(times, rows, strict=True)]
    return _table(("#", "time", "who", "what", "id", "detail"), shown, columns)


def _listed(text: str) -> str:
    return cut_at_word(" ".join(text[: _LONGEST_IN_A_LIST + 4].split()), _LONGEST_IN_A_LIST)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], columns: int | None) -> Block:
    return table(headings, rows, last=columns)


def measured_ago(proposal: Proposal, at: datetime, now: datetime) -> str:
    """`measured 4m ago`, `measured just now` within a minute; empty where nothing was measured."""
    if proposal.measurement is None:
        return ""
    recent = (now - at).total_seconds() < _JUST_NOW
    return "measured just now" if recent else f"measured {age(at.isoformat(), now)} ago"


def show(report: Report, *, columns: int = 80, now: datetime | None = None) -> Block:
    """A session as it stands: its history, then the same block as the approval screen.

    With `now`, what waits says how old its measurement is: nobody decides by an old one unknowingly.
    """
    proposal = report.proposal
    if proposal is None:
        lines = [text_line(f"{one_line(report.thread)}  {_listed(one_line(report.question))}")]
        lines += _fact("asked", f"{local(report.asked_at)}", columns)
        lines += question(report.thread, report.asks, columns=columns).lines if report.asks else ()
        return Block((*lines, *_standing(report, columns), *_drafts(report.attempts, columns)))
    from sqlagent.ui.human import heading, review  # with all that a proposal is drawn of, which a list does not need

    tries = len(proposal.attempts) + 1
    asked = f"{local(report.asked_at or proposal.created_at)}  by {proposal.requested_by}"
    written = f"{local(proposal.created_at)}  by {proposal.author}" + (f", {tries} tries" if tries > 1 else "")
    lines = [*heading(proposal, columns=columns), *_fact("asked", asked, columns), *_fact("written", written, columns)]
    opinions = ", ".join(f"{who} {said}" for who, said in _opinions(report).items())
    title = "What it was to do" if report.status in TERMINAL else "If you approve"
    lines += _fact("analyzed", f"{proposal.analysis.risk.name}" + (f"   {opinions}" if opinions else ""), columns)
    waits = report.status not in TERMINAL
    measured = measured_ago(proposal, datetime.fromisoformat(proposal.created_at), now) if now and waits else ""
    whole = review(proposal, columns=columns, title=title, measured=measured)
    return Block((*lines, *_standing(report, columns))) + whole


def _drafts(attempts: Sequence[Attempt], columns: int) -> list[Line]:
    """Every draft that did not stand, whole, and why it did not."""
    from sqlagent.ui.human import numbered

    lines: list[Line] = []
    for number, attempt in enumerate(attempts, 1):
        lines += [text_line(), *_fact(f"try {number}", attempt.error, columns)]
        lines += numbered(attempt.sql, columns=columns) if attempt.sql else []
    return lines


def _opinions(report: Report) -> dict[str, str]:
    statements = report.proposal.analysis.statements if report.proposal else ()
    return report.proposal.analysis.worst.opinions if report.proposal and statements else {}


def _standing(report: Report, columns: int) -> list[Line]:
    lines = []
    if report.decided_by:
        reason = f': "{report.reason}"' if report.reason else ""
        how = f" ({report.how})" if report.how else ""
        lines += _fact("decided", f"by {report.decided_by}{how}{reason}", columns)
    proposal = report.proposal
    lines += _fact("status", _STANDS.get(report.status, report.status.value), columns)
    if report.message:
        lines += _fact("", report.message, columns)
    if report.outcome is not None:
        lines += _fact("", f"{_did(report, report.outcome)}{_took(report.outcome)}", columns)
    if proposal is not None and report.status is Status.PENDING:
        lines += _fact("digest", proposal.digest, columns)
    return lines


def _fact(label: str, text: str, columns: int) -> list[Line]:
    return paragraph(text, columns, first=f"  {label:<11}", rest=" " * 13)


# ---- after acting ------------------------------------------------------------------------------------------------


def receipt(report: Report, *, columns: int = 80) -> Block:
    """One line what became of it, one line what can be done next."""
    lines: list[Line] = []
    read = report.outcome is not None and _one_read(report.outcome) and not _is_undo(report)
    if report.outcome is not None and not _is_undo(report):
        lines += [text_line(note) for note in row_notes(report.outcome, sealed=_sealed(report) if read else "")]
    if not read:
        lines += paragraph(_became(report), columns, first="", rest="  ")
    if following := report.hint or _next(report):
        lines += paragraph(f"next: {following}", columns, first="", rest="  ")
    return Block(tuple(lines))


def row_notes(outcome: Outcome, *, sealed: str = "") -> list[str]:
    """`(3 rows)` for each result, and a word where the limit held rows back."""
    notes = []
    took = f" in {outcome.seconds:.2f} s" if _one_read(outcome) else ""
    for result in outcome.results:
        if result.changed is None or result.returned:
            notes.append(f"({_rows(result.returned)}{took}{sealed})")
        if result.truncated:
            notes.append(f"first {counted(result.returned, 'row')}; --limit -1 shows all")
    notes += [one_line(why) for why in outcome.why_empty]
    if outcome.unwritten:
        notes.append(f"it was committed, but its rows were not written: {one_line(outcome.unwritten)}")
    return notes


def _became(report: Report) -> str:
    name = report.thread
    by = f" by {report.decided_by}" if report.decided_by else ""
    match report.status:
        case Status.EXECUTED if report.outcome is not None:
            seconds, what = _took(report.outcome), _did(report, report.outcome)
            return f"{_of_another(report)}{name} ran{seconds}: {what}{_sealed(report)}"
        case Status.REJECTED:
            return f"{name} rejected{by}" + (f": {report.reason}" if report.reason else "") + "; nothing ran"
        case Status.PENDING if report.asks is not None:
            return f"{name} asks: {report.asks.question}"
        case Status.PENDING if report.proposal is not None and report.proposal.part_of and report.proposal.stale:
            return f"{name} waits again: {report.proposal.stale}"
        case Status.PENDING if report.proposal is not None and (needed := still_needed(report.proposal)):
            return f"{name} {needed}"
        case _:
            said = report.message or _STATUS_WORDS[report.status]
            return f"{name} {said}" if not report.message else f"{name}: {said}"


def _of_another(report: Report) -> str:
    """Whose word it ran on, where it was not that of who reads this: they may have said no."""
    first = report.decided_by and report.message.startswith(f"{report.decided_by} decided first")
    return f"{one_line(report.message)}; " if first else ""


def _did(report: Report, outcome: Outcome) -> str:
    """What a run changed; where its end was found out later, what it was held to, if that was known exactly."""
    if not outcome.results:
        return "its end was seen afterwards"
    did = _put_back(report) if _is_undo(report) else _measured(report) or _ran(outcome)
    return f"{did}, its end was seen afterwards" if outcome.seen_later else did


def _took(outcome: Outcome) -> str:
    return f" in {outcome.seconds:.2f} s" if outcome.results and not outcome.seen_later else ""


def _is_undo(report: Report) -> bool:
    return report.proposal is not None and bool(report.proposal.undo_of)


def _put_back(report: Report) -> str:
    """The rows and objects that are as they were before."""
    measurement = report.proposal.measurement if report.proposal else None
    if measurement is None or not measurement.is_exact:
        return "taken back"
    objects = [o for effect in measurement.effects for o in effect.objects]
    gone = [one_line(o.name) for o in objects if o.verb is Verb.DROP]
    back = [one_line(o.name) for o in objects if o.verb is not Verb.DROP]
    said = [f"{_rows(measurement.changes)} put back{_by_table(measurement)}"] if measurement.changes else []
    said += [f"{measurement.left_alone:,} left alone: changed since"] if measurement.left_alone else []
    said += [f"{_several(back)} as before"] if back else []
    said += [f"{_several(gone)} dropped"] if gone else []
    return ", ".join(said) or "nothing to put back"


def _measured(report: Report) -> str:
    """`229 rows changed: 79 orders, 71 shipments, 79 audit_log`: what the run was held to, triggers and keys too.

    Nothing where it was not measured exactly, or where no row was to change.
    """
    measurement = report.proposal.measurement if report.proposal else None
    rows = measurement.rows_by_table if measurement is not None and measurement.is_exact else {}
    if not rows or report.proposal is None:
        return ""
    on_screen = [o.target for s in report.proposal.analysis.statements for o in s.operations if o.target in rows]
    tables = [f"{rows[table]:,} {one_line(table)}" for table in dict.fromkeys((*on_screen, *rows))]
    return f"{_rows(sum(rows.values()))} changed" + (f": {_several(tables)}" if len(tables) > 1 else "")


def _by_table(measurement: Measurement) -> str:
    """` (orders 2,397, notes 12)`, where it is more than one."""
    rows = measurement.rows_by_table
    counts = [f"{one_line(table)} {count:,}" for table, count in rows.items()]
    return f" ({_several(counts)})" if len(counts) > 1 else ""


def _several(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def _sealed(report: Report) -> str:
    """The audit log's head when the run ended: whoever keeps it can tell later whether the log was cut."""
    number, _, digest = report.audit_head.partition(":")
    return f"; audit #{number} {digest[:8]}" if digest else ""


def _one_read(outcome: Outcome) -> bool:
    """Whether its rows say all there is to say."""
    return len(outcome.results) == 1 and outcome.results[0].changed is None


def _ran(outcome: Outcome) -> str:
    """What was read or changed."""
    changes = [result.changed for result in outcome.results if result.changed is not None]
    if not changes:
        returned = sum(result.returned for result in outcome.results)
        of = f" in {len(outcome.results)} results" if len(outcome.results) != 1 else ""
        return f"{_rows(returned)}{of}, nothing changed"
    if len(changes) == 1:
        return f"{_rows(changes[0])} changed"
    counts = f" ({', '.join(f'{count:,}' for count in changes)})" if len(changes) <= _MOST_COUNTS else ""
    return f"{counted(sum(changes), 'row')} changed by {counted(len(changes), 'statement')}{counts}"


def _rows(count: int) -> str:
    return counted(count, "row")


def _next(report: Report) -> str:
    name = report.thread
    match report.status:
        case Status.PENDING if report.asks is not None:
            return f"sqlagent resume {name} --answer TEXT"
        case Status.PENDING if report.proposal is not None and report.proposal.approvals:
            return f"another person runs  sqlagent resume {name}"
        case Status.PENDING | Status.STALE | Status.NEW:
            return f"sqlagent resume {name}"
        case Status.EXECUTED if report.undoable:
            return f"sqlagent undo {name}"
        case Status.EXECUTED:
            return f'sqlagent ask --thread {name} "a question that follows"'
        case Status.REJECTED if report.how != "auto-reject":  # where nobody is asked, nobody is told what to type
            return f'sqlagent ask --thread {name} "what you want instead"'
        case Status.UNKNOWN:
            return f"look at the database, then: sqlagent show {name}"
        case _:
            return ""
