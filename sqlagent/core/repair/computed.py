"""What a draft computes out of columns that its view does not have, where the view has it ready under that name."""

from __future__ import annotations

from sqlglot import exp

from sqlagent.core.repair.reading import Block, Change, Edit, Reading

_BEFORE = ("SELECT", "DISTINCT", "ALL", ",")


def column_that_is_ready(reading: Reading) -> Change | None:
    """`SELECT name, SUM(total) AS revenue FROM customer_revenue`, a view with a revenue and no total; reads only."""
    if not reading.is_read:
        return None
    for block in reading.blocks.values():
        if not isinstance(block.node, exp.Select) or any(s.columns is None for s in block.sources.values()):
            continue
        for alias in block.node.expressions:
            if isinstance(alias, exp.Alias) and (change := _instead(reading, block, alias)):
                return change
    return None


def _instead(reading: Reading, block: Block, alias: exp.Alias) -> Change | None:
    columns = list(alias.this.find_all(exp.Column))
    if not columns or any(reading.stands(c, block) or reading.block_of(c) is not block for c in columns):
        return None
    homes = [s for s in block.sources.values() if s.table and s.may_have(reading.key(alias.args["alias"]))]
    span = _span(reading, alias)
    if len(homes) != 1 or span is None or homes[0].table is None or not homes[0].table.is_view:
        return None
    ready = reading.spelled(alias.alias)
    if len(block.sources) > 1:
        ready = f"{reading.spelled(homes[0].name)}.{ready}"
    return Change((Edit(*span, ready),), f"{reading.text[slice(*span)]} to {ready}")


def _span(reading: Reading, alias: exp.Alias) -> tuple[int, int] | None:
    """Where the expression stands, from behind its SELECT or comma up to the name behind its AS."""
    named = reading.span(alias.args["alias"])
    tokens = reading.piece.tokens
    last = next((n for n, t in enumerate(tokens) if named and t.start == named[0]), 0) - 1
    if reading.piece.word(last) != "AS":
        return None
    depth, place = 0, last
    while place > 0 and (depth or (reading.piece.word(place - 1) or tokens[place - 1].text) not in _BEFORE):
        place -= 1
        depth += (tokens[place].text == ")") - (tokens[place].text == "(")
    return (tokens[place].start, tokens[last + 1].end) if 0 < place < last and depth == 0 else None
