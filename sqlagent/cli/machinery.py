"""The commands about sqlagent itself: `model` and `config`."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path

import typer

from sqlagent import config
from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, MODEL, takes
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.layout import table

model = typer.Typer(help="The embedded model: list, pull, status, stop.", no_args_is_help=True, rich_markup_mode=None)
settings = typer.Typer(help="Settings: show, check.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(model, name="model")
    app.add_typer(settings, name="config")


# ---- model -------------------------------------------------------------------------------------------------------


@model.command("list")
@takes()
def model_list(call: Call) -> ExitCode:
    """List the embedded models and which of them are here."""
    from sqlagent.llm import weights

    kept = weights.catalogue(call.settings.cache_dir)
    if call.json:
        call.print_json({"models": [m.as_json() for m in kept]})
        return ExitCode.OK
    rows = [(f"local:{m.short}", m.name, f"{m.size / 1e9:.1f} GB", m.licence, m.path or "not here") for m in kept]
    sys.stdout.write(f"{table(('model', 'weights', 'size', 'licence', 'where'), rows)}\n")
    return ExitCode.OK


@settings.command("show")
@takes(DATABASE, MODEL)
def config_show(call: Call) -> ExitCode:
    """Show every setting, its value, and where it came from."""
    found = config.explain(call.settings)
    if call.json:
        call.print_json({"settings": [{"key": s.key, "value": s.value, "origin": s.origin} for s in found]})
        return ExitCode.OK
    rows = [(s.key, str(s.value), s.origin) for s in found]
    sys.stdout.write(f"{table(('setting', 'value', 'from'), rows)}\n")
    return ExitCode.OK


@settings.command("check")
@takes()
def config_check(call: Call) -> ExitCode:
    """Print every problem of the config files: file, line, key, and the nearest key."""
    problems = config.check({"config": call.flag("config")}, os.environ, Path.cwd())
    if call.json:
        call.print_json({"problems": [asdict(p) for p in problems]})
        return ExitCode.USAGE if problems else ExitCode.OK
    for problem in problems:
        call.screen.line(problem.sentence)
        call.screen.line(f"  hint: {problem.hint}")
    if not problems:
        call.screen.line("no problem found")
    return ExitCode.USAGE if problems else ExitCode.OK
