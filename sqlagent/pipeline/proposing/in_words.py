"""What a proposal does in words, with the figures that the database counts for them in little time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlagent.core.analyze import counting, parse
from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.analysis import Analysis, Basis, Kind, Statement
from sqlagent.core.nouns.draft import Schema
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing.looking import Looking, looking

if TYPE_CHECKING:
    from sqlagent.core.words.notes import Note

MOST = 20
"""Statements of one script that are told."""
_SHARE = 4
"""Figures for the words may take this part of the time that counting may take in all."""
_TOLD = frozenset({Kind.SELECT, Kind.INSERT, Kind.UPDATE, Kind.DELETE})


def with_words(analysis: Analysis, requested_by: str, x: Context) -> Analysis:
    """The same statements, those that have words with them.

    Behind a statement that changes the schema nothing is told: names may mean something else there.
    """
    statements = analysis.statements
    until = next((n for n, s in enumerate(statements) if s.kind not in _TOLD), len(statements))
    if not until or any(s.denied for s in statements):
        return analysis
    try:
        schema = x.database().outline()
    except SqlagentError:
        return analysis  # what cannot be looked up is not told, and is no reason to refuse a proposal
    look = looking(requested_by, replace(x, count_seconds=x.count_seconds / _SHARE))
    found = told(statements[: min(until, MOST)], schema, look if len(statements) == 1 else None)
    return Analysis((*found, *statements[min(until, MOST) :]))


def told(statements: tuple[Statement, ...], schema: Schema, look: Looking | None) -> Iterator[Statement]:
    """Each with its words; `look` counts for one that stands alone, since those before it change what there is."""
    from sqlagent.core.repair.catalogue import Catalogue
    from sqlagent.core.words.statement import said  # with sqlglot, which only what is proposed needs
    from sqlagent.core.words.writes import Rows

    catalogue = Catalogue.of(schema)
    for statement in statements:
        matching = _matching(statement, schema.dialect, look) if look else None
        words = said(statement.sql, catalogue, Rows(statement.operations, matching))
        notes = [text for note in words.notes if (text := _counted(note, look))] if words.sentence else []
        yield replace(statement, words=words.sentence, assumes=tuple(notes))


def _matching(statement: Statement, dialect: str, look: Looking) -> int | None:
    """Rows that the WHERE of a measured change keeps: those that it leaves as they are it has not changed."""
    if not any(o.size.basis is Basis.EXACT for o in statement.operations):
        return None
    (opinion,) = parse(statement.sql, dialect)
    query = counting(opinion, dialect)
    return look.count(query.matching) if query and query.matching else None


def _counted(note: Note, look: Looking | None) -> str:
    """The note with its figures where they could be counted; empty where there is no such row."""
    rows = look.count(note.rows) if look and note.rows else None
    of = look.count(note.of) if look and rows else None
    if rows == 0:
        return ""
    if rows is None or of is None:
        return note.text
    return note.counted.replace("{rows}", f"{rows:,}").replace("{of}", f"{of:,}")
