"""How many rows of each table change, those that the SQL names apart from those that something else makes change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlagent.core.nouns.effect import Touched
from sqlagent.core.nouns.verbs import Verb
from sqlagent.databases.changes.rows import TableChange

ORDER = (Verb.INSERT, Verb.UPDATE, Verb.DELETE)
UNNAMED = "a trigger or foreign key"
"""Where nothing says which."""


def tally(change: TableChange[Any]) -> Counter[Verb]:
    """Count the rows of one table by verb."""
    return Counter(row.verb for row in change.rows)


def touched(
    changes: Iterable[TableChange[Any]], *, via: Callable[[str, Verb], str], before: Callable[[str], int | None]
) -> Iterator[Touched]:
    """A line for each table and verb with its rows and cause, what the SQL itself names first.

    `via` says what makes rows of a table change, empty for the SQL itself; `before` how many rows the table had.
    """
    counted = {change.table.name: tally(change) for change in changes}
    lines = [
        Touched(table, verb, rows[verb], before(table), via(table, verb))
        for table, rows in counted.items()
        for verb in ORDER
        if rows[verb]
    ]
    yield from sorted(lines, key=lambda line: (bool(line.via), line.table, ORDER.index(line.verb)))
