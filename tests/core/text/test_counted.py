"""One of a thing is one thing, wherever a person is told a number."""

from __future__ import annotations

import pytest

from sqlagent.core.text.counted import counted


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (2400, "2,400 rows"), (-1, "-1 rows")]
)
def test_only_one_is_singular(count: int, words: str) -> None:
    assert counted(count, "row") == words


def test_a_plural_that_no_s_makes_is_named() -> None:
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]
