"""A few short reads of the database on the model's behalf: each proven, allowed by the policy, and never an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from sqlagent.core import policy
from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.analysis import Analysis, Risk, Size
from sqlagent.databases.base import Database, Limits
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing.opinions import heard, judged

FIRST_ROWS = 20
"""Rows of a read that are looked at to see whether anything is in them."""


@dataclass(frozen=True, slots=True)
class Looking:
    """Short reads until a deadline."""

    database: Database
    may_run: Callable[[Analysis], bool]
    deadline: float

    def rows(self, sql: str, most: int = FIRST_ROWS) -> list[tuple[Any, ...]] | None:
        """The first rows of a read; None where it is none, is denied, fails, or takes too long."""
        left = self.deadline - monotonic()
        if left <= 0:
            return None
        kept = _Kept()
        try:
            analysis = judged(heard(sql, self.database), lambda _index, _syntax: Size())
            if len(analysis.statements) != 1 or analysis.risk is not Risk.READ or not self.may_run(analysis):
                return None
            self.database.read(analysis.statements[0].sql, sink=kept, limits=Limits(rows=most, seconds=left))
        except SqlagentError:
            return None
        return kept.rows

    def count(self, sql: str) -> int | None:
        """The one number that a SELECT COUNT(*) gives."""
        rows = self.rows(sql, 1)
        return rows[0][0] if rows and isinstance(rows[0][0], int) else None

    def is_empty(self, sql: str) -> bool:
        """Whether a read returns nothing, only NULL, or the one number 0."""
        rows = self.rows(sql)
        return rows is not None and holds_nothing(rows)


def holds_nothing(rows: Sequence[tuple[Any, ...]]) -> bool:
    """Whether the first rows of a read are all that there are, and say nothing: NULL, or the one number 0."""
    nothing = (None, 0) if len(rows) == 1 else (None,)
    return len(rows) < FIRST_ROWS and all(value in nothing for row in rows for value in row)


def looking(requested_by: str, x: Context) -> Looking:
    """Short reads on behalf of the thread's requester."""
    database = x.database()
    facts = policy.Facts(database.name, requested_by, x.journal.now(), x.environment)

    def may_run(analysis: Analysis) -> bool:
        return not analysis.denied and not isinstance(policy.decide(analysis, x.policy, facts), policy.Deny)

    return Looking(database, may_run, monotonic() + x.count_seconds)


@dataclass(slots=True)
class _Kept:
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def write(self, _columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        self.rows += rows
        return len(self.rows)
