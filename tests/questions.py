"""The questions of `fixtures/questions`, and the judge of an answer: a right one's rows, on altered copies as well."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import apsw
from checkout import ROOT

FOLDER = ROOT / "fixtures" / "questions"
COPIES = 5
"""The database that was asked, and four with other rows in it."""
ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Question:
    schema: str
    ask: str
    kind: str = "read"
    """`read`, `write`, `ambiguous` (an answer or a question back are both right) or `unanswerable`."""
    sql: str = ""
    also: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def right(self) -> tuple[str, ...]:
        return (self.sql, *self.also)


@cache
def questions() -> tuple[Question, ...]:
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for each in tomllib.loads(path.read_text())["question"]:
            found.append(Question(path.stem, **each | {"also": tuple(each.get("also", ()))}))
    return tuple(found)


@dataclass(slots=True)
class Judge:
    """Builds each database once, and remembers what the right answers return."""

    folder: Path
    _open: dict[str, list[apsw.Connection]] = field(default_factory=dict)
    _known: dict[tuple[str, str, int, bool], Any] = field(default_factory=dict)

    def database(self, schema: str) -> Path:
        """The database that is asked."""
        self._copies(schema)
        return self.folder / f"{schema}.0.db"

    def is_right(self, question: Question, sql: str) -> bool:
        """Whether the SQL returns (or leaves behind) what one right answer does, on every copy."""
        write = question.kind == "write"
        try:
            return any(
                all(
                    _same(self._of(right, question, copy, write), self._of(sql, question, copy, write), question)
                    for copy in range(COPIES)
                )
                for right in question.right
            )
        except apsw.Error:
            return False

    def _of(self, sql: str, question: Question, copy: int, write: bool) -> Any:
        key = (question.schema, sql, copy, write)
        if key not in self._known:
            db = self._copies(question.schema)[copy]
            self._known[key] = _left_behind(db, sql) if write else _rows(db, sql)
        return self._known[key]

    def _copies(self, schema: str) -> list[apsw.Connection]:
        if schema not in self._open:
            from build_questions import build  # a script of the fixtures, not a module of the tests

            paths = [self.folder / f"{schema}.{seed}.db" for seed in range(COPIES)]
            for seed, path in enumerate(paths):
                build(schema, path, seed)
            self._open[schema] = [apsw.Connection(str(path)) for path in paths]
        return self._open[schema]

    def close(self) -> None:
        for db in (db for copies in self._open.values() for db in copies):
            db.close()


def _rows(db: apsw.Connection, sql: str) -> list[tuple[Any, ...]]:
    deadline = iter(range(2_000))
    db.set_progress_handler(lambda: next(deadline, None) is None, 100_000)
    rows: list[tuple[Any, ...]] = []
    for row in db.execute(sql):
        rows.append(tuple(round(v, 6) if isinstance(v, float) else v for v in row))
        if len(rows) > ROWS:
            break
    return rows


def _left_behind(db: apsw.Connection, sql: str) -> list[tuple[Any, ...]]:
    """Every row of every table after the statement ran, which is then taken back."""
    db.execute("SAVEPOINT judged")
    try:
        db.execute(sql)
        tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        return [(t, *row) for (t,) in tables for row in db.execute(f'SELECT * FROM "{t}"')]
    finally:
        db.execute("ROLLBACK TO judged")
        db.execute("RELEASE judged")


def _same(wanted: Sequence[tuple[Any, ...]], got: Sequence[tuple[Any, ...]], question: Question) -> bool:
    """Whether the wanted rows are there, in whatever order of columns; more columns are no mistake."""
    if question.kind == "write":
        return wanted == got
    if len(wanted) != len(got) or not wanted:
        return len(wanted) == len(got)
    return any(
        [tuple(row[p] for p in places) for row in got] == list(wanted)
        if question.ordered
        else Counter(tuple(row[p] for p in places) for row in got) == Counter(wanted)
        for places in _places(wanted, got)
    )


def _places(wanted: Sequence[tuple[Any, ...]], got: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, ...]]:
    """Every choice of columns of `got` whose values are, column for column, those that are wanted."""
    there = [Counter(column) for column in zip(*got, strict=True)]
    homes = [[p for p, c in enumerate(there) if c == Counter(column)] for column in zip(*wanted, strict=True)]
    return (places for places in product(*homes) if len(set(places)) == len(places))
