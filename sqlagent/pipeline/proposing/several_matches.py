"""Whether an UPDATE with a FROM matches a row several times, counted by the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlagent.core.analyze import Counting
from sqlagent.core.nouns.analysis import Kind, SyntaxOpinion
from sqlagent.core.nouns.rule import Tried

Counted = Callable[[str], int | None]
"""The number that a query gives; None where nobody could tell."""


def with_matches(
    tried: Sequence[Tried], statements: Sequence[SyntaxOpinion], counting: Callable[[SyntaxOpinion], Counting | None],
    count: Counted,
) -> list[Tried]:  # fmt: skip
    """What came of each statement, with the matches of those in which a row may have several."""
    return [_counted(each, opinion, counting, count) for each, opinion in zip(tried, statements, strict=True)]


def _counted(
    tried: Tried, opinion: SyntaxOpinion, counting: Callable[[SyntaxOpinion], Counting | None], count: Counted
) -> Tried:
    if opinion.kind is not Kind.UPDATE or len(opinion.reads) < 2:
        return tried
    query = counting(opinion)
    if query is None or not query.pairs:
        return tried
    return replace(tried, matches=count(query.pairs), matched=count(query.matching))
