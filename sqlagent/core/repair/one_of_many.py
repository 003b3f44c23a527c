"""`= (SELECT key ...)` where the sub-select can give several keys: it is repaired to IN."""

from __future__ import annotations

from sqlglot import exp

from sqlagent.core.repair.reading import Change, Edit, Reading


def in_instead_of_equal(reading: Reading) -> Change | None:
    """`= (SELECT id FROM t WHERE ...)` becomes `IN (SELECT ...)`: the same rows where one key comes; reads only."""
    if not reading.is_read:
        return None
    for equal in reading.root.find_all(exp.EQ):
        query = equal.expression.this if isinstance(equal.expression, exp.Subquery) else None
        if not isinstance(equal.this, exp.Column) or not isinstance(query, exp.Select) or not _may_be_many(query):
            continue
        if place := _sign(reading, equal.this):
            return Change((Edit(*place, "IN"),), f"{reading.shown(equal.this)} = (SELECT ...) to IN (SELECT ...)")
    return None


def _may_be_many(query: exp.Select) -> bool:
    one = query.expressions[0] if len(query.expressions) == 1 else None
    bounded = query.args.get("limit") or query.args.get("fetch") or query.args.get("offset")
    return isinstance(one, exp.Column) and not bounded and bool(query.args.get("where"))


def _sign(reading: Reading, column: exp.Column) -> tuple[int, int] | None:
    """Where the `=` behind the column stands, if a bracket and a SELECT follow it."""
    span = reading.span(column.this)
    if span is None:
        return None
    tokens = reading.piece.tokens
    place = next((n for n, token in enumerate(tokens) if token.start >= span[1]), len(tokens))
    if place + 2 >= len(tokens) or tokens[place].text != "=" or tokens[place + 1].text != "(":
        return None
    return (tokens[place].start, tokens[place].end) if reading.piece.word(place + 2) == "SELECT" else None
