"""From the text of a script to a verdict on each statement: split, read, count, judge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlagent.core.analysis import verdict
from sqlagent.core.analysis.count_query import Counting
from sqlagent.core.nouns.analysis import EngineOpinion, Size, Statement, SyntaxOpinion
from sqlagent.core.nouns.rule import Tried
from sqlagent.core.rules import OF_VERDICT, remarks_on

if TYPE_CHECKING:
    from sqlagent.core.text.split import Piece

__all__ = ["Counting", "counting", "judge", "opinions", "parse", "pieces"]


def parse(script: str, dialect: str) -> tuple[SyntaxOpinion, ...]:
    """The opinion of every statement in the script, in order; never raises, and what cannot be read is UNKNOWN."""
    return tuple(opinions(script, dialect))


def opinions(script: str, dialect: str) -> Iterator[SyntaxOpinion]:
    """The same opinions one by one, for scripts of any length; a BEGIN ... COMMIT around statements is left out."""
    from sqlagent.core.analysis.syntax_opinion import (
        opinion,  # sqlglot takes 180 ms to import, and listing a thread needs none of it
    )

    return (opinion(piece, dialect, remarks_on) for piece in pieces(script, dialect))


def pieces(script: str, dialect: str) -> Iterator[Piece]:
    """The statements of a script as they would run: all in one transaction, so that its own BEGIN ... COMMIT goes."""
    from sqlagent.core.text.outer_transaction import without_outer_transactions
    from sqlagent.core.text.split import split

    return without_outer_transactions(split(script, dialect), dialect)


def judge(
    index: int, syntax: SyntaxOpinion, engine: EngineOpinion | None, size: Size, tried: Tried | None = None
) -> Statement:
    """Everything known about one statement before it runs; `index` is its place in the script, from 0."""
    return verdict.judge(index, syntax, engine, size, tried or Tried(), rules=OF_VERDICT)


def counting(opinion: SyntaxOpinion, dialect: str) -> Counting | None:
    """How to count what the statement matches; None where no rewrite of its text is proven a READ."""
    from sqlagent.core.analysis.count_query import counting as count  # for the same reason

    return count(opinion, dialect)
