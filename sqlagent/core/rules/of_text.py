"""Rules that the text alone decides: they look at the tree of one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp

from sqlagent.core.analysis.where_bounds import truth
from sqlagent.core.nouns.analysis import Severity
from sqlagent.core.nouns.rule import Text, rule


@rule(Severity.WARNING)
def equals_null(text: Text) -> Iterator[str]:
    """`= NULL` and `<> NULL` are never true.

    Why: NULL means unknown, and nothing is known to be equal to the unknown, so the condition keeps no row.

    Example: `DELETE FROM orders WHERE shipped_at = NULL` deletes nothing.

    What to do: write `IS NULL` or `IS NOT NULL`.
    """
    for node in text.tree.of(exp.EQ, exp.NEQ):
        assigns = isinstance(node.parent, (exp.Update, exp.OnConflict, exp.When)) and node.arg_key == "expressions"
        if not assigns and isinstance(node.this, exp.Null) is not isinstance(node.expression, exp.Null):
            other = node.this if isinstance(node.expression, exp.Null) else node.expression
            yield f"`{_sql(other)} {'=' if isinstance(node, exp.EQ) else '<>'} NULL` is never true"


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
def cartesian_join(text: Text) -> Iterator[str]:
    """Two tables are joined without a condition between them.

    Why: every row of one meets every row of the other: 10,000 by 10,000 rows are 100 million.

    Example: `SELECT * FROM orders o, customers c WHERE o.total > 100`

    What to do: join on the columns that belong together; where all pairs are meant, say so with CROSS JOIN.
    """
    for statement in text.tree.of(exp.Select, exp.Update, exp.Delete):
        loose = _unconnected(statement, says_cross=" CROSS " in f" {' '.join(text.opinion.sql.upper().split())} ")
        if len(loose) > 1:
            yield f"nothing connects {loose[0]} and {loose[1]}: every row of one meets every row of the other"


def _unconnected(statement: exp.Expr, *, says_cross: bool) -> list[str]:
    """One source out of each group that conditions connect; a single name where all is well or cannot be told."""
    sources, joins = _joined(statement)
    if len(sources) < 2 or any(_intended(j, says_cross=says_cross) for j in joins):
        return []
    if not all(isinstance(s, exp.Table) and isinstance(s.this, exp.Identifier) for s in sources):
        return []
    groups = {s.alias_or_name.lower(): {s.alias_or_name.lower()} for s in sources}
    where = statement.args.get("where")
    conditions = [j.args["on"] for j in joins if j.args.get("on") is not None] + ([where.this] if where else [])
    for condition in conditions:
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            named = {c.table.lower() for c in part.find_all(exp.Column)}
            if "" in named and len(set(part.find_all(exp.Column))) > 1:
                return []
            _connect(groups, named & groups.keys())
    distinct = {id(g): min(g) for g in groups.values()}
    return sorted(distinct.values())


def _joined(statement: exp.Expr) -> tuple[list[exp.Expr], list[exp.Join]]:
    """What it reads or changes together, and the joins: of an UPDATE or DELETE with what its FROM or USING names."""
    source = statement.args.get("from_")
    if isinstance(statement, exp.Select):
        joins = statement.args.get("joins") or []
        return ([source.this, *(j.this for j in joins)] if source is not None else []), joins
    others = [source.this] if source is not None else statement.args.get("using") or []
    joins = [join for other in others for join in other.args.get("joins") or []]
    return [statement.this, *others, *(j.this for j in joins)], joins


def _intended(join: exp.Join, *, says_cross: bool) -> bool:
    """CROSS JOIN says that all pairs are meant; NATURAL and USING connect by name.

    To the parser SQLite's comma is a CROSS JOIN too, so the word has to be there.
    """
    always = join.args.get("on") is not None and truth(join.args["on"], "") is True
    natural = str(join.args.get("method") or "").upper() == "NATURAL"
    cross = says_cross and str(join.args.get("kind") or "").upper() == "CROSS"
    return always or natural or bool(join.args.get("using")) or cross


def _connect(groups: dict[str, set[str]], names: Iterable[str]) -> None:
    merged = set().union(*(groups[n] for n in names))
    for name in merged:
        groups[name] = merged


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
