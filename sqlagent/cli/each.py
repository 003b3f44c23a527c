"""`run --each`: every statement of a file is a session of its own, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlagent.cli.call import Call
from sqlagent.cli.session import attend, code_of, reject_unasked
from sqlagent.core.analyze import pieces
from sqlagent.core.errors import NeedsApproval, QueryError, UsageError
from sqlagent.core.nouns.session import Status
from sqlagent.core.text.split import Piece
from sqlagent.ui.diagnostics import ExitCode, report_error
from sqlagent.ui.machine import report_json

_GOES_ON = frozenset({ExitCode.OK, ExitCode.PENDING})
"""After anything else, no statement is begun that was written to come after it."""


@dataclass(slots=True)
class Series:
    """The statements of a script, and what became of those that were begun."""

    call: Call
    pieces: list[Piece]
    title: str
    codes: list[ExitCode] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    changed: dict[str, int] = field(default_factory=dict)
    """What the statements that wait for a person would change, and which one it is."""
    read: dict[str, int] = field(default_factory=dict)
    stopped: str = ""
    """Why the next one was not begun, beyond what its predecessor came to."""

    @property
    def left(self) -> int:
        """How many statements were not begun."""
        return len(self.pieces) - len(self.codes)


def each(call: Call, text: str, title: str) -> ExitCode:
    """Review and run every statement as a session of its own; the highest exit code is the answer.

    Before a person the next one is begun when the one before is decided.  With nobody to ask, what asks is left
    pending, and no statement goes ahead of one that waits and works on the same tables.
    """
    series = Series(call, list(pieces(text, call.agent.database.dialect)), title)
    if not series.pieces:
        raise UsageError("there is no SQL in it", hint="sqlagent run FILE, or sqlagent run --sql TEXT")
    call.out.has_more = True
    try:
        for number, piece in enumerate(series.pieces, 1):
            if not _goes_on(series, number, piece):
                break
            series.codes.append(_one(series, number, piece))
    finally:
        _conclude(series)
    return max(series.codes)


def _goes_on(series: Series, number: int, piece: Piece) -> bool:
    """Whether the next statement is begun after what became of those before it."""
    last = series.codes[-1] if series.codes else ExitCode.OK
    if series.call.interactive and not series.call.settings.auto_reject:
        return last in (ExitCode.OK, ExitCode.REJECTED)  # a person who says no to one is asked about the next
    if last not in _GOES_ON:
        return False
    if series.changed or series.read:
        series.stopped = _ahead(series, number, piece)
    return not series.stopped


def _ahead(series: Series, number: int, piece: Piece) -> str:
    """Why a statement may not run before earlier ones that still wait; empty where they touch nothing in common."""
    try:
        statements = series.call.agent.weigh(piece.sql).analysis.statements
    except QueryError as e:
        return f"{number} does not stand before what waits is decided: {e.message}"
    for statement in statements:
        writes, reads = ({name.lower() for name in names} for names in (statement.writes, statement.reads))
        for tables, before in ((writes | reads, series.changed), (writes, series.read)):
            for table in sorted(tables & before.keys()):
                return f"{number} works on {table} as {before[table]} does, which waits"
    return ""


def _one(series: Series, number: int, piece: Piece) -> ExitCode:
    call = series.call
    report = call.agent.run(piece.sql, title=f"{series.title}, {number} of {len(series.pieces)}")
    if call.json:
        if call.settings.auto_reject and report.status is Status.PENDING and report.proposal is not None:
            report = reject_unasked(call, report.proposal)
        series.reports.append(report_json(report))
        code = code_of(report)
    else:
        try:
            code = attend(call, report)
        except NeedsApproval as nobody:
            code = report_error(nobody)
    if code is ExitCode.PENDING:
        for statement in report.proposal.analysis.statements if report.proposal is not None else ():
            series.changed |= dict.fromkeys(map(str.lower, statement.writes), number)
            series.read |= dict.fromkeys(map(str.lower, statement.reads), number)
    return code


def _conclude(series: Series) -> None:
    """The one document of `--json`, or in words how many were not begun and why."""
    call, left = series.call, series.left
    if call.json:
        call.print_json({"each": series.reports, "not_begun": left})
        return
    if not left:
        return
    call.narrator.done()
    count, begun = len(series.pieces), len(series.codes)
    numbers = f"{begun + 1}" if left == 1 else f"{begun + 1}-{count}"
    line = f"line {series.pieces[begun].line} of {series.title} on"
    because = f": {series.stopped}" if series.stopped else ""
    call.screen.line(f"({begun} of {count} begun; not begun: {numbers}, {line}{because})")
