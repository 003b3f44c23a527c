"""The commands by name: the sentence that a list shows of each, and its module, imported when it is run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from sqlagent.cli.plain_values import without_pydantic

COMMANDS = {
    "shell": ("shell.shell", "Stay on one database: ask, run SQL, follow up; `sqlagent` alone is the same."),
    "ask": ("asking.ask", "Ask in words: SQL is drafted, measured, and you decide."),
    "run": ("asking.run", "Review and run your own SQL."),
    "resume": ("asking.resume", "Show what a session waits for, and go on with it."),
    "plan": ("signing.plan", "Write down what would be approved, to be shown and signed elsewhere."),
    "approve": ("signing.approve", "Show a plan, and sign it with your SSH key; needs no database and no store."),
    "undo": ("asking.undo", "Take back what a run changed: a proposal like any other."),
    "settle": ("asking.settle", "Record whether an interrupted run took effect."),
    "work": (
        "working.work",
        "Run what people have approved elsewhere, each once, on the databases of this machine's own config.",
    ),
    "expire": (
        "asking.expire",
        "Close every proposal whose time is up, or pass it on where its policy says so; for cron.",
    ),
    "check": ("checking.check", "Say what SQL would do, without running it."),
    "pending": ("looking.pending", "List what waits for a person."),
    "sessions": ("looking.sessions", "List every session, the newest first."),
    "show": ("looking.show", "Show where a session stands, and what it would do."),
    "schema": ("looking.schema", "Show the exact schema text that is sent to the model."),
    "help": (
        "looking.help_",
        "Explain a topic, such as exit-codes, environment, policy or confidence, or a rule; alone it lists the topics.",
    ),
    "demo": ("demo.demo", "Start a throw-away PostgreSQL server with a sample shop."),
    "doctor": ("doctor.doctor", "Check what is configured, found and missing."),
    "audit": ("auditing.audit", "The record: show, verify, export."),
    "examples": ("examples.examples", "What you approved, as a model learns it: list, forget, export."),
    "policy": ("policy.rules", "Rules: check, explain, test."),
    "store": ("store.store", "A team's store in PostgreSQL: init, upgrade, check, copy."),
    "mcp": ("mcp.mcp", "Serve MCP: a model may look and propose, a person decides."),
    "model": ("machinery.model", "The embedded model: list, pull, status, stop."),
    "config": ("machinery.settings", "Settings: show, check."),
}
"""Name -> the function or group, and the first sentence of its help."""


GROUPS = {
    "Ask and run": ("shell", "ask", "run", "check"),
    "Decide": ("pending", "resume", "plan", "approve", "undo", "settle", "expire", "work"),
    "Look": ("show", "sessions", "schema", "audit", "help"),
}
"""What `--help` lists together; what is in none of them is for setting up."""
SET_UP = "Set up"


def grouped() -> dict[str, list[str]]:
    """Heading -> its commands, each command once."""
    named = {heading: [name for name in names if name in COMMANDS] for heading, names in GROUPS.items()}
    placed = {name for names in named.values() for name in names}
    return {**named, SET_UP: [name for name in COMMANDS if name not in placed]}


class LoadedWhenRun(TyperGroup):
    """Lists commands by their sentences alone; the one that is typed is imported and put in its place."""

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """Print the commands in groups, by what a person is about to do."""
        widest = max(map(len, COMMANDS))
        for heading, names in grouped().items():
            with formatter.section(heading):
                rows = [(name.ljust(widest), self.commands[name].get_short_help_str(200)) for name in names]
                formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that was typed, imported only now, with the arguments that are left for it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name else command, rest


def enlist(app: typer.Typer) -> None:
    """Put stand-ins for all commands into a program, whose group must be `LoadedWhenRun`."""
    for name, (_, words) in COMMANDS.items():
        app.command(name, help=words)(_stand_in)


def _stand_in() -> None:
    """A command that is only listed, never run."""


def load(name: str) -> Any:
    """The command of this name, imported, as typer runs it."""
    module, _, attribute = COMMANDS[name][0].partition(".")
    found = getattr(import_module(f"sqlagent.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name)(found)
        found = alone
    return without_pydantic(get_command(found))
