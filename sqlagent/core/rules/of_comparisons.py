"""Rules for comparisons that are written well and compare something else than they seem to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from sqlagent.core.analysis.where_bounds import literal_value
from sqlagent.core.nouns.analysis import Severity
from sqlagent.core.nouns.rule import Text, rule

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def is_assignment(node: exp.Expr) -> bool:
    """Whether it is the `a = b` of a SET, which the parser reads as a comparison."""
    return isinstance(node.parent, (exp.Update, exp.OnConflict, exp.When)) and node.arg_key == "expressions"


@rule(Severity.WARNING)
def same_column(text: Text) -> Iterator[str]:
    """A comparison has the same column on both sides.

    Why: a column is equal to itself in every row, so `=` keeps them all and `<>` none. In a sub-select a name without
    its table is taken from the sub-select's own tables first, and then the condition ties nothing to the query around.

    Example: `EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = customer_id)`

    What to do: write the table before both names: `o.customer_id = c.id`.
    """
    for node in text.tree.of(*_COMPARISONS):
        left, right = node.this.unnest(), node.expression.unnest()
        if (
            not is_assignment(node)
            and isinstance(left, exp.Column)
            and isinstance(right, exp.Column)
            and _is_same(left, right)
        ):
            yield f"`{node.sql()[:60]}` compares {right.name} with itself"


def _is_same(left: exp.Column, right: exp.Column) -> bool:
    """Whether both name one column: a bare name beside a qualified one is its, where the sub-select has that table."""
    if left.name.lower() != right.name.lower():
        return False
    tables = {left.table.lower(), right.table.lower()}
    if len(tables) == 1:
        return True
    return "" in tables and (tables - {""}) <= _sources(left)


def _sources(column: exp.Column) -> set[str]:
    select = column.find_ancestor(exp.Select, exp.Update, exp.Delete)
    if select is None:
        return set()
    if not isinstance(select, exp.Select):
        return {select.this.alias_or_name.lower()}
    source = select.args.get("from_")
    parts = [*([source.this] if source is not None else []), *(j.this for j in select.args.get("joins") or [])]
    return {part.alias_or_name.lower() for part in parts}


@rule(Severity.WARNING)
def unquoted_date(text: Text) -> Iterator[str]:
    """A date without quotes is a sum: `2024-01-31` is 1992.

    Why: the minus signs subtract, so the column is compared with a number, which is true of every row or of none.

    Example: `DELETE FROM orders WHERE created_at < 2024-01-31`

    What to do: write the date as text: `'2024-01-31'`.
    """
    for node in text.tree.of(exp.Sub, exp.Div):
        inner = node.this
        parts = [inner.this, inner.expression, node.expression] if type(inner) is type(node) else []
        if not all(isinstance(p, exp.Literal) and not p.is_string for p in parts) or not parts:
            continue
        sign = "-" if isinstance(node, exp.Sub) else "/"
        written = sign.join(str(p.name) for p in parts)
        if _DATE.fullmatch(written):
            yield f"{written} without quotes is a calculation: write it as text, '{written}'"


_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    rf"(?:19|20)\d\d-{_MONTH}-{_DAY}|(?:{_MONTH}/{_DAY}|{_DAY}/{_MONTH})/(?:19|20)\d\d|(?:19|20)\d\d/{_MONTH}/{_DAY}"
)


@rule(Severity.WARNING)
def empty_range(text: Text) -> Iterator[str]:
    """A BETWEEN begins after it ends.

    Why: `x BETWEEN a AND b` asks for a <= x <= b, so with the larger one first it keeps no row; NOT BETWEEN keeps all.

    Example: `SELECT * FROM orders WHERE created_at BETWEEN '2025-01-01' AND '2024-01-01'`

    What to do: write the smaller one first.
    """
    for node in text.tree.of(exp.Between):
        low, high = _edge(node.args["low"]), _edge(node.args["high"])
        symmetric = bool(node.args.get("symmetric"))
        if not symmetric and low is not None and high is not None and type(low) is type(high) and low > high:  # type: ignore[operator]  # of one type
            yield f"`{node.sql()[:80]}` begins after it ends: it keeps no row"


def _edge(node: exp.Expr) -> str | float | None:
    """The value of a number, or of a text that is written as a date: others sort as the column's collation has it."""
    value = literal_value(node)
    return None if isinstance(value, str) and not re.match(r"\d{4}-\d\d(-\d\d)?", value) else value
