"""Words, strings and comments of SQL text, cut where the engine itself would cut them; nothing is understood yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

WORD, QUOTED, STRING, NUMBER, PARAMETER, COMMENT, SYMBOL, BROKEN = (
    "word",
    "quoted",
    "string",
    "number",
    "parameter",
    "comment",
    "symbol",
    "broken",
)
"""What a token can be.  BROKEN is a string, name or comment that never ends."""


class Token(NamedTuple):
    """One piece of the text: `script[start:end]`."""

    kind: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Lexicon:
    """How a family of engines cuts text."""

    double_quote: str = QUOTED
    """What `"x"` is: a name (the standard), or a string (MySQL)."""
    backslash: bool = False
    """`\\'` inside a string is a quote."""
    hash_comments: bool = False
    dash_needs_space: bool = False
    """`--1` is two minus signs, not a comment (MySQL)."""
    nested_comments: bool = False
    dollar_quotes: bool = False
    prefixes: str = "xX"
    """Letters that may stand before a string."""
    escape_strings: bool = False
    """`E'...'` knows backslashes, `U&"..."` hides names (PostgreSQL)."""
    brackets: bool = False
    """`[x]` is a name."""
    backticks: bool = False
    executable_comments: bool = False
    """`/*! ... */` runs (MySQL)."""


SQLITE = Lexicon(brackets=True, backticks=True)
POSTGRES = Lexicon(nested_comments=True, dollar_quotes=True, prefixes="bBxXnN", escape_strings=True)
MYSQL = Lexicon(
    double_quote=STRING,
    backslash=True,
    hash_comments=True,
    dash_needs_space=True,
    prefixes="bBxXnN",
    backticks=True,
    executable_comments=True,
)
_KNOWN = {
    "sqlite": SQLITE,
    "postgres": POSTGRES,
    "redshift": POSTGRES,
    "materialize": POSTGRES,
    "risingwave": POSTGRES,
    "duckdb": POSTGRES,
    "mysql": MYSQL,
    "doris": MYSQL,
    "starrocks": MYSQL,
    "singlestore": MYSQL,
}


def lexicon(dialect: str) -> Lexicon:
    """The lexical rules of a dialect; of one we do not know by heart, as sqlglot tells them."""
    return _KNOWN.get(dialect) or _borrowed(dialect)


@lru_cache
def _borrowed(dialect: str) -> Lexicon:
    from sqlglot.dialects.dialect import Dialect  # heavy, and needed for rare dialects only

    rules = Dialect.get_or_raise(dialect).tokenizer_class
    quotes = [q if isinstance(q, str) else q[0] for q in rules.QUOTES]
    names = [q if isinstance(q, str) else q[0] for q in rules.IDENTIFIERS]
    return Lexicon(
        double_quote=STRING if '"' in quotes else QUOTED,
        backslash="\\" in rules.STRING_ESCAPES,
        hash_comments="#" in rules.COMMENTS,
        nested_comments=bool(rules.NESTED_COMMENTS),
        dollar_quotes=bool(rules.HEREDOC_STRINGS) or "$$" in quotes,
        prefixes="bBxXnNrR",
        brackets="[" in names,
        backticks="`" in names,
    )


def _closed(kind: str, opening: str, quote: str, *, escape: bool) -> list[str]:
    """The pattern of a quoted text, and of the same text without its end."""
    q = re.escape(quote)
    plain, again = (rf"[^{q}\\]*", rf"(?:{q}{q}|\\.)") if escape else (rf"[^{q}]*", f"{q}{q}")
    body = f"{opening}{q}{plain}(?:{again}{plain})*"
    return [f"(?P<{kind}>{body}{q})", f"(?P<broken_{kind}>{body})"]


@lru_cache
def _pattern(rules: Lexicon) -> tuple[re.Pattern[str], list[str]]:
    """What finds the next token, and the kind of token that each of its groups stands for ("" for one that nests)."""
    dash = r"--(?=[\s\x00-\x1f]|\Z)[^\n]*" if rules.dash_needs_space else r"--[^\n]*"
    hash_sign = r"|#[^\n]*" if rules.hash_comments else ""
    not_a_string = f"(?!['\"]|[{rules.prefixes}]'" + ("|[eE]'|[uU]&['\"])" if rules.escape_strings else ")")
    # The commonest first: an alternation is tried from the left at every token.
    parts = [rf"(?P<word>{not_a_string}[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)", r"(?P<symbol_1>[(),;=*])"]
    parts += [f"(?P<comment>{dash}{hash_sign})"]
    parts += (
        [r"(?P<block>/\*)"] if rules.nested_comments else [r"(?P<comment_2>/\*.*?\*/)", r"(?P<broken_comment>/\*.*)"]
    )
    if rules.dollar_quotes:
        tag = r"\$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?)\$"
        parts += [rf"(?P<string_dollar>{tag}.*?\$(?P=tag)\$)", r"(?P<broken_dollar>\$(?:[A-Za-z_]\w*)?\$.*)"]
    if rules.escape_strings:
        parts += _closed("string_escape", "[eE]", "'", escape=True)
        parts += _closed("string_unicode", "[uU]&", "'", escape=False)
        parts += _closed("quoted_unicode", "[uU]&", '"', escape=False)
    parts += _closed("string_prefix", f"[{rules.prefixes}]", "'", escape=rules.backslash)
    parts += _closed("string", "", "'", escape=rules.backslash)
    double = "string_double" if rules.double_quote == STRING else "quoted_double"
    parts += _closed(double, "", '"', escape=rules.backslash and rules.double_quote == STRING)
    if rules.backticks:
        parts += _closed("quoted_tick", "", "`", escape=False)
    if rules.brackets:
        parts += [r"(?P<quoted_bracket>\[[^\]]*\])", r"(?P<broken_bracket>\[[^\]]*)"]
    parts += [
        r"(?P<number>(?:\d[\d_]*(?:\.(?!\.)[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?\w*)",
        r"(?P<parameter>\?\d+|[:@$][A-Za-z_\d][\w$]*|@@[\w.]+)",
        r"(?P<symbol>::|->>|->|\|\||<=|>=|<>|!=|==|:=|[^ \t\n\r\f\v])",
    ]
    pattern = re.compile(rf"(?:{'|'.join(parts)})[ \t\n\r\f\v]*", re.DOTALL)
    kinds = [""] * (pattern.groups + 1)
    for name, index in pattern.groupindex.items():
        kinds[index] = "" if name == "block" else _KIND_OF.get(name, BROKEN)
    return pattern, kinds


_EDGE = re.compile(r"/\*|\*/")
_KIND_OF = {
    "symbol_1": SYMBOL,
    "comment_2": COMMENT,
    "string_dollar": STRING,
    "string_escape": STRING,
    "string_unicode": STRING,
    "string_prefix": STRING,
    "string_double": STRING,
    "quoted_unicode": QUOTED,
    "quoted_double": QUOTED,
    "quoted_tick": QUOTED,
    "quoted_bracket": QUOTED,
    **{kind: kind for kind in (WORD, NUMBER, PARAMETER, COMMENT, SYMBOL, STRING)},
}


def scan(script: str, dialect: str) -> Iterator[Token]:
    """Every token of the script in order, comments included, white space left out."""
    pattern, kinds = _pattern(lexicon(dialect))
    start: int | None = 0
    while start is not None:
        matches, start = pattern.finditer(script, start), None
        for match in matches:
            group = match.lastindex or 0
            kind = kinds[group]
            if not kind:
                token = _nested_comment(script, match.start())
                yield token
                start = token.end
                break
            yield Token(kind, *match.span(group), match[group])


def _nested_comment(script: str, start: int) -> Token:
    depth = 0
    for edge in _EDGE.finditer(script, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return Token(COMMENT, start, edge.end(), script[start : edge.end()])
    return Token(BROKEN, start, len(script), script[start:])
