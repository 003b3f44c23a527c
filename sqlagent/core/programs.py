"""Programs that we start: where each is found, never in the current folder, and which variables it gets."""

from __future__ import annotations

import re
from collections.abc import Mapping

_OURS = re.compile(r"(OPENAI|AZURE_OPENAI|SQLAGENT)_\w*KEY\w*|PGPASSWORD", re.IGNORECASE)
"""Variables with what opens the model and the databases."""
_SECRET = re.compile(r"\w*(KEY|TOKEN|SECRET|PASSW(OR)?D|CREDENTIAL)\w*", re.IGNORECASE)


def for_a_users_program(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without our secrets, for a program that the user named; the user's own stay."""
    return {name: value for name, value in env.items() if not _OURS.fullmatch(name)}


def for_our_program(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without anybody's secrets, and without what would bring other code into a Python of ours."""
    return {name: value for name, value in env.items() if not _SECRET.fullmatch(name) and not name.startswith("PYTHON")}


def absolute_places(path: str, separator: str) -> str:
    """PATH without its relative entries, where a program of whatever folder we are in would be found."""
    return separator.join(place for place in path.split(separator) if place.startswith("/") or place[1:2] == ":")
