"""What the text alone says of a statement.  READ is what an allow-list proves; all else is asked."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from sqlagent.core.bounds import bound
from sqlagent.core.calls import Worst, worst_call
from sqlagent.core.functions import Effect, effect_of
from sqlagent.core.heads import PARSED, Head, head
from sqlagent.core.lexer import BROKEN, QUOTED, STRING, WORD
from sqlagent.core.model import Bound, Kind, Risk, SyntaxOpinion
from sqlagent.core.pragmas import pragma
from sqlagent.core.rules import remarks_on
from sqlagent.core.shapes import shape
from sqlagent.core.split import Piece
from sqlagent.core.tables import tables
from sqlagent.core.text import remarks

# What sqlglot cannot parse it also logs as a warning; here that is an opinion, and said once.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

SHAPES = frozenset({Kind.CREATE, Kind.ALTER, Kind.DROP})
EXPLAINED = frozenset({Kind.SELECT, Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE, Kind.MERGE})
"""Kinds that are safe to explain: their planner changes nothing."""
ROOTS = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)
"""What the tree of a query may start with."""


class Unreadable(Exception):
    """The parser could not make one statement of the text."""


def opinion(piece: Piece, dialect: str) -> SyntaxOpinion:
    """The opinion of one statement; whatever goes wrong on the way makes it UNKNOWN."""
    raw, first = remarks(piece, dialect), head(piece, dialect)
    blank = SyntaxOpinion(
        sql=piece.sql, line=piece.line, kind=first.kind, risk=Risk.UNKNOWN, parsed=False, findings=raw.findings
    )
    if raw.denied or raw.too_large:
        return replace(blank, denied=raw.denied, too_large=raw.too_large, why=raw.why)
    if any(t.kind == BROKEN for t in piece.tokens):
        return replace(blank, why="a string, name or comment in it never ends")
    try:
        return _read(piece, dialect, first, blank)
    except Unreadable as unreadable:
        reaches = _outside(piece, dialect)
        return replace(blank, why=reaches or str(unreadable), denied="outside-database" if reaches else "")


def _read(piece: Piece, dialect: str, first: Head, blank: SyntaxOpinion) -> SyntaxOpinion:
    if first.kind is Kind.PRAGMA and dialect == "sqlite":
        first = pragma(piece)
    if first.body >= 0:
        return _wrapped(piece, dialect, first, blank)
    if first.kind in SHAPES:
        return _shaped(piece, dialect, first.kind, blank)
    if first.kind in PARSED:
        return _parsed(piece, dialect, first, blank)
    reaches = "" if first.denied else _outside(piece, dialect)
    return replace(
        blank,
        kind=first.kind,
        risk=Risk.UNKNOWN if first.denied or reaches else first.risk,
        parsed=True,
        reads=(first.reads,) if first.reads else (),
        denied=first.denied or ("outside-database" if reaches else ""),
        why=first.why or reaches,
    )


def _wrapped(piece: Piece, dialect: str, first: Head, blank: SyntaxOpinion) -> SyntaxOpinion:
    """EXPLAIN, and COPY ... TO STDOUT: as harmless as what is inside; only explained, a write of rows is harmless too."""
    inner = piece.inside(first.body, closing=first.kind is Kind.COPY)
    if inner is None:
        return replace(blank, why=f"{first.kind.value} of nothing")
    found = opinion(inner, dialect)
    harmless = found.risk is Risk.READ and found.kind is Kind.SELECT
    if not first.runs and found.kind in EXPLAINED and found.parsed and not found.denied:
        # Planning runs functions that are declared immutable, so even then each must be known.
        harmless |= worst_call(inner.tokens, dialect, Counter(n.lower() for n in found.writes)).effect is Effect.PURE
    return replace(
        found,
        sql=piece.sql,
        line=piece.line,
        kind=first.kind,
        risk=Risk.READ if harmless else max(found.risk, Risk.WRITE),
        reads=tuple(dict.fromkeys((*found.reads, *found.writes))) if harmless else found.reads,
        writes=() if harmless else found.writes,
        bound=Bound.NOT_APPLICABLE if harmless else found.bound,
        columns_written=() if harmless else found.columns_written,
        why="" if harmless else found.why or f"{first.kind.value} of {found.kind.value}",
    )


def _shaped(piece: Piece, dialect: str, kind: Kind, blank: SyntaxOpinion) -> SyntaxOpinion:
    """CREATE, ALTER, DROP: judged by their words; the parser only adds what a CREATE ... AS reads."""
    made = shape(piece, kind)
    reaches = _outside(piece, dialect) if kind is Kind.CREATE else ""
    try:
        reads = tuple(tables(parse_one(piece, dialect), dialect).reads) if kind is Kind.CREATE else ()
    except Unreadable:
        reads = ()
    return replace(
        blank,
        kind=kind,
        risk=Risk.UNKNOWN if reaches else made.risk,
        reads=reads,
        writes=made.names,
        parsed=True,
        denied=made.denied or ("outside-database" if reaches else ""),
        why=reaches or made.why,
    )


def _parsed(piece: Piece, dialect: str, first: Head, blank: SyntaxOpinion) -> SyntaxOpinion:
    tree = parse_one(piece, dialect)
    named = tables(tree, dialect)
    worst = worst_call(piece.tokens, dialect, _definitions(tree))
    reaches = _outside(piece, dialect, worst) or _file(tree, dialect)
    kind, bounded = kind_of(tree, first.kind), bound(tree, dialect)
    risk, why = _risk(tree, dialect, kind, worst)
    found = replace(
        blank,
        kind=kind,
        risk=Risk.UNKNOWN if reaches else risk,
        reads=tuple(named.reads),
        writes=tuple(named.writes),
        columns_written=tuple(named.columns_written),
        bound=bounded,
        why=reaches or why,
        parsed=True,
        denied="outside-database" if reaches else "",
        unplaced=worst.unplaced if why and why == _unlisted(worst) else (),
    )
    return replace(found, findings=blank.findings + remarks_on(tree, found, dialect))


# ---- the parser ------------------------------------------------------------------------------------------------


@lru_cache
def _dialect(name: str) -> Dialect:
    return Dialect.get_or_raise(name)


def parse_one(piece: Piece, dialect: str) -> exp.Expression:
    """The tree of the statement, if our reading of its words and sqlglot's agree."""
    speaks = _dialect(dialect)
    text = for_parser(piece, dialect)
    try:
        tokens = speaks.tokenize(text)
        trees = [t for t in speaks.parser().parse(tokens, text) if t is not None]
    except Exception as error:  # noqa: BLE001  compiled code: RecursionError, AttributeError, ... all mean "cannot read"
        raise Unreadable(f"the parser cannot read it ({type(error).__name__})") from error
    if text == piece.sql and not _cut_alike(piece, tokens):
        raise Unreadable("its words can be cut in two ways")
    if len(trees) != 1:
        raise Unreadable(f"the parser sees {len(trees)} statements in it")
    if isinstance(trees[0], exp.Command):
        raise Unreadable("the parser does not know the statement")
    return trees[0]


