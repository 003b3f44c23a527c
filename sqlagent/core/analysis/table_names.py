"""Which tables a statement names, and whether it reads or writes them, with every alias and CTE put in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from sqlagent.core.functions import Effect, effect_of
from sqlagent.core.text.parse_tree import Tree

_FOLDS_LOWER = frozenset({"postgres", "redshift", "materialize", "risingwave"})
_SQLITE_ALIASES = {"sqlite_schema": "sqlite_master", "sqlite_temp_schema": "sqlite_temp_master"}
"""SQLite itself calls them by their older names."""


@dataclass(slots=True)
class Tables:
    """The tables that a statement reads and writes, in order of appearance, each once."""

    dialect: str
    reads: dict[str, None] = field(default_factory=dict)
    writes: dict[str, None] = field(default_factory=dict)
    columns_written: dict[str, None] = field(default_factory=dict)
    aliases: set[int] = field(default_factory=set)
    """Nodes that look like tables and only repeat another's alias: `DELETE u FROM users u`."""


def tables(tree: Tree, dialect: str) -> Tables:
    """Every table the text names."""
    found = Tables(dialect)
    targets = {id(table) for table in _targets(tree, found)}
    has_ctes = exp.CTE in tree.by_class
    for table in tree.of(exp.Table):
        if id(table) not in targets | found.aliases and table.arg_key != "indexed":
            _read(table, has_ctes, found)
    if dialect == "sqlite":
        for node in tree.of(exp.In):
            _in(node, has_ctes, found)
    return found


def _read(table: exp.Table, has_ctes: bool, found: Tables) -> None:
    this = table.args.get("this")
    if isinstance(this, exp.Identifier):
        bare = table.args.get("db") is None
        if not (bare and has_ctes and names_cte(table, this, found.dialect)):
            found.reads[shown(table, found.dialect)] = None
    elif isinstance(this, exp.Anonymous) and found.dialect == "sqlite" and _is_no_function(this.name):
        found.reads[this.name] = None  # a full-text table, searched as `docs('words')`


def _is_no_function(name: str) -> bool:
    return effect_of(name, "sqlite") is Effect.UNKNOWN


def _in(node: exp.In, has_ctes: bool, found: Tables) -> None:
    """SQLite's `x IN t` reads a table, though it stands where a column might."""
    column = node.args.get("field")
    if not isinstance(column, exp.Column):
        return
    schema = column.args.get("table")
    if schema is None and has_ctes and names_cte(node, column.this, "sqlite"):
        return
    name = exp.Table(this=column.this.copy(), db=schema.copy() if schema is not None else None)
    found.reads[shown(name, "sqlite")] = None


# ---- names -----------------------------------------------------------------------------------------------------


def names_cte(place: exp.Expr, name: exp.Expr, dialect: str) -> bool:
    """Whether a bare name, read at a place of the tree, means a CTE: look outward through every WITH around it."""
    wanted = fold(name, dialect)
    node: exp.Expr | None = place
    while node is not None:
        above = node.parent
        if isinstance(node, exp.CTE) and isinstance(above, exp.With):
            if wanted in _siblings(node, above, dialect):
                return True
            query = above.parent  # whose WITH is this one
            node = query.parent if query is not None else None
            continue
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With) and wanted in {_cte_name(cte, dialect) for cte in with_.expressions}:
            return True
        node = above
    return False


def _siblings(cte: exp.CTE, with_: exp.With, dialect: str) -> set[str]:
    """The CTEs that the body of one can see: in SQLite all of its WITH, elsewhere the earlier ones."""
    recursive = bool(with_.args.get("recursive"))
    everything = dialect == "sqlite" or (recursive and dialect in _FOLDS_LOWER)
    seen: set[str] = set()
    for sibling in with_.expressions:
        if sibling is cte and not everything:
            return seen | ({_cte_name(cte, dialect)} if recursive else set())
        seen.add(_cte_name(sibling, dialect))
    return seen


def _cte_name(cte: exp.Expr, dialect: str) -> str:
    alias = cte.args.get("alias")
    return fold(alias.this, dialect) if alias is not None and alias.this is not None else ""


def fold(name: exp.Expr, dialect: str) -> str:
    """A name as the engine compares it."""
    text = name.name
    if dialect in _FOLDS_LOWER:
        return text if name.args.get("quoted") else text.lower()
    return text if dialect == "mysql" else text.lower()


