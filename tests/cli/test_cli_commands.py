"""The list of commands says of each what the command says of itself, and no command is missing from it."""

from __future__ import annotations

import pytest
from cli_shop import Shop

from sqlagent.cli.commands import COMMANDS, grouped, load


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_by_the_first_sentence_of_its_help(name: str) -> None:
    assert " ".join(load(name).help.split("\n\n")[0].split()) == COMMANDS[name][1]


def test_help_lists_every_command_once_and_in_groups(shop: Shop) -> None:
    ran = shop.run("--help")
    groups = grouped()
    assert list(groups) == ["Ask and run", "Decide", "Look", "Set up"]
    assert sorted(name for names in groups.values() for name in names) == sorted(COMMANDS)
    listed = [line.split()[0].rstrip(":") for line in ran.text.splitlines() if line[:3].strip() and line[:2] == "  "]
    for heading, names in groups.items():
        assert f"\n{heading}:\n" in ran.text
        assert [word for word in listed if word in names] == names
    assert "\nCommands:" not in ran.text
