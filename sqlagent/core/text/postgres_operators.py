"""PostgreSQL's operators: runs of symbols, of which the built-in ones are listed and all others are a user's code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from sqlagent.core.text.lexer import SYMBOL, Token

BUILT_IN = frozenset(
    """
    != !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << <<= <<| <=
    <> <@ <^ = => > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~
    ~= ~>=~ ~>~ ~~ ~~*
    """.split()
)
"""Those of pg_catalog.pg_operator, and the two spellings that the grammar adds."""

_CHARACTERS = frozenset("+-*/<>=~!@#%^&|`?")
_ODD = frozenset("~!@#%^&|`?")


class Operator(NamedTuple):
    """One operator as PostgreSQL cuts it."""

    text: str
    start: int
    before: Token | None
    """The token in front of it."""


def operators(tokens: tuple[Token, ...]) -> Iterator[Operator]:
    """Every operator: a run of symbols without a gap; a sign at its end is its own, unless the run has an odd one."""
    before: Token | None = None
    for joined, run in groupby(_runs(tokens), key=lambda pair: pair[0]):
        members = [token for _, token in run]
        if joined:
            text = "".join(t.text for t in members)
            while len(text) > 1 and text[-1] in "+-" and not _ODD & set(text):
                text = text[:-1]
            yield Operator(text, members[0].start, before)
        before = members[-1]


def _runs(tokens: tuple[Token, ...]) -> Iterator[tuple[int, Token]]:
    """Tokens with the number of the run that they belong to; 0 for all that are no operator."""
    run, end = 0, -1
    for token in tokens:
        if token.kind == SYMBOL and set(token.text) <= _CHARACTERS:
            run += token.start != end
            end = token.end
            yield run, token
        else:
            end = -1
            yield 0, token


def foreign_operator(tokens: tuple[Token, ...]) -> str:
    """The first operator that is not built in, or ""."""
    return next((o.text for o in operators(tokens) if o.text not in BUILT_IN), "")
