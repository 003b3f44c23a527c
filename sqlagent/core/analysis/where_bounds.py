"""Whether the WHERE of an UPDATE or DELETE keeps any row out."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from sqlagent.core.nouns.analysis import Bound

_COMPARE: dict[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.Is: operator.eq,
    exp.NullSafeEQ: operator.eq,
}
_KEEPS_EQUAL = (exp.EQ, exp.LTE, exp.GTE, exp.Is, exp.NullSafeEQ, exp.Like, exp.ILike, exp.Glob)
_TEXT_NAMES = (
    "name",
    "email",
    "mail",
    "title",
    "text",
    "city",
    "country",
    "address",
    "role",
    "token",
    "phone",
    "slug",
    "url",
)


def bound(tree: exp.Expr, dialect: str) -> Bound:
    """What the WHERE of an UPDATE or DELETE is worth; a LIMIT bounds too."""
    if not isinstance(tree, (exp.Update, exp.Delete)):
        return Bound.NOT_APPLICABLE
    if tree.args.get("limit") is not None:
        return Bound.BOUNDED
    where = tree.args.get("where")
    if where is None:
        joined = tree.args.get("from_") or tree.args.get("using") or (tree.this and tree.this.args.get("joins"))
        return Bound.BOUNDED if joined and _join_bounds(tree) else Bound.ABSENT
    target = tree.this.name if tree.this is not None else ""
    return Bound.ALWAYS_TRUE if truth(where.this, dialect, target) is True else Bound.BOUNDED


def _join_bounds(tree: exp.Expr) -> bool:
    return any(j.args.get("on") is not None or j.args.get("using") for j in tree.find_all(exp.Join))


def truth(node: exp.Expr, dialect: str, target: str = "") -> bool | None:
    """True or False where a condition is the same for every row (NULLs aside), else None."""
    node = node.unnest()
    if isinstance(node, exp.Or):
        sides = [truth(s, dialect, target) for s in node.flatten()]
        return True if True in sides else (False if all(s is False for s in sides) else None)
    if isinstance(node, exp.And):
        sides = [truth(s, dialect, target) for s in node.flatten()]
        return False if False in sides else (True if all(s is True for s in sides) else None)
    if isinstance(node, exp.Not):
        inner = truth(node.this, dialect, target)
        return None if inner is None else not inner
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    value = literal_value(node)
    if value is not None:
        return _truthy(value)
    if isinstance(node, exp.Binary):
        return _comparison(node, dialect)
    if isinstance(node, exp.Between):
        return _same_for_all([node.this, node.args["low"], node.args["high"]])
    if isinstance(node, exp.In):
        return _membership(node, target)
    if isinstance(node, exp.Exists):
        query = node.this
        return (
            True
            if isinstance(query, exp.Select) and query.args.get("from_") is None and not query.args.get("where")
            else None
        )
    return None


def _same_for_all(nodes: list[exp.Expr]) -> bool | None:
    if all(n == nodes[0] for n in nodes):
        return True
    values = [literal_value(n) for n in nodes]
    if any(v is None for v in values) or len({type(v) for v in values}) > 1:
        return None
    return bool(values[1] <= values[0] <= values[2])  # type: ignore[operator]  # all of one type, checked above


def literal_value(node: exp.Expr) -> str | float | None:
    """The value of a literal, signs and brackets aside."""
    node = node.unnest()
    if isinstance(node, exp.Neg):
        value = literal_value(node.this)
        return -value if isinstance(value, float) else None
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string:
        return str(node.this)
    try:
        return float(node.this)
    except ValueError:
        return None


def _truthy(value: str | float) -> bool:
    if isinstance(value, float):
        return value != 0
    return value.strip().lower() in ("t", "true", "y", "yes", "on") or value[:1] in tuple("123456789")


def _comparison(node: exp.Binary, dialect: str) -> bool | None:
    left, right = node.this.unnest(), node.expression.unnest()
    if left == right and _steady(left):
        return True if isinstance(node, _KEEPS_EQUAL) else None
    if isinstance(node, (exp.Like, exp.ILike, exp.Glob)) and isinstance(right, exp.Literal):
        wildcard = "*" if isinstance(node, exp.Glob) else "%"
        return True if right.name and set(right.name) == {wildcard} else None
    a, b = literal_value(left), literal_value(right)
    if a is not None and b is not None and type(a) is type(b) and type(node) in _COMPARE:
        return _COMPARE[type(node)](a, b)
    if dialect == "sqlite" and isinstance(node, exp.EQ) and _same_word(left, right):
        return True
    if dialect == "mysql" and isinstance(node, exp.EQ) and _text_is_zero(left, right):
        return True
    return None


def _steady(node: exp.Expr) -> bool:
    """Whether it has one value for a row: `random() = random()` has not."""
    return not any(isinstance(n, (exp.Func, exp.Query)) and not isinstance(n, exp.Cast) for n in node.walk())


def _same_word(left: exp.Expr, right: exp.Expr) -> bool:
    """`"typo" = 'typo'`: SQLite reads the first as a string where there is no such column."""
    quoted = isinstance(left, exp.Column) and not left.table and left.this.args.get("quoted")
    return bool(quoted and isinstance(right, exp.Literal) and right.is_string and left.name == right.name)


def _text_is_zero(left: exp.Expr, right: exp.Expr) -> bool:
    """`name = 0`: MySQL turns text into the number it starts with, which for most text is 0."""
    text = isinstance(left, exp.Column) and left.name.lower().endswith(_TEXT_NAMES)
    return text and isinstance(right, exp.Literal) and not right.is_string and literal_value(right) == 0.0


def _membership(node: exp.In, target: str) -> bool | None:
    if any(e == node.this for e in node.expressions):
        return True
    query = node.args.get("query")
    query = query.this if isinstance(query, exp.Subquery) else query
    if not isinstance(query, exp.Select) or len(query.expressions) != 1 or not isinstance(node.this, exp.Column):
        return None
    source = query.args.get("from_")
    narrowed = any(query.args.get(k) for k in ("where", "joins", "group", "having", "limit", "offset", "distinct_on"))
    same = isinstance(query.expressions[0], exp.Column) and query.expressions[0].name.lower() == node.this.name.lower()
    table = source.this if source is not None else None
    whole = isinstance(table, exp.Table) and table.name.lower() == target.lower()
    return True if same and whole and not narrowed else None
