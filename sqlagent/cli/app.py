"""The program as a whole: its commands, and the only catch-all."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer
from typer.main import get_command

from sqlagent import __version__
from sqlagent.cli.commands import LoadedWhenRun, enlist
from sqlagent.cli.first_words import SESSION, is_a_question, is_a_session, offered
from sqlagent.cli.options import given, help_alone, with_chart_spelled
from sqlagent.cli.plain_values import HELP_NAMES, without_pydantic
from sqlagent.core.errors import AuthError, ConnectError, ModelError, UsageError
from sqlagent.core.text.broken import bytes_shown, is_broken
from sqlagent.ui.diagnostics import ExitCode, Saying, Traces, report_error, secrets_of

SAMPLES = 3
"""Drafts where somebody wants several, and does not say how many."""
app = typer.Typer(
    name="sqlagent",
    cls=LoadedWhenRun,
    help="Ask your database in plain words. See what it would really do. Nothing runs until you say so.",
    epilog='\b\nStart with:  sqlagent ask "how many customers are there?"\nMore:        sqlagent help',
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP_NAMES, "max_content_width": 100},
)


def _version(wanted: bool) -> None:  # typer calls it with the flag's value
    if wanted:
        sys.stdout.write(f"sqlagent {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _program(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has acted on it
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Ask your database in plain words. See what it would really do. Nothing runs until you say so."""
    help_alone(context)


enlist(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; answers its exit code.  Every failure ends here as two lines, or as JSON."""
    saying = Saying.JSON if given("--json", arguments) else Saying.WORDS
    traces = Traces.SHOWN if given("--debug", arguments) or os.environ.get("SQLAGENT_DEBUG") else Traces.HIDDEN
    try:
        _refuse_broken_text(arguments)
        code = _invoke(with_chart_spelled(_with_a_number(list(arguments))))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our rows has seen enough; without this Python complains again while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except typer.Exit as e:
        return e.exit_code
    except SystemExit as e:  # how typer ends when it has written a completion
        return e.code if isinstance(e.code, int) else ExitCode.OK
    except BaseException as e:  # noqa: BLE001 - the one catch-all: no traceback reaches a person unasked
        return report_error(in_our_words(e), saying=saying, traces=traces, secrets=secrets_of(os.environ))
    return code if isinstance(code, int) else ExitCode.OK


def _refuse_broken_text(arguments: Sequence[str]) -> None:
    """Bytes that are not UTF-8 reach us as half characters, which no screen, record or model can be given."""
    said = [(f"argument {place}", text) for place, text in enumerate(arguments, 1)]
    said += [
        (name, text) for name, text in os.environ.items() if name.startswith(("SQLAGENT_", "XDG_")) or name == "HOME"
    ]
    with suppress(OSError):  # a folder that was removed is told where it is needed
        said.append(("the name of this folder", os.getcwd()))  # noqa: PTH109 - a path would be made of it again
    for what, text in said:
        if is_broken(text):
            hint = "type it in UTF-8; what has another name can be renamed, or reached through a link"
            raise UsageError(f"{what} is not UTF-8: {bytes_shown(text)}", hint=hint)


def _with_a_number(arguments: list[str]) -> list[str]:
    """`--samples` alone is three: typer has no option that may stand with or without its value."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = arguments[:end]
    behind = dict(enumerate(options[1:]))
    bare = [a == "--samples" and not re.fullmatch(r"-?\d\S*", behind.get(n, "")) for n, a in enumerate(options)]
    said = [f"{a}={SAMPLES}" if alone else a for a, alone in zip(options, bare, strict=True)]
    return [*said, *arguments[end:]]


def _invoke(arguments: list[str]) -> object:
    """The command's answer.

    Not by typer's `main`, which ends in silence at Ctrl-C and in a code of its own at a closed pipe; only the shell's
    completion needs it.
    """
    if is_a_session(arguments):
        arguments = [SESSION, *arguments]
    elif is_a_question(arguments):
        arguments = offered(arguments)
    command = without_pydantic(get_command(app))
    if "_SQLAGENT_COMPLETE" in os.environ:
        return command.main(arguments, prog_name="sqlagent", standalone_mode=False)
    with command.make_context("sqlagent", arguments) as context:
        return command.invoke(context)


def in_our_words(error: BaseException) -> BaseException:
    """typer's own errors in our words, what it guesses was meant as the hint; ours with how to go on."""
    if isinstance(error, typer.Abort):
        return KeyboardInterrupt()
    if isinstance(error, typer.TyperException):
        message = error.format_message().rstrip(".")
        found = _GUESSED.fullmatch(message)
        meant = re.findall(r"[\w-]+", found["meant"]) if found else []
        context = getattr(error, "ctx", None)
        hint = f"did you mean {' or '.join(meant)}?" if meant else f"{_path(context)} --help"
        what = found["what"] if found else message
        return UsageError(what[:1].lower() + what[1:], hint=hint)
    if isinstance(error, ConnectError | AuthError | ModelError) and error.thread:
        error.hint += f"; then: sqlagent resume {error.thread}"  # the question is kept, and need not be typed again
    return error


_GUESSED = re.compile(r"(?P<what>.*?)(?:\. Did you mean | \(Possible options: )(?P<meant>.*?)[?)]", re.DOTALL)


def _path(context: typer.Context | None) -> str:
    return context.command_path if context else "sqlagent"
