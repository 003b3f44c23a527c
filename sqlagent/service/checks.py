"""Judging scripts without running them: one, or a folder of migrations that build on each other.

Nothing here asks anybody, runs anything or puts anything on record.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.analysis import (
    Analysis,
    EngineOpinion,
    Finding,
    Place,
    Severity,
    Size,
    Statement,
    SyntaxOpinion,
)
from sqlagent.core.text.allowances import Allowance, NotUnderstood, allowances
from sqlagent.core.text.migrations import Direction, parts
from sqlagent.core.text.split import Piece, joined
from sqlagent.databases.base import Database

Measure = Callable[[str], Analysis]
"""What a script would do, measured where it leaves no trace."""


@dataclass(frozen=True, slots=True)
class Script:
    """SQL text, and what to call it."""

    name: str
    text: str
    named: Mapping[str, object] | None = None
    """`{"id": ...}` where the caller named the script, with `--input jsonl`."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """A finding that the script itself allows, and why."""

    finding: Finding
    reason: str
    line: int


@dataclass(frozen=True, slots=True)
class Checked:
    """One statement of one script, judged."""

    script: Script
    statement: Statement
    place: Place
    allowed: tuple[Allowed, ...] = ()
    direction: Direction = Direction.UP
    is_measured: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether the script allows all that was found, so that nobody need be asked about it again."""
        return bool(self.allowed) and all(f.severity is Severity.NOTE for f in self.statement.findings)


@dataclass(frozen=True, slots=True)
class _Read:
    """One statement, and what is known of it."""

    script: Script
    syntax: SyntaxOpinion
    place: Place
    direction: Direction
    allowances: tuple[Allowance, ...]
    engine: EngineOpinion | None = None
    measured: Statement | None = None


def checked(
    scripts: Iterable[Script],
    dialect: str,
    database: Database | None,
    *,
    measure: Measure | None = None,
    together: bool = False,
) -> Iterator[Checked]:
    """Every statement judged, in order.  Raises UsageError for an allowance that is not understood.

    Without a database they are judged one by one as they are read.  `together` has each script build on those before
    it: what takes a migration back is judged where it would run, and what comes next as if it had not.
    """
    if database is None:
        yield from _judged(read for script in scripts for read in _read(script, dialect))
        return
    groups = ([script] for script in scripts)
    for group in [list(scripts)] if together else groups:
        reads = _heard([read for script in group for read in _read(script, dialect)], database)
        yield from _judged(_with_rows(reads, measure) if measure else reads)


# ---- reading -----------------------------------------------------------------------------------------------------


def _read(script: Script, dialect: str) -> Iterator[_Read]:
    from sqlagent.core.analysis.syntax_opinion import opinion  # sqlglot: not for whoever only lists files
    from sqlagent.core.rules import catalogue, remarks_on

    lines = _Lines(script.text)
    try:
        allowed = tuple(allowances(script.text, dialect, ["needs-approval", *(rule.id for rule in catalogue())]))
    except NotUnderstood as e:
        raise UsageError(f"{script.name}, line {e.line}: {e}", hint="sqlagent help rules lists them") from e
    before = 0
    for direction, piece in _pieces(script, dialect):
        place = lines.place(piece.start, piece.start + len(piece.sql))
        here = tuple(a for a in allowed if a.speaks_of(place.line, place.end_line, before))
        yield _Read(script, replace(opinion(piece, dialect, remarks_on), line=place.line), place, direction, here)
        before = place.end_line


def _pieces(script: Script, dialect: str) -> Iterator[tuple[Direction, Piece]]:
    """Its statements, each with its way, at their places in the whole text."""
    from sqlagent.core.analyze import pieces

    for part in parts(script.text, script.name):
        for piece in pieces(script.text[part.start : part.end], dialect):
            yield part.direction, replace(piece, start=piece.start + part.start)


class _Lines:
    """Places of a text as lines and columns."""

    def __init__(self, text: str) -> None:
        self._starts = [0]
        at = text.find("\n")
        while at >= 0:
            self._starts.append(at + 1)
            at = text.find("\n", at + 1)

    def place(self, start: int, end: int) -> Place:
        return Place(*self._at(start), *self._at(end))

    def _at(self, where: int) -> tuple[int, int]:
        line = bisect_right(self._starts, where)
        return line, where - self._starts[line - 1] + 1


