"""SQL shortened to one line for lists: without comments, and cut between words."""

from __future__ import annotations

from sqlagent.core.text.lexer import COMMENT, scan

_READ_OF = 20
"""Characters of SQL that are looked at for each one of the title."""
_NEAR = 24


def cut_at_word(text: str, most: int) -> str:
    """At most so many characters, ended by `...` after a whole word where one ends near."""
    if len(text) <= most:
        return text
    kept = text[: most - 3]
    blank = kept.rfind(" ", max(len(kept) - _NEAR, 1))
    whole = text[most - 3].isspace() or blank < 0
    return f"{(kept if whole else kept[:blank]).rstrip()}..."


def title_of(sql: str, *, most: int, dialect: str = "sqlite") -> str:
    """The words of SQL on one line; its comments claim things, and are no title."""
    begun = sql[: most * _READ_OF]
    parts, end = [], 0
    for token in scan(begun, dialect):
        if token.kind == COMMENT:
            parts += [begun[end : token.start], " "]
            end = token.end
    parts.append(begun[end:])
    words = " ".join("".join(parts).split())
    return cut_at_word(words or " ".join(begun.split()), most)
