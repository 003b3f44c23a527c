"""How many drafts of one question agree: those that are the same SQL, or do the same on this database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from time import monotonic
from typing import Any

from sqlagent.core.confidence import chance
from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.analysis import Analysis, Kind, Risk, Size
from sqlagent.core.nouns.draft import Draft, Schema
from sqlagent.databases.base import Database, Limits, MeasureBudget
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing.draft_repair import CORRECTED, Mended, mended
from sqlagent.pipeline.proposing.empty_reads import why_empty
from sqlagent.pipeline.proposing.looking import looking
from sqlagent.pipeline.proposing.opinions import heard, judged
from sqlagent.pipeline.state import State

MOST_MEASURED = 3
"""Different changes that are measured to see whether they come to the same; of more, only the text is compared."""
COMPARED_ROWS = 10_000
"""Rows of a read up to which its result is compared; one that has more is compared by its text."""
_CHANGES = frozenset({Kind.INSERT, Kind.UPDATE, Kind.DELETE, Kind.REPLACE})


@dataclass(frozen=True, slots=True)
class Agreement:
    """The draft that most drafts agree with, and what the others say."""

    sql: str
    """As it was drafted."""
    share: float
    """Of all drafts that were wanted, those that agree with it."""
    others: tuple[str, ...] = ()
    """The drafts that do not, those of the commonest opinion first; empty for one that was no SQL or did not come."""
    votes: tuple[int, ...] = ()
    """How many drafts are of its opinion, and of each other."""


@dataclass(slots=True)
class _Opinion:
    """Some drafts that are the same SQL or do the same."""

    sql: str
    places: list[int]
    stands: bool = True
    """The database would prepare it."""
    empty: bool = False
    """It is a read, and returns nothing, or nothing but NULL."""
    rows: str = ""
    """What it returns, in any order; empty where that is not known."""
    order: str = ""
    """What it returns in its own order, where it names one."""
    effect: str = ""
    """What it changes; empty where that is not known."""
    analysis: Analysis | None = None


def weighed(draft: Draft, schema: Schema, state: State, x: Context) -> tuple[Draft, State]:
    """The draft that most drafts agree with, repaired, and how many that are."""
    if not draft.sql:
        return draft, {"confidence": None, "others": []}
    database, look = x.database(), looking(state["requested_by"], x)
    written = draft.candidates or (draft.sql,)
    drafts = [mended(sql, schema, database, look) if x.repair else Mended(sql) for sql in written]
    chosen = drafts[0]
    said: State = {"confidence": (likely := _chance(draft, state)), "others": [], "drafts": 1}
    if x.samples > 1:
        agreed = agree(
            [d.sql for d in drafts], database, seconds=x.count_seconds, rows=COMPARED_ROWS, wanted=x.samples,
            may_run=look.may_run,
        )  # fmt: skip
        chosen = next(d for d in drafts if d.sql == agreed.sql)
        said = {"confidence": agreed.share, "others": list(agreed.others), "drafts": x.samples}
    said |= {
        "chance": likely, "author": draft.model + CORRECTED * chosen.has_values, "drafted": chosen.drafted,
        "corrections": list(chosen.corrections), "why_empty": list(why_empty(chosen.sql, schema, look)),
    }  # fmt: skip
    # What the model said beside its first draft is not about another one.
    return replace(draft, sql=chosen.sql, note=draft.note if chosen is drafts[0] else ""), said


def _chance(draft: Draft, state: State) -> float | None:
    """How likely the model's own draft is right; None where its server tells no probabilities."""
    return None if draft.logprob is None else round(chance(state["question"], draft.sql, draft.logprob), 3)


def agree(
    candidates: Sequence[str],
    database: Database,
    *,
    seconds: float,
    rows: int,
    wanted: int = 0,
    may_run: Callable[[Analysis], bool] = lambda _analysis: True,
) -> Agreement:
    """Group the drafts, the model's first one first, and choose the largest group's; between equals, the first one's.

    Proven reads run where nothing can be written, on at most `rows` rows and `seconds` in all; a change is measured
    on a private copy.  What `may_run` refuses (the policy denies it) is neither run nor measured.  A draft that was
    wanted and did not come agrees with none.
    """
    opinions = _alike(candidates, database.dialect)
    if len(opinions) > 1:
        _look_closer(opinions, database, Limits(rows=rows, seconds=seconds), may_run)
        opinions = _joined(opinions)
    # A draft that is no SQL, that the database refuses, or that finds nothing stands for nobody beside another one.
    chosen, *others = sorted(opinions, key=lambda o: (not o.sql, not o.stands, o.empty, -len(o.places), o.places))
    others.sort(key=lambda o: (-len(o.places), o.places))
    return Agreement(
        sql=chosen.sql,
        share=len(chosen.places) / max(wanted, len(candidates)),
        others=(*(candidates[p] for o in others for p in o.places), *[""] * (wanted - len(candidates))),
        votes=tuple(len(o.places) for o in (chosen, *others)),
    )


