"""What the journal's queries are run on: SQLite's own connection, or a shared store's that reads the same SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class Rows(Protocol):
    """What a query answers."""

    @property
    def get(self) -> Any:
        """The only value of the first row; a tuple where it has several, None where there is no row."""
        ...

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> Any:
        """Every row that is left."""

    def __iter__(self) -> Iterator[Any]: ...


class Reader(Protocol):
    """Runs one SELECT of the journal's."""

    def execute(self, statements: str, bindings: Sequence[Any] = ()) -> Rows:
        """Run a query in SQLite's words, with `?` or `?2` for its bindings."""
