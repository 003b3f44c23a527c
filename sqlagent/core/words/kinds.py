"""What kind of values a column holds, as far as its type says, and which columns of a table look alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from sqlagent.core.nouns.draft import Column, Table


class Kind(StrEnum):
    """What the values of a column are compared as."""

    NUMBER = "number"
    TEXT = "text"
    DAY = "day"
    """A date without a time, and nothing else."""
    TIME = "time"
    """A moment; on SQLite whatever its declared type `DATETIME` lets in."""
    BOOLEAN = "boolean"
    OTHER = "other"


_POSTGRES = (
    (Kind.NUMBER, r"(?:smallint|integer|bigint|numeric|real|double precision)\b"),
    (Kind.TEXT, r"(?:text|character|citext|\"char\"|name)\b"),
    (Kind.DAY, r"date$"),
    (Kind.TIME, r"timestamp\b"),
    (Kind.BOOLEAN, r"boolean$"),
)
_SQLITE = (
    (Kind.NUMBER, r".*INT"),
    (Kind.TEXT, r".*(?:CHAR|CLOB|TEXT)"),
    (Kind.OTHER, r".*BLOB|$"),
    (Kind.NUMBER, r".*(?:REAL|FLOA|DOUB)"),
    (Kind.TIME, r".*(?:DATE|TIME)"),
    (Kind.NUMBER, r".*(?:NUM|DEC|MONEY)"),
)
_DATE_WORDS = frozenset({"at", "on", "date", "day", "time", "datetime", "timestamp"})
_PRICE_WORDS = frozenset(
    "price cost amount total revenue value fee salary wage pay charge balance principal discount tax".split()
)
_MOST_OTHERS = 3


def kind_of(column: Column, dialect: str) -> Kind:
    """By the declared type; SQLite takes other values too, but compares and sorts by it."""
    rules, flags = (_POSTGRES, re.NOFLAG) if dialect == "postgres" else (_SQLITE, re.IGNORECASE)
    return next((kind for kind, pattern in rules if re.match(pattern, column.type, flags)), Kind.OTHER)


class Letters(StrEnum):
    """Whether two texts of a column are the same where their letters differ in case alone."""

    DIFFER = "differ"
    SAME = "same"
    UNKNOWN = "unknown"
    """It is compared in a way of its own."""


def letters_of(column: Column, dialect: str) -> Letters:
    """By the column's collation, and by the type `citext`."""
    if dialect == "postgres":
        return Letters.SAME if column.type.startswith("citext") else Letters.DIFFER
    return {"": Letters.DIFFER, "NOCASE": Letters.SAME}.get(column.collation, Letters.UNKNOWN)


def others_like(table: Table, column: Column, dialect: str) -> Iterator[Column]:
    """The other columns of the table that could have been meant: other dates of a date, other prices of a price."""
    for alike in (_is_date, _is_price):
        if alike(column, dialect):
            found = [c for c in table.columns if c.name != column.name and alike(c, dialect)]
            yield from found[:_MOST_OTHERS]


def _is_date(column: Column, dialect: str) -> bool:
    if column.references or column.primary_key:
        return False
    kind = kind_of(column, dialect)
    return kind in (Kind.DAY, Kind.TIME) or (kind is Kind.TEXT and _words(column)[-1] in _DATE_WORDS)


def may_hold_time(column: Column, dialect: str) -> bool:
    """Whether a value of it may be a day with a time of day."""
    kind = kind_of(column, dialect)
    return kind is Kind.TIME or (kind is Kind.TEXT and bool(_DATE_WORDS.intersection(_words(column)) - {"on", "day"}))


def _is_price(column: Column, dialect: str) -> bool:
    if column.references or column.primary_key:
        return False
    return kind_of(column, dialect) is Kind.NUMBER and bool(_PRICE_WORDS.intersection(_words(column)))


def _words(column: Column) -> list[str]:
    return [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", column.name)] or [""]
