"""What the text alone says of a statement: READ only where an allow-list proves it; everything else is asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files

from sqlglot import exp

from sqlagent.core.analysis.assumed_names import Assumed, assumed_calls, assumed_names, holds_code
from sqlagent.core.analysis.bare_columns import bare_columns
from sqlagent.core.analysis.engine_tricks import file_named, trick
from sqlagent.core.analysis.table_names import tables
from sqlagent.core.analysis.where_bounds import bound
from sqlagent.core.functions import Effect, effect_of
from sqlagent.core.nouns.analysis import Bound, Finding, Kind, Risk, SyntaxOpinion
from sqlagent.core.text.ddl_words import shape
from sqlagent.core.text.first_words import PARSED, Head, head
from sqlagent.core.text.function_calls import Worst, worst_call
from sqlagent.core.text.lexer import BROKEN
from sqlagent.core.text.parse_tree import Tree, Unreadable, parse_one
from sqlagent.core.text.postgres_operators import foreign_operator
from sqlagent.core.text.raw_checks import remarks
from sqlagent.core.text.split import Piece
from sqlagent.core.text.sqlite_pragmas import pragma

SHAPES = frozenset({Kind.CREATE, Kind.ALTER, Kind.DROP})
EXPLAINED = frozenset({Kind.SELECT, Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE, Kind.MERGE})
"""Kinds that are safe to explain: their planner changes nothing."""
ROOTS = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values, exp.Pivot)
"""What the tree of a query may start with."""


Remarks = Callable[[Tree, SyntaxOpinion, str], tuple[Finding, ...]]
"""What is remarked about one statement's tree, given the opinion so far and the dialect."""


def _no_remarks(_tree: Tree, _opinion: SyntaxOpinion, _dialect: str) -> tuple[Finding, ...]:
    return ()


def opinion(piece: Piece, dialect: str, remarks_on: Remarks = _no_remarks) -> SyntaxOpinion:
    """The opinion of one statement, with the caller's remarks; whatever goes wrong on the way makes it UNKNOWN."""
    raw, first = remarks(piece, dialect), head(piece, dialect)
    blank = SyntaxOpinion(
        sql=piece.sql, line=piece.line, kind=first.kind, risk=Risk.UNKNOWN, parsed=False, findings=raw.findings,
        comments=tuple(comment.text for comment in piece.comments),
    )  # fmt: skip
    if raw.denied or raw.too_large:
        return replace(blank, denied=raw.denied, too_large=raw.too_large, why=raw.why)
    if any(t.kind == BROKEN for t in piece.tokens):
        return replace(blank, why="a string, name or comment in it never ends")
    try:
        return _read(piece, dialect, first, blank, remarks_on)
    except Unreadable as unreadable:
        reaches = _outside(piece, dialect)
        return replace(blank, why=reaches or str(unreadable), denied="outside-database" if reaches else "")
    except Exception as error:  # noqa: BLE001  compiled code on hostile text: whatever it raises, nothing is known
        return replace(blank, why=f"it could not be analyzed ({type(error).__name__})")


def _read(piece: Piece, dialect: str, first: Head, blank: SyntaxOpinion, remarks_on: Remarks) -> SyntaxOpinion:
    if first.kind is Kind.PRAGMA and dialect == "sqlite":
        first = pragma(piece)
    if first.body >= 0:
        return _wrapped(piece, dialect, first, blank, remarks_on)
    if first.kind in SHAPES:
        return _shaped(piece, dialect, first.kind, blank)
    if first.kind in PARSED:
        return _parsed(piece, dialect, first, blank, remarks_on)
    reaches = "" if first.denied else _outside(piece, dialect)
    reads = (first.reads,) if first.reads else ()
    found = replace(
        blank,
        kind=first.kind,
        risk=Risk.UNKNOWN if first.denied or reaches else first.risk,
        parsed=True,
        reads=reads,
        denied=first.denied or ("outside-database" if reaches else ""),
        why=first.why or reaches,
    )
    return _supposed(found, Assumed(tables=reads if holds_code(dialect) else ()))


def _supposed(found: SyntaxOpinion, assumed: Assumed) -> SyntaxOpinion:
    """READ becomes READ* where names in it could be somebody's."""
    if found.risk is not Risk.READ or not assumed.names:
        return found
    return replace(found, risk=Risk.UNKNOWN, reads_if=assumed.names, why=assumed.sentence)


