"""Rows taken a thousand at a time, so that memory does not grow with a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

Row = Sequence[Any]
Chunks = Iterator[tuple[str, int]]
"""Text, and of how many rows it is."""
CHUNK = 1_000


def chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """The rows in lists of at most `CHUNK`, none of them empty."""
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
