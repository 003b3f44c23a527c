"""Which parts of a statement a sentence has told: one that leaves any part out is not said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlglot import exp

from sqlagent.core.text.lexer import NUMBER, QUOTED, STRING, WORD, Token
from sqlagent.core.text.split import Piece

WORDS = frozenset(
    """
    select from where and or not in like ilike between is null group by having order asc desc nulls first last limit
    offset as on join inner left outer distinct all update set delete insert into values true false
    count sum avg min max round abs lower upper length trim substr substring coalesce ifnull cast strftime date datetime
    current_timestamp current_date current_time now extract year month day
    integer int bigint real text numeric float double precision decimal
    """.split()
)
"""Every word of SQL that sentences tell; a statement with another one that is no name of its own has no sentence."""
_NOTHING: tuple[object, ...] = (None, False, "", [], ())


class Unsaid(Exception):
    """The statement has a part for which there are no words."""


class Ledger:
    """The nodes of a statement that nothing was said of yet."""

    def __init__(self, root: exp.Expr) -> None:
        self._left = {id(node): node for node in root.walk()}

    def take(self, node: exp.Expr, *told: str) -> None:
        """The node is told with these of its arguments; Unsaid where it has any other."""
        if any(name not in told and value not in _NOTHING for name, value in node.args.items()):
            raise Unsaid(f"{type(node).__name__} has more to it")
        self._left.pop(id(node), None)

    def take_all(self, node: exp.Expr | None) -> None:
        """The node and all below it are told; for what was looked at whole."""
        for each in node.walk() if node is not None else ():
            self._left.pop(id(each), None)

    def check(self) -> None:
        """Unsaid where a node is left."""
        for node in self._left.values():
            raise Unsaid(f"{type(node).__name__} was not told")


def check_words(piece: Piece, root: exp.Expr) -> None:
    """The text has the words, names and literals of its tree, each as often, and no other: the parser dropped none."""
    names: Counter[str] = Counter()
    for token in piece.tokens:
        if token.kind == QUOTED or (token.kind == WORD and token.text.lower() not in WORDS):
            names[_name(token)] += 1
    if names != Counter(_names(root)):
        raise Unsaid("the text has words that the tree has not")
    literals = Counter(_literal(token) for token in piece.tokens if token.kind in (STRING, NUMBER))
    if literals != Counter((node.is_string, node.name) for node in root.find_all(exp.Literal)):
        raise Unsaid("the text has literals that the tree has not")


def _names(root: exp.Expr) -> Iterator[str]:
    for node in root.find_all(exp.Identifier):
        if node.args.get("quoted") or node.name.lower() not in WORDS:
            yield node.name.lower()


def _name(token: Token) -> str:
    text = token.text
    if token.kind == WORD:
        return text.lower()
    closing = "]" if text[0] == "[" else text[0]
    return text[1:-1].replace(closing * 2, closing).lower()


def _literal(token: Token) -> tuple[bool, str]:
    text = token.text
    if token.kind == NUMBER:
        return False, text
    return True, text[1:-1].replace("''", "'") if text[0] == "'" else text
