"""What a CREATE TABLE says of its columns in comments: SQLite has no COMMENT ON, and keeps the text as it was typed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlagent.core.text.lexer import COMMENT, Token, scan

TABLE = ""
"""The key of what is said of the table itself."""


def comments(sql: str) -> dict[str, str]:
    """By lower-case column name; one behind a column's line is about it, one on a line of its own about the next."""
    if "--" not in sql and "/*" not in sql:
        return {}
    found: dict[str, str] = {}
    tokens = list(scan(sql, "sqlite"))
    columns = list(_columns(tokens))
    opened = next((t.start for t in tokens if t.text == "("), len(sql))
    for token in tokens:
        if token.kind == COMMENT:
            name = _about(token, columns, sql, opened)
            words = " ".join(token.text.removeprefix("--").removeprefix("/*").removesuffix("*/").split()).strip("-=* ")
            found[name] = f"{found[name]} {words}" if name in found else words
    return {name: words for name, words in found.items() if words}


def _about(comment: Token, columns: Sequence[Token], sql: str, opened: int) -> str:
    """The column that a comment is about."""
    line = sql.rfind("\n", 0, comment.start) + 1
    before = [c for c in columns if c.start < comment.start]
    if sql[line : comment.start].strip() and before:
        return _name(before[-1])
    behind = [c for c in columns if c.start > comment.start]
    if comment.start < opened or not behind or (sql[line : comment.start].strip() and not before):
        return TABLE
    return _name(behind[0])


def _columns(tokens: Sequence[Token]) -> Iterator[Token]:
    """The first word of each part between the outer brackets."""
    depth, begins = 0, False
    for token in tokens:
        if token.kind == COMMENT:
            continue
        if depth == 1 and begins and token.text not in ("(", ")", ","):
            yield token
        begins = depth == 1 and token.text == ","
        if token.text == "(":
            depth += 1
            begins = depth == 1
        elif token.text == ")":
            depth -= 1


def _name(token: Token) -> str:
    return token.text.strip("\"`[]'").lower()
