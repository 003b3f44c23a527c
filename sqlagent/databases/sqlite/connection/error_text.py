"""SQLite's error messages as a person needs them: with the nearest name that does exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

Names = Mapping[str, tuple[str, ...]]
"""Tables and views, and the columns of each."""

_COLUMN = re.compile(r'no such column: "?([^"\n]+?)"?(?: - should .*)?$|has no column named (\S+)$')
_TABLE = re.compile(r"no such (?:table|view): (\S+)$")
_FUNCTION = re.compile(r"no such function: (\S+)$")


def explained(message: str, sql: str, names: Names, functions: Iterable[str]) -> str:
    """The message, and the nearest name in brackets where it complains of one that is not there."""
    near = ""
    if found := _COLUMN.search(message):
        near = closest(found[1] or found[2], names, sql)
    elif found := _TABLE.search(message):
        near = _nearest(_last(found[1]), names)
    elif found := _FUNCTION.search(message):
        near = _nearest(found[1], functions)
    return f"{message} (closest: {near})" if near else message


def closest(name: str, names: Names, sql: str) -> str:
    """`orders.total` for `o.totl`: the column most like it; empty if there is none.

    Of the tables that the SQL speaks of, if they have one: a perfect match in a table that it does not join is no help.
    """
    wanted = _last(name)
    words = {w.lower() for w in re.findall(r"\w+", sql)}
    spoken = {table: have for table, have in names.items() if table.lower() in words}
    for some in (spoken, names):
        columns = [(f"{table}.{column}", column) for table, have in some.items() for column in have]
        if best := _nearest(wanted, (column for _, column in columns)):
            return next(full for full, column in columns if column == best)
    return ""


def _nearest(name: str, known: Iterable[str]) -> str:
    spelled = {k.lower(): k for k in reversed(list(known))}
    found = difflib.get_close_matches(name.lower(), list(spelled)[::-1], n=1, cutoff=0.6)
    return spelled[found[0]] if found else ""


def _last(name: str) -> str:
    return name.rpartition(".")[2].strip('"`[]')
