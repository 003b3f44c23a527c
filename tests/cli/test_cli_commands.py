"""The list of commands says of each what the command says of itself, and no command is missing from it."""

from __future__ import annotations

import pytest

from sqlagent.cli.commands import COMMANDS, load


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_by_the_first_sentence_of_its_help(name: str) -> None:
    assert " ".join(load(name).help.split("\n\n")[0].split()) == COMMANDS[name][1]
