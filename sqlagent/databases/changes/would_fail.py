"""The words for a script that fails in the preview, and so would fail when it is run."""

from __future__ import annotations


def at_statement(why: str, place: int, *, of: int) -> str:
    """`it would fail: ...` with the statement that does, from 1; a script of one needs no number."""
    head, colon, reason = why.partition(":")
    if place < 1 or of < 2 or head != "it would fail":
        return why
    return f"{head} at statement {place}{colon}{reason}"
