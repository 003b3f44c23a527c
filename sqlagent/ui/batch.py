"""Several statements before a person: a line for each thing they do, many alike in one, and which are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlagent.core.approval.batch import Alike, alike, need_words, needs, spans, total
from sqlagent.core.nouns.analysis import Analysis, Basis, Operation, Size, Statement, Verb
from sqlagent.core.nouns.session import Proposal
from sqlagent.ui.layout import Block, Line, Role, Span, pad, paragraph, text_line, wrap
from sqlagent.ui.operations import basis_word, does_words, role, shown_operations, size_words
from sqlagent.ui.visible import one_line, width

_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql"}
_MOST_MESSAGES = 3
"""Wordings of one rule's finding on alike statements that are told; past that the first one stands for them."""
_NARROWEST = 20


def dialect_of(proposal: Proposal) -> str:
    """Whose rules cut the SQL into words; SQLite's where it is not known, which only makes fewer statements alike."""
    scheme = proposal.target.partition(":")[0]
    named = _DIALECTS.get(scheme, scheme)
    return named if named in ("sqlite", "postgres", "mysql", "duckdb") else "sqlite"


def batch_lines(groups: Sequence[Alike], columns: int) -> list[Line]:
    """The table of what a batch does: numbers, what is done, rows, risk; a sample where many are alike."""
    shown = [(group, list(_summed(group))) for group in groups]
    places = max((len(group.numbers) for group in groups), default=1)
    sizes = max([len("rows"), *(len(rows) for _, cells in shown for _, rows in cells)])
    room = max(columns - places - sizes - 15, _NARROWEST)
    does = min(max([len("does"), *(width(does_words(op)) for _, cells in shown for op, _ in cells)]), room)
    lines = [text_line(f"  {'#':>{places}}  {'does':<{does}}  {'rows':>{sizes}}  risk")]
    indent = " " * (places + 13)
    for group, cells in shown:
        number, risk = group.numbers, group.first.risk.name
        for op, rows in cells:
            first, *rest = wrap(does_words(op), does)
            end = f"  {rows:>{sizes}}  {risk}".rstrip()
            lines.append((Span(f"  {number:>{places}}  "), Span(pad(first.rstrip(), does), role(op)), Span(end)))
            lines += [text_line(indent + piece.strip()) for piece in rest]
            lines += paragraph(f"by {one_line(op.via)}", columns, first=indent, rest=indent) if op.via else []
            number = risk = ""
        if len(group.statements) > 1:
            start = " " * (places + 6)
            lines.append(text_line(f"{start}e.g. {_sample(group.first.sql, columns - len(start) - 6)}", Role.FAINT))
    return lines


def _summed(group: Alike) -> Iterator[tuple[Operation, str]]:
    """Each thing that the statements of a group do, and to how many rows."""
    each = [shown_operations(s) or [_read(s)] for s in group.statements]
    if len(each) == 1:
        yield from ((op, " ".join(filter(None, (size_words(op), basis_word(op))))) for op in each[0])
        return
    for ops in zip(*each, strict=False):
        yield ops[0], _rows_of(ops)


def _rows_of(operations: Sequence[Operation]) -> str:
    """`1 each, 200 of 88,310 in all`."""
    first = operations[0]
    if all(size_words(op) == "-" for op in operations):
        return "-"
    counts = [op.size.rows for op in operations]
    rows = total(counts)
    if rows is None:
        return "?"
    known = [count or 0 for count in counts]
    each = f"{known[0]:,}" if min(known) == max(known) else f"{min(known):,} to {max(known):,}"
    of = "" if first.size.of is None else f" of {first.size.of:,}"
    worst = next((op for op in operations if op.size.basis is not Basis.EXACT), first)
    return f"{each} each, {rows:,}{of} in all {basis_word(worst)}".rstrip()


