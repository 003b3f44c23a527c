"""Which functions a statement calls, read from its words: a name before a bracket, whatever a parser makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlagent.core.functions import Effect, functions
from sqlagent.core.text.lexer import QUOTED, STRING, SYMBOL, WORD, Token

RESERVED = frozenset(
    """
    ALL AND ANY AS ASC BY CASE CHECK CROSS DESC DISTINCT ELSE END EXCEPT EXISTS FROM GROUP HAVING IN INTERSECT
    INTO JOIN LATERAL LIMIT NOT OFFSET ON OR ORDER OVER RECURSIVE RETURNING SELECT SOME SYMMETRIC TABLE THEN TO
    UNION UNIQUE USING VALUES WHEN WHERE WINDOW WITH QUALIFY PRIMARY CONFLICT ESCAPE BETWEEN
    """.split()
)
"""Words that may stand before a bracket and that no engine lets a function be called by."""

BETWEEN_VALUES = frozenset(
    {"LIKE", "ILIKE", "IS", "RLIKE", "REGEXP", "GLOB", "MATCH", "OVERLAPS", "DIV", "MOD", "XOR", "COLLATE"}
)
"""Operators that some engine also has as a function: an operator stands behind a value or NOT, a call does not."""

BEHIND = {
    "MATERIALIZED": ("AS", "NOT"),
    "SETS": ("GROUPING",),
    "FILTER": (")",),
    "GROUP": ("WITHIN",),
    "PARTITION": ("BY", "FROM"),
    "COLUMNS": (")",),
    "REPEATABLE": (")",),
    "EXCLUDE": ("*",),
    "REPLACE": ("*", ")"),
    "EXCEPT": ("*",),
    "ROW": ("(", ",", "=", "VALUES"),
    "KEY": ("PRIMARY", "FOREIGN", "FORCE", "USE", "IGNORE"),
    "INDEX": ("FORCE", "USE", "IGNORE"),
    "AGAINST": (")",),
    "SET": ("UPDATE",),
}
"""Words that are no call behind these others."""


_SPACED = frozenset(
    """
    bigint binary bit char character date datetime decimal double enum float int integer interval nchar numeric real set
    signed smallint time timestamp tinyint unsigned values varbinary varchar year
    """.split()
)
"""Types and words of MySQL's grammar, which may stand apart from their bracket."""


@dataclass(frozen=True, slots=True)
class Call:
    """One name before a bracket."""

    name: str
    qualifier: str = ""
    bare: bool = False
    """Nothing stands between its brackets."""
    apart: bool = False
    """A blank or a comment stands before its bracket: to MySQL, `now ()` is a stored function."""


def calls(tokens: tuple[Token, ...]) -> Iterator[Call]:
    """Every name that stands right before an opening bracket, with the name before its dot."""
    for index in range(1, len(tokens)):
        if tokens[index].text != "(":
            continue
        name = tokens[index - 1]
        if name.kind == WORD:
            if _is_syntax(name.text.upper(), tokens[index - 2] if index > 1 else None):
                continue
        elif name.kind != QUOTED:
            continue
        # Behind the dot of a value it is DuckDB's way of calling: `'a'.upper()`.
        qualified = index > 2 and tokens[index - 2].text == "." and tokens[index - 3].kind in (WORD, QUOTED)
        bare = index + 1 < len(tokens) and tokens[index + 1].text == ")"
        apart = tokens[index].start != name.end
        yield Call(unquoted(name), unquoted(tokens[index - 3]) if qualified else "", bare, apart)


def _is_syntax(word: str, before: Token | None) -> bool:
    """Whether a word before a bracket is part of the grammar there, and no call."""
    if before is None or before.text == ".":
        return before is None and word in RESERVED
    if word in RESERVED:
        return True
    if word in BETWEEN_VALUES:
        return before.text.upper() == "NOT" or ends_value(before)
    if word == "COLUMNS" and before.kind == STRING:  # JSON_TABLE(doc, '$[*]' COLUMNS (...))
        return True
    return before.text.upper() in BEHIND.get(word, ())


def ends_value(token: Token) -> bool:
    """Whether what comes behind this token stands behind a value, as an operator does."""
    if token.kind == WORD:
        return token.text.upper() not in RESERVED or token.text.upper() == "END"
    return token.kind != SYMBOL or token.text in (")", "]")


def unquoted(token: Token) -> str:
    """The name a token stands for."""
    text = token.text
    if token.kind != QUOTED:
        return text
    if text[0] in "uU":
        return text  # a PostgreSQL name in Unicode escapes: it matches nothing we know
    return text[1:-1].replace(text[-1] * 2, text[-1])


@dataclass(frozen=True, slots=True)
class Worst:
    """The call that says most against a statement."""

    effect: Effect = Effect.PURE
    name: str = ""
    unplaced: tuple[str, ...] = ()
    """Names that are on no list."""


_RANK = {Effect.PURE: 0, Effect.VOLATILE: 1, Effect.UNKNOWN: 2, Effect.OUTSIDE: 3}


def worst_call(tokens: tuple[Token, ...], dialect: str, excused: Counter[str]) -> Worst:
    """The worst of the functions called.  `excused` holds names that a definition accounts for, each so many times."""
    listed = functions(dialect)
    worst, unplaced = Worst(), []
    budget = Counter(excused)
    for call in calls(tokens):
        name = call.name.lower()
        effect = listed.get(name, Effect.UNKNOWN)
        if call.bare:
            effect = listed.get(f"{name}()", effect)
        if call.qualifier and effect is Effect.PURE and not is_home(call.qualifier, dialect):
            effect, name = Effect.UNKNOWN, f"{call.qualifier}.{call.name}"
        if call.apart and effect is Effect.PURE and dialect == "mysql" and name not in _SPACED:
            effect, name = Effect.UNKNOWN, f"{name} "
        if effect is Effect.UNKNOWN and budget[name] > 0:
            budget[name] -= 1
            continue
        if effect is Effect.UNKNOWN:
            unplaced.append(name)
        if _RANK[effect] > _RANK[worst.effect]:
            worst = Worst(effect, name)
    return Worst(worst.effect, worst.name, tuple(dict.fromkeys(unplaced)))


def is_home(qualifier: str, dialect: str) -> bool:
    """Whether a schema holds nothing but built-in functions."""
    return dialect == "postgres" and qualifier.lower() == "pg_catalog"
