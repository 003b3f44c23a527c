"""What a measured effect looks like: what breaks, whether it can be undone, and rows before and after."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from sqlagent.core.nouns.effect import Cell, Measurement, Moved, Sample, Undoable, Value
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.core.text.counted import counted
from sqlagent.ui.layout import Line, paragraph, text_line
from sqlagent.ui.visible import cell, one_line

_WIDEST_VALUE = 60
_FAILS = "it would fail"


def measured_lines(measurement: Measurement, columns: int) -> list[Line]:
    """What stands below the findings: what would fail or break, how it was measured, and the word on undo."""
    lines: list[Line] = []
    for effect in measurement.effects:
        for broken in effect.breaks:
            lines += paragraph(f"! breaks {one_line(broken)}  [schema-change]", columns)
    whys = dict.fromkeys(e.why for e in measurement.effects if e.basis is not Basis.EXACT and e.why)
    for why in whys or ({} if measurement.is_exact else {measurement.how: None}):
        fails = "" if measurement.is_exact or why.startswith(_FAILS) else "not measured: "
        lines += paragraph(f"! {fails}{one_line(why)}", columns)
    lines += paragraph(undo_words(measurement), columns)
    moved = moved_words(measurement.moved)
    return lines + (paragraph(moved, columns) if moved else [])


def moved_words(moved: Sequence[Moved]) -> str:
    """`sequence orders_id_seq moves on by 12, whether or not it is run`; empty where none does."""
    by = [f" by {each.by:,}" if each.by else "" for each in moved]
    told = [one_line(each.sequence) + words for each, words in zip(moved, by, strict=True)]
    match told:
        case []:
            return ""
        case [_]:
            return f"sequence {one_line(moved[0].sequence)} moves on{by[0]}{_KEPT}"
        case _:
            more = f" and {len(told) - _SEQUENCES:,} more" if len(told) > _SEQUENCES else ""
            return f"sequences move on: {', '.join(told[:_SEQUENCES])}{more}{_KEPT}"


_SEQUENCES = 5
_KEPT = ", whether or not it is run"


def undo_words(measurement: Measurement) -> str:
    """`undo: exact (2,391 rows, 310 KB)`, `undo: NO, ...`."""
    because = f", {one_line(measurement.undo_why)}" if measurement.undo_why else ""
    size = f", {size_words(measurement.size)}" if measurement.size else ""  # none where rows come and go with tables
    rows = f" ({counted(measurement.changes, 'row')}{size})"
    match measurement.undo:
        case Undoable.EXACT:
            return f"undo: exact{rows if measurement.changes else ''}"
        case Undoable.EXPECTED:
            return f"undo: expected, not tried{because}{rows if measurement.changes else ''}"
        case Undoable.PARTIAL:
            return f"undo: partial{because}"
        case Undoable.NONE if _FAILS in measurement.undo_why:
            return "undo: nothing to undo, since it would fail"
        case Undoable.NONE:
            return f"undo: NO{because}"


def sample_lines(measurement: Measurement, *, columns: int) -> list[Line]:
    """A few of the rows, table by table, with what each changed column was and would be."""
    samples = [s for effect in measurement.effects for s in effect.samples]
    lines: list[Line] = []
    for (table, verb), group in groupby(samples, key=lambda s: (s.table, s.verb)):
        rows = list(group)
        total = sum(t.rows for e in measurement.effects for t in e.touched if (t.table, t.verb) == (table, verb))
        arrow = "before -> after" if verb is Verb.UPDATE else ""
        title = f"sample, {len(rows)} of {counted(total, 'row')} of {one_line(table)} {_PAST[verb]}"
        lines.append(text_line(f"    {title:<44}{arrow}".rstrip()))
        for row in rows:
            lines += paragraph(_row(row), columns, first="      ", rest="          ")
    return lines


_PAST = {Verb.INSERT: "inserted", Verb.UPDATE: "updated", Verb.DELETE: "deleted"}


def _row(sample: Sample) -> str:
    key = ", ".join(f"{one_line(name)} {_value(value)}" for name, value in sample.key)
    names = {name for name, _ in sample.key}
    cells = [_change(sample.verb, c) for c in sample.cells if sample.verb is Verb.UPDATE or c.column not in names]
    return "   ".join(filter(None, [key, *cells]))


def _change(verb: Verb, changed: Cell) -> str:
    name = one_line(changed.column)
    match verb:
        case Verb.INSERT:
            return f"{name} {_value(changed.after)}"
        case Verb.DELETE:
            return f"{name} {_value(changed.before)}"
        case _:
            return f"{name}  {_value(changed.before)} -> {_value(changed.after)}"


def _value(value: Value) -> str:
    """`''` is an empty text: before an arrow nothing cannot be seen."""
    match value:
        case "":
            return "''"
        case dict() if "$blob" in value:
            size = f"... ({int(value['$bytes']):,} bytes)" if "$bytes" in value else ""
            return f"x'{value['$blob']}'{size}"
        case dict():
            return one_line(value.get("$number", ""))
        case _:
            return cell(value, limit=_WIDEST_VALUE)


def size_words(size: int) -> str:
    """A number of bytes in decimal units, rounded: `12 MB`."""
    for limit, unit in ((1_000_000, "MB"), (1_000, "KB")):
        if size >= limit:
            return f"{size / limit:,.0f} {unit}"
    return f"{size} bytes"