def shown(table: exp.Table, dialect: str) -> str:
    """A table's name as people and opinions call it: its schema only where that says something."""
    parts = [p for p in (table.args.get("catalog"), table.args.get("db"), table.args.get("this")) if p is not None]
    names = [p.name.lower() if dialect in _FOLDS_LOWER and not p.args.get("quoted") else p.name for p in parts]
    if dialect == "sqlite":
        if len(names) > 1 and names[0].lower() == "main":
            names = names[1:]
        names[-1] = _SQLITE_ALIASES.get(names[-1].lower(), names[-1])
        if [n.lower() for n in names] == ["temp", "sqlite_master"]:
            names = ["temp", "sqlite_temp_master"]
    return ".".join(names)


# ---- what is written -------------------------------------------------------------------------------------------


def _targets(tree: Tree, found: Tables) -> Iterator[exp.Expr]:
    """The nodes that name what is written; their names go to `found`."""
    for table in _written(tree, found):
        if isinstance(table, exp.Table):
            found.writes[shown(table, found.dialect)] = None
            yield table


def _written(tree: Tree, found: Tables) -> Iterator[exp.Expr | None]:
    for insert in tree.of(exp.Insert):
        yield _insert(insert, found)
    for update in tree.of(exp.Update):
        yield from _update(update, found)
    for delete in tree.of(exp.Delete):
        yield from _delete(delete, found)
    for merge in tree.of(exp.Merge):
        yield merge.this
    for create in tree.of(exp.Create):
        yield create.this.this if isinstance(create.this, exp.Schema) else create.this
    for truncate in tree.of(exp.TruncateTable):
        yield from truncate.expressions
    for into in tree.of(exp.Into):
        yield into.this


def _insert(node: exp.Insert, found: Tables) -> exp.Expr | None:
    target = node.this
    if isinstance(target, exp.Schema):
        found.columns_written.update(dict.fromkeys(c.name for c in target.expressions))
        target = target.this
    written = target if isinstance(target, exp.Table) else None
    conflict, returning = node.args.get("conflict"), node.args.get("returning")
    if returning is not None and written is not None and returning.find(exp.Column, exp.Star):
        found.reads[shown(written, found.dialect)] = None
    if isinstance(conflict, exp.OnConflict):
        _assigned(conflict.expressions, found)
        if conflict.expressions and written is not None:
            found.reads[shown(written, found.dialect)] = None  # DO UPDATE looks at the row in its way
    return written


def _assigned(assignments: list[exp.Expr], found: Tables) -> list[exp.Column]:
    columns = [c for a in assignments if isinstance(a, exp.EQ) for c in a.this.find_all(exp.Column)]
    found.columns_written.update(dict.fromkeys(c.name for c in columns))
    return columns


def _update(node: exp.Update, found: Tables) -> Iterable[exp.Expr]:
    """One target, or for a joined UPDATE (MySQL) those whose columns it sets."""
    columns = _assigned(node.expressions, found)
    target = node.this
    if not isinstance(target, exp.Table):
        return ()
    _looks_at_itself(node, target, [e.expression for e in node.expressions if isinstance(e, exp.EQ)], found)
    joined = [target, *(j.this for j in target.args.get("joins") or [] if isinstance(j.this, exp.Table))]
    if len(joined) == 1 or not all(c.table for c in columns):
        return joined
    named = {c.table.lower() for c in columns}
    return [t for t in joined if t.alias_or_name.lower() in named] or joined


def _delete(node: exp.Delete, found: Tables) -> Iterable[exp.Expr]:
    """One target, or for a joined DELETE (MySQL) those it lists, by name or by alias."""
    listed = node.args.get("tables")
    if not listed:
        if isinstance(node.this, exp.Table):
            _looks_at_itself(node, node.this, [], found)
        return [node.this] if node.this else []
    listing = {id(t) for t in listed}
    real = {t.alias_or_name.lower(): t for t in node.find_all(exp.Table) if id(t) not in listing}
    found.aliases |= {id(t) for t in listed if t.name.lower() in real}
    return [real.get(t.name.lower(), t) for t in listed]


def _looks_at_itself(node: exp.Expr, target: exp.Table, values: list[exp.Expr], found: Tables) -> None:
    """A target is read too where its WHERE or its new values look at its columns."""
    own = {target.alias_or_name.lower(), target.name.lower()}
    parts = [*values, *(p for p in (node.args.get("where"), node.args.get("returning"), node.args.get("order")) if p)]
    for part in parts:
        for column in part.find_all(exp.Column, exp.Star):
            inside = column.find_ancestor(exp.Query)
            foreign = inside is not None and inside is not node and inside.find_ancestor(type(node)) is node
            if (isinstance(column, exp.Column) and column.table.lower() in own) or not foreign:
                found.reads[shown(target, found.dialect)] = None
                return
