"""Which tables a statement names, and whether it reads or writes them, with every alias and CTE put in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from sqlagent.core.functions import Effect, effect_of

Scope = frozenset[str]
"""Names of the CTEs that can be seen from somewhere, folded."""

_FOLDS_LOWER = frozenset({"postgres", "redshift", "materialize", "risingwave"})


@dataclass(slots=True)
class Tables:
    """Names in order of appearance, each once."""

    dialect: str
    reads: dict[str, None] = field(default_factory=dict)
    writes: dict[str, None] = field(default_factory=dict)
    columns_written: dict[str, None] = field(default_factory=dict)


def tables(tree: exp.Expression, dialect: str) -> Tables:
    """Every table the text names.  Iterative, for 10,000 ANDs nest 10,000 deep."""
    found = Tables(dialect)
    targets = {id(t): None for t in _targets(tree, found)}
    stack: list[tuple[exp.Expression, Scope]] = [(tree, frozenset())]
    while stack:
        node, scope = stack.pop()
        if isinstance(node, exp.Table):
            _table(node, scope, found, targets)
        elif isinstance(node, exp.In):
            _in(node, scope, found)
        stack.extend(_children(node, scope, dialect))
    return found


def _children(node: exp.Expression, scope: Scope, dialect: str) -> Iterator[tuple[exp.Expression, Scope]]:
    """The parts of a node, last first, each with the CTEs it can see."""
    with_ = node.args.get("with_")
    inner = scope
    if isinstance(with_, exp.With):
        inner = scope | {fold(cte.args["alias"].this, dialect) for cte in with_.expressions if cte.args.get("alias")}
    for key, value in reversed(node.args.items()):
        if key == "indexed":
            continue
        if isinstance(value, exp.With):
            yield from reversed(list(_definitions(value, scope, dialect)))
        elif isinstance(value, exp.Expr):
            yield value, inner
        elif isinstance(value, list):
            yield from ((item, inner) for item in reversed(value) if isinstance(item, exp.Expr))


def _definitions(with_: exp.With, scope: Scope, dialect: str) -> Iterator[tuple[exp.Expression, Scope]]:
    """The body of each CTE with what it can see: in SQLite every sibling, elsewhere the earlier ones."""
    names = [fold(cte.args["alias"].this, dialect) for cte in with_.expressions]
    everything = scope.union(names)
    for place, cte in enumerate(with_.expressions):
        if dialect == "sqlite" or (with_.args.get("recursive") and dialect in _FOLDS_LOWER):
            visible = everything
        else:
            visible = scope.union(names[: place + bool(with_.args.get("recursive"))])
        yield cte.this, visible


def fold(name: exp.Expression, dialect: str) -> str:
    """A name as the engine compares it."""
    text = name.name
    if dialect in _FOLDS_LOWER:
        return text if name.args.get("quoted") else text.lower()
    return text if dialect == "mysql" else text.lower()


def shown(table: exp.Table, dialect: str) -> str:
    """A table's name as people and opinions call it: its schema only where that says something."""
    parts = [p for p in (table.args.get("catalog"), table.args.get("db"), table.args.get("this")) if p is not None]
    names = [p.name.lower() if dialect in _FOLDS_LOWER and not p.args.get("quoted") else p.name for p in parts]
    if dialect == "sqlite" and len(names) > 1 and names[0].lower() == "main":
        names = names[1:]
    return ".".join(names)


def _table(node: exp.Table, scope: Scope, found: Tables, targets: dict[int, None]) -> None:
    if id(node) in targets:
        return
    this = node.args.get("this")
    if isinstance(this, exp.Identifier):
        if node.args.get("db") is None and fold(this, found.dialect) in scope:
            return
        found.reads[shown(node, found.dialect)] = None
    elif isinstance(this, exp.Anonymous) and found.dialect == "sqlite":
        if effect_of(this.name, "sqlite") is Effect.UNKNOWN:
            found.reads[this.name] = None  # a full-text table, searched as `docs('words')`


def _in(node: exp.In, scope: Scope, found: Tables) -> None:
    """SQLite's `x IN t` reads a table, though it stands where a column might."""
    field_ = node.args.get("field")
    if found.dialect != "sqlite" or not isinstance(field_, exp.Column):
        return
    table = exp.Table(this=field_.this, db=field_.args.get("table"))
    if field_.args.get("table") is None and fold(field_.this, "sqlite") in scope:
        return
    found.reads[shown(table, "sqlite")] = None


def _targets(tree: exp.Expression, found: Tables) -> list[exp.Expression]:
    """The nodes that name what is written; their names go to `found`."""
    targets: list[exp.Expression] = []
    for node in tree.walk():
        written: Iterable[exp.Expression] = ()
        if isinstance(node, exp.Insert):
            written = _insert(node, found)
        elif isinstance(node, exp.Update):
            written = _update(node, found)
        elif isinstance(node, exp.Delete):
            written = _delete(node)
        elif isinstance(node, exp.Merge):
            written = [node.this]
        elif isinstance(node, exp.Create):
            written = _created(node)
        elif isinstance(node, exp.TruncateTable):
            written = node.expressions
        elif isinstance(node, exp.Into):
            written = [node.this]
        for table in written:
            if isinstance(table, exp.Table):
                targets.append(table)
                found.writes[shown(table, found.dialect)] = None
    return targets


def _insert(node: exp.Insert, found: Tables) -> list[exp.Expression]:
    target = node.this
    if isinstance(target, exp.Schema):
        found.columns_written.update(dict.fromkeys(c.name for c in target.expressions))
        target = target.this
    conflict = node.args.get("conflict")
    if isinstance(conflict, exp.OnConflict):
        _assigned(conflict.expressions, found)
    return [target] if target is not None else []


def _assigned(assignments: list[exp.Expression], found: Tables) -> list[exp.Column]:
    columns = [c for a in assignments if a.this for c in a.this.find_all(exp.Column) if isinstance(a, exp.EQ)]
    found.columns_written.update(dict.fromkeys(c.name for c in columns))
    return columns


def _update(node: exp.Update, found: Tables) -> list[exp.Expression]:
    """One target, or for a joined UPDATE (MySQL) those whose columns it sets."""
    columns = _assigned(node.expressions, found)
    target = node.this
    if not isinstance(target, exp.Table):
        return []
    joined = [target, *(j.this for j in target.args.get("joins") or [] if isinstance(j.this, exp.Table))]
    if len(joined) == 1 or not all(c.table for c in columns):
        return joined
    named = {c.table.lower() for c in columns}
    return [t for t in joined if t.alias_or_name.lower() in named] or joined


def _delete(node: exp.Delete) -> list[exp.Expression]:
    """One target, or for a joined DELETE (MySQL) those it lists, by name or by alias."""
    listed = node.args.get("tables")
    if not listed:
        return [node.this] if node.this else []
    real = {t.alias_or_name.lower(): t for t in node.find_all(exp.Table) if t not in listed}
    return [real.get(t.name.lower(), t) for t in listed]


def _created(node: exp.Create) -> list[exp.Expression]:
    """What a CREATE ... AS makes: the object itself, which its query does not read."""
    this = node.this
    if isinstance(this, exp.Schema):
        this = this.this
    return [this] if this is not None else []
