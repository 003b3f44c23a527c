"""Rows that an inner join leaves out, and how the engine counts them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from sqlagent.core.words.notes import Notes
from sqlagent.core.words.sources import Edge, Source, Sources


def say_dropped(sources: Sources, notes: Notes, *, subject: Source | None = None) -> None:
    """Rows whose key may be NULL, and rows of `subject`, or of the first table, that none of the many belong to."""
    for edge in sources.edges:
        if edge.nullable and not edge.parent.optional and not edge.child.optional:
            _say(sources, notes, edge.child, edge.parent, [edge], sources.by(edge))
    start = subject or sources.all[0]
    path = _path(sources, start)
    if path and not any(e.parent.optional or e.child.optional for e in path):
        _say(sources, notes, start, path[-1].child, path, sources.by(path[0]) if len(path) == 1 else "")


def _path(sources: Sources, start: Source) -> list[Edge]:
    """The links from the one down to the many that are told; empty where it is told itself."""
    found: list[Edge] = []
    while (below := next((e for e in sources.edges if e.parent is start), None)) is not None:
        found.append(below)
        start = below.child
    return found


def _say(sources: Sources, notes: Notes, dropped: Source, other: Source, path: Sequence[Edge], by: str) -> None:
    notes.say(
        f"{dropped.rows} without {other.shown}{by} are left out",
        f"{{rows}} of {{of}} {dropped.rows} have no {other.shown}{by} and are left out",
        _without(dropped, path).sql(sources.dialect),
        _counting(dropped).sql(sources.dialect),
    )


def _counting(source: Source) -> exp.Select:
    return exp.select("COUNT(*)").from_(_table(source))


def _without(dropped: Source, path: Sequence[Edge]) -> exp.Select:
    """Rows of the one to which nothing leads at the other end of the path."""
    near = path[0].child if path[0].parent is dropped else path[0].parent
    inner = exp.select(exp.Literal.number(1)).from_(_table(near)).where(*_pairs(path[0]))
    for edge in path[1:]:
        inner = inner.join(_table(edge.child), on=exp.and_(*_pairs(edge)))
    return _counting(dropped).where(exp.Not(this=exp.Exists(this=inner)))


def _pairs(edge: Edge) -> list[exp.Expr]:
    return [
        exp.EQ(this=_column(edge.child, here), expression=_column(edge.parent, there)) for here, there in _keys(edge)
    ]


def _keys(edge: Edge) -> list[tuple[str, str]]:
    columns = {c.name: c for c in edge.child.table.columns}
    return [(name, columns[name].references.rpartition(".")[2]) for name in edge.columns]


def _table(source: Source) -> exp.Table:
    return exp.Table(this=exp.to_identifier(source.table.name, quoted=True))


def _column(source: Source, name: str) -> exp.Column:
    return exp.Column(
        this=exp.to_identifier(name, quoted=True), table=exp.to_identifier(source.table.name, quoted=True)
    )
