"""A name of the database as SQL writes it: bare where that is the same name, quoted where it is not."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_WORDS = (
    "all and as between by case check column create default delete desc distinct drop else end except exists from "
    "group having in index insert into is join key left like limit not null on or order primary references right "
    "select set table then to transaction union unique update using values view when where with user"
)
_RESERVED = frozenset(re.findall(r"\w+", _RESERVED_WORDS))
_FOLDING = frozenset({"postgres", "redshift", "materialize", "risingwave"})
"""Dialects that read a bare name in small letters, so that one with a capital has to be quoted."""


def spelled(name: str, dialect: str) -> str:
    """The name, in quotes only where it needs them."""
    folded = dialect in _FOLDING and name != name.lower()
    if _PLAIN.fullmatch(name) and name.lower() not in _RESERVED and not folded:
        return name
    mark = "`" if dialect in ("mysql", "bigquery") else '"'
    return mark + name.replace(mark, mark * 2) + mark


def folded(name: str, dialect: str, *, quoted: bool) -> str:
    """What two spellings of one name have in common: the case counts only where the engine minds it."""
    return name if dialect in _FOLDING and quoted else name.lower()
