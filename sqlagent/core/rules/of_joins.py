"""The rule for tables that are read together, and that nothing connects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp

from sqlagent.core.nouns.analysis import Severity
from sqlagent.core.nouns.rule import Text, rule


@rule(Severity.WARNING)
def cartesian_join(text: Text) -> Iterator[str]:
    """Two tables are joined without a condition between them.

    Why: every row of one meets every row of the other: 10,000 by 10,000 rows are 100 million. `ON 1 = 1` and a JOIN
    that has no ON at all are no condition.

    Example: `SELECT * FROM orders o, customers c WHERE o.total > 100`

    What to do: join on the columns that belong together; where all pairs are meant, say so with CROSS JOIN.
    """
    says_cross = " CROSS " in f" {' '.join(text.opinion.sql.upper().split())} "
    ours = {cte.alias_or_name.lower() for cte in text.tree.of(exp.CTE)}
    for statement in text.tree.of(exp.Select, exp.Update, exp.Delete):
        loose = _unconnected(statement, ours, says_cross=says_cross)
        if len(loose) > 1:
            yield f"nothing connects {loose[0]} and {loose[1]}: every row of one meets every row of the other"


def _unconnected(statement: exp.Expr, ours: set[str], *, says_cross: bool) -> list[str]:
    """One table out of each group that conditions connect; a single name where all is well or cannot be told.

    What is made up on the spot, a sub-select, a function or a WITH query (`ours`), often has one row: it may stand
    alone, and connects others that it is compared with.
    """
    sources, joins = _joined(statement)
    names = [source.alias_or_name.lower() for source in sources]
    if len(sources) < 2 or not all(names):
        return []
    groups = {name: {name} for name in names}
    for join in joins:
        if _is_intended(join, says_cross=says_cross):
            _connect(groups, names[: names.index(join.this.alias_or_name.lower()) + 1])
    if not _read_conditions(statement, joins, groups):
        return []
    tables = {n for n, s in zip(names, sources, strict=True) if _is_table(s, ours)}
    distinct = {id(group): min(group & tables) for group in groups.values() if group & tables}
    return sorted(distinct.values())


def _read_conditions(statement: exp.Expr, joins: list[exp.Join], groups: dict[str, set[str]]) -> bool:
    """Connect what the conditions connect; False where a name without its table leaves it open."""
    where = statement.args.get("where")
    conditions = [j.args["on"] for j in joins if j.args.get("on") is not None] + ([where.this] if where else [])
    fixed: dict[exp.Expr, list[str]] = {}
    for condition in conditions:
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            columns = set(part.find_all(exp.Column))
            named = {c.table.lower() for c in columns}
            if "" in named and len(columns) > 1:
                return False
            _connect(groups, named & groups.keys())
            if isinstance(part, exp.EQ) and isinstance(part.expression, (exp.Literal, exp.Placeholder)):
                fixed.setdefault(part.expression, []).extend(named & groups.keys())
    for alike in fixed.values():  # `a.id = 5 AND b.a_id = 5`
        _connect(groups, alike)
    return True


def _joined(statement: exp.Expr) -> tuple[list[exp.Expr], list[exp.Join]]:
    """What it reads or changes together, and the joins: of an UPDATE or DELETE with what its FROM or USING names."""
    source = statement.args.get("from_")
    if isinstance(statement, exp.Select):
        joins = statement.args.get("joins") or []
        return ([source.this, *(j.this for j in joins)] if source is not None else []), joins
    others = [source.this] if source is not None else statement.args.get("using") or []
    joins = [join for other in others for join in other.args.get("joins") or []]
    return [statement.this, *others, *(j.this for j in joins)], joins


def _is_table(source: exp.Expr, ours: set[str]) -> bool:
    return isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier) and source.name.lower() not in ours


def _is_intended(join: exp.Join, *, says_cross: bool) -> bool:
    """CROSS JOIN says that all pairs are meant; NATURAL and USING connect by name.

    To the parser SQLite's comma is a CROSS JOIN too, so the word has to be there.
    """
    natural = str(join.args.get("method") or "").upper() == "NATURAL"
    cross = says_cross and str(join.args.get("kind") or "").upper() == "CROSS"
    return natural or bool(join.args.get("using")) or cross


def _connect(groups: dict[str, set[str]], names: Iterable[str]) -> None:
    merged = set().union(*(groups[n] for n in names))
    for name in merged:
        groups[name] = merged
