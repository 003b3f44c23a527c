"""What a person typed: a command, SQL or a question; and whether Enter ends it or gives it another line."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Whether an entry is a command, SQL or a question."""

    NOTHING = "nothing"
    COMMAND = "command"
    SQL = "sql"
    QUESTION = "question"


@dataclass(frozen=True, slots=True)
class Typed:
    """One entry of a session, of one line or several."""

    kind: Kind
    text: str
    argument: str = ""
    """What stands behind a command."""


_WORDS = {"quit": "\\q", "exit": "\\q", "help": "\\?", "?": "\\?", "c": "\\chart", "[c]": "\\chart"}
"""What people type who look for a way out, for help, or for a chart as a key elsewhere offers it."""
_DOLLARS = re.compile(r"(\$\w*\$)(?:(?!\1).)*\1", re.DOTALL)
_OPEN_DOLLAR = re.compile(r"\$\w*\$")
_SHOUTED = re.compile(
    r"(SELECT|WITH|VALUES|INSERT|REPLACE|UPDATE|DELETE|MERGE|CREATE|ALTER|DROP|TRUNCATE|EXPLAIN|PRAGMA)\b"
)
"""Nobody begins a question in capitals."""
_SHAPES = re.compile(
    r"""select\s .*\s from\s | select\b .*[,(]\s*$ | with\s+(recursive\s+)?\w+\s+as\s*\(
    | insert\s+(or\s+\w+\s+)?into\s | replace\s+into\s | update\s+\S+\s+set\s | delete\s+from\s
    | (create|alter|drop)\s+(temp(orary)?\s+|unique\s+|materialized\s+)?(table|view|index|trigger|function)\s""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def read(text: str) -> Typed:
    """What an entry is: it begins with a backslash, or ends in a semicolon, or is a question."""
    said = text.strip()
    said = _WORDS.get(said.lower().rstrip(";"), said)
    if not said:
        return Typed(Kind.NOTHING, "")
    if said.startswith("\\"):
        name, _, argument = said.partition(" ")
        return Typed(Kind.COMMAND, name, argument.strip().rstrip(";").rstrip())
    return Typed(Kind.SQL if ends_sql(said) else Kind.QUESTION, said)


def ends_sql(text: str) -> bool:
    """Whether SQL ends here: at a semicolon outside texts, comments and the bodies of triggers and functions."""
    plain = _DOLLARS.sub("''", text)
    return not _OPEN_DOLLAR.search(plain) and sqlite3.complete_statement(plain)


def goes_on(text: str) -> bool:
    """Whether Enter gives it another line: SQL until its semicolon, anything of several lines until an empty one."""
    said = text.strip()
    if not said or said.startswith("\\") or ends_sql(said):
        return False
    last = text.rsplit("\n", 1)[-1]
    if "\n" in text:
        return bool(last.strip())
    return bool(_SHOUTED.match(said) or _SHAPES.match(said))
