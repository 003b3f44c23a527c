"""Columns that a sub-select names without a table, where a mistake would silently reach the query around it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlagent.core.text.parse_tree import Tree

_ROW_NUMBERS = frozenset({"rowid", "oid", "_rowid_", "ctid"})
"""Every table has them, whatever its columns are."""


def bare_columns(tree: Tree) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each such column with the tables of its sub-select; only sub-selects that a condition compares with count."""
    return tuple(dict.fromkeys(found for select in tree.of(exp.Select) for found in _of(select)))


def _of(select: exp.Select) -> Iterator[tuple[str, tuple[str, ...]]]:
    parent = select.parent
    while isinstance(parent, exp.Subquery):
        parent = parent.parent
    stands_in_condition = isinstance(parent, (exp.Expression,)) and not isinstance(
        parent, (exp.From, exp.Join, exp.CTE, exp.Insert, exp.SetOperation, exp.Create, exp.Lateral)
    )
    tables = _tables(select)
    if not stands_in_condition or not tables:
        return
    own = [column for column in select.find_all(exp.Column) if column.find_ancestor(exp.Select) is select]
    returned = [c for e in select.expressions for c in e.find_all(exp.Column) if c in own]
    if isinstance(parent, exp.Exists) or not returned:
        returned = own if len(own) == 1 else []  # a single condition that compares nothing of its own table
    for column in returned:
        name = column.name.lower()
        if not column.table and not isinstance(column.this, exp.Star) and name not in _ROW_NUMBERS:
            yield name, tables


def _tables(select: exp.Select) -> tuple[str, ...]:
    """Its tables by name; nothing where something else is among its sources."""
    source = select.args.get("from_")
    sources = [source.this, *(j.this for j in select.args.get("joins") or [])] if source is not None else []
    if not all(isinstance(s, exp.Table) and isinstance(s.this, exp.Identifier) for s in sources):
        return ()
    return tuple(s.name for s in sources)
