"""Checks of the raw text, before any parser: hidden characters, comments that run, and sizes that crash a parser."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sqlagent.core.nouns.analysis import Finding, Severity
from sqlagent.core.text.lexer import QUOTED, STRING, WORD, Token, lexicon
from sqlagent.core.text.split import Piece

MAX_LENGTH = 32 * 1024
MAX_DEPTH = 200
MAX_OPEN_JOINS = 12
_PLAIN = re.compile(r"[\t\n\r\x20-\x7e]*").fullmatch
_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BARE_RETURN = re.compile(r"\r(?!\n)")
_OPENING = frozenset({"(", "[", "{", "CASE"})
_CLOSING = frozenset({")", "]", "}", "END"})
_PREFIX_OPERATORS = frozenset({"-", "+", "~", "!", "@", "NOT", "PRIOR", "BINARY", "DISTINCT"})


@dataclass(frozen=True, slots=True)
class Remarks:
    """What the raw text of one statement gives rise to."""

    denied: str = ""
    """The rule that refuses it: `hidden-characters` or `executable-comment`."""
    too_large: bool = False
    """Longer or deeper than we let a parser read."""
    why: str = ""
    findings: tuple[Finding, ...] = ()


def remarks(piece: Piece, dialect: str) -> Remarks:
    """The first thing that refuses the text, else what its strings hide; `Remarks()` where nothing is wrong."""
    for refuse in (_executable_comment, _bare_return, _hidden_outside_strings):
        if found := refuse(piece, dialect):
            rule, why = found
            return Remarks(denied=rule, why=why, findings=(Finding(rule, why, Severity.DANGER),))
    if why := too_large(piece):
        return Remarks(too_large=True, why=why, findings=(Finding("too-large", why, Severity.WARNING),))
    return Remarks(findings=tuple(_hidden_in_strings(piece)))


def is_hidden(char: str) -> bool:
    """Whether a character shows nothing, or changes how its neighbours are shown."""
    if char in "\t\n\r" or "\x20" <= char <= "\x7e":
        return False
    category = unicodedata.category(char)
    if category in _HIDDEN_CATEGORIES or char in _INVISIBLE_LETTERS:
        return True
    return (category == "Zs") or "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def too_large(piece: Piece) -> str:
    """Why a parser should not be given this statement, or ""."""
    if len(piece.sql) > MAX_LENGTH:
        return f"{len(piece.sql):,} characters; more than {MAX_LENGTH:,} are not analyzed"
    if len(piece.tokens) > MAX_DEPTH and _depth(piece.tokens) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    if (
        piece.words.count("JOIN") + piece.words.count("STRAIGHT_JOIN") > MAX_OPEN_JOINS
        and _open_joins(piece) > MAX_OPEN_JOINS
    ):
        return f"more than {MAX_OPEN_JOINS} joins without a condition"
    return ""


def _open_joins(piece: Piece) -> int:
    """How many joins wait for their ON at once: each doubles the time that the parser takes."""
    waiting = most = 0
    for index, word in enumerate(piece.words):
        if word in ("JOIN", "STRAIGHT_JOIN") and piece.word(index - 1) not in ("NATURAL", "CROSS"):
            waiting += 1
            most = max(most, waiting)
        elif word in ("ON", "USING") and waiting:
            waiting -= 1
    return most


def _depth(tokens: tuple[Token, ...]) -> int:
    """How deep brackets, CASEs, prefix operators and subscripts nest: each is a level of a parser's stack."""
    depth = deepest = run = 0
    last = ""
    for token in tokens:
        word = token.text.upper()
        if word in _PREFIX_OPERATORS or (word == "[" and last == "]"):
            run += 1
        elif word not in ("]", "[") and last != "[":
            run = 0
        depth += (word in _OPENING) - (word in _CLOSING)
        deepest = max(deepest, depth + run)
        last = word
    return deepest


def _name(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, 'a control character')}".lower().replace("u+", "U+", 1)


def _executable_comment(piece: Piece, dialect: str) -> tuple[str, str] | None:
    if lexicon(dialect).executable_comments and any(c.text.startswith(("/*!", "/*M!")) for c in piece.comments):
        return "executable-comment", "a comment that the server runs: /*! ... */"
    return None


def _bare_return(piece: Piece, _dialect: str) -> tuple[str, str] | None:
    # A line comment's last character may be the CR of the CR LF that ends it; every engine ends it there.
    if any(
        _BARE_RETURN.search(c.text if c.text.startswith("/") else c.text.removesuffix("\r")) for c in piece.comments
    ):
        return "hidden-characters", "a carriage return inside a comment: engines disagree where the comment ends"
    return None


def _hidden_outside_strings(piece: Piece, _dialect: str) -> tuple[str, str] | None:
    if "\0" in piece.sql or "\0" in piece.gaps:
        return "hidden-characters", "a NUL character: engines disagree whether the text ends there"
    if _PLAIN(piece.sql) and _PLAIN(piece.gaps):
        return None
    for char in piece.gaps + _without_strings(piece):
        if is_hidden(char):
            return "hidden-characters", f"a hidden character outside a string: {_name(char)}"
    for char in piece.sql:
        if unicodedata.category(char) == "Cs":
            return "hidden-characters", f"half a character, which no engine accepts: {_name(char)}"
    for token in piece.tokens:
        if token.kind in (WORD, QUOTED) and mixes_scripts(token.text):
            return "hidden-characters", f"a name that mixes alphabets which look alike: {token.text}"
    return None


def _without_strings(piece: Piece) -> str:
    kept, last = [], 0
    for token in piece.tokens:
        if token.kind == STRING:
            kept.append(piece.sql[last : token.start - piece.start])
            last = token.end - piece.start
    return "".join([*kept, piece.sql[last:]])


def _hidden_in_strings(piece: Piece) -> list[Finding]:
    if _PLAIN(piece.sql):
        return []
    hidden = {c for t in piece.tokens if t.kind == STRING for c in t.text if is_hidden(c)}
    return [
        Finding("hidden-characters", f"a string holds a hidden character: {_name(c)}", Severity.WARNING)
        for c in sorted(hidden)
    ]


_LOOKS_LATIN = frozenset(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405\u04ae"
    "\u03bf\u03b1\u03bd\u03c1\u03c5\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u0555\u0585\u057d\u0578\u13a0\u13d2\u13a1\u13b3"
)
"""Letters of other alphabets that most fonts draw exactly as a Latin letter."""


def mixes_scripts(name: str) -> bool:
    """Whether Latin letters stand beside letters that only look Latin: `us\u0435rs` is not `users`."""
    if name.isascii():
        return False
    latin = any("a" <= c.lower() <= "z" for c in name)
    return latin and any(c in _LOOKS_LATIN or "\uff01" <= c <= "\uff5e" or 0x1D400 <= ord(c) <= 0x1D7FF for c in name)