def _alike(candidates: Sequence[str], dialect: str) -> list[_Opinion]:
    """The drafts by their text; all that are no SQL are of one opinion."""
    from sqlagent.core.text.canonical import canonical  # sqlglot, which a single draft does not need here

    found: dict[str, _Opinion] = {}
    for place, sql in enumerate(candidates):
        found.setdefault(canonical(sql, dialect), _Opinion(sql, [])).places.append(place)
    return list(found.values())


def _look_closer(
    opinions: Sequence[_Opinion], database: Database, limits: Limits, may_run: Callable[[Analysis], bool]
) -> None:
    """Note what each does, as far as that can be found out without leaving a trace."""
    for opinion in filter(lambda o: o.sql, opinions):
        try:
            opinion.analysis = judged(heard(opinion.sql, database), lambda _index, _syntax: Size())
        except SqlagentError:
            opinion.stands = False
    runnable = [(o, a) for o in opinions if (a := o.analysis) is not None and may_run(a) and not a.denied]
    deadline = monotonic() + (limits.seconds or 0.0)
    for opinion, analysis in runnable:
        if analysis.risk is Risk.READ:
            _read(opinion, analysis, database, limits, deadline)
    changes = [(o, a) for o, a in runnable if _is_measurable(a)]
    if 1 < len(changes) <= MOST_MEASURED:
        _measure(changes, database, deadline)


def _read(opinion: _Opinion, analysis: Analysis, database: Database, limits: Limits, deadline: float) -> None:
    from sqlagent.core.text.canonical import is_ordered

    sink, ordered = _Hashed(), False
    for statement in analysis.statements:
        left = deadline - monotonic()
        if left <= 0:
            return
        try:
            outcome = database.read(statement.sql, sink=sink, limits=replace(limits, seconds=left))
        except SqlagentError:  # too slow, or an error in the middle of its rows: it is compared by its text alone
            return
        if outcome.results[0].truncated:
            return
        ordered |= is_ordered(statement.sql, database.dialect)
    opinion.empty = not sink.has_values
    if not any(sink.results):
        return  # two may return nothing for different reasons, as two changes may change nothing
    opinion.rows = _hash(_hash(sorted(rows)) for rows in sink.results)
    opinion.order = _hash(_hash(rows) for rows in sink.results) if ordered else ""


def _is_measurable(analysis: Analysis) -> bool:
    return analysis.risk is not Risk.UNKNOWN and all(s.kind in _CHANGES for s in analysis.statements)


def _measure(changes: Sequence[tuple[_Opinion, Analysis]], database: Database, deadline: float) -> None:
    for opinion, analysis in changes:
        left = deadline - monotonic()
        if left <= 0:
            return
        statements = [s.sql for s in analysis.statements]
        measurement = database.measure(statements, budget=MeasureBudget(seconds=left), heard=None)
        if measurement.how != "private copy":
            return  # each would lock the database itself for as long as it takes
        opinion.effect = "" if measurement.changes_nothing else measurement.fingerprint


def _joined(opinions: Sequence[_Opinion]) -> list[_Opinion]:
    """One opinion of those that do the same.

    Rows count in their order only where two drafts order the same rows differently: one that names no order agrees
    with one that does.
    """
    orders: dict[str, set[str]] = {}
    for opinion in opinions:
        if opinion.order:
            orders.setdefault(opinion.rows, set()).add(opinion.order)
    found: dict[tuple[str, ...], _Opinion] = {}
    for place, opinion in enumerate(opinions):
        matters = len(orders.get(opinion.rows, ())) > 1
        does = (opinion.rows, opinion.order if matters else "") if opinion.rows else (opinion.effect,)
        first = found.setdefault(does if any(does) else ("", "", str(place)), opinion)
        if first is not opinion:
            first.places += opinion.places
    return list(found.values())


@dataclass(slots=True)
class _Hashed:
    """A sink that keeps a hash of each row, enough to compare two results."""

    results: list[list[str]] = field(default_factory=list)
    has_values: bool = False
    """Not every value is NULL."""

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        self.results.append([self._hashed(len(columns), row) for row in rows])
        return len(self.results[-1])

    def _hashed(self, columns: int, row: tuple[Any, ...]) -> str:
        self.has_values = self.has_values or any(value is not None for value in row)
        return _hash([str(columns), *map(_value, row)])


def _value(value: object) -> str:
    """A number by what it is worth, as far as two sums of the same floats agree; anything else by its type too."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.12g}"
    return str(value) if isinstance(value, int) else repr(value)


def _hash(pieces: Iterable[str]) -> str:
    sum_ = blake2b(digest_size=16)
    for piece in pieces:
        sum_.update(f"{len(piece)}:{piece}".encode("utf-8", "surrogatepass"))
    return sum_.hexdigest()
