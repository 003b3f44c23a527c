"""Options that several commands share, written down once, with their words."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sqlagent.ui.diagnostics import ExitCode

if TYPE_CHECKING:
    pass

Group = dict[str, tuple[Any, Any]]
"""Name of a setting -> its annotated type and default, as typer wants them."""


def _option(kind: Any, *names: str, help: str, metavar: str | None = None, default: Any = None) -> tuple[Any, Any]:
    return Annotated[kind, typer.Option(*names, help=help, metavar=metavar)], default


EVERYWHERE: Group = {
    "json": _option(bool, "--json", help="One JSON document on stdout; never asks.", default=False),
    "state_dir": _option(Path | None, "--state-dir", help="Folder of the journal and checkpoints.", metavar="DIR"),
    "config": _option(Path | None, "--config", help="This config file instead of the usual ones.", metavar="FILE"),
    "color": _option(str | None, "--color", help="auto, always or never.", metavar="WHEN"),
    "debug": _option(bool | None, "--debug", help="Tracebacks and timings, without secrets."),
}
DATABASE: Group = {
    "database": _option(str | None, "-d", "--db", help="A path, a configured name, or a URL.", metavar="DB"),
}
MODEL: Group = {
    "model": _option(str | None, "-m", "--model", help="auto, local, local:0.5b, or a server's name.", metavar="NAME"),
    "base_url": _option(str | None, "--base-url", help="Any server that speaks the OpenAI protocol.", metavar="URL"),
    "model_timeout": _option(str | None, "--model-timeout", help="How long to wait for the model.", metavar="TIME"),
    "samples": _option(str | None, "--samples", help="Draft N times (3), and say how many agree.", metavar="N"),
    "tables": _option(str | None, "--tables", help="Tell the model of these tables only.", metavar="A,B"),
    "no_repair": _option(bool, "--no-repair", help="Show what the model wrote, mistakes and all.", default=False),
}
RULED: Group = {
    "policy": _option(list[str] | None, "--policy", help="A file of rules; several add up.", metavar="FILE"),
}
PERSON: Group = {
    **RULED,
    "auto_reject": _option(bool | None, "--auto-reject", help="Reject whatever would ask a person; exit 5."),
    "no_input": _option(bool | None, "--no-input", help="Never ask; leave it pending; exit 8."),
    "wait": _option(
        bool, "--wait", help="Ask nobody here: wait for others' word, then go on; --expires ends it.", default=False
    ),
    "no_pager": _option(bool, "--no-pager", help="No pager for long SQL.", default=False),
}
ROWS: Group = {
    "limit": _option(
        str | None, "-n", "--limit", help="Rows at most. [default: 200 on a screen, else all]", metavar="N"
    ),
    "format": _option(
        str | None,
        "--format",
        help="table csv csv-safe tsv json jsonl markdown vertical parquet xlsx none. [default: by -o FILE, else table]",
        metavar="FORMAT",
    ),
    "csv": _option(bool, "--csv", help="The same as --format csv.", default=False),
    "csv_safe": _option(bool, "--csv-safe", help="CSV in which a spreadsheet runs nothing.", default=False),
    "output": _option(
        Path | None, "-o", "--output", help="Write all rows to FILE, in the format of its name.", metavar="FILE"
    ),
    "force": _option(bool, "--force", help="Replace the FILE of -o.", default=False),
    "chart": _option(
        str | None,
        "--chart",
        help="Draw it instead, here or into FILE (.svg .png .html).",
        metavar="[FILE]",
    ),
    "timeout": _option(
        str | None, "--timeout", help="How long SQL may run; 0 for ever. [default: 30s]", metavar="TIME"
    ),
}
PROPOSING: Group = {
    "expires": _option(str | None, "--expires", help="How long the proposal may wait, such as 30m.", metavar="TIME"),
}

Command = Callable[..., ExitCode]


def takes(*groups: Group) -> Callable[[Command], Command]:
    """Give a command the options of these groups, and as its first argument a `Call` made of them."""
    shared = {name: option for group in (*groups, EVERYWHERE) for name, option in group.items()}

    def decorate(command: Command) -> Command:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, (kind, default) in shared.items()
        ]

        def wrapper(**values: Any) -> ExitCode:
            from sqlagent.cli.call import Call  # with all of the service, which `--help` does not need

            with Call({name: values.pop(name) for name in shared}) as call:
                call.check_output([str(values["file"])] if values.get("file") not in (None, "", "-") else [])
                return command(call, **values)

        wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        wrapper.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]  # typer reads it
        wrapper.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
        return wrapper

    return decorate


def help_alone(context: typer.Context) -> None:
    """Show the help of a group of commands that is called without one, which is no error."""
    if context.invoked_subcommand is None:
        sys.stdout.write(f"{context.get_help()}\n")


def group(words: str, *, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(
        cls=cls,
        help=words,
        callback=help_alone,
        invoke_without_command=True,
        rich_markup_mode=None,
        add_completion=False,
    )


def _count(given: str | int) -> int:  # typer shows it the default too
    if not re.fullmatch(r"-1|\d{1,9}", str(given), re.ASCII):
        raise typer.BadParameter(f"{given} is not a number, or -1 for all")
    return int(given)


Listed = Annotated[int, typer.Option("-n", "--limit", help="How many to list; -1 for all.", metavar="N", parser=_count)]
"""How many a list shows."""


def with_chart_spelled(arguments: Sequence[str]) -> list[str]:
    """Write `--chart` alone out with its value: an option here has one value or none, never either."""
    spelled: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*spelled, *arguments[place:]]
        following = arguments[place + 1].lower() if place + 1 < len(arguments) else ""
        names_a_file = not following.startswith("-") and following.endswith((".svg", ".png", ".html"))
        spelled.append("--chart=-" if argument == "--chart" and not names_a_file else argument)
    return spelled


def given(flag: str, arguments: Sequence[str]) -> bool:
    """Whether a flag was typed: for the few facts that are needed before the command line is parsed."""
    before_the_end = arguments[: list(arguments).index("--")] if "--" in arguments else arguments
    return flag in before_the_end
