"""What every dialect of answers is read with: exact keys, texts of a limited length, and errors that say what came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlagent.core.errors import UsageError

LONGEST_TEXT = 10_000
"""Characters of a reason, or of an answer in words."""


class Invalid(UsageError):
    """An answer that is none: `message` says what came, `hint` what was expected."""

    def __init__(self, message: str, expected: str) -> None:
        super().__init__(message, hint=f"expected {expected}")
        self.expected = expected


def shown(value: Any) -> str:
    """What came, in a few ASCII characters: nothing of it can move a cursor or fill a screen."""
    if value is None or type(value) is bool:
        return {None: "null", True: "true", False: "false"}[value]
    if type(value) is int:
        return str(value) if abs(value) < 10**18 else "a number of more than 18 digits"
    if type(value) is float:
        return repr(value)
    if type(value) is str:
        cut = value[:40]
        return ascii(cut) + (f"... ({len(value):,} characters)" if len(value) > len(cut) else "")
    if type(value) is list:
        return f"a list of {len(value):,}"
    if type(value) is dict:
        keys = [ascii(key[:20]) if type(key) is str else type(key).__name__ for key in list(value)[:4]]
        more = ", ..." if len(value) > len(keys) else ""
        return f"an object with {', '.join(keys)}{more}" if keys else "{}"
    return f"a {ascii(type(value).__name__)[1:41]}"


def exactly(answer: dict[str, Any], *required: str, **optional: bool) -> dict[str, Any]:
    """The object, if it has these keys and no others."""
    for key in required:
        if key not in answer:
            raise Invalid(f"{shown(answer)} lacks {key!r}", names(required, optional))
    for key in answer:
        if key not in required and key not in optional:
            raise Invalid(f"{shown(key)} is not a key of this answer", names(required, optional))
    return answer


def names(required: tuple[str, ...], optional: Mapping[str, bool]) -> str:
    """Which keys there may be, for the words of an error."""
    return ", ".join(required) + "".join(f", {key} if you like" for key in optional)


def text(answer: dict[str, Any], key: str) -> str:
    """The text at a key, without blanks around it.  Raises Invalid for what is no text or too long."""
    given = answer[key]
    if type(given) is not str:
        raise Invalid(f"{key} is {shown(given)}", "text")
    if len(given) > LONGEST_TEXT:
        raise Invalid(f"{key} has {len(given):,} characters", f"{LONGEST_TEXT:,} at most")
    return given.strip()


def words(answer: dict[str, Any], key: str) -> str:
    """The text at a key, which may not be empty.  Raises Invalid."""
    given = text(answer, key)
    if not given:
        raise Invalid(f"{key} is empty", "words")
    return given


def only(entries: Any) -> dict[str, Any]:
    """The one object of a list of one.  Raises Invalid for a list of another length, or of something else."""
    if type(entries) is not list or len(entries) != 1 or type(entries[0]) is not dict:
        raise Invalid(f"{shown(entries)} is no answer", "a list of one object")
    entry: dict[str, Any] = entries[0]
    return entry
