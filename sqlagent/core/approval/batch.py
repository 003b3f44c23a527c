"""Approving a part of a batch: which statements are alike, which needs which, and what is left does."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.analysis import Kind, Statement
from sqlagent.core.nouns.effect import Effect, Undoable
from sqlagent.core.nouns.session import Proposal
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.core.text.counted import counted
from sqlagent.core.text.lexer import COMMENT, NUMBER, STRING, WORD, scan

FEWEST = 6
"""Alike statements that are told in one line; fewer are told one by one."""
_SHAPES = frozenset({Verb.CREATE, Verb.ALTER, Verb.DROP})
_VALUES = frozenset({"null", "true", "false"})
_PLACES = re.compile(r"\d{1,9}(?:-\d{1,9})?(?:\s*,\s*\d{1,9}(?:-\d{1,9})?)*", re.ASCII)
_SAID = 3
"""Differences that are told before they are only counted."""


# ---- places of statements --------------------------------------------------------------------------------------------


def places(text: str, count: int) -> tuple[int, ...]:
    """The statements that `1,3-5` names, of `count`; raises UsageError."""
    if not _PLACES.fullmatch(text.strip()):
        raise UsageError(f"{text or 'nothing'} names no statements", hint="their numbers: 1,3-5")
    named: set[int] = set()
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        begin, end = int(first), int(last or first)
        if not 1 <= begin <= end <= count:
            raise UsageError(f"there is no statement {piece.strip()}", hint=f"they are numbered from 1 to {count:,}")
        named.update(range(begin, end + 1))
    return tuple(sorted(named))


def spans(numbers: Collection[int]) -> str:
    """`1,3-5`: what `places` reads."""
    runs = groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0])
    ends = [(run[0][1], run[-1][1]) for _, grouped in runs if (run := list(grouped))]
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in ends)


def rejection(out: Mapping[int, str]) -> str:
    """What is put on record of the statements that are left out, each with its reason: `2: not today; 4-6`."""
    by_reason: dict[str, list[int]] = {}
    for number, why in sorted(out.items()):
        by_reason.setdefault(why, []).append(number)
    return "; ".join(f"{spans(numbers)}: {why}" if why else spans(numbers) for why, numbers in by_reason.items())


# ---- statements that read alike --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alike:
    """Statements one after the other that do the same thing to the same tables with other values."""

    statements: tuple[Statement, ...]

    @property
    def first(self) -> Statement:
        """The one that is shown for all."""
        return self.statements[0]

    @property
    def numbers(self) -> str:
        """`3-202`, or `3` where it is one."""
        return spans([s.index for s in self.statements])


def shape(sql: str, dialect: str) -> str:
    """The statement with `?` in the place of every value, whatever its case, spacing and comments."""
    said: list[str] = []
    for kind, _, _, text in scan(sql, dialect):
        if kind in (STRING, NUMBER):
            said.append("?")
        elif kind == WORD:
            word = text.lower()
            said.append("?" if word in _VALUES and said and said[-1] in ("(", ",") else word)
        elif kind != COMMENT:
            said.append(text)
    return " ".join(said)


def alike(statements: Sequence[Statement], dialect: str) -> Iterator[Alike]:
    """All statements in order, the alike ones together where there are many; none differ in risk or in what they touch.

    The text is looked at only where everything else is equal, so that a long script costs no more than it must.
    """
    for _, similar in groupby(statements, key=_likeness):
        near = list(similar)
        if len(near) < FEWEST:
            yield from (Alike((s,)) for s in near)
            continue
        for _, same in groupby(near, key=lambda s: shape(s.sql, dialect)):
            group = tuple(same)
            yield from [Alike(group)] if len(group) >= FEWEST else (Alike((s,)) for s in group)


def _likeness(s: Statement) -> object:
    return (s.kind, s.risk, s.denied, s.reads, s.writes, tuple((o.verb, o.target, o.via) for o in s.operations))


# ---- what needs what -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Need:
    """Statements that work on what an earlier one makes or changes."""

    statements: tuple[int, ...]
    on: int
    targets: tuple[str, ...]
    does: Verb
    """What the earlier one does to them; of what is only rows or not known, one stands for all."""

    @property
    def is_hard(self) -> bool:
        """They can hardly stand without it: it is created, altered or dropped there."""
        return self.does in _SHAPES


def needs(statements: Sequence[Statement], out: Collection[int]) -> tuple[Need, ...]:
    """What the statements that stay need of those that are left `out`, the latest of them where several did it."""
    gone: dict[str, tuple[int, str, Verb]] = {}
    found: dict[tuple[int, str, Verb], list[int]] = {}
    for statement in statements:
        if statement.index in out:
            gone |= {name.lower(): (statement.index, name, verb) for name, verb in _changed(statement)}
            continue
        touched = (*statement.writes, *statement.reads, *(name for name, _ in _changed(statement)))
        for name in dict.fromkeys(map(str.lower, touched)):
            if name in gone:
                found.setdefault(gone[name], []).append(statement.index)
        for name, verb in _changed(statement):
            if verb in (Verb.CREATE, Verb.DROP):
                gone.pop(name.lower(), None)  # from here on it is what this one made of it
    merged: dict[tuple[tuple[int, ...], int, Verb], list[str]] = {}
    for (on, name, does), numbers in found.items():
        merged.setdefault((tuple(numbers), on, does if does in _SHAPES else Verb.UPDATE), []).append(name)
    return tuple(Need(numbers, on, tuple(names), does) for (numbers, on, does), names in merged.items())


def _changed(statement: Statement) -> Iterator[tuple[str, Verb]]:
    """Each thing that it changes, once, with the weightiest thing that it does to it."""
    verbs = dict.fromkeys(statement.writes, Verb.OTHER)
    for operation in statement.operations:
        verb = operation.verb
        if verb is Verb.ALTER and statement.kind is not Kind.ALTER:
            verb = Verb.OTHER  # a table that only gets or loses an index or a trigger
        for name in operation.target.split(" -> ") if verb is Verb.ALTER else [operation.target]:
            if _WEIGHT.get(verb, 1) > _WEIGHT.get(verbs.get(name, Verb.READ), 1):
                verbs[name] = verb
    return ((name, verb) for name, verb in verbs.items() if verb is not Verb.READ)


_WEIGHT = {Verb.READ: -1, Verb.OTHER: 0, Verb.ALTER: 2, Verb.CREATE: 3, Verb.DROP: 3}
"""Of what is done to one thing, what counts; 1 for its rows."""
_ON_SHAPES = {Verb.CREATE: "creates", Verb.ALTER: "alters", Verb.DROP: "drops"}


def need_words(need: Need, statements: Sequence[Statement]) -> str:
    """`4 needs 2: it reads tmp_import, which 2 creates`, `4 works on orders, which 2 changes`."""
    who, many = spans(need.statements), len(need.statements) > 1
    if not need.is_hard:
        return f"{who} work{'' if many else 's'} on {', '.join(need.targets)}, which {need.on} changes"
    written = any(
        {*map(str.lower, need.targets)} & {*map(str.lower, statements[i - 1].writes)} for i in need.statements
    )
    does = ("change" if written else "read") + ("" if many else "s")
    what = f"{', '.join(need.targets)}, which {need.on} {_ON_SHAPES[need.does]}"
    return f"{who} need{'' if many else 's'} {need.on}: {'they' if many else 'it'} {does} {what}"


# ---- the part against the whole --------------------------------------------------------------------------------------


def differences(whole: Proposal, keep: Collection[int], part: Proposal) -> str:
    """What the statements that are left do that they were not shown to do among the others; empty where nothing.

    `without 2, statement 4 changes 12 rows, was 15`: with the number that it had when the part was approved.
    """
    kept = [s for s in whole.analysis.statements if s.index in keep]
    gone = [s.index for s in whole.analysis.statements if s.index not in keep]
    out = spans(gone)
    if part.target != whole.target or len(kept) != len(part.analysis.statements):
        return f"what is left without {out} is not what was approved"
    if whole.measurement is not None and not whole.measurement.is_exact:
        return "the whole was not measured exactly, so nobody could see what this part of it does"
    filled = {n for need in needs(whole.analysis.statements, gone) for n in need.statements}
    found = []
    for before, after in zip(kept, part.analysis.statements, strict=True):
        word = _difference(before, effect_of(whole, before), after, effect_of(part, after))
        if not word and before.kind is Kind.CREATE and before.reads and before.index in filled:
            word = "may be filled with other rows"  # what a new table is filled with is in no fingerprint
        if word:
            found.append((before, after, word))
    said = [f"statement {_both(before, after)} {word}" for before, after, word in found[:_SAID]]
    said += [_UNDO_LOST] if _undo(part) > _undo(whole) else []
    said += [f"{len(found) - _SAID:,} more differ"] if len(found) > _SAID else []
    return f"without {out}, {', '.join(said)}" if said else ""


_UNDO_LOST = "it can be undone less well"


def _undo(proposal: Proposal) -> int:
    """More is worse; nothing to undo is best."""
    return list(Undoable).index(proposal.measurement.undo) if proposal.measurement is not None else 0


def effect_of(proposal: Proposal, statement: Statement) -> Effect | None:
    """What was measured of one statement."""
    measured = proposal.measurement
    return measured.effects[statement.index - 1] if measured is not None else None


def _both(before: Statement, after: Statement) -> str:
    return str(before.index) if before.index == after.index else f"{before.index} ({after.index} below)"


def _difference(before: Statement, effect: Effect | None, after: Statement, now: Effect | None) -> str:
    if before.sql != after.sql:
        return "is another one"
    if after.risk > before.risk:
        return f"is {after.risk.name}, was {before.risk.name}"
    if not before.writes and not after.writes:
        return ""
    if effect is None or now is None or now.basis is not Basis.EXACT or not effect.fingerprint:
        return "was not measured exactly"
    if now.objects != effect.objects:
        return "makes or drops something else, or with other rows"
    if now.breaks != effect.breaks:
        new = [b for b in now.breaks if b not in effect.breaks]
        return f"breaks {new[0]}" if new else "breaks less"
    if effect.fingerprint == now.fingerprint:
        return ""
    own, of_all = ((_rows(e, own=own) for e in (effect, now)) for own in (True, False))
    for (was, rows), what in ((own, ""), (of_all, " with triggers and foreign keys")):
        if was != rows:
            return f"changes {_counted(rows)}{what}, was {was:,}"
    return "changes other rows, or to other values"


def _rows(effect: Effect, *, own: bool) -> int:
    return sum(t.rows for t in effect.touched if not (own and t.via))


def _counted(rows: int) -> str:
    return counted(rows, "row")


def total(sizes: Iterable[int | None]) -> int | None:
    """The sum, unless one of them is not known."""
    known = list(sizes)
    return None if None in known else sum(n for n in known if n is not None)