def for_parser(piece: Piece, dialect: str) -> str:
    """The text as sqlglot can read it: only for statements that write, which no reading can make a READ."""
    if dialect == "sqlite" and piece.word(0) == "REPLACE":
        return "INSERT OR " + piece.sql
    if dialect == "sqlite" and piece.word(0) == "UPDATE" and piece.word(1) == "OR":
        conflict = slice(piece.tokens[1].start - piece.start, piece.tokens[2].end - piece.start)
        return piece.sql[: conflict.start] + " " * (conflict.stop - conflict.start) + piece.sql[conflict.stop :]
    return piece.sql


def _cut_alike(piece: Piece, theirs: Sequence[Any]) -> bool:
    """Whether two lexers find the same words: every word of ours starts, or lies in, a token of theirs."""
    spans = iter(theirs)
    span = next(spans, None)
    for token in piece.tokens:
        start = token.start - piece.start
        while span is not None and span.end < start:
            span = next(spans, None)
        if span is None or span.start > start:
            return False
        if token.kind in (STRING, QUOTED) and span.start != start:
            return False
    return next(spans, None) is None


# ---- the verdict of the tree -----------------------------------------------------------------------------------


@lru_cache
def allowed_nodes() -> frozenset[type]:
    """The classes of nodes that a READ may hold."""
    text = files("sqlagent.core.functions").joinpath("nodes.txt").read_text("utf-8")
    names = [name for line in text.splitlines() if not line.startswith("#") for name in line.split()]
    return frozenset(getattr(exp, name) for name in names if hasattr(exp, name))


_ROOT_KINDS: tuple[tuple[type | tuple[type, ...], Kind], ...] = (
    (ROOTS, Kind.SELECT),
    (exp.Insert, Kind.INSERT),
    (exp.Update, Kind.UPDATE),
    (exp.Delete, Kind.DELETE),
    (exp.Merge, Kind.MERGE),
    (exp.TruncateTable, Kind.TRUNCATE),
)
_HIDDEN_WRITERS = (exp.Insert, exp.Update, exp.Delete, exp.Merge)


