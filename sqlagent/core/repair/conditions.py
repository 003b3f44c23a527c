"""The conditions of a query, each left out in turn: how to count the rows without it, to see which excludes all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from sqlagent.core.repair.reading import Reading

MOST = 8
"""Conditions beyond which a person is not helped by hearing of one."""


@dataclass(frozen=True, slots=True)
class Without:
    """A condition, and how to count the rows that there would be without it."""

    condition: str
    query: str


def without_each(reading: Reading) -> Iterator[Without]:
    """Every condition of the outermost WHERE and HAVING, as it is written; nothing where there is only one SELECT's."""
    select = reading.root
    if not isinstance(select, exp.Select) or not select.args.get("from_"):
        return
    for clause in ("where", "having"):
        parts = _parts(select, clause)
        for place in range(min(len(parts), MOST)):
            left = select.copy()
            _leave_out(left, clause, place)
            yield Without(_spelled(parts[place], reading), _counting(left, reading.dialect))


def _parts(select: exp.Expr, clause: str) -> list[exp.Expr]:
    found = select.args.get(clause)
    if found is None:
        return []
    condition = found.this.unnest()
    return [p.unnest() for p in condition.flatten()] if isinstance(condition, exp.And) else [condition]


def _leave_out(select: exp.Expr, clause: str, place: int) -> None:
    rest = [p for n, p in enumerate(_parts(select, clause)) if n != place]
    select.set(clause, None)
    if rest:
        kept = exp.and_(*rest, copy=True)
        select.set(clause, exp.Where(this=kept) if clause == "where" else exp.Having(this=kept))


def _counting(select: exp.Expr, dialect: str) -> str:
    """How many rows the FROM, WHERE, GROUP BY and HAVING leave; what is returned of them does not matter."""
    for clause in ("order", "limit", "offset", "distinct", "windows", "qualify"):
        select.set(clause, None)
    if select.args.get("having") and not select.args.get("group"):
        select.set("having", None)
    if not select.args.get("group"):  # which may name what is returned, by its place or its alias
        select.set("expressions", [exp.Literal.number(1)])
    inner = exp.Subquery(this=select, alias=exp.TableAlias(this=exp.to_identifier("counted")))
    with_ = select.args.get("with_")
    select.set("with_", None)
    query = exp.select("COUNT(*)").from_(inner)
    query.set("with_", with_)
    return query.sql(dialect)


def _spelled(part: exp.Expr, reading: Reading) -> str:
    return part.sql(reading.dialect, comments=False)
