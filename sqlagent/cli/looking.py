"""The commands that only look: `pending`, `sessions`, `show`, `schema`, `help`."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, Listed, takes
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.documents import report_json, threads_json
from sqlagent.core.nouns.draft import Schema
from sqlagent.core.nouns.session import Status, Thread
from sqlagent.core.text.counted import counted
from sqlagent.ui import listing
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.layout import Block
from sqlagent.ui.out import say
from sqlagent.ui.visible import one_line


@takes()
def pending(
    call: Call,
    limit: Listed = 50,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep running and list changes as they come; Ctrl-C stops.")
    ] = False,
) -> ExitCode:
    """List what waits for a person.

    \b
    sqlagent pending
    sqlagent pending --watch
    sqlagent pending --json
    """
    if watch:
        from sqlagent.cli.working import watch_pending  # which goes on, where a listing ends

        return watch_pending(call, limit)
    return list_pending(call, limit)


def list_pending(call: Call, limit: int) -> ExitCode:
    """What waits, one a line, and apart from it what was cut off before there was anything to decide."""
    threads = call.agent.pending(limit=limit)
    if call.json:
        call.print_json(threads_json(threads))
        return ExitCode.OK
    waiting = tuple(t for t in threads if t.status is not Status.NEW)
    cut_off = tuple(t for t in threads if t.status is Status.NEW)
    _print(listing.pending_table(waiting, now=datetime.now(UTC), columns=_width(call)), waiting)
    call.screen.show(listing.pending_footer(waiting, yours=call.agent.answerable(waiting)))
    if cut_off:
        call.screen.show(listing.cut_off(cut_off))
    return ExitCode.OK


@takes()
def sessions(
    call: Call,
    limit: Listed = 50,
) -> ExitCode:
    """List every session, the newest first."""
    threads = call.agent.sessions(limit=limit)
    if call.json:
        call.print_json(threads_json(threads))
        return ExitCode.OK
    _print(listing.sessions_table(threads, now=datetime.now(UTC), columns=_width(call)), threads)
    listed = f"({counted(len(threads), 'session')})"
    call.screen.line(listed if threads else "no session yet: sqlagent ask QUESTION")
    return ExitCode.OK


@takes()
def show(
    call: Call, thread: Annotated[str, typer.Argument(help="The session's id, such as k7f3.", show_default=False)]
) -> ExitCode:
    """Show where a session stands, and what it would do."""
    report = call.agent.show(thread)
    if call.json:
        call.print_json(report_json(report))
        return ExitCode.OK
    say(listing.show(report, columns=call.screen.columns, now=datetime.now(UTC)))
    if report.status is Status.PENDING:
        call.screen.line(f"next: sqlagent resume {thread}")
    return ExitCode.OK


@takes(DATABASE)
def schema(
    call: Call,
    table: Annotated[str, typer.Argument(help="One table or view.", metavar="[TABLE]")] = "",
) -> ExitCode:
    """Show the exact schema text that is sent to the model."""
    call.say_which_database()
    return describe(call, table)


def describe(call: Call, table: str) -> ExitCode:
    """The schema, or one table of it, as a model is told it."""
    from difflib import get_close_matches  # only `schema` looks for a name that is near

    from sqlagent.llm.prompt import schema_text

    facts = call.agent.database.schema(examples=call.settings.database.examples)
    if table and table not in {t.name for t in facts.tables}:
        near = get_close_matches(table, [t.name for t in facts.tables], n=1)
        raise UsageError(
            f"no table or view named {table}", hint=f"sqlagent schema {near[0]}" if near else "sqlagent schema"
        )
    if call.json:
        chosen = [asdict(t) for t in facts.tables if table in ("", t.name)]
        call.print_json({"dialect": facts.dialect, "version": facts.version, "tables": chosen})
    else:
        say(schema_text(_on_one_line(facts), table or None).rstrip())
    return ExitCode.OK


@takes()
def help_(call: Call, name: Annotated[str, typer.Argument(help="The topic.", metavar="[TOPIC]")] = "") -> ExitCode:
    """Explain a topic, such as exit-codes, environment, policy or confidence, or a rule; alone it lists the topics."""
    from sqlagent.cli.topics import TOPICS, topic  # the texts, which a listing does not need

    text = topic(name) if name else "topics: " + ", ".join(TOPICS) + ", and every rule's id\n"
    if call.json:
        call.print_json({"topic": name, "text": text})
    else:
        say(text.rstrip("\n"))
    return ExitCode.OK


def _on_one_line(facts: Schema) -> Schema:
    """The schema with every line break in a name drawn, so that none of its words can stand on a line alone."""
    return replace(facts, tables=tuple(
        replace(
            t, name=one_line(t.name), checks=tuple(map(one_line, t.checks)),
            columns=tuple(
                replace(
                    c, name=one_line(c.name), type=one_line(c.type), references=one_line(c.references),
                    examples=tuple(map(one_line, c.examples)),
                )
                for c in t.columns
            ),
        )
        for t in facts.tables
    ))  # fmt: skip


def _print(table: Block, threads: tuple[Thread, ...]) -> None:
    if threads:
        say(table)


def _width(call: Call) -> int | None:
    return call.screen.columns if sys.stdout.isatty() else None
