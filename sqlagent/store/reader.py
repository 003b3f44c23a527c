"""What the journal's queries are run on: SQLite's own connection, or a shared store's that reads the same SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

Query = tuple[str, Sequence[Any]]
"""A SELECT of the journal's, and its bindings."""


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


@runtime_checkable
class Batching(Protocol):
    """A reader that is far away."""

    def together(self, queries: Sequence[Query]) -> Sequence[Rows]:
        """Their answers as they stood at one moment, in one round trip."""


def together(db: Reader, *queries: Query) -> Sequence[Rows]:
    """The answers of several queries, in one round trip where the store is a server's."""
    if isinstance(db, Batching):
        return db.together(queries)
    return [db.execute(*query) for query in queries]