# ---- hearing the database ----------------------------------------------------------------------------------------


def _heard(group: Sequence[_Read], database: Database) -> list[_Read]:
    """Each with the database's opinion; those that apply are seen at once, for they build on each other.

    What takes a migration back is looked at in a pass of its own, behind what it takes back; that is then applied once
    more, so that what comes next finds the shape that it needs.
    """
    ups = [place for place, read in enumerate(group) if read.direction is Direction.UP]
    heard = _inspected(group, ups, database)
    if len(ups) < len(group):
        heard = _inspected(group, list(_there_and_back(group)), database) | heard
    return [replace(read, engine=heard.get(place)) for place, read in enumerate(group)]


def _inspected(group: Sequence[_Read], order: Sequence[int], database: Database) -> dict[int, EngineOpinion]:
    """The first opinion of each place; none at all where the database splits the text differently."""
    opinions = database.inspect([group[place].syntax.sql for place in order])
    heard: dict[int, EngineOpinion] = {}
    for place, opinion in zip(order, opinions, strict=False) if len(opinions) == len(order) else ():
        heard.setdefault(place, opinion)
    return heard


def _there_and_back(group: Sequence[_Read]) -> Iterator[int]:
    """The places in order, each migration that takes one back followed by that migration again."""
    applied: list[int] = []
    for _, reads in groupby(enumerate(group), lambda each: each[1].script.name):
        ways = [(place, read.direction) for place, read in reads]
        yield from (place for place, _ in ways)
        applied = [place for place, way in ways if way is Direction.UP] or applied
        if any(way is Direction.DOWN for _, way in ways):
            yield from applied


def _with_rows(group: Sequence[_Read], measure: Measure) -> list[_Read]:
    """Each with what it would do, where it applies a migration; measured together, as one script."""
    ups = [place for place, read in enumerate(group) if read.direction is Direction.UP]
    statements = measure(joined([group[place].syntax.sql for place in ups])).statements if ups else ()
    found = dict(zip(ups, statements, strict=False)) if len(statements) == len(ups) else {}
    return [replace(read, measured=found.get(place)) for place, read in enumerate(group)]


# ---- judging -----------------------------------------------------------------------------------------------------


def _judged(reads: Iterable[_Read]) -> Iterator[Checked]:
    from sqlagent.core.analyze import judge

    script: Script | None = None
    index = 0
    for read in reads:
        index = index + 1 if read.script is script else 1
        script = read.script
        statement = judge(index, read.syntax, read.engine, Size())
        if read.measured is not None:
            statement = _measured(statement, read.measured)
        allowed = tuple(_allowed(statement, read.allowances))
        shown = _without(statement, allowed)
        yield Checked(script, shown, read.place, allowed, read.direction, read.measured is not None)


def _measured(judged: Statement, measured: Statement) -> Statement:
    """The statement with the rows that were measured, and what the measurement found besides."""
    known = {f.rule for f in judged.findings}
    found = tuple(f for f in measured.findings if f.rule not in known)
    risk = max(judged.risk, measured.risk)
    return replace(judged, operations=measured.operations, risk=risk, findings=(*judged.findings, *found))


def _allowed(statement: Statement, said: Collection[Allowance]) -> Iterator[Allowed]:
    """What of it is allowed: findings by their rules, and by `needs-approval` that somebody would be asked."""
    asking = Finding("needs-approval", f"{statement.risk.name}: {statement.kind}", Severity.WARNING)
    for finding in (*statement.findings, asking):
        reasons = [a for a in said if finding.rule in a.rules]
        if reasons:
            yield Allowed(finding, reasons[0].reason, reasons[0].line)


def _without(statement: Statement, allowed: Collection[Allowed]) -> Statement:
    rules = {a.finding.rule for a in allowed}
    kept = tuple(f for f in statement.findings if f.rule not in rules)
    return replace(statement, findings=kept, denied="" if statement.denied in rules else statement.denied)


@contextmanager
def an_empty_database() -> Iterator[Database]:
    """A SQLite database with nothing in it, for migrations that begin at nothing."""
    from sqlagent.databases.open import open_database  # apsw, which a check of text alone does not need

    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        path.touch(mode=0o600)
        database = open_database(str(path), name="an empty database")
        try:
            yield database
        finally:
            database.close()
