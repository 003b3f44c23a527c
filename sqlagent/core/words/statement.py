"""One statement in one sentence, with what it takes for granted; no sentence where a part of it is not understood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from sqlagent.core.nouns.draft import Column
from sqlagent.core.repair.catalogue import Catalogue
from sqlagent.core.text.parse_tree import Unreadable, parse_exactly
from sqlagent.core.text.raw_checks import too_large
from sqlagent.core.text.split import split
from sqlagent.core.words.kinds import others_like
from sqlagent.core.words.ledger import Ledger, Unsaid, check_words
from sqlagent.core.words.notes import Note, Notes
from sqlagent.core.words.reads import Read
from sqlagent.core.words.sources import Source, Sources
from sqlagent.core.words.spelling import listed, name
from sqlagent.core.words.writes import Rows, Write

LONGEST = 400
"""Characters past which a sentence helps nobody."""
_MOST_NOTES = 4
_KNOWN = frozenset({"sqlite", "postgres"})
"""Dialects whose comparisons, orders and patterns are known well enough to be put into words."""


@dataclass(frozen=True, slots=True)
class Said:
    """A statement in words."""

    sentence: str = ""
    """Empty where a part of it has no words."""
    notes: tuple[Note, ...] = ()


def said(sql: str, catalogue: Catalogue, rows: Rows) -> Said:
    """The words of one statement over this schema; `rows` is what it was measured to do."""
    dialect = catalogue.schema.dialect
    pieces = list(split(sql, dialect)) if dialect in _KNOWN else []
    if len(pieces) != 1 or too_large(pieces[0]):
        return Said()
    try:
        root = parse_exactly(pieces[0], dialect).root
        check_words(pieces[0], root)
        return _told(root, catalogue, rows)
    except (Unsaid, Unreadable, RecursionError):
        return Said()


def _told(root: exp.Expr, catalogue: Catalogue, rows: Rows) -> Said:
    ledger, notes = Ledger(root), Notes()
    sources = Sources(catalogue, ledger)
    if isinstance(root, exp.Select):
        read = Read.of(root, sources, ledger, notes)
        sentence = read.sentence()
        used = read.values.used.values()
    else:
        write = Write(sources, ledger, notes, rows)
        sentence = write.sentence(root)
        used = write.used.values()
    ledger.check()
    if len(sentence) > LONGEST:
        raise Unsaid("a sentence that is too long")
    for text in _alike(used, catalogue):
        notes.say(text)
    return Said(sentence, tuple(notes.all[:_MOST_NOTES]))


def _alike(used: Iterable[tuple[Source, Column]], catalogue: Catalogue) -> Iterator[str]:
    """Columns that could have been meant instead of those that were told."""
    there = list(used)
    told = {(s.table.name, c.name) for s, c in there}
    for source, column in there:
        found = list(others_like(source.table, column, catalogue.schema.dialect))
        if found and not any((source.table.name, c.name) in told for c in found):
            is_ = "is" if len(found) == 1 else "are"
            others = listed([name(c.name) for c in found])
            yield f"by {source.shown}.{name(column.name)} (there {is_} also {others})"
