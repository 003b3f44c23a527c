"""`sqlagent audit`: the log of what happened, its check, and its export."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sqlagent.cli.call import Call
from sqlagent.cli.options import RULED, group, takes
from sqlagent.config.kinds import read_duration
from sqlagent.core.errors import UsageError
from sqlagent.core.text.counted import counted
from sqlagent.store.audit import Checked, Entry, Head
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.listing import audit_table
from sqlagent.ui.out import json_line, say


class _ShowUnlessNamed(TyperGroup):
    """`sqlagent audit k7f3` means `sqlagent audit show k7f3`: what is asked for most needs no name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["show", *args])


audit = group("The record: show, verify, export.", cls=_ShowUnlessNamed)


@audit.command("show")
@takes(RULED)
def show(
    call: Call,
    thread: Annotated[str, typer.Argument(help="Only this session.", metavar="[THREAD]")] = "",
    since: Annotated[
        str, typer.Option("--since", help="today, a duration such as 2h, or a date.", metavar="WHEN")
    ] = "",
) -> ExitCode:
    """Show what happened, oldest first, and whether it still stands as it was written.

    Of one session its own entries and rows are checked, which takes no longer beside many; `verify` checks all.

    \b
    sqlagent audit --since today
    sqlagent audit k7f3
    sqlagent audit --since 2026-03-30 --json
    """
    entries = list(call.agent.journal.audit(thread=thread, since=_since(since)))
    if thread and not entries and not since:
        call.agent.journal.thread(thread)  # says so where there is none; a command that was mistyped ends here too
    problem, intact = _checked(call, thread)
    if call.json:
        call.print_json({"entries": [asdict(e) for e in entries], "intact": not problem})
        return ExitCode.OK
    if entries:
        width = call.screen.columns if sys.stdout.isatty() else None
        lines = [_line(e) for e in entries]
        say(audit_table(lines, now=datetime.now(UTC), columns=width))
    call.screen.line(f"({_entries(len(entries))}, {problem or intact})")
    return ExitCode.OK


def _checked(call: Call, thread: str) -> tuple[str, str]:
    """What is wrong with what was asked for, one session or all there is; and what to say where nothing is."""
    if thread:
        return call.agent.journal.problem_of(thread), "as they were written; the whole record: sqlagent audit verify"
    checked = call.agent.journal.verified()
    return checked.problem, f"chain intact from #1 to #{checked.entries}" if checked.entries else "no entry yet"


@audit.command("verify")
@takes(RULED)
def verify_(
    call: Call,
    head: Annotated[str, typer.Option("--head", help="A head you kept, such as 41:9f3c21aa.", metavar="N:HASH")] = "",
) -> ExitCode:
    """Check that no entry was changed, removed or put in, and that all it tells of is as it was.

    The whole record is read, from its first entry on: nothing less proves it, with a head that you kept or without.
    `sqlagent audit THREAD` checks one session.

    \b
    sqlagent audit verify
    sqlagent audit verify --head 122:9f2c41d0
    """
    checked = call.agent.journal.verified(_head(head))
    if call.json:
        call.print_json({"entries": checked.entries, "problem": checked.problem, "head": _spelled(checked.head)})
        return ExitCode.FAILED if checked.problem else ExitCode.OK
    if checked.problem:
        _complain(call, checked)
        return ExitCode.FAILED
    call.screen.line(f"{_entries(checked.entries)} intact; head {_spelled(checked.head) or 'none'}")
    if checked.head and checked.head.number > checked.entries:
        call.screen.line(f"  of {checked.head.number:,}: the others are of databases that you do not see; hashes fit")
    if not head:
        call.screen.line("  whether its end was cut off cannot be known from the log alone: --head with one you kept")
    return ExitCode.OK


@audit.command("export")
@takes()
def export(call: Call) -> ExitCode:
    """Print every entry as a JSON line, for a check that needs nothing of ours.

    \b
    sqlagent audit export > audit.jsonl
    sqlagent audit export | python verify.py 122:9f2c41d0
    """
    for entry in call.agent.journal.audit():
        sys.stdout.write(json_line(asdict(entry)))
    return ExitCode.OK


def _line(entry: Entry) -> tuple[str, str, str, str, str, str]:
    try:
        detail = dict(json.loads(entry.detail))
    except (ValueError, TypeError):  # somebody wrote into it: shown as it is, and `verify` names it
        return str(entry.number), entry.at, entry.who or "-", entry.what, entry.thread, entry.detail
    detail.pop("seals", None)
    told = [name for name in _TOLD_FIRST if name in detail] + [name for name in detail if name not in _TOLD_FIRST]
    words = ", ".join(_short(name, detail[name]) for name in told)
    return str(entry.number), entry.at, entry.who or "-", entry.what, entry.thread, words


_TOLD_FIRST = ("risk", "database", "stage", "how", "changed", "because", "reason", "digest")
"""What a narrow screen should have room for."""
_TELLS_ITSELF = frozenset({"risk", "database", "how"})


def _short(name: str, value: object) -> str:
    """One fact of an entry in as few words as it takes; `export` and `--json` have all of it."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if name.endswith(("digest", "sha256")):
        text = text[:8]
    return text if name in _TELLS_ITSELF else f"{name} {text}"


def _entries(count: int) -> str:
    return counted(count, "entry", "entries")


def _since(text: str) -> str:
    """The time meant, as the log writes it: ISO 8601 in UTC."""
    if not text:
        return ""
    now = datetime.now().astimezone()
    if text == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC).isoformat(timespec="milliseconds")
    try:
        when = datetime.fromisoformat(text).astimezone()
    except ValueError:
        when = now - timedelta(seconds=_seconds(text))
    return when.astimezone(UTC).isoformat(timespec="milliseconds")


def _seconds(text: str) -> float:
    try:
        return read_duration(text)
    except ValueError as e:
        raise UsageError(f"--since does not understand {text}", hint="today, 2h, 7d, or 2026-03-30") from e


def _head(text: str) -> Head | None:
    if not text:
        return None
    number, _, digest = text.strip().removeprefix("#").replace(" ", ":").lower().partition(":")
    if not re.fullmatch(r"[0-9]{1,18}", number) or not re.fullmatch("[0-9a-f]{8,64}", digest):
        raise UsageError(f"{text} is not a head", hint="as a receipt prints it, such as 122:9f2c41d0")
    return Head(int(number), digest)


def _spelled(head: Head | None) -> str:
    return f"{head.number}:{head.hash}" if head else ""


def _complain(call: Call, checked: Checked) -> None:
    call.screen.line(f"error: {checked.problem}")
    call.screen.line(f"  hint: {checked.hint}")