def kind_of(tree: exp.Expression, by_word: Kind) -> Kind:
    """The kind by the tree's root; a query that writes inside is called after the write."""
    kind = next((kind for roots, kind in _ROOT_KINDS if isinstance(tree, roots)), by_word)
    if kind is Kind.INSERT and (
        by_word is Kind.REPLACE or str(tree.args.get("alternative") or "").upper() == "REPLACE"
    ):
        return Kind.REPLACE
    if kind is Kind.SELECT:
        for node in tree.find_all(*_HIDDEN_WRITERS):
            return kind_of(node, by_word)
        if any(s.args.get("into") for s in tree.find_all(exp.Select)):
            return Kind.CREATE
    return kind


def _risk(tree: exp.Expression, dialect: str, kind: Kind, worst: Worst) -> tuple[Risk, str]:
    if isinstance(tree, ROOTS) and kind is Kind.SELECT:
        return _query_risk(tree, dialect, worst)
    if kind is Kind.TRUNCATE:
        return Risk.SEVERE, "truncate has no undo"
    for node in tree.find_all(exp.Update, exp.Delete):
        if not isinstance(node.parent, exp.When) and bound(node, dialect) in (Bound.ABSENT, Bound.ALWAYS_TRUE):
            return Risk.SEVERE, f"{node.key} of every row"
    return Risk.WRITE, f"{kind.value} changes rows" if kind is not Kind.CREATE else "it creates a table"


def _query_risk(tree: exp.Expression, dialect: str, worst: Worst) -> tuple[Risk, str]:
    """READ where nothing objects; the first objection otherwise."""
    allowed = allowed_nodes()
    for node in tree.walk():
        if type(node) not in allowed:
            return Risk.UNKNOWN, f"`{type(node).__name__}` is not on the list of what only reads"
        if isinstance(node, exp.Query) and node.args.get("locks"):
            return Risk.WRITE, "it locks the rows that it reads"
        if isinstance(node, exp.DataType) and not _known_type(node, dialect):
            return Risk.UNKNOWN, f"a type that is not built in: {node.sql()[:60]}"
        if dialect == "mysql" and isinstance(node, exp.PropertyEQ):
            return Risk.UNKNOWN, "it assigns a variable"
    if worst.effect is Effect.VOLATILE:
        return Risk.WRITE, f"{worst.name}() changes something"
    if worst.effect is not Effect.PURE:
        return Risk.UNKNOWN, _unlisted(worst)
    return Risk.READ, ""


def _unlisted(worst: Worst) -> str:
    return f"{worst.name}() is on no list of functions" if worst.effect is Effect.UNKNOWN else ""


def _known_type(node: exp.DataType, dialect: str) -> bool:
    """Whether a type runs no code of a user's: a domain's CHECK or a type's input function may."""
    if node.this != exp.DataType.Type.USERDEFINED or dialect not in ("postgres", "redshift"):
        return True
    kind = node.args.get("kind")
    name = str(kind if isinstance(kind, str) else getattr(kind, "name", kind)).lower()
    return effect_of(name.removeprefix("pg_catalog."), dialect) is Effect.PURE


def _definitions(tree: exp.Expression) -> Counter[str]:
    """Names that stand before a bracket because they are defined there: `t(a, b)` of CTEs, aliases and targets."""
    names: Counter[str] = Counter()
    for node in tree.find_all(exp.TableAlias, exp.Schema):
        if isinstance(node, exp.Schema) and isinstance(node.this, exp.Table):
            names[node.this.name.lower()] += 1
        elif isinstance(node, exp.TableAlias) and node.args.get("columns") and node.this:
            names[node.this.name.lower()] += 1
    return names


# ---- what reaches outside --------------------------------------------------------------------------------------


def _outside(piece: Piece, dialect: str, worst: Worst | None = None) -> str:
    """Why it reaches outside the database by what it calls or where it writes, or ""."""
    worst = worst or worst_call(piece.tokens, dialect, Counter())
    if worst.effect is Effect.OUTSIDE:
        return f"{worst.name}() reaches outside the database"
    for index in range(len(piece.tokens) - 1):
        if piece.word(index) == "INTO" and piece.word(index + 1) in ("OUTFILE", "DUMPFILE"):
            return f"INTO {piece.word(index + 1)} writes a file"
    return ""


def _file(tree: exp.Expression, dialect: str) -> str:
    """DuckDB reads a file where a table's name looks like a path."""
    if dialect != "duckdb":
        return ""
    for table in tree.find_all(exp.Table):
        name = table.this.name if isinstance(table.this, exp.Identifier) else ""
        if any(c in name for c in "./:*\\?"):
            return f"it reads the file {name[:60]}"
    return ""
