"""The commands about sqlagent itself: `model` and `config`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sqlagent import config
from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, MODEL, group, takes
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.layout import table
from sqlagent.ui.out import say
from sqlagent.ui.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlagent.llm.local import Embedded

model = group("The embedded model: list, pull, status, stop.")
settings = group("Settings: show, check.")


# ---- model -------------------------------------------------------------------------------------------------------


@model.command("list")
@takes()
def model_list(call: Call) -> ExitCode:
    """List the embedded models, and which of them are here."""
    from sqlagent.llm import local

    return _models(call, local.listing(call.settings.cache_dir, call.settings.state_dir))


@model.command("status")
@takes()
def model_status(call: Call) -> ExitCode:
    """List the models that are loaded now."""
    from sqlagent.llm import local

    running = local.status(call.settings.cache_dir, call.settings.state_dir)
    if not running and not call.json:
        call.screen.line("no embedded model is loaded; the next ask loads it")
        return ExitCode.OK
    return _models(call, running)


@model.command("pull")
@takes()
def model_pull(
    call: Call,
    name: Annotated[str, typer.Argument(help="local, or local:0.5b, the light one.", metavar="[NAME]")] = "local",
    source: Annotated[
        Path | None, typer.Option("--from", help="A weights file that you have already.", metavar="FILE")
    ] = None,
) -> ExitCode:
    """Bring an embedded model's weights here, once."""
    from sqlagent.llm import weights

    path = weights.pull(name, path=source, progress=call.narrator.downloading, cache_dir=call.settings.cache_dir)
    call.narrator.done()
    if call.json:
        call.print_json({"path": str(path)})
    else:
        call.screen.line(f"{path}: here, and checked")
    return ExitCode.OK


@model.command("stop")
@takes()
def model_stop(call: Call) -> ExitCode:
    """End the embedded model's server."""
    from sqlagent.llm import local

    stopped = local.stop(call.settings.state_dir)
    if call.json:
        call.print_json({"stopped": stopped})
    else:
        call.screen.line(f"{stopped} stopped" if stopped else "none was running")
    return ExitCode.OK


def _models(call: Call, models: Sequence[Embedded]) -> ExitCode:
    if call.json:
        call.print_json({"models": [asdict(m) for m in models]})
        return ExitCode.OK
    rows = [
        (f"local:{m.short}", m.name, f"{m.size / 1e9:.1f} GB", m.licence, "loaded" if m.running else _here(m.path))
        for m in models
    ]
    say(table(("model", "weights", "size", "licence", "state"), rows))
    return ExitCode.OK


def _here(path: str) -> str:
    return "here" if path else "not here"


# ---- config ------------------------------------------------------------------------------------------------------


@settings.command("show")
@takes(DATABASE, MODEL)
def config_show(call: Call) -> ExitCode:
    """Show every setting, its value, and where it came from."""
    found = config.explain(call.settings)
    if call.json:
        call.print_json({"settings": [{"key": s.key, "value": s.value, "origin": s.origin} for s in found]})
        return ExitCode.OK
    rows = [(s.key, _as_typed(s.value), s.origin) for s in found]
    say(table(("setting", "value", "from"), rows))
    return ExitCode.OK


def _as_typed(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@settings.command("check")
@takes()
def config_check(call: Call) -> ExitCode:
    """Print every problem of the config files: file, line, key, and the nearest key."""
    problems = config.check({"config": call.flag("config")}, os.environ, Path.cwd())
    if call.json:
        call.print_json({"problems": [asdict(p) for p in problems]})
        return ExitCode.USAGE if problems else ExitCode.OK
    # Written without a screen: that is made of settings, which may be what cannot be read.
    lines = [f"{one_line(p.sentence)}\n  hint: {one_line(p.hint)}" for p in problems] or ["no problem found"]
    say("\n".join(lines))
    return ExitCode.USAGE if problems else ExitCode.OK
