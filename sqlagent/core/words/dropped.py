"""Rows that an inner join leaves out, and how the engine counts them."""

from __future__ import annotations

from sqlglot import exp

from sqlagent.core.words.notes import Notes
from sqlagent.core.words.sources import Edge, Source, Sources


def say_dropped(sources: Sources, notes: Notes, *, subject: Source | None) -> None:
    """Rows whose key may be NULL, and rows of `subject` that none of the many belong to."""
    for edge in sources.edges:
        if edge.parent.optional or edge.child.optional:
            continue
        if edge.nullable:
            _say(sources, notes, edge, edge.child, edge.parent)
        if edge.parent is subject:
            _say(sources, notes, edge, edge.parent, edge.child)


def _say(sources: Sources, notes: Notes, edge: Edge, dropped: Source, other: Source) -> None:
    by = sources.by(edge)
    notes.say(
        f"{dropped.rows} without {other.shown}{by} are left out",
        f"{{rows}} of {{of}} {dropped.rows} have no {other.shown}{by} and are left out",
        _without(edge, dropped, other).sql(sources.dialect),
        _counting(dropped).sql(sources.dialect),
    )


def _counting(source: Source) -> exp.Select:
    return exp.select("COUNT(*)").from_(_table(source))


def _without(edge: Edge, dropped: Source, other: Source) -> exp.Select:
    keys = _keys(edge)
    pairs = [exp.EQ(this=_column(edge.child, here), expression=_column(edge.parent, there)) for here, there in keys]
    inner = exp.select(exp.Literal.number(1)).from_(_table(other)).where(*pairs)
    return _counting(dropped).where(exp.Not(this=exp.Exists(this=inner)))


def _keys(edge: Edge) -> list[tuple[str, str]]:
    columns = {c.name: c for c in edge.child.table.columns}
    return [(name, columns[name].references.rpartition(".")[2]) for name in edge.columns]


def _table(source: Source) -> exp.Table:
    return exp.Table(this=exp.to_identifier(source.table.name, quoted=True))


def _column(source: Source, name: str) -> exp.Column:
    return exp.Column(
        this=exp.to_identifier(name, quoted=True), table=exp.to_identifier(source.table.name, quoted=True)
    )
