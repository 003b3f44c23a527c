"""What a statement does to the rows, measured by running it where it leaves no trace."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlagent.core.nouns.verbs import Basis, Verb


@dataclass(frozen=True, slots=True)
class Touched:
    """How many rows of one table a statement inserts, updates or deletes, and what makes it do so."""

    table: str
    verb: Verb
    rows: int
    of: int | None = None
    """Rows of the table before; None where that was not counted."""
    via: str = ""
    """`trigger NAME`, `foreign key of TABLE`; empty where the SQL says so itself."""


Value = None | bool | int | float | str | dict[str, str]
"""As JSON has it: None is NULL, a BLOB `{"$blob": "00ff"}`; `{"$number": "1.50"}` where JSON has no such number."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of a sampled row; an insert has nothing before it, a delete nothing after it."""

    column: str
    before: Value = None
    after: Value = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One row that would change: its key, and the columns that change (all of them for an insert or a delete)."""

    table: str
    verb: Verb
    key: tuple[tuple[str, Value], ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """A table, view, index or trigger that is created, altered or dropped."""

    verb: Verb
    kind: str
    """`table`, `view`, `index`, `trigger`."""
    name: str
    rows: int | None = None
    """Rows that go with it, for a dropped table."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A sequence that a script takes numbers from: no rollback and no undo gives them back."""

    sequence: str
    by: int | None = None
    """How many numbers each time it is tried or run; None where that was not told apart from what others take."""


class Undoable(StrEnum):
    """Whether a run can be taken back; known before anybody approves it."""

    EXACT = "exact"
    """It was tried where it leaves no trace, and everything came back."""
    EXPECTED = "expected"
    """Nothing speaks against it, and it was too large to be tried."""
    PARTIAL = "partial"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Effect:
    """What one statement of a script does, given all statements before it."""

    basis: Basis
    """EXACT: run and read out.  UNKNOWN: not measured, and `why` says why."""
    touched: tuple[Touched, ...] = ()
    samples: tuple[Sample, ...] = ()
    objects: tuple[ObjectChange, ...] = ()
    breaks: tuple[str, ...] = ()
    """What no longer works afterwards: `view open_orders: no such column: total`."""
    why: str = ""
    fingerprint: str = ""
    """SHA-256, hex, over the rows that this statement changes; empty where they were not measured exactly."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a whole script does: an effect a statement, and what the sum of them is bound to."""

    effects: tuple[Effect, ...]
    fingerprint: str = ""
    """SHA-256, hex, over every row changed, keys, old and new values; empty where it was not measured exactly."""
    volatile: tuple[str, ...] = ()
    """`table.column` whose values come from a clock or from chance: left out of the fingerprint."""
    undo: Undoable = Undoable.NONE
    undo_why: str = ""
    left_alone: int = 0
    """Rows that an undo does not put back, because they were changed since."""
    needs_copy: bool = False
    """It can be undone only if the run copies first what its DROP and ALTER lose."""
    broken_keys: tuple[str, ...] = ()
    """Tables with rows that refer to nothing, and will again after an undo: the run puts down which."""
    moved: tuple[Moved, ...] = ()
    """Sequences that have moved on by its being measured, and do again when it is run."""
    changes: int = 0
    """Rows changed in all."""
    size: int = 0
    """Bytes of the changes."""
    seconds: float = 0.0
    how: str = ""
    """`private copy`, `rolled back`, or why it was not measured: `past 5 s`, `the database is busy`."""

    @property
    def is_exact(self) -> bool:
        """Whether a run can be held to it, since it has a fingerprint of the rows that change."""
        return bool(self.fingerprint)

    @property
    def rows_by_table(self) -> dict[str, int]:
        """Rows that change, a number a table, in the order in which they are reached; triggers and keys too."""
        rows: dict[str, int] = {}
        for touched in (t for effect in self.effects for t in effect.touched if t.rows):
            rows[touched.table] = rows.get(touched.table, 0) + touched.rows
        return rows

    @property
    def changes_nothing(self) -> bool:
        """Neither a row nor an object, as far as is known for sure."""
        return self.is_exact and not self.changes and not any(effect.objects for effect in self.effects)
