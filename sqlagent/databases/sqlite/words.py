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
        near = closest(found[1] or found[2], mentioned_first(names, sql))
    elif found := _TABLE.search(message):
        near = _nearest(_last(found[1]), names)
    elif found := _FUNCTION.search(message):
        near = _nearest(found[1], functions)
    return f"{message} (closest: {near})" if near else message


def closest(name: str, names: Names) -> str:
    """`orders.total` for `o.totl`: the column most like it, of the first table that has one; empty if there is none."""
    wanted = _last(name)
    columns = [(f"{table}.{column}", column) for table, have in names.items() for column in have]
    best = _nearest(wanted, (column for _, column in columns))
    return next((full for full, column in columns if column == best), "") if best else ""


def mentioned_first(names: Names, sql: str) -> Names:
    """The same names, those that the SQL speaks of in front; only those if they have any columns."""
    words = {w.lower() for w in re.findall(r"\w+", sql)}
    spoken = {t: c for t, c in names.items() if t.lower() in words}
    return spoken | {t: c for t, c in names.items() if t not in spoken}


def _nearest(name: str, known: Iterable[str]) -> str:
    spelled = {k.lower(): k for k in reversed(list(known))}
    found = difflib.get_close_matches(name.lower(), list(spelled)[::-1], n=1, cutoff=0.6)
    return spelled[found[0]] if found else ""


def _last(name: str) -> str:
    return name.rpartition(".")[2].strip('"`[]')