def _sample(sql: str, room: int) -> str:
    """A statement on one line; where it is too long its middle is left out, for its WHERE stands at the end."""
    line = one_line(" ".join(sql.split()))
    if width(line) <= room:
        return line
    head = line[: max(room // 3, 8)]
    tail = line[-max(room - len(head) - 5, 8) :]
    return f"{head.rpartition(' ')[0] or head} ... {tail.partition(' ')[2] or tail}"


def _read(statement: Statement) -> Operation:
    return Operation(Verb.READ, ", ".join(statement.reads) or "no table", "", Size())


def finding_lines(groups: Sequence[Alike], columns: int, *, several: bool) -> list[Line]:
    """Every finding, with the numbers of the statements that have it where there are `several`."""
    lines: list[Line] = []
    for group in groups:
        told: dict[str, dict[str, list[int]]] = {}
        for statement in group.statements:
            for finding in statement.findings:
                told.setdefault(finding.rule, {}).setdefault(finding.message, []).append(statement.index)
        for rule, messages in told.items():
            lines += _told(rule, messages, columns, several=several)
        if denied := group.first.denied:
            words = "the policy denies this; nobody can approve it"
            place = f"{group.numbers}: " if several else ""
            lines += paragraph(f"! {place}{words}  [{denied}]", columns)
    return lines


def _told(rule: str, messages: Mapping[str, list[int]], columns: int, *, several: bool) -> list[Line]:
    if len(messages) <= _MOST_MESSAGES:
        places = [f"{spans(numbers)}: " if several else "" for numbers in messages.values()]
        found = [f"! {place}{message}  [{rule}]" for place, message in zip(places, messages, strict=True)]
        return [line for words in found for line in paragraph(words, columns)]
    (message, first), *others = messages.items()
    numbers = spans([n for _, more in others for n in more])
    return paragraph(f"! {spans(first)}: {message}  [{rule}], and much the same of {numbers}", columns)


def groups_of(proposal: Proposal) -> list[Alike]:
    """The statements, those together that are told in one line."""
    return list(alike(proposal.analysis.statements, dialect_of(proposal)))


def several_lines(proposal: Proposal, numbers: Sequence[int], *, columns: int) -> Block:
    """The statements of these numbers one by one, each with its whole SQL and what it does."""
    lines: list[Line] = []
    for number in numbers:
        statement = proposal.analysis.statements[number - 1]
        for index, text in enumerate(statement.sql.split("\n")):
            start = f"  {number:>5}  " if index == 0 else " " * 9
            lines += paragraph(text, columns, first=start, rest=" " * 9)
        for op, rows in _summed(Alike((statement,))):
            via = f"  by {one_line(op.via)}" if op.via else ""
            lines += paragraph(f"{does_words(op)}  {rows}{via}  {statement.risk.name}", columns, first=" " * 11)
        lines += [
            line
            for finding in statement.findings
            for line in paragraph(f"! {finding.message}  [{finding.rule}]", columns, first=" " * 11, rest=" " * 13)
        ]
    return Block(tuple(lines))


def part_lines(proposal: Proposal, out: Mapping[int, str], *, columns: int) -> Block:
    """The block again in short once statements are marked: those that are out, what is left, and what needs what."""
    statements = proposal.analysis.statements
    kept = [s for s in statements if s.index not in out]
    lines: list[Line] = []
    for why, numbers in _by_reason(out).items():
        tables = dict.fromkeys(one_line(t) for n in numbers for t in _touched(statements[n - 1]))
        because = f": {why}" if why else ""
        lines += paragraph(f"out   {spans(numbers)}  {', '.join(tables)}{because}", columns, rest=" " * 8)
    if kept:
        risk = Analysis(tuple(kept)).risk.name
        tables = dict.fromkeys(one_line(t) for s in kept for t in _touched(s))
        left = f"left  {spans([s.index for s in kept])}  {', '.join(tables)}: {risk}"
        lines += paragraph(left, columns, rest=" " * 8)
    for need in needs(statements, out):
        mark = "! " if need.is_hard else "  "
        lines += paragraph(f"{mark}{need_words(need, statements)}", columns)
    if proposal.approvals and out:
        lines += paragraph("! the approvals so far were of the whole: what is left begins at stage 1 again", columns)
    return Block(tuple(lines))


def _by_reason(out: Mapping[int, str]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = {}
    for number, why in sorted(out.items()):
        grouped.setdefault(why, []).append(number)
    return grouped


def _touched(statement: Statement) -> Sequence[str]:
    return [" ".join(does_words(op).split()) for op in shown_operations(statement) or [_read(statement)] if not op.via]
