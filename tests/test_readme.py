"""The README says what the code does, or this fails; with REWRITE_DOCS=1 it mends the generated tables."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sqlagent.ui.diagnostics import ExitCode

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
REWRITE = bool(os.environ.get("REWRITE_DOCS"))


def exit_codes() -> str:
    names = ", ".join(f"{code.value} {code.name}" for code in ExitCode)
    return f"{names}: `sqlagent help exit-codes`.\n"


GENERATED: dict[str, Callable[[], str]] = {"exit-codes": exit_codes}


def block(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_table_is_what_the_code_says(name: str) -> None:
    text = README.read_text()
    wanted, found = block(name).subn(lambda m: m[1] + GENERATED[name]() + m[2], text)
    if REWRITE and wanted != text:
        README.write_text(wanted)
    assert found == 1, f"README.md needs one <!-- {name} --> ... <!-- /{name} --> block"
    assert REWRITE or text == wanted, "run: REWRITE_DOCS=1 python -m pytest tests/test_readme.py"


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.read_text().splitlines()) <= 250


def test_the_test_command_that_ci_runs_is_one_line_in_a_fence() -> None:
    (body,) = re.findall(r"<!-- test-command -->\n(.*?)<!-- /test-command -->", README.read_text(), re.S)
    fence, command, end = body.strip().splitlines()
    assert fence.startswith("```")
    assert end == "```"
    assert command.endswith("-m pytest -q")
    assert "pip install" in command


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", README.read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
