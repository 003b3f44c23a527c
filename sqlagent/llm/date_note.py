"""A note on how this database writes dates, given to the model where a question has a date in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.core.text.spelled_names import spelled

_ASKED = re.compile(
    r"\b(?:today|yesterday|tomorrow|tonight|days?|daily|weekdays?|weekends?|weeks?|weekly|months?|monthly|quarters?|"
    r"quarterly|years?|yearly|annual(?:ly)?|decades?|ago|since|recent(?:ly)?|january|february|march|april|june|july|"
    r"august|september|october|november|december|in may|may \d|mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|"
    r"saturdays?|sundays?|(?:19|20)\d\d|q[1-4])\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b(?!-)")
_MONTH = re.compile(
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december|q[1-4])\b",
    re.IGNORECASE,
)
_IS_DATE = re.compile(r"DATE|TIME", re.IGNORECASE)
_NAMED_SO = re.compile(
    r"(?:^|_)(?:date|day|time|datetime|timestamp|at|on|since|until)$|Date$|Time$|At$|^date", re.ASCII
)
_TEXT_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T].*)?")
_SECONDS = re.compile(r"1\d{9}")
_MILLISECONDS = re.compile(r"1\d{12}")
_WORD = re.compile(r"[^\W_]{3,}")


def date_note(question: str, schema: Schema) -> str:
    """A line with the column that the question is most likely about; empty where no date is asked for."""
    if schema.dialect != "sqlite" or not _ASKED.search(question):
        return ""
    words = {word[:5] for word in _WORD.findall(question.lower())}
    # Where no word leads to one, what happens often is asked about rather than what is set down once.
    found = sorted(_dates(schema), key=lambda each: (-_shared(each[0], each[1], words), -(each[0].rows or 0)))
    return _said(*found[0], _form(question)) if found else ""


def _form(question: str) -> tuple[str, ...]:
    """How the note compares, with `?` for the column: the year that the question names, or a month."""
    year = _YEAR.search(question)
    if year is None or _MONTH.search(question):
        return ("strftime('%Y-%m', ?) = '2024-05'",)
    compared = f"strftime('%Y', ?) = '{year[0]}'"
    return ("strftime('%Y-%m', ?) is its month", compared) if "month" in question.lower() else (compared,)


def is_date(column: Column) -> bool:
    """Whether a column holds points in time, by its type, its examples and its name."""
    if column.primary_key or column.references:
        return False
    if column.examples:
        return any(all(form.fullmatch(v) for v in column.examples) for form in (_TEXT_DATE, _SECONDS, _MILLISECONDS))
    return bool(_IS_DATE.search(column.type) or ("INT" not in column.type.upper() and _NAMED_SO.search(column.name)))


def _dates(schema: Schema) -> Iterator[tuple[Table, Column]]:
    for table in schema.tables:
        for column in table.columns:
            if is_date(column):
                yield table, column


def _shared(table: Table, column: Column, words: set[str]) -> int:
    of_table = {word[:5] for word in _WORD.findall(table.name.lower())}
    of_column = {word[:5] for word in _WORD.findall(column.name.lower())}
    return 2 * len(of_table & words) + 3 * len(of_column & words)


def _said(table: Table, column: Column, form: tuple[str, ...]) -> str:
    name = spelled(column.name, "sqlite")
    where = f"{spelled(table.name, 'sqlite')}.{name}"
    if column.examples and all(_SECONDS.fullmatch(v) for v in column.examples):
        kind, read = "in seconds", f"{name}, 'unixepoch'"
    elif column.examples and all(_MILLISECONDS.fullmatch(v) for v in column.examples):
        kind, read = "in milliseconds", f"{name} / 1000, 'unixepoch'"
    else:
        kind, read, form = "text", name, (*form, "date('now', '-1 month')")
    return f"({where} is {kind}: {', '.join(form).replace('?', read)})"
