"""Spellings that an engine knows and sqlglot does not, rewritten for the parser alone; never run, never shown.

Every change keeps the length of the text and takes away nothing that could do harm: an operator becomes another, `~~x`
(twice not) becomes `  x`, comments and words that only sort, sample or name are blanked.  What is called is read from
the statement's own words, not from here.  Statements that write may lose their conflict clause: that makes no READ.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlagent.core.text.function_calls import ends_value
from sqlagent.core.text.lexer import PARAMETER, STRING, SYMBOL, Token
from sqlagent.core.text.postgres_operators import operators
from sqlagent.core.text.split import Piece

_POSTGRES_ONLY = frozenset(
    """
    |>> <<| >>= <<= ~= <^ >^ ## ?|| ?-| ?- ?# &<| |&> &< &> @-@ @@@ -|- *< *> *<= *>= *<> *= ^@ ~<~ ~<=~ ~>~ ~>=~ |/ ||/
    """.split()
)
"""Built-in operators of PostgreSQL that sqlglot cannot read."""
_LITERAL_TYPES = frozenset({"BOX", "CIRCLE", "POLYGON", "LSEG", "LINE", "PATH", "XML"})

Patch = tuple[int, int, str]
"""From a place in the statement to another, and what stands there for the parser."""


def legible(piece: Piece, dialect: str) -> str:
    """The statement for the parser's second try; the same text where we know nothing better."""
    patches = list(_comments(piece))
    if dialect == "postgres":
        patches += [*_operators(piece), *_words(piece)]
    elif dialect == "sqlite":
        patches += [*_twice_not(piece), *_conflict_clause(piece)]
    if dialect in ("sqlite", "duckdb"):
        patches += _numbered(piece)
    return _patched(piece, patches)


def _patched(piece: Piece, patches: list[Patch]) -> str:
    text = piece.sql
    for start, end, put in patches:
        text = text[: start - piece.start] + put.ljust(end - start)[: end - start] + text[end - piece.start :]
    return text


def _comments(piece: Piece) -> Iterator[Patch]:
    """`ORDER /* by name */ BY` without the comment; hints stay."""
    last = piece.start + len(piece.sql)
    for comment in piece.comments:
        if piece.start < comment.start < last and not comment.text.startswith("/*+"):
            yield comment.start, comment.end, ""


def _numbered(piece: Piece) -> Iterator[Patch]:
    """`?1` as `?`: which value it is given says nothing of what the statement does."""
    for token in piece.tokens:
        if token.kind == PARAMETER and token.text[0] == "?":
            yield token.start, token.end, "?"


def _operators(piece: Piece) -> Iterator[Patch]:
    for operator in operators(piece.tokens):
        if operator.text in _POSTGRES_ONLY:
            behind_value = operator.before is not None and ends_value(operator.before)
            yield operator.start, operator.start + len(operator.text), "=" if behind_value else "-"


def _words(piece: Piece) -> Iterator[Patch]:
    """PostgreSQL: `box '...'`, `USING (i) AS x`, `ORDER BY a USING <`, `TABLESAMPLE system (5) REPEATABLE (1)`."""
    tokens = piece.tokens
    for index, token in enumerate(tokens[:-1]):
        word, after = piece.word(index), tokens[index + 1]
        if word in _LITERAL_TYPES and after.kind == STRING:
            yield token.start, token.end, ""
        elif word == "USING" and after.kind == SYMBOL and after.text in "<>=":
            yield token.start, after.end, ""
        elif word == "USING" and after.text == "(":
            closing = _closing(tokens, index + 1)
            if piece.word(closing + 1) == "AS" and closing + 2 < len(tokens):
                yield tokens[closing + 1].start, tokens[closing + 2].end, ""
        elif word == "TABLESAMPLE" and piece.word(index + 1) in ("SYSTEM", "BERNOULLI"):
            closing = _closing(tokens, index + 2)
            if piece.word(closing + 1) == "REPEATABLE":
                closing = _closing(tokens, closing + 2)
            if closing < len(tokens) and not any(piece.word(i) in ("SELECT", "WITH") for i in range(index, closing)):
                yield token.start, tokens[closing].end, ""


def _closing(tokens: tuple[Token, ...], opening: int) -> int:
    """Where the bracket that opens at a place closes; past the end where it does not, or opens nothing."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        if depth == 0:
            return index if index > opening else len(tokens)
    return len(tokens)


def _twice_not(piece: Piece) -> Iterator[Patch]:
    for first, second in zip(piece.tokens, piece.tokens[1:], strict=False):
        if first.text == second.text == "~" and first.end == second.start:
            yield first.start, first.end, ""


def _conflict_clause(piece: Piece) -> Iterator[Patch]:
    """SQLite: `UPDATE OR IGNORE t` without its conflict clause, `REPLACE INTO t` as an INSERT."""
    if piece.word(0) == "UPDATE" and piece.word(1) == "OR" and len(piece.tokens) > 2:
        yield piece.tokens[1].start, piece.tokens[2].end, ""
    for index, token in enumerate(piece.tokens):
        if piece.word(index) == "REPLACE" and piece.word(index + 1) == "INTO" and piece.word(index - 1) != "OR":
            yield token.start, token.end, "INSERT"
