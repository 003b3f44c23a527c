"""What the first words of a statement say of it, before and without any parser."""

from __future__ import annotations

from dataclasses import dataclass

from sqlagent.core.nouns.analysis import Kind, Risk
from sqlagent.core.text.function_calls import unquoted
from sqlagent.core.text.lexer import QUOTED, STRING, WORD
from sqlagent.core.text.split import Piece

KINDS = {
    "SELECT": Kind.SELECT,
    "VALUES": Kind.SELECT,
    "TABLE": Kind.SELECT,
    "FROM": Kind.SELECT,
    "WITH": Kind.SELECT,
    "PIVOT": Kind.SELECT,
    "UNPIVOT": Kind.SELECT,
    "INSERT": Kind.INSERT,
    "REPLACE": Kind.REPLACE,
    "UPDATE": Kind.UPDATE,
    "DELETE": Kind.DELETE,
    "MERGE": Kind.MERGE,
    "TRUNCATE": Kind.TRUNCATE,
    "CREATE": Kind.CREATE,
    "IMPORT": Kind.CREATE,
    "ALTER": Kind.ALTER,
    "RENAME": Kind.ALTER,
    "COMMENT": Kind.ALTER,
    "DROP": Kind.DROP,
    "PRAGMA": Kind.PRAGMA,
    "SET": Kind.SET,
    "RESET": Kind.SET,
    "DISCARD": Kind.SET,
    "USE": Kind.SET,
    "SHOW": Kind.SHOW,
    "DESCRIBE": Kind.SHOW,
    "DESC": Kind.SHOW,
    "SUMMARIZE": Kind.SHOW,
    "EXPLAIN": Kind.EXPLAIN,
    "BEGIN": Kind.TRANSACTION,
    "START": Kind.TRANSACTION,
    "COMMIT": Kind.TRANSACTION,
    "END": Kind.TRANSACTION,
    "ROLLBACK": Kind.TRANSACTION,
    "ABORT": Kind.TRANSACTION,
    "SAVEPOINT": Kind.TRANSACTION,
    "RELEASE": Kind.TRANSACTION,
    "XA": Kind.TRANSACTION,
    "ATTACH": Kind.ATTACH,
    "DETACH": Kind.ATTACH,
    "COPY": Kind.COPY,
    "EXPORT": Kind.COPY,
    "LOAD": Kind.COPY,
    "VACUUM": Kind.MAINTENANCE,
    "ANALYZE": Kind.MAINTENANCE,
    "REINDEX": Kind.MAINTENANCE,
    "CLUSTER": Kind.MAINTENANCE,
    "CHECKPOINT": Kind.MAINTENANCE,
    "OPTIMIZE": Kind.MAINTENANCE,
    "REPAIR": Kind.MAINTENANCE,
    "REFRESH": Kind.MAINTENANCE,
    "FLUSH": Kind.MAINTENANCE,
    "CALL": Kind.CALL,
    "DO": Kind.CALL,
    "EXECUTE": Kind.CALL,
    "PREPARE": Kind.CALL,
    "HANDLER": Kind.CALL,
    "GRANT": Kind.GRANT,
    "REVOKE": Kind.GRANT,
    "REASSIGN": Kind.GRANT,
}
PARSED = frozenset(
    {Kind.SELECT, Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE, Kind.MERGE, Kind.TRUNCATE}
    | {Kind.CREATE, Kind.ALTER, Kind.DROP}
)
"""Kinds whose text goes to the parser; the others are judged by their words."""


@dataclass(frozen=True, slots=True)
class Head:
    """The kind that a statement's first words give it, and its risk where they decide that."""

    kind: Kind
    risk: Risk = Risk.UNKNOWN
    denied: str = ""
    why: str = ""
    reads: str = ""
    """The one table it reads."""
    body: int = -1
    """Where the statement inside starts (`EXPLAIN SELECT ...`), as a place among the tokens; -1 where there is none."""
    runs: bool = False
    """The statement inside is run, not only explained."""


def head(piece: Piece, dialect: str) -> Head:
    """The kind of a statement, and all of its opinion where words suffice."""
    first = 0
    while first < len(piece.tokens) and piece.tokens[first].text == "(":
        first += 1
    word = piece.word(first)
    kind = KINDS.get(word, Kind.OTHER)
    if kind in PARSED:
        return Head(kind)
    if first:
        return Head(Kind.OTHER, why="it starts with a bracket and is no query")
    return _BY_WORDS.get(kind, _other)(piece, dialect, kind)


def _other(piece: Piece, _dialect: str, kind: Kind) -> Head:
    if piece.word(0) in ("INSTALL", "UNINSTALL"):
        return Head(Kind.OTHER, denied="outside-database", why=f"{piece.word(0)} loads a program")
    if kind in (Kind.CALL, Kind.OTHER):
        return Head(kind, why=f"`{piece.tokens[0].text[:40]}` starts nothing that the text can be judged by")
    return Head(kind, Risk.SEVERE, why=f"{kind.value} changes what has no undo")


def _transaction(_piece: Piece, _dialect: str, kind: Kind) -> Head:
    why = "it starts or ends a transaction: leave it out, a script runs in one"
    return Head(kind, denied="transaction-control", why=why)


def _attach(_piece: Piece, _dialect: str, kind: Kind) -> Head:
    return Head(kind, denied="outside-database", why="it opens or closes another database")


