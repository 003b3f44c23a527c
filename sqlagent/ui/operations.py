"""What a statement does, in words and symbols: a line for each thing that it does to a table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sqlagent.core.nouns.analysis import Basis, Operation, Risk, Size, Statement, Verb
from sqlagent.ui.layout import Align, Line, Role, Span, pad, text_line, wrap
from sqlagent.ui.visible import one_line, width

_SYMBOL = {
    Verb.READ: " ",
    Verb.INSERT: "+",
    Verb.CREATE: "+",
    Verb.UPDATE: "~",
    Verb.ALTER: "~",
    Verb.DELETE: "-",
    Verb.DROP: "-",
    Verb.OTHER: "?",
}
_WORD = {Verb.OTHER: "touch"}
"""What is said for a verb whose own name would say nothing."""
_ROLE = {"+": Role.ADDED, "~": Role.CHANGED, "-": Role.REMOVED, "?": Role.UNSURE, " ": Role.PLAIN}
_WIDEST_NAME = 32
_NO_ROWS_TO_COUNT = frozenset({Verb.READ, Verb.CREATE})


def shown_operations(statement: Statement) -> list[Operation]:
    """What it changes, or what it reads where it changes nothing; never an empty list where that could mean harm."""
    changes = [op for op in statement.operations if op.verb is not Verb.READ]
    if changes or statement.risk is Risk.READ:
        return changes or [op for op in statement.operations if op.size.rows is not None]
    return [Operation(Verb.OTHER, table) for table in statement.writes or ("something it does not name",)]


def operation_lines(
    operations: list[Operation], *, columns: int, after: Mapping[Verb, str] = MappingProxyType({})
) -> list[Line]:
    """One line an operation: symbol, verb, object, rows of rows, where the number is from, cause; `after` ends it."""
    if not operations:
        return [text_line("     changes nothing")]
    cells = [
        (_WORD.get(op.verb, op.verb.value), one_line(op.target), size_words(op), _basis_words(op)) for op in operations
    ]
    verbs, names, sizes, bases = (max(map(width, column)) for column in zip(*cells, strict=True))
    names = min(names, _WIDEST_NAME)
    lines: list[Line] = []
    for op, (verb, name, size, basis) in zip(operations, cells, strict=True):
        symbol = _SYMBOL[op.verb]
        cause = f"  by {one_line(op.via)}" if op.via else after.get(op.verb, "")
        numbers = pad(size, sizes, Align.RIGHT) + (f" {pad(basis, bases)}" if bases else "")
        words = f"{pad(verb, verbs)}  {pad(name, names)}  {numbers}{cause}"
        first, *rest = wrap(words.rstrip(), columns - 7)
        lines.append((Span(f"  {symbol}  ", _ROLE[symbol]), Span(first)))
        lines += [text_line("       " + piece.lstrip()) for piece in rest]
    return lines


def size_words(operation: Operation) -> str:
    """`1,204 of 88,310`; `?` where nobody knows, `-` where there are no rows to count."""
    size = operation.size
    if size == Size() and operation.verb in _NO_ROWS_TO_COUNT:
        return "-"
    rows = "?" if size.rows is None else f"{size.rows:,}"
    return rows if size.of is None else f"{rows} of {size.of:,}"


def basis_word(operation: Operation) -> str:
    """How the number was come by: nothing to say where it is exact, or where there is none."""
    size = operation.size
    return "" if size.rows is None or size.basis is Basis.EXACT else size.basis.value


def _basis_words(operation: Operation) -> str:
    """The same where there is room for it: a newcomer may take a count for what happened."""
    return "(counted, not run)" if basis_word(operation) == Basis.COUNTED.value else basis_word(operation)


def does_words(operation: Operation) -> str:
    """`~ update orders`."""
    verb = _WORD.get(operation.verb, operation.verb.value)
    return f"{_SYMBOL[operation.verb]} {verb:<6} {one_line(operation.target)}"


def role(operation: Operation) -> Role:
    """How a line about it is coloured."""
    return _ROLE[_SYMBOL[operation.verb]]
