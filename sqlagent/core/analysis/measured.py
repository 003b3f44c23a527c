"""An analysis with the numbers that the database measured in the place of those that were counted or unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sqlagent.core.nouns.analysis import Analysis, Operation, Size, Statement
from sqlagent.core.nouns.effect import Effect, Measurement, Touched, Undoable
from sqlagent.core.nouns.rule import Tried
from sqlagent.core.nouns.verbs import Basis, Verb

WOULD_FAIL = "it would fail"
"""How the reason begins for which a script that the database refused half-way was not measured."""
_FAILS_AT = re.compile(rf"{WOULD_FAIL} at statement (\d+)")
_ROWS = frozenset({Verb.INSERT, Verb.UPDATE, Verb.DELETE})
_KNOWN = frozenset({Basis.EXACT, Basis.COUNTED})
"""What a statement was tried for: rows that were read out, or counted where they may not be read."""


def direct_size(effect: Effect, statement: Statement) -> Size:
    """How many rows the statement's own words change, of how many, for the rules that look at numbers."""
    if effect.basis not in _KNOWN:
        return Size()
    own = [t for t in effect.touched if not t.via and t.table.lower() == statement.object.lower()]
    base = next((t.of for t in own if t.of is not None), None)
    return Size(sum(t.rows for t in own), base, effect.basis) if own else Size()


def with_effects(analysis: Analysis, measurement: Measurement) -> Analysis:
    """The same statements with measured operations, and without the warning of what can be undone after all."""
    paired = zip(analysis.statements, measurement.effects, strict=True)
    return Analysis(tuple(_measured(statement, effect, measurement.undo) for statement, effect in paired))


def found_by(measurement: Measurement) -> list[Tried]:
    """What the rules are told of each statement: its effect, or why it is not known.

    A script that would fail changes nothing, so that its effect is not known makes it no worse.
    """
    known = measurement.is_exact or would_fail(measurement)
    return [
        Tried(effect=effect, unmeasured="" if known or effect.basis is Basis.EXACT else effect.why or measurement.how)
        for effect in measurement.effects
    ]


def would_fail(measurement: Measurement) -> bool:
    """Whether the database refused it where it was tried."""
    return measurement.how.startswith(WOULD_FAIL)


def with_line(measurement: Measurement, analysis: Analysis) -> Measurement:
    """What would fail `at statement 3` fails `at statement 3, line 7`."""
    if (found := _FAILS_AT.match(measurement.how)) is None or not 0 < int(found[1]) <= len(analysis.statements):
        return measurement
    line = analysis.statements[int(found[1]) - 1].line
    said = f"{found[0]}, line {line}{measurement.how[found.end() :]}"
    effects = tuple(replace(e, why=said) if e.why == measurement.how else e for e in measurement.effects)
    return replace(measurement, effects=effects, how=said, undo_why=f"it was not measured: {said}")


def capped(measurement: Measurement, analysis: Analysis) -> Measurement:
    """What could not be measured, with what was counted instead: the run is held to that many rows.

    A statement that works on what an earlier one writes was counted too soon, and one that chance rules cannot be.
    """
    effects, written = [], set[str]()
    for effect, statement in zip(measurement.effects, analysis.statements, strict=True):
        own = next((o for o in statement.operations if o.verb in _ROWS and not o.via), None)
        depends = own is not None and not written.isdisjoint(t.lower() for t in (own.target, *statement.reads))
        bindable = effect.basis is not Basis.ESTIMATED and not depends
        if effect.basis is Basis.EXACT:  # measured before what came after it could not be
            effect = replace(effect, basis=Basis.COUNTED)
        elif own and own.size.rows is not None and own.size.basis is Basis.COUNTED and bindable:
            touched = Touched(own.target, own.verb, own.size.rows, own.size.of)
            effect = replace(effect, basis=Basis.COUNTED, touched=(touched,))
        effects.append(effect)
        written.update(t.lower() for t in statement.writes)
    return replace(measurement, effects=tuple(effects))


def operations_known(statement: Statement, effect: Effect | None) -> tuple[Operation, ...]:
    """What both opinions expect of a statement, and what else came of it where it was measured.

    An engine whose opinion says nothing of triggers and foreign keys shows in the measurement alone what they write.
    """
    if effect is None or effect.basis not in _KNOWN:
        return statement.operations
    return tuple(_operations(statement, effect))


def _measured(statement: Statement, effect: Effect, undo: Undoable) -> Statement:
    findings = statement.findings
    if undo is Undoable.EXACT:
        findings = tuple(f for f in findings if f.rule != "no-undo")
    return replace(statement, findings=findings, operations=operations_known(statement, effect))


def _operations(statement: Statement, effect: Effect) -> Iterator[Operation]:
    """What happened first, then what could have happened and did not, then what is read."""
    left = list(effect.touched)
    for operation in statement.operations:
        if operation.verb not in _ROWS:
            continue
        mine = [t for t in left if _same(t, operation)]
        left = [t for t in left if t not in mine]
        base = next((t.of for t in mine if t.of is not None), operation.size.of)
        yield replace(operation, size=Size(sum(t.rows for t in mine), base, effect.basis))
    for t in left:
        yield Operation(t.verb, t.table, t.via, Size(t.rows, t.of, effect.basis))
    shapes = {(o.verb, o.name.lower()): o for o in effect.objects}
    for operation in statement.operations:
        if operation.verb in _ROWS:
            continue
        shape = shapes.pop((operation.verb, operation.target.lower()), None)
        rows = shape.rows if shape else None
        yield operation if rows is None else replace(operation, size=Size(rows, rows, effect.basis))
    for shape in shapes.values():
        size = Size() if shape.rows is None else Size(shape.rows, shape.rows, effect.basis)
        yield Operation(shape.verb, shape.name, "", size)


def _same(touched: Touched, operation: Operation) -> bool:
    return (touched.verb, touched.table.lower(), touched.via) == (
        operation.verb,
        operation.target.lower(),
        operation.via,
    )
