"""Rules that the text alone decides: they look at the tree of one statement."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlagent.core.nouns.analysis import Severity
from sqlagent.core.nouns.rule import Text, rule
from sqlagent.core.rules.of_comparisons import is_assignment

_SIGNS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=", exp.Like: "LIKE",
    exp.ILike: "ILIKE",
}  # fmt: skip


@rule(Severity.WARNING)
def equals_null(text: Text) -> Iterator[str]:
    """`= NULL`, `<> NULL` and every other comparison with NULL is never true.

    Why: NULL means unknown, and nothing is known to be equal to the unknown, so the condition keeps no row. The same
    holds for `IN (NULL)`, `BETWEEN NULL AND ...`, `LIKE NULL` and `CASE x WHEN NULL`.

    Example: `DELETE FROM orders WHERE shipped_at = NULL` deletes nothing.

    What to do: write `IS NULL` or `IS NOT NULL`.
    """
    for node in text.tree.of(*_SIGNS):
        left, right = node.this.unnest(), node.expression.unnest()
        if not is_assignment(node) and _is_null(left) is not _is_null(right):
            yield f"`{_sql(left if _is_null(right) else right)} {_SIGNS[type(node)]} NULL` is never true"
        elif _pairs_with_null(left, right):
            yield f"`{_sql(node)}` is never true: it compares with NULL"
    for node in text.tree.of(exp.Between):
        if any(_is_null(node.args[edge].unnest()) for edge in ("low", "high")):
            yield f"`{_sql(node)}` is never true"
    for node in text.tree.of(exp.In):
        if not _is_negated(node) and any(_is_null(e) for e in node.expressions):
            yield f"`{_sql(node)}` finds no row where {_sql(node.this)} is NULL"
    for node in text.tree.of(exp.Case):
        if node.this is not None and any(_is_null(branch.this.unnest()) for branch in node.args["ifs"]):
            yield f"`CASE {_sql(node.this)} WHEN NULL` is never met"


def _is_null(node: exp.Expr) -> bool:
    return isinstance(node, exp.Null)


def _pairs_with_null(left: exp.Expr, right: exp.Expr) -> bool:
    """Whether `(a, b) = (1, NULL)`."""
    both = isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple)
    return both and any(_is_null(e.unnest()) for e in (*left.expressions, *right.expressions))


def _is_negated(node: exp.Expr) -> bool:
    """Whether it stands in a NOT, where `null_in_not_in` speaks of it."""
    parent = node.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return isinstance(parent, exp.Not)


@rule(Severity.WARNING)
def null_in_not_in(text: Text) -> Iterator[str]:
    """NOT IN over values that may be NULL keeps no row at all.

    Why: `x NOT IN (1, NULL)` asks whether x differs from the unknown, which is never true. One NULL that a sub-query
    returns empties the whole result.

    Example: `SELECT * FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)` where one order has none.

    What to do: `NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = customers.id)`, or add `IS NOT NULL` inside.
    """
    for node in text.tree.of(exp.Not):
        inside = node.this.unnest()
        if not isinstance(inside, exp.In):
            continue
        if any(isinstance(e, exp.Null) for e in inside.expressions):
            yield f"`{_sql(inside.this)} NOT IN (..., NULL)` is never true"
        query = inside.args.get("query")
        if query is not None and (column := _nullable(query.unnest())):
            yield f"`{_sql(inside.this)} NOT IN (SELECT {column} ...)` keeps no row if one {column} is NULL"


def _nullable(query: exp.Expr) -> str:
    """The one column of a sub-query that nothing keeps from being NULL; keys are taken to be filled."""
    if not isinstance(query, exp.Select) or len(query.expressions) != 1:
        return ""
    column = query.expressions[0].unalias()
    if (
        not isinstance(column, exp.Column)
        or isinstance(column.this, exp.Star)
        or column.name.lower() in ("id", "rowid")
    ):
        return ""
    where = query.args.get("where")
    mentioned = where is not None and any(c.name.lower() == column.name.lower() for c in where.find_all(exp.Column))
    return "" if mentioned or query.args.get("group") else column.name


@rule(Severity.NOTE)
def like_without_wildcard(text: Text) -> Iterator[str]:
    """LIKE without `%` or `_` is an equality in disguise.

    Why: usually the wildcard was forgotten, and the pattern finds less than was meant.

    Example: `WHERE name LIKE 'Smith'` does not find `Smithson`.

    What to do: add the wildcard, or write `=`.
    """
    for node in text.tree.of(exp.Like, exp.ILike):
        pattern = node.expression
        if isinstance(pattern, exp.Literal) and pattern.is_string and not set(pattern.name) & {"%", "_", "\\"}:
            yield f"LIKE {pattern.sql()} has no wildcard: it finds nothing longer"


@rule(Severity.WARNING)
def and_or_mixed(text: Text) -> Iterator[str]:
    """AND and OR stand side by side in the WHERE of a write, without brackets.

    Why: AND binds tighter than OR, so the condition may keep many more rows than it seems to.

    Example: `DELETE FROM users WHERE active = 0 AND country = 'DE' OR country = 'AT'` deletes active Austrians.

    What to do: put brackets around what belongs together.
    """
    root = text.tree.root
    where = root.args.get("where") if isinstance(root, (exp.Update, exp.Delete)) else None
    if where is None:
        return
    for node in where.find_all(exp.Or):
        if isinstance(node.this, exp.And) or isinstance(node.expression, exp.And):
            yield "AND and OR are mixed without brackets: AND binds first"
            return


@rule(Severity.WARNING)
def double_quoted_string(text: Text) -> Iterator[str]:
    """Double quotes make a name; SQLite silently takes it as text where there is no such column.

    Why: a misspelled column becomes a constant, so a condition is true of all rows or of none, without an error.

    Example: `DELETE FROM users WHERE name = "Ann"` compares with the column `Ann` if there is one, else with text;
    `WHERE "nmae" = 'Ann'` is never true.

    What to do: 'single quotes' for text, double quotes for names.
    """
    if text.dialect != "sqlite":
        return
    for column in text.tree.of(exp.Column):
        name = column.this
        quoted = isinstance(name, exp.Identifier) and name.args.get("quoted") and not column.table
        if quoted and f'"{name.name}"' in text.opinion.sql and _stands_for_a_value(column):
            yield f'"{name.name}" in double quotes is a column if there is one of that name, and else text'


def _stands_for_a_value(column: exp.Column) -> bool:
    parent = column.parent
    if isinstance(parent, (exp.EQ, exp.NEQ, exp.Like, exp.GT, exp.LT, exp.GTE, exp.LTE)):
        return column.arg_key == "expression"
    if isinstance(parent, exp.In):
        return column.arg_key == "expressions"
    return isinstance(parent, exp.Tuple) and isinstance(parent.parent, exp.Values)


@rule(Severity.WARNING)
def limit_without_order(text: Text) -> Iterator[str]:
    """A write takes the first rows of an order that is not given.

    Why: which rows come first without ORDER BY is for the engine to choose, and may differ from one run to the next.

    Example: `DELETE FROM logs LIMIT 1000`, `INSERT INTO sample SELECT * FROM users LIMIT 100`.

    What to do: add an ORDER BY over columns that leave no tie.
    """
    root = text.tree.root
    limited = root.expression if isinstance(root, exp.Insert) else root
    if not isinstance(root, (exp.Update, exp.Delete, exp.Insert)) or not isinstance(limited, exp.Expr):
        return
    if limited.args.get("limit") is not None and limited.args.get("order") is None:
        yield "LIMIT without ORDER BY: which rows it takes is left to chance"


@rule(Severity.NOTE)
def update_without_effect(text: Text) -> Iterator[str]:
    """An UPDATE sets a column to itself.

    Why: the row stays as it is, though triggers fire and `changes` counts it; usually a value was forgotten.

    Example: `UPDATE users SET email = email WHERE id = 3`

    What to do: set the value that was meant, or leave the column out.
    """
    if not isinstance(text.tree.root, exp.Update):
        return
    for assignment in text.tree.root.expressions:
        if isinstance(assignment, exp.EQ) and assignment.this == assignment.expression:
            yield f"sets {assignment.this.name} to itself"


def _sql(node: exp.Expr) -> str:
    return node.sql()[:60]
