"""The parser's tree of one statement, believed only where two lexers cut its words alike."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from sqlagent.core.text.lexer import QUOTED, STRING
from sqlagent.core.text.parser_spellings import legible
from sqlagent.core.text.split import Piece, split

# What sqlglot cannot parse it also logs as a warning; here that is an opinion, and said once.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

N = TypeVar("N", bound=exp.Expr)


class Unreadable(Exception):
    """The parser could not make one statement of the text."""


class Tree:
    """A statement's tree, with its nodes sorted by class: one walk serves every question."""

    __slots__ = ("by_class", "root")

    def __init__(self, root: exp.Expr) -> None:
        self.root = root
        self.by_class: dict[type[exp.Expr], list[Any]] = {}
        for node in root.walk():
            self.by_class.setdefault(type(node), []).append(node)

    def of(self, *classes: type[N]) -> Iterator[N]:
        """The nodes of exactly these classes, outermost first within a class."""
        for class_ in classes:
            yield from self.by_class.get(class_, ())


@lru_cache
def _dialect(name: str) -> Dialect:
    return Dialect.get_or_raise(name)


def parse_one(piece: Piece, dialect: str) -> Tree:
    """The tree of the statement; Unreadable where the parser fails or reads other words than we do."""
    try:
        return _tree(piece, dialect)
    except Unreadable:
        text = legible(piece, dialect)
        again = list(split(text, dialect)) if text != piece.sql else []
        if len(again) != 1:
            raise
        return _tree(again[0], dialect)


def parse_exactly(piece: Piece, dialect: str) -> Tree:
    """The same without a second try, which may leave a word out: the tree says all that the statement says."""
    return _tree(piece, dialect)


def _tree(piece: Piece, dialect: str) -> Tree:
    speaks = _dialect(dialect)
    try:
        tokens = speaks.tokenize(piece.sql)
        trees = [t for t in speaks.parser().parse(tokens, piece.sql) if t is not None]
    except Exception as error:
        raise Unreadable(f"the parser cannot read it ({type(error).__name__})") from error
    if len(trees) != 1:
        raise Unreadable(f"the parser sees {len(trees)} statements in it")
    if isinstance(trees[0], exp.Command):
        raise Unreadable("the parser does not know the statement")
    if not _cut_alike(piece, tokens):
        raise Unreadable("its words can be cut in two ways")
    return Tree(trees[0])


def _cut_alike(piece: Piece, theirs: Sequence[Any]) -> bool:
    """Whether two lexers find the same words: every word of ours starts, or lies in, a token of theirs."""
    spans = iter(theirs)
    span = next(spans, None)
    for token in piece.tokens:
        start = token.start - piece.start
        while span is not None and span.end < start:
            span = next(spans, None)
        if span is None or span.start > start:
            return False
        if span.start != start and token.kind in (STRING, QUOTED):
            return False
    end = piece.tokens[-1].end - piece.start
    return all(rest.start < end for rest in spans)
