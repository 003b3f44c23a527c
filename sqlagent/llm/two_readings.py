"""Questions whose two readings the schema itself shows, so that a person can be asked before any model is.

Silence is the rule: a word that decides, an earlier question, an approved example, and nothing is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlagent.core.nouns.draft import Clarification, Column, Schema, Table
from sqlagent.llm.date_note import is_date

ASKED_BY = "the schema"
"""Who asks, on record: no model."""
MOST_CHOICES = 4
_UNITS = "(?:day|week|month|quarter|year)"
_MONTHS = "january|february|march|april|june|july|august|september|october|november|december"
_PERIOD = re.compile(
    rf"\b(?:last|this|next|previous|past|current)\s+(?:\w+\s+)?{_UNITS}s?\b|\btoday\b|\byesterday\b"
    rf"|\b(?:per|by|each|every) {_UNITS}\b|\bin (?:{_MONTHS}|(?:19|20)\d\d)\b"
    r"|\b(?:since|before|after|until) (?:19|20)\d\d\b",
    re.IGNORECASE,
)
_BOOKKEEPING = re.compile(r"(?:^|_)(?:updated|modified|changed|deleted|synced|imported|inserted|edited)", re.IGNORECASE)
_MEASURE = re.compile(r"INT|REAL|FLOA|DOUB|NUM|DEC|MONEY", re.IGNORECASE)
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WORDS = re.compile(r"[a-z]+")
_PRAISE = re.compile(
    r"\b(?:best|worst|greatest|biggest|leading|top(?! \d+ percent)"
    r"|most (?:important|popular|valuable|successful|relevant))\b",
    re.IGNORECASE,
)
_BY = re.compile(
    r"\b(?:by|with|per|according|terms|measured|based|who|that|whose|where)\b(?! (?:are|is) )", re.IGNORECASE
)
_NO_MEASURE = frozenset(
    "id key code no number nr year month day count type level order line version age zip born phone".split()
)
_SAME = {"birth": "born", "birthday": "born", "hire": "hired", "pay": "paid", "sell": "sold", "send": "sent",
         "buy": "bought", "leave": "left", "begin": "began"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decided:
    """Questions that were asked before, and the SQL that was approved for them."""

    sql: tuple[str, ...] = ()

    def is_between(self, names: Iterable[str]) -> bool:
        """Whether an earlier statement uses one of these columns and not the others."""
        for sql in self.sql:
            words = {word.lower() for word in re.findall(r"\w+", sql)}
            if sum(name.lower() in words for name in names) == 1:
                return True
        return False


def two_readings(question: str, schema: Schema, decided: Decided) -> Clarification | None:
    """What to ask, with the columns to choose from; None where the question reads one way, or nobody can tell."""
    asked = [_root(word) for word in _WORDS.findall(question.lower())]
    named = [table for table in schema.tables if _is_named(table, asked)]
    children = _children(schema)
    for found in (
        _two_dates(question, asked, named),
        _two_measures(asked, named),
        _best_by_what(question, asked, named, children),
    ):
        if found is not None and not decided.is_between(choice.rpartition(".")[2] for choice in found.choices):
            return found
    return None


def _two_dates(question: str, asked: Sequence[str], named: Sequence[Table]) -> Clarification | None:
    """`orders last month`, where orders have two dates and no word of the question belongs to either."""
    period = _PERIOD.search(question)
    if period is None or len(named) != 1:
        return None
    (table,) = named
    dates = [c for c in table.columns if is_date(c) and not _BOOKKEEPING.search(c.name)]
    if not 2 <= len(dates) <= MOST_CHOICES or any(_is_meant(c, asked, table) for c in dates):
        return None
    return Clarification(f'which date of {table.name} is "{period[0]}" about?', _choices(table, dates))


def _two_measures(asked: Sequence[str], named: Sequence[Table]) -> Clarification | None:
    """`average price`, where one table has price and unit_price, or list_price and sale_price."""
    for table in named:
        of_table = _roots(table.name)
        numbers = [c for c in table.columns if _is_measure(c)]
        for word in dict.fromkeys(asked):
            if word in of_table or word in _NO_MEASURE:
                continue
            fit = [c for c in numbers if _heads(c, word)]
            if 2 <= len(fit) <= MOST_CHOICES and not any(_qualified(c, word, asked) for c in fit):
                return Clarification(f"which {word} of {table.name}?", _choices(table, fit))
    return None


def _best_by_what(
    question: str, asked: Sequence[str], named: Sequence[Table], children: Mapping[str, Sequence[Table]]
) -> Clarification | None:
    """`our best customers`, where no word says what is measured."""
    if not _PRAISE.search(question) or _BY.search(question) or len(named) != 1:
        return None
    (table,) = named
    measures = [c for c in table.columns if _is_measure(c)]
    if any(_roots(c.name) & set(asked) - _roots(table.name) for c in table.columns):
        return None
    below = children.get(table.name.lower(), ())
    said = set(asked) - _roots(table.name)
    if any((_roots(t.name) | {r for c in t.columns if _is_measure(c) for r in _roots(c.name)}) & said for t in below):
        return None
    sums = [choice for child in below for choice in _choices(child, [c for c in child.columns if _is_measure(c)][:1])]
    counts = [f"number of {child.name}" for child in below]
    choices = (*_choices(table, measures)[:2], *counts[:2], *sums)[:MOST_CHOICES]
    return Clarification(f"{table.name} by what?", choices) if len(choices) > 1 else None


def _children(schema: Schema) -> dict[str, list[Table]]:
    """The tables that refer to each table."""
    found: dict[str, list[Table]] = {}
    for table in schema.tables:
        for there in dict.fromkeys(c.references.rpartition(".")[0].lower() for c in table.columns if c.references):
            found.setdefault(there, []).append(table)
    return found


def _is_named(table: Table, asked: Sequence[str]) -> bool:
    """Whether every word of a table's name is in the question."""
    words = _roots(table.name)
    return bool(words) and words <= set(asked)


def _is_measure(column: Column) -> bool:
    if not _MEASURE.search(column.type) or column.primary_key or column.references or is_date(column):
        return False
    return not _roots(column.name) & _NO_MEASURE


def _heads(column: Column, word: str) -> bool:
    """Whether a column's name is this word, or ends in it, and so means a kind of it."""
    pieces = [_root(piece.lower()) for piece in _PIECES.findall(column.name)]
    return bool(pieces) and pieces[-1] == word


def _qualified(column: Column, word: str, asked: Sequence[str]) -> bool:
    """Whether the question says which kind: a word of the column's name beside this one."""
    return bool((_roots(column.name) - {word}) & set(asked))


def _is_meant(column: Column, asked: Sequence[str], table: Table) -> bool:
    """Whether a word of the question belongs to this date: `shipped last month`, `orders by due date`."""
    of_column = _roots(column.name) - _roots(table.name) - {"date", "time", "at", "on", "day"}
    return any(_alike(mine, word) for mine in of_column for word in asked)


def _alike(one: str, other: str) -> bool:
    """The same word in another form: created, creation; shipped, shipping; born, birth."""
    one, other = _SAME.get(one, one), _SAME.get(other, other)
    length = min(len(one), len(other))
    return one == other or (length >= 4 and one[: max(4, length - 2)] == other[: max(4, length - 2)])


def _choices(table: Table, columns: Sequence[Column]) -> tuple[str, ...]:
    return tuple(f"{table.name}.{column.name}" for column in columns)


def _roots(name: str) -> set[str]:
    return {_root(piece.lower()) for piece in _PIECES.findall(name)}


def _root(word: str) -> str:
    """A word without its plural."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word
