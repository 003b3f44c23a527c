"""`sqlagent examples`: what people approved, which the model is shown for questions like it: list, forget, export."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, Listed, group, takes
from sqlagent.core.errors import UsageError
from sqlagent.core.text.counted import counted
from sqlagent.store.examples import Examples, Lesson
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.listing import examples_table
from sqlagent.ui.out import json_line, say

FORMATS = ("openai-jsonl",)

examples = group("What you approved, as a model learns it: list, forget, export.")


@examples.command("list")
@takes(DATABASE)
def list_(call: Call, limit: Listed = 50) -> ExitCode:
    """List what was approved, the newest first.

    \b
    sqlagent examples list --db shop.db
    sqlagent examples list --json
    """
    found = _examples(call).all(target=_target(call), limit=limit)
    if call.json:
        call.print_json({"examples": [_facts(lesson) for lesson in found]})
        return ExitCode.OK
    if found:
        width = call.screen.columns if sys.stdout.isatty() else None
        say(examples_table(found, now=datetime.now(UTC), columns=width))
    call.screen.line(f"({_counted(len(found))})" if found else _none_yet(call))
    return ExitCode.OK


@examples.command("forget")
@takes(DATABASE)
def forget(
    call: Call,
    ids: Annotated[
        list[int] | None,
        typer.Argument(help="The ids that `sqlagent examples list` shows.", metavar="[ID]...", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them; with --db, those of that database.")] = False,
) -> ExitCode:
    """Show these to no model any more; their sessions stay as they are.

    \b
    sqlagent examples forget 3 7
    sqlagent examples forget --all --db shop.db
    """
    if bool(ids) == everything:
        raise UsageError(
            "name examples by their ids, or all of them" if not ids else "ids and --all exclude each other",
            hint="sqlagent examples forget 3 7   or   --all",
        )
    kept, by = _examples(call), call.agent.by
    if everything:
        forgotten = kept.forget_all(by=by, target=_target(call))
    else:
        forgotten = kept.forget(ids or (), by=by, target=_target(call))
    if call.json:
        call.print_json({"forgotten": forgotten})
    else:
        call.screen.line(f"{_counted(forgotten)} forgotten")
    return ExitCode.OK


@examples.command("export")
@takes(DATABASE)
def export(
    call: Call,
    format_: Annotated[
        str, typer.Option("--format", help="openai-jsonl, which fine-tuning takes.", metavar="FORMAT")
    ] = "openai-jsonl",
    schema: Annotated[
        bool, typer.Option("--with-schema", help="Begin each with the schema that a model is told; needs --db.")
    ] = False,
) -> ExitCode:
    """Print them as training data, a conversation a line.

    Of several answers to one question only the newest is printed.  The SQL holds values of your data.

    \b
    sqlagent examples export > training.jsonl
    sqlagent examples export --db shop.db --with-schema > training.jsonl
    """
    if format_ not in FORMATS:
        raise UsageError(f"--format is not one of its values: {format_}", hint=f"one of: {' '.join(FORMATS)}")
    if schema and not call.flag("database"):
        raise UsageError(
            "--with-schema needs to know of which database", hint="sqlagent examples export --with-schema --db DB"
        )
    found = _examples(call).newest(target=_target(call))
    conversations = _told(call, found) if schema else map(_bare, found)
    if call.json:
        call.print_json({"format": format_, "conversations": list(conversations)})
        return ExitCode.OK
    for conversation in conversations:
        sys.stdout.write(json_line(conversation))
    if not found:
        call.screen.line(_none_yet(call))
    return ExitCode.OK


def _bare(lesson: Lesson) -> dict[str, Any]:
    return _conversation((("human", lesson.question),), lesson)


def _told(call: Call, found: Sequence[Lesson]) -> Iterator[dict[str, Any]]:
    """Each as sqlagent would ask it, but for values of the data."""
    from sqlagent.llm.prompt import Asking, messages  # only this needs the prompt

    facts = call.agent.database.schema(examples=0)
    return (_conversation(messages(lesson.question, facts, asking=Asking.STILL), lesson) for lesson in found)


_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


def _conversation(talk: Sequence[tuple[str, str]], lesson: Lesson) -> dict[str, Any]:
    said = [{"role": _ROLES[role], "content": text} for role, text in talk]
    return {"messages": [*said, {"role": "assistant", "content": lesson.final}]}


def _examples(call: Call) -> Examples:
    return Examples(call.agent.journal)


def _target(call: Call) -> str:
    """The identity of the database that was named; empty for every one."""
    return call.agent.database.identity() if call.flag("database") else ""


def _facts(lesson: Lesson) -> dict[str, Any]:
    return {
        "id": lesson.id,
        "database": lesson.database,
        "target": lesson.target,
        "run": lesson.run,
        "question": lesson.question,
        "drafted": lesson.drafted,
        "sql": lesson.final,
        "decision": lesson.choice.value,
        "why": lesson.why,
        "approved_by": lesson.approved_by,
        "approved_at": lesson.approved_at,
    }


def _counted(count: int) -> str:
    return counted(count, "example")


def _none_yet(call: Call) -> str:
    return "no example yet: what you approve becomes one" if call.settings.learn else "no example: learn is off"
