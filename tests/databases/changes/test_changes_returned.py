"""What statements return reaches the sink after COMMIT, and whatever becomes of it, the run stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from sqlagent.core.nouns.analysis import Size
from sqlagent.core.nouns.session import Result
from sqlagent.core.nouns.verbs import Basis
from sqlagent.databases.changes.returned_rows import Done, counted, hand_over


class Failing:
    """A sink that takes one result and then is gone."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.taken: list[list[Any]] = []

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        if self.taken:
            raise self.error
        self.taken.append(list(rows))
        return len(self.taken[0])


DONE = [
    Done(1, 2, ("id",), [(1,), (2,)], truncated=True),
    Done(2, 0, (), [], truncated=False),
    Done(3, 1, ("id",), [(3,)], truncated=False),
    Done(4, 1, ("id",), [(4,)], truncated=False),
]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (BrokenPipeError("nobody reads"), "nobody reads"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (OSError(), "OSError"),
    ],
)
def test_a_sink_that_fails_ends_the_writing_and_not_the_run(error: BaseException, why: str) -> None:
    sink = Failing(error)
    results, unwritten = hand_over(DONE, sink)
    assert results == (
        Result(1, 2, 2, truncated=True), Result(2, 0, 0), Result(3, 1, 0), Result(4, 1, 0),
    )  # fmt: skip
    assert unwritten == why
    assert sink.taken == [[(1,), (2,)]]


def test_a_statement_without_columns_is_not_written() -> None:
    sink = Failing(AssertionError())
    sink.taken.append([])
    assert hand_over([DONE[1]], sink) == ((Result(2, 0, 0),), "")


@pytest.mark.parametrize("rows", [[], [(-1,)], [("3",)], [(None,)], [(1.5,)], [(1, 2)], [(1,), (2,)]])
def test_anything_but_one_whole_number_is_no_count(rows: list[tuple[Any, ...]]) -> None:
    assert counted(rows) == Size()


def test_a_count_of_none_is_a_count() -> None:
    assert counted([(0,)]) == Size(0, None, Basis.COUNTED)
