"""What is said of a script that the database refused where it was tried."""

from __future__ import annotations


def at_statement(why: str, place: int, *, of: int) -> str:
    """`it would fail: ...` with the statement that does, from 1; a script of one needs no number."""
    head, colon, reason = why.partition(":")
    if place < 1 or of < 2 or head != "it would fail":
        return why
    return f"{head} at statement {place}{colon}{reason}"
