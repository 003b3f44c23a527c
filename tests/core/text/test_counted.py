"""One of a thing is one thing, wherever a person is told a number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sqlagent
from sqlagent.core.text.counted import counted


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (2400, "2,400 rows"), (-1, "-1 rows")]
)
def test_only_one_is_singular(count: int, words: str) -> None:
    assert counted(count, "row") == words


def test_a_plural_that_no_s_makes_is_named() -> None:
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]


# A number in a text straight before these, in braces, is as often one as any other.
_NUMBERED = re.compile(
    r"\{(?!counted\()(?:len\([^{}]*\)|[^{}]*:,)\} (rows|statements|tables|entries|sessions|runs|rules)\b"
)
_NEVER_ONE = (
    " of ", "more than", "more bars than", "one transaction", "the parser sees",
)  # fmt: skip


def test_no_message_says_one_rows() -> None:
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in Path(sqlagent.__file__).parent.rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if _NUMBERED.search(line) and not any(word in line for word in _NEVER_ONE)
    ]
    assert found == []
