"""Both opinions of every statement of a script, the text's and the database's, and the verdict that they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlagent.core.analyze import judge, parse
from sqlagent.core.nouns.analysis import Analysis, EngineOpinion, Size, SyntaxOpinion
from sqlagent.core.nouns.rule import Tried
from sqlagent.databases.base import Database
from sqlagent.pipeline.proposing.refusal import Refused

Opinions = Sequence[tuple[SyntaxOpinion, EngineOpinion | None]]
SizeOf = Callable[[int, SyntaxOpinion], Size]
"""How many rows a statement matches, from its place, from 1."""


def heard(sql: str, database: Database) -> Opinions:
    """Both opinions of every statement; raises Refused where the database would not prepare one."""
    syntax = parse(sql, database.dialect)
    if not syntax:
        raise Refused("there is no SQL statement in it", hint="write one, or ask in words: sqlagent ask QUESTION")
    engine = database.inspect([s.sql for s in syntax])
    for opinion in engine:
        if opinion.error and not opinion.denied and not any(s.denied for s in syntax):
            raise Refused(f"the database refused it: {opinion.error}", hint="sqlagent schema shows what there is")
    agreed = len(engine) == len(syntax)
    return [(opinion, engine[place] if agreed else None) for place, opinion in enumerate(syntax)]


def judged(opinions: Opinions, size_of: SizeOf, tried: Sequence[Tried] = ()) -> Analysis:
    """The verdict on every statement; `tried` is what came of each, where they were run on a copy."""
    return Analysis(
        tuple(
            judge(i, syntax, engine, size_of(i, syntax), tried[i - 1] if tried else None)
            for i, (syntax, engine) in enumerate(opinions, 1)
        )
    )