def _set(piece: Piece, _dialect: str, kind: Kind) -> Head:
    if piece.word(0) == "SET" and (piece.word(1) == "TRANSACTION" or "TRANSACTION" in (piece.word(2), piece.word(3))):
        return Head(kind, denied="transaction-control", why="it changes the transaction it runs in")
    return Head(kind, denied="session-change", why="it changes the session: who it is, or how it behaves")


def _maintenance(piece: Piece, dialect: str, kind: Kind) -> Head:
    words = {t.text.upper() for t in piece.tokens if t.kind == WORD}
    if piece.word(0) == "VACUUM" and "INTO" in words:
        return Head(kind, denied="outside-database", why="VACUUM INTO writes another file")
    if piece.word(0) == "ANALYZE" and dialect == "mysql" and words & _STARTS:
        return _explain(piece, dialect, Kind.EXPLAIN)
    return Head(kind, Risk.WRITE, why=f"{piece.word(0)} works on stored data or statistics")


def _copy(piece: Piece, dialect: str, kind: Kind) -> Head:
    if piece.word(0) != "COPY":
        return Head(kind, denied="outside-database", why=f"{piece.word(0)} reads or writes files")
    depth, target = 0, -1
    for index, token in enumerate(piece.tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and piece.word(index) in ("TO", "FROM"):
            target = index
            break
    if target > 0 and dialect == "postgres":
        if piece.word(target + 1) == "STDOUT" and piece.word(target) == "TO":
            if piece.tokens[1].text == "(":
                return Head(kind, body=2, runs=True)
            return Head(kind, Risk.READ, reads=_name(piece, 1))
        if piece.word(target + 1) == "STDIN" and piece.word(target) == "FROM":
            return Head(kind, Risk.WRITE, why="COPY FROM adds rows")
    return Head(kind, denied="outside-database", why="COPY reads or writes a file or a program")


def _name(piece: Piece, at: int) -> str:
    """The dotted name that starts at a token."""
    parts = []
    while at < len(piece.tokens) and piece.tokens[at].kind in (WORD, QUOTED):
        parts.append(unquoted(piece.tokens[at]))
        if at + 1 == len(piece.tokens) or piece.tokens[at + 1].text != ".":
            break
        at += 2
    return ".".join(parts)


def _show(piece: Piece, dialect: str, kind: Kind) -> Head:
    """SHOW, DESCRIBE and SUMMARIZE of plain names only: a string may be a file, a bracket may be a call."""
    if (
        piece.word(0) in ("DESCRIBE", "DESC")
        and dialect == "mysql"
        and piece.word(1) in _STARTS | {"ANALYZE", "FORMAT"}
    ):
        return _explain(piece, dialect, Kind.EXPLAIN)
    rest = piece.tokens[1:]
    like = [i for i, t in enumerate(rest) if t.kind == STRING]
    strings_follow_like = all(piece.word(i) == "LIKE" for i in like) and dialect != "duckdb"
    plain = all(t.kind != STRING or strings_follow_like for t in rest)
    if dialect == "duckdb" and (any(t.text == "." for t in rest) or piece.word(1) in KINDS):
        plain = False
    if len(rest) > 8 or not plain or any(t.text in ("(", ";") or "." in t.text[1:] for t in rest):
        return Head(kind, why=f"{piece.word(0)} of more than a plain name")
    return Head(kind, Risk.READ, reads=_name(piece, 1) if piece.word(0) == "SUMMARIZE" else "")


_EXPLAIN_OPTIONS = frozenset(
    """
    VERBOSE COSTS SETTINGS BUFFERS FORMAT TEXT JSON XML YAML TREE TRADITIONAL ON OFF TRUE FALSE SUMMARY GENERIC_PLAN
    MEMORY EXTENDED PARTITIONS NONE SERIALIZE TIMING WAL 0 1 , = ( )
    """.split()
)
_STARTS = frozenset(word for word, kind in KINDS.items() if kind in PARSED) | {"EXECUTE", "PRAGMA", "DECLARE"}


def _explain(piece: Piece, dialect: str, kind: Kind) -> Head:
    """Where the explained statement starts, and whether it runs: ANALYZE has many spellings, so all but options do."""
    at, runs = 1, piece.word(0) == "ANALYZE"
    if dialect == "sqlite":
        return Head(kind, body=3 if (piece.word(1), piece.word(2)) == ("QUERY", "PLAN") else 1)
    while at < len(piece.tokens) and piece.word(at) not in _STARTS:
        if piece.tokens[at].text == "(" and (piece.word(at + 1) in _STARTS or piece.tokens[at + 1 : at + 2] == ()):
            break
        if piece.tokens[at].text == "(" and piece.tokens[at + 1].text == "(":
            break
        token = piece.tokens[at]
        if token.text.upper() not in _EXPLAIN_OPTIONS:
            if token.kind == WORD and token.text.upper() not in ("ANALYZE", "ANALYSE"):
                return Head(kind, why=f"EXPLAIN with `{token.text[:40]}`, which we do not know")
            runs = True
        at += 1
    return Head(kind, body=at, runs=runs)


_BY_WORDS = {
    Kind.TRANSACTION: _transaction,
    Kind.ATTACH: _attach,
    Kind.SET: _set,
    Kind.MAINTENANCE: _maintenance,
    Kind.COPY: _copy,
    Kind.SHOW: _show,
    Kind.EXPLAIN: _explain,
}
