"""Which objects CREATE, ALTER and DROP are about, read from their words: parsers know too few of their forms."""

from __future__ import annotations

from dataclasses import dataclass

from sqlagent.core.nouns.analysis import Kind, Risk
from sqlagent.core.text.function_calls import unquoted
from sqlagent.core.text.lexer import QUOTED, STRING, WORD
from sqlagent.core.text.split import Piece

_MODIFIERS = frozenset(
    """
    OR REPLACE TEMP TEMPORARY UNIQUE VIRTUAL MATERIALIZED GLOBAL LOCAL UNLOGGED RECURSIVE FOREIGN CONSTRAINT FULLTEXT
    SPATIAL PERSISTENT ONLINE OFFLINE IGNORE AGGREGATE
    """.split()
)
_NOT_NAMES = frozenset({"IF", "NOT", "EXISTS", "ONLY", "CONCURRENTLY"})
_ORDINARY = frozenset(
    {"TABLE", "VIEW", "INDEX", "TRIGGER", "SEQUENCE", "TYPE", "SCHEMA", "DOMAIN", "MACRO", "STATISTICS"}
)
_REACHES_OUT = frozenset({"SERVER", "SUBSCRIPTION", "EXTENSION", "SECRET", "LIBRARY", "WRAPPER"})
_KNOWN_MODULES = ("fts", "rtree", "geopoly")


@dataclass(frozen=True, slots=True)
class Shape:
    """The object that a CREATE, ALTER or DROP is about, and how bad that is."""

    what: str
    """TABLE, INDEX, TRIGGER, ...: upper case."""
    names: tuple[str, ...]
    """The objects by their dotted names; an index or a trigger by that of its table."""
    risk: Risk
    why: str
    denied: str = ""


def shape(piece: Piece, kind: Kind) -> Shape:
    """What is created, altered or dropped, and how bad that is."""
    at = 1
    while piece.word(at) in _MODIFIERS:
        at += 1
    modifiers = {piece.word(i) for i in range(1, at)}
    if piece.word(at) == "DEFINER":
        while at < len(piece.tokens) and piece.word(at) not in ("TRIGGER", "PROCEDURE", "FUNCTION", "VIEW", "EVENT"):
            at += 1
    what = piece.word(at)
    names = _names(piece, at + 1, what, kind)
    return _judged(piece, kind, what, modifiers, names)


def _judged(piece: Piece, kind: Kind, what: str, modifiers: set[str], names: tuple[str, ...]) -> Shape:
    def made(risk: Risk, why: str, denied: str = "") -> Shape:
        return Shape(what, names, risk, why, denied)

    if what in _REACHES_OUT:
        return made(
            Risk.UNKNOWN, f"{kind.value} {what.lower()} connects the database to what is outside", "outside-database"
        )
    if kind is Kind.ALTER and what == "SYSTEM":
        return made(Risk.UNKNOWN, "ALTER SYSTEM changes the server's settings", "session-change")
    if kind is not Kind.CREATE:
        return made(Risk.SEVERE, f"{kind.value} {what.lower()} has no undo")
    if "REPLACE" in modifiers:
        return made(Risk.SEVERE, f"it replaces the {what.lower()} that is there")
    if "VIRTUAL" in modifiers and not _module(piece).startswith(_KNOWN_MODULES):
        return made(Risk.UNKNOWN, f"a virtual table runs the module {_module(piece)}")
    if what in _ORDINARY:
        return made(Risk.WRITE, f"it creates a {what.lower()}")
    return made(Risk.SEVERE, f"it creates a {what.lower()}")


def _module(piece: Piece) -> str:
    using = next((i for i in range(len(piece.tokens)) if piece.word(i) == "USING"), -1)
    return piece.word(using + 1).lower() if using >= 0 else ""


def _names(piece: Piece, at: int, what: str, kind: Kind) -> tuple[str, ...]:
    """The objects' names, dotted as written; an index and a trigger go by their table."""
    if what in ("INDEX", "TRIGGER", "RULE", "POLICY") and kind is Kind.CREATE:
        on = [i for i in range(at, len(piece.tokens)) if piece.word(i) == ("TO" if what == "RULE" else "ON")]
        return (_dotted(piece, on[0] + 1)[0],) if on and _dotted(piece, on[0] + 1)[0] else ()
    while piece.word(at) in _NOT_NAMES:
        at += 1
    names = []
    while True:
        name, at = _dotted(piece, at)
        if name:
            names.append(name)
        if kind is not Kind.DROP or at >= len(piece.tokens) or piece.tokens[at].text != ",":
            return tuple(names)
        at += 1


def _dotted(piece: Piece, at: int) -> tuple[str, int]:
    """The name that starts at a token, and where it ends; `main.` says nothing and is left out."""
    parts: list[str] = []
    while at < len(piece.tokens) and piece.tokens[at].kind in (WORD, QUOTED, STRING):
        token = piece.tokens[at]
        parts.append(unquoted(token) if token.kind != STRING else token.text[1:-1])
        if at + 1 >= len(piece.tokens) or piece.tokens[at + 1].text != ".":
            at += 1
            break
        at += 2
    if len(parts) > 1 and parts[0].lower() == "main":
        parts = parts[1:]
    return ".".join(parts), at
