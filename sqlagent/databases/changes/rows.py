"""Row changes as nouns: a table, and each of its rows as it was before and is after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, Protocol, TypeVar

from sqlagent.core.nouns.verbs import Verb

Row = tuple[Any, ...]
"""The values of one row, in the order of its table's columns."""


class Layout(Protocol):
    """How the rows of a table are laid out."""

    @property
    def name(self) -> str:
        """The table's name as a person reads it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names, in the order of a row's values."""

    @property
    def key(self) -> tuple[int, ...]:
        """Places of the columns that tell rows apart; empty where nothing does, and equal rows are then alike."""


L = TypeVar("L", bound=Layout)
L_co = TypeVar("L_co", bound=Layout, covariant=True)


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row: `before` is None for an insert, `after` for a delete."""

    before: Row | None
    after: Row | None

    @property
    def verb(self) -> Verb:
        """INSERT, UPDATE or DELETE, by which side is there."""
        if self.before is None:
            return Verb.INSERT
        return Verb.DELETE if self.after is None else Verb.UPDATE

    @property
    def row(self) -> Row:
        """The row that the change is about: as it was, or for an insert as it came."""
        return self.before if self.before is not None else self.after or ()

    @property
    def inverse(self) -> RowChange:
        """The change that takes this one back."""
        return RowChange(self.after, self.before)


@dataclass(frozen=True, slots=True)
class TableChange(Generic[L_co]):
    """The rows of one table that a change inserts, updates or deletes."""

    table: L_co
    rows: tuple[RowChange, ...]

    @property
    def inverse(self) -> TableChange[L_co]:
        """The change that takes every row of this one back."""
        return TableChange(self.table, tuple(change.inverse for change in self.rows))


def same(a: Row, b: Row) -> bool:
    """Equal in value and in type: 1 and 1.0 are two values to a database."""
    return a == b and [*map(type, a)] == [*map(type, b)]


def key_of(table: Layout, row: Row) -> Row:
    """The values that tell this row from the others of its table."""
    return tuple(row[place] for place in table.key)


def key_getter(key: Sequence[int]) -> Any:
    """`key_of` for many rows; a key of one column is that value itself."""
    return itemgetter(*key)
