"""The README says what the code does, or this fails; with REWRITE_DOCS=1 it mends the generated tables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable

import pytest
import yaml
from checkout import ROOT

from sqlagent.cli import run
from sqlagent.cli.commands import load
from sqlagent.config import environment_rows
from sqlagent.ui.diagnostics import ExitCode

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


def fenced(name: str) -> str:
    (body,) = re.findall(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", README.read_text(), re.S)
    return str(body)


def test_the_postgresql_screen_is_the_one_that_the_demo_shows() -> None:
    """tests/cli/test_cli_demo.py holds that file to the demo itself."""
    screen = (ROOT / "fixtures" / "readme" / "postgres.txt").read_text().splitlines()
    command, *shown = fenced("postgres").splitlines()
    assert command == screen[0]
    assert shown == screen[-len(shown) :]


def test_the_hook_that_the_readme_names_is_there_and_takes_its_arguments() -> None:
    (repository,) = yaml.safe_load(fenced("pre-commit"))["repos"]
    (hook,) = repository["hooks"]
    (offered,) = [h for h in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()) if h["id"] == hook["id"]]
    assert run([*offered["entry"].split()[1:], *hook["args"], str(ROOT / "fixtures" / "readme" / "cleanup.sql")]) in (
        0,
        5,
    )


def test_the_mcp_client_s_file_starts_a_server() -> None:
    (server,) = json.loads(fenced("mcp"))["mcpServers"].values()
    assert server["command"] == "sqlagent"
    options = {option for param in load(server["args"][0]).params for option in param.opts}
    assert {word for word in server["args"] if word.startswith("--")} <= options
    assert set(server["env"]) <= {name for row in environment_rows() for name in re.findall(r"\w+", row.environment)}


def test_the_signed_approval_is_what_two_users_of_one_machine_do() -> None:
    """tests/cli/test_cli_signing.py runs that file."""
    assert fenced("signatures") == (ROOT / "fixtures" / "readme" / "signatures.txt").read_text()


def test_the_two_users_of_a_store_type_what_the_readme_shows() -> None:
    """tests/cli/test_cli_two_users.py types it, as two users of one machine."""
    assert fenced("store") == (ROOT / "fixtures" / "readme" / "store.txt").read_text()
