"""One spelling for scripts that differ only in how they are written, so that drafts can be compared.

Nothing that is canonical is ever run: what runs are the bytes that were drafted.
"""

from __future__ import annotations

from sqlglot import exp

from sqlagent.core.text.parse_tree import Unreadable, parse_exactly
from sqlagent.core.text.raw_checks import too_large
from sqlagent.core.text.split import Piece, split


def canonical(script: str, dialect: str) -> str:
    """The script without comments, spare words and the case of bare names; as it stands where it cannot be read."""
    return ";\n".join(_spelled(piece, dialect) for piece in split(script, dialect))


def is_ordered(sql: str, dialect: str) -> bool:
    """Whether the statement says in which order its rows come."""
    root = _root(next(iter(split(sql, dialect)), None), dialect)
    return root is not None and root.args.get("order") is not None


def _spelled(piece: Piece, dialect: str) -> str:
    root = _root(piece, dialect)
    if root is None:
        return piece.sql
    try:
        return root.transform(_plain).sql(dialect, comments=False, identify=True)
    except Exception:  # noqa: BLE001  compiled code on a model's text: then it equals nothing but itself
        return piece.sql


def _root(piece: Piece | None, dialect: str) -> exp.Expr | None:
    if piece is None or too_large(piece):
        return None
    try:
        return parse_exactly(piece, dialect).root
    except Unreadable:
        return None


def _plain(node: exp.Expr) -> exp.Expr:
    """The node without what may be left out: quotes, INNER, OUTER, ASC, the case of a bare name."""
    if isinstance(node, exp.Identifier) and not node.quoted:
        return exp.Identifier(this=node.name.lower(), quoted=False)
    if isinstance(node, exp.Join) and node.kind in ("INNER", "OUTER"):
        node.set("kind", None)
    if isinstance(node, exp.Ordered) and not node.args.get("desc"):
        node.set("desc", None)
    return node