def _wrapped(piece: Piece, dialect: str, first: Head, blank: SyntaxOpinion, remarks_on: Remarks) -> SyntaxOpinion:
    """EXPLAIN and COPY ... TO STDOUT: as harmless as what is inside; a write of rows that is only explained is too."""
    inner = piece.inside(first.body, closing=first.kind is Kind.COPY)
    if inner is None or head(inner, dialect).body >= 0:
        return replace(blank, why=f"{first.kind.value} of nothing that can be explained")
    found = opinion(inner, dialect, remarks_on)
    harmless = (found.risk is Risk.READ or bool(found.reads_if)) and found.kind is Kind.SELECT
    assumed = Assumed()
    if not harmless and not first.runs and found.kind in EXPLAINED and found.parsed and not found.denied:
        # Planning runs functions that are declared immutable, so even then each must be known.
        targets = Counter(name.rsplit(".", 1)[-1].lower() for name in found.writes)
        harmless = worst_call(inner.tokens, dialect, targets).effect is Effect.PURE and not trick(inner, dialect)[1]
        named = (*found.reads, *found.writes) if holds_code(dialect) else ()
        assumed = Assumed(assumed_calls(inner.tokens, dialect), tables=tuple(dict.fromkeys(named)))
    if harmless and found.reads_if:
        return replace(found, sql=piece.sql, line=piece.line, kind=first.kind)
    wrapped = replace(
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
    return _supposed(wrapped, assumed)


def _shaped(piece: Piece, dialect: str, kind: Kind, blank: SyntaxOpinion) -> SyntaxOpinion:
    """CREATE, ALTER, DROP: judged by their words; the parser only adds what a CREATE ... AS reads."""
    made = shape(piece, kind)
    reads: tuple[str, ...] = ()
    reaches = ""
    if kind is Kind.CREATE:
        reads, reaches = _creation(piece, dialect)
    return replace(
        blank,
        kind=kind,
        risk=Risk.UNKNOWN if reaches else made.risk,
        reads=tuple(name for name in reads if name not in made.names),
        writes=made.names,
        parsed=True,
        denied=made.denied or ("outside-database" if reaches else ""),
        why=reaches or made.why,
    )


def _creation(piece: Piece, dialect: str) -> tuple[tuple[str, ...], str]:
    """The tables that a CREATE ... AS reads, and why it reaches outside the database, or ""."""
    reaches = _outside(piece, dialect)
    try:
        tree = parse_one(piece, dialect)
    except Unreadable:
        return (), reaches
    return tuple(tables(tree, dialect).reads), reaches or file_named(tree, dialect)


def _parsed(piece: Piece, dialect: str, first: Head, blank: SyntaxOpinion, remarks_on: Remarks) -> SyntaxOpinion:
    tree = parse_one(piece, dialect)
    named = tables(tree, dialect)
    worst = worst_call(piece.tokens, dialect, _definitions(tree))
    reaches = _outside(piece, dialect, worst) or file_named(tree, dialect)
    kind, bounded = kind_of(tree, piece, first.kind), bound(tree.root, dialect)
    risk, why = _risk(tree, piece, dialect, kind, worst)
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
        foreign=bool(why) and why == _foreign(tree, piece, dialect),
        bare_columns=bare_columns(tree),
    )
    found = replace(found, findings=blank.findings + remarks_on(tree, found, dialect))
    return _supposed(found, assumed_names(tree, piece.tokens, named.reads, dialect))


# ---- the verdict of the tree -----------------------------------------------------------------------------------


@lru_cache
def allowed_nodes() -> frozenset[type]:
    """The classes of nodes that a READ may hold."""
    text = files("sqlagent.core.functions").joinpath("nodes.txt").read_text("utf-8")
    names = [name for line in text.splitlines() if not line.startswith("#") for name in line.split()]
    return frozenset(getattr(exp, name) for name in names if hasattr(exp, name))


_WRITER_KINDS: dict[type[exp.Expr], Kind] = {
    exp.Merge: Kind.MERGE,
    exp.Insert: Kind.INSERT,
    exp.Update: Kind.UPDATE,
    exp.Delete: Kind.DELETE,
}
WRITERS = tuple(_WRITER_KINDS)


def kind_of(tree: Tree, piece: Piece, by_word: Kind) -> Kind:
    """The kind by the tree's root; a query that writes inside is called after the write."""
    kind = Kind.SELECT if isinstance(tree.root, ROOTS) else _WRITER_KINDS.get(type(tree.root), by_word)
    if kind is Kind.SELECT:
        kind = next((_WRITER_KINDS[c] for c in WRITERS if c in tree.by_class), kind)
    if kind is Kind.SELECT and exp.Into in tree.by_class:
        return Kind.CREATE
    if kind is Kind.INSERT and "REPLACE" in piece.words:
        at = piece.words.index("REPLACE")
        return Kind.REPLACE if "INTO" in piece.words[at + 1 : at + 2] else kind
    return kind


