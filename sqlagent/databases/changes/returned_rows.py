"""What statements return: rows that are held until COMMIT and then given to the sink, and the one number of a count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlagent.core.nouns.analysis import Size
from sqlagent.core.nouns.session import Result
from sqlagent.core.nouns.verbs import Basis
from sqlagent.databases.base import Sink


@dataclass(frozen=True, slots=True)
class Done:
    """What one statement of a run did and returned."""

    index: int
    """Its place in the script, from 1."""
    changed: int | None
    """Rows that it changed, as the engine counts them; None for a read."""
    columns: tuple[str, ...]
    """Empty where it returned nothing."""
    rows: list[tuple[Any, ...]]
    truncated: bool
    """There were more rows than the limit, and they were not kept."""


def hand_over(done: Sequence[Done], sink: Sink) -> tuple[tuple[Result, ...], str]:
    """Give the sink what the statements returned; answers their results, and why rows could not be written.

    Never raises: the run is committed, whatever becomes of its rows.
    """
    results, unwritten = [], ""
    for each in done:
        returned = 0
        if each.columns and not unwritten:
            try:
                returned = sink.write(each.columns, iter(each.rows))
            except (Exception, KeyboardInterrupt) as e:  # noqa: BLE001 - raising would look like a run that failed
                unwritten = str(e) or type(e).__name__
        results.append(Result(each.index, each.changed, returned, each.truncated))
    return tuple(results), unwritten


def counted(rows: Sequence[tuple[Any, ...]]) -> Size:
    """The size that a count query answers with its first two rows; `Size()` for anything but one whole number."""
    match rows:
        case [(int(number),)] if number >= 0:
            return Size(number, None, Basis.COUNTED)
        case _:
            return Size()
