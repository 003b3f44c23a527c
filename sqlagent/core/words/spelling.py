"""Names and values in a sentence: in their own spelling, and in quotes where they could be taken for our words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlagent.core.repair.catalogue import singular
from sqlagent.core.text.raw_checks import is_hidden
from sqlagent.core.words.ledger import Unsaid

VOCABULARY = frozenset(
    """
    a add after all also among an and are as at average be before begins by columns column combination contains count
    counts come comes date deletes different each either ends every first foreign for from given groups has have having
    if in is it its key largest last later left less letters like list look looks lists matches may month more most
    much none no not nothing nothing's now null number numbers of off on once one only or order other others
    out over part places pattern reverse round rounded row rows said same say set sets skipped smallest so sum than that
    the their them then there these they this those time times to today trigger triggers true false under up value
    was were when where which whichever whole with without year years default defaults least whatever case
    """.split()
)
"""Words that sentences are made of: a name that is one of them stands in quotes."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_NAME = 60
_LONGEST_VALUE = 60
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?")


def name(text: str) -> str:
    """A name of the database; Unsaid where a screen could not show it as it is."""
    _check(text, _LONGEST_NAME)
    if not text:
        raise Unsaid("a name of nothing")
    if _PLAIN.fullmatch(text) and text.lower() not in VOCABULARY:
        return text
    return '"' + text.replace('"', '""') + '"'


def rows_of(table: str) -> str:
    """`customers`; `flight rows` where the name is no plural."""
    return name(table) if _PLAIN.fullmatch(table) and table.lower().endswith("s") else f"{name(table)} rows"


def one_of(table: str, taken: Sequence[str]) -> str:
    """`customer` for a row of customers; `row of "Order Details"` where the name is no plain English word."""
    one = singular(table)
    plain = table.isascii() and table.isalpha() and one.lower() not in VOCABULARY
    if plain and (one == table or one.lower() not in (t.lower() for t in taken)):
        return one
    return f"row of {name(table)}"


def text_value(text: str) -> str:
    """A text literal, as SQL writes it."""
    _check(text, _LONGEST_VALUE)
    return "'" + text.replace("'", "''") + "'"


def is_day(text: str) -> bool:
    """A day without a time: `2024-12-31`."""
    return _DAY.fullmatch(text) is not None


def is_moment(text: str) -> bool:
    """A day, or a day with a time, in the one order that sorts."""
    return _MOMENT.fullmatch(text) is not None


def listed(items: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def _check(text: str, most: int) -> None:
    if len(text) > most or not text.isprintable() or any(map(is_hidden, text)):
        raise Unsaid("a name or value that a screen does not show as it is")
