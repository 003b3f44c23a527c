"""Colour only where it is wanted and can be seen, and the same words without it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from rich.style import Style
from ui_builders import FakeTerminal, a_proposal

from sqlagent.ui.human import review
from sqlagent.ui.layout import Block, Role, Span
from sqlagent.ui.screen import Colour, Screen, wants_colour


@pytest.mark.parametrize(
    ("terminal", "colour", "env", "wanted"),
    [
        (True, Colour.AUTO, {"TERM": "xterm"}, True),
        (True, Colour.AUTO, {"TERM": "dumb"}, False),
        (True, Colour.AUTO, {}, False),
        (True, Colour.AUTO, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, Colour.AUTO, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (True, Colour.NEVER, {"TERM": "xterm", "FORCE_COLOR": "1"}, False),
        (False, Colour.AUTO, {"TERM": "xterm"}, False),
        (False, Colour.AUTO, {"FORCE_COLOR": "1"}, True),
        (False, Colour.AUTO, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (False, Colour.ALWAYS, {"NO_COLOR": "1"}, True),
    ],
)
def test_colour_is_on_where_it_is_wanted(terminal: bool, colour: Colour, env: dict[str, str], wanted: bool) -> None:
    stream = FakeTerminal() if terminal else io.StringIO()
    assert wants_colour(stream, colour, env) is wanted


def test_colour_changes_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    plain, coloured = io.StringIO(), io.StringIO()
    block = review(a_proposal())
    Screen(plain, colour=Colour.NEVER, env={}).show(block)
    Screen(coloured, colour=Colour.ALWAYS, env={}).show(block)
    assert "\x1b[31m" in coloured.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured.getvalue()) == plain.getvalue()


def test_markup_in_a_block_is_only_text_in_colour_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    Screen(out, colour=Colour.ALWAYS, env={}).show(Block(((Span("[bold]READ[/] :skull:", Role.ADDED),),)))
    assert "[bold]READ[/] :skull:" in out.getvalue()


@pytest.mark.parametrize(
    ("env", "columns"), [({}, 80), ({"COLUMNS": "100"}, 100), ({"COLUMNS": "3"}, 40), ({"COLUMNS": "x"}, 80)]
)
def test_the_width_is_one_that_can_be_read(env: dict[str, str], columns: int) -> None:
    assert Screen(io.StringIO(), env=env).columns == columns


def test_a_terminal_of_another_encoding_gets_what_it_can_draw() -> None:
    raw = io.BytesIO()
    screen = Screen(io.TextIOWrapper(raw, encoding="latin-1"), colour=Colour.NEVER, env={})
    screen.show(Block(((Span("──"),), (Span("é漢"),))))
    screen.line("a\x1bb")
    assert raw.getvalue() == b"--\n\xe9\\u6f22\na<U+001B>b\n"


def test_a_screen_without_colour_never_loads_rich() -> None:
    script = (
        "import io, sys\n"
        "from sqlagent.ui import listing, human, prompt, machine, diagnostics, progress, export\n"
        "from ui_builders import a_proposal, a_screen\n"
        "a_screen(io.StringIO()).line(str(human.details(a_proposal())))\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('rich', 'typer', 'pygments')))\n"
    )
    env = {"PYTHONPATH": f"{ROOT}:{ROOT}/tests:{Path(__file__).parent}"}
    ran = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize("role", [role for role in Role if role.value.startswith("color")])
def test_every_colour_can_be_read_on_black_and_on_white(role: Role) -> None:
    rgb = Style.parse(role.value).color.get_truecolor()  # type: ignore[union-attr]
    shares = [(c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    light = sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), shares, strict=True))
    assert (
        min((light + 0.05) / 0.05, 1.05 / (light + 0.05)) >= 3.5
    )  # WCAG: 3 for large text and signs, 4.5 for the rest


def test_no_role_relies_on_what_a_terminal_may_not_show() -> None:
    assert {role.value for role in Role if not role.value.startswith("color")} == {"", "bold"}
