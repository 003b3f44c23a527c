"""Names with blanks in them that a draft has without their quotes: `Home Town = 'Graz'`."""

from __future__ import annotations

from itertools import pairwise

from sqlagent.core.nouns.draft import Schema
from sqlagent.core.text.lexer import WORD, Token
from sqlagent.core.text.spelled_names import spelled
from sqlagent.core.text.split import split


def with_quotes(sql: str, schema: Schema) -> tuple[str, tuple[str, ...]]:
    """The draft with such names in quotes, and what was changed; on its words alone, since none of it may parse."""
    names = _names_with_blanks(schema)
    pieces = list(split(sql, schema.dialect)) if names else []
    if len(pieces) != 1:
        return sql, ()
    text, said = sql, list[str]()
    tokens = pieces[0].tokens
    for place in range(len(tokens) - 1, -1, -1):
        for words, name in names.items():
            found = tokens[place : place + len(words)]
            if _are(found, words, sql):
                text = text[: found[0].start] + spelled(name, schema.dialect) + text[found[-1].end :]
                said.insert(0, f"{name} to {spelled(name, schema.dialect)}")
    return text, tuple(dict.fromkeys(said))


def _names_with_blanks(schema: Schema) -> dict[tuple[str, ...], str]:
    """Each by its words; not where its first word is itself a column, which may be meant, under an alias."""
    columns = {c.name for t in schema.tables for c in t.columns}
    bare = {name.lower() for name in columns}
    names = {tuple(name.lower().split()): name for name in (*columns, *(t.name for t in schema.tables))}
    return {words: name for words, name in names.items() if len(words) > 1 and words[0] not in bare}


def _are(tokens: tuple[Token, ...], words: tuple[str, ...], sql: str) -> bool:
    """Whether these are the words, one blank apart, and none of them in quotes."""
    said = tuple(t.text.lower() for t in tokens if t.kind == WORD)
    return said == words and all(sql[a.end : b.start] == " " for a, b in pairwise(tokens))
