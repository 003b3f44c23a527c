"""`[c]` behind a result: the rows that a person has just seen, as a chart."""

from __future__ import annotations

import sys

from sqlagent.cli.call import Call
from sqlagent.ui.chart import NoShape, chosen, in_terminal
from sqlagent.ui.keyboard import Keyboard, NothingTyped

_FEWEST = 4
"""Rows that a picture is offered of; fewer are seen at a glance."""


def offer_chart(call: Call) -> None:
    """Offer a chart of the last result where it has the shape for one, and draw it for `c`; anything else leaves."""
    seen = call.out.seen if call.offers_chart else None
    if seen is None or len(seen.rows) < _FEWEST:
        return
    try:
        chart = chosen(seen)
    except NoShape:
        return
    keyboard = Keyboard(sys.stdin)
    try:
        keyboard.forget()
        call.screen.ask("  [c] chart  [Enter] done\n  > ")
        wanted = keyboard.line().strip().lower() in ("c", "[c]")
    except NothingTyped:
        call.screen.line()
        return
    if wanted:
        call.screen.line(in_terminal(chart, columns=call.screen.columns, rows=call.screen.rows))
