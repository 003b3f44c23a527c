"""Numbers of things in words for people: one row, and two rows."""

from __future__ import annotations


def counted(count: int, thing: str, things: str = "") -> str:
    """`1 row`, `2,400 rows`; `things` is the plural where an `s` does not make it."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"
