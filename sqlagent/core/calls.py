"""Which functions a statement calls, read from its words: a name before a bracket, whatever a parser makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlagent.core.functions import Effect, functions
from sqlagent.core.lexer import QUOTED, WORD, Token

KEYWORDS = frozenset(
    """
    ALL AND ANY AS ASC BETWEEN BY CASE CHECK CONFLICT CROSS DESC DISTINCT ELSE ESCAPE EXCEPT EXCLUDE EXISTS EXPLAIN
    FETCH FILTER FROM FULL GROUP HAVING ILIKE IN INNER INTERSECT INTERVAL IS ISNULL JOIN LATERAL LIKE LIMIT MATERIALIZED MINUS
    NATURAL NOT NOTNULL OFFSET ON OR ORDER OVER OVERLAPS PARTITION QUALIFY RANGE RECURSIVE REGEXP RETURNING RLIKE ROW ROWS
    SELECT SETS SIMILAR SOME SYMMETRIC TABLE TABLESAMPLE THEN TO UNION UNIQUE USING VALUES WHEN WHERE WINDOW WITH WITHIN
    XOR CUBE ROLLUP COLUMNS PASSING PATH DIV MOD KEY NULLS FIRST LAST END GLOB MATCH COLLATE SET INTO ARRAY PRIMARY
    """.split()
)
"""Words that may stand before a bracket without being called."""


@dataclass(frozen=True, slots=True)
class Call:
    """One name before a bracket."""

    name: str
    qualifier: str = ""
    bare: bool = False
    """Nothing stands between its brackets."""


def calls(tokens: tuple[Token, ...]) -> Iterator[Call]:
    """Every name that stands right before an opening bracket, with the name before its dot."""
    for index in range(1, len(tokens)):
        if tokens[index].text != "(":
            continue
        name = tokens[index - 1]
        if name.kind == WORD:
            if name.text.upper() in KEYWORDS and tokens[index - 2].text != ".":
                continue
        elif name.kind != QUOTED:
            continue
        qualified = index > 2 and tokens[index - 2].text == "."
        bare = index + 1 < len(tokens) and tokens[index + 1].text == ")"
        yield Call(unquoted(name), unquoted(tokens[index - 3]) if qualified else "", bare)


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
        if call.qualifier and effect is Effect.PURE and not _is_home(call.qualifier, dialect):
            effect, name = Effect.UNKNOWN, f"{call.qualifier}.{call.name}"
        if effect is Effect.UNKNOWN and budget[name] > 0:
            budget[name] -= 1
            continue
        if effect is Effect.UNKNOWN:
            unplaced.append(name)
        if _RANK[effect] > _RANK[worst.effect]:
            worst = Worst(effect, name)
    return Worst(worst.effect, worst.name, tuple(dict.fromkeys(unplaced)))


def _is_home(qualifier: str, dialect: str) -> bool:
    """Whether a schema holds nothing but built-in functions."""
    return dialect == "postgres" and qualifier.lower() == "pg_catalog"
