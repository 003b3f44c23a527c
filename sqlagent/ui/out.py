"""Stdout, for whatever is no row: nothing said there acts on a terminal, or on the service that keeps the log."""

from __future__ import annotations

import json
import sys
from typing import Any

from sqlagent.ui.visible import escaped, printed


def say(text: object) -> None:
    """Words for people, of any origin, on lines of their own."""
    sys.stdout.write(printed(f"{text}\n"))
    sys.stdout.flush()


def json_line(facts: dict[str, Any]) -> str:
    """One document on one line of ASCII."""
    return escaped(json.dumps(facts)) + "\n"