def _risk(tree: Tree, piece: Piece, dialect: str, kind: Kind, worst: Worst) -> tuple[Risk, str]:
    if isinstance(tree.root, ROOTS) and kind is Kind.SELECT:
        return _query_risk(tree, piece, dialect, worst)
    if kind is Kind.TRUNCATE:
        return Risk.SEVERE, "truncate has no undo"
    for node in tree.of(exp.Update, exp.Delete):
        if not isinstance(node.parent, exp.When) and bound(node, dialect) in (Bound.ABSENT, Bound.ALWAYS_TRUE):
            return Risk.SEVERE, f"{node.key} of every row"
    if kind is Kind.CREATE:
        return Risk.WRITE, "it creates a table"
    if isinstance(tree.root, WRITERS) or kind is not Kind.SELECT:
        return Risk.WRITE, f"{kind.value} changes rows"
    return Risk.UNKNOWN, f"`{type(tree.root).__name__}` is no query that we know"


def _query_risk(tree: Tree, piece: Piece, dialect: str, worst: Worst) -> tuple[Risk, str]:
    """READ where nothing objects; the first objection otherwise."""
    if exp.Lock in tree.by_class:
        return Risk.WRITE, "it locks the rows that it reads"
    if strange := tree.by_class.keys() - allowed_nodes():
        return Risk.UNKNOWN, f"`{min(c.__name__ for c in strange)}` is not on the list of what only reads"
    if foreign := _foreign(tree, piece, dialect):
        return Risk.UNKNOWN, foreign
    risk, why = trick(piece, dialect, tree)
    if why:
        return risk, why
    if worst.effect is Effect.VOLATILE:
        return Risk.WRITE, f"{worst.name}() changes something"
    if worst.effect is not Effect.PURE:
        return Risk.UNKNOWN, _unlisted(worst)
    return Risk.READ, ""


def _foreign(tree: Tree, piece: Piece, dialect: str) -> str:
    """A type or an operator that is not built in, in words; a database that looks it up may know better."""
    for type_ in tree.of(exp.DataType):
        if not _known_type(type_, dialect):
            return f"a type that is not built in: {type_.sql()[:60]}"
    if dialect == "postgres" and (operator := foreign_operator(piece.tokens)):
        return f"the operator {operator} is not built in"
    return ""


def _unlisted(worst: Worst) -> str:
    if worst.effect is not Effect.UNKNOWN:
        return ""
    if worst.name.endswith(" "):
        return f"`{worst.name}()`, with a gap before its bracket, calls a stored function"
    return f"{worst.name}() is on no list of functions"


def _known_type(node: exp.DataType, dialect: str) -> bool:
    """Whether a type runs no code of a user's: a domain's CHECK or a type's input function may."""
    if node.this != exp.DataType.Type.USERDEFINED or dialect not in ("postgres", "redshift"):
        return True
    kind = node.args.get("kind")
    name = str(kind if isinstance(kind, str) else getattr(kind, "name", kind)).lower()
    return effect_of(name.removeprefix("pg_catalog."), dialect) is Effect.PURE


def _definitions(tree: Tree) -> Counter[str]:
    """Names that stand before a bracket because they are defined there: `t(a, b)` of CTEs, aliases and targets."""
    names = Counter(n.this.name.lower() for n in tree.of(exp.Schema) if isinstance(n.this, exp.Table))
    for alias in tree.of(exp.TableAlias):
        of_view = isinstance(alias.parent, exp.Lateral) and alias.parent.args.get(
            "view"
        )  # its columns have no brackets
        if alias.args.get("columns") and alias.this and not of_view:
            names[alias.this.name.lower()] += 1
    return names


# ---- what reaches outside --------------------------------------------------------------------------------------


def _outside(piece: Piece, dialect: str, worst: Worst | None = None) -> str:
    """Why it reaches outside the database by what it calls or where it writes, or ""."""
    worst = worst or worst_call(piece.tokens, dialect, Counter())
    if worst.effect is Effect.OUTSIDE:
        return f"{worst.name}() reaches outside the database"
    for word in ("OUTFILE", "DUMPFILE"):
        if word in piece.words and piece.word(piece.words.index(word) - 1) == "INTO":
            return f"INTO {word} writes a file"
    return ""
