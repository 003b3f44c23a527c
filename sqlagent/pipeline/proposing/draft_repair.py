"""The repair of a model's draft before analysis; what the model wrote is kept beside what is proposed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.draft import Schema
from sqlagent.databases.base import Database
from sqlagent.pipeline.proposing.looking import Looking
from sqlagent.pipeline.proposing.opinions import heard

CORRECTED = ", corrected"
"""Behind the model's name where words of the database were put into its SQL: the author is no longer it alone."""


@dataclass(frozen=True, slots=True)
class Mended:
    """The SQL that is proposed, and the draft that it was."""

    sql: str
    drafted: str = ""
    """The model's own text; empty where nothing was changed."""
    corrections: tuple[str, ...] = ()
    """What was changed, in words."""
    has_values: bool = False
    """Words of the database were put in."""


def mended(sql: str, schema: Schema, database: Database, look: Looking) -> Mended:
    """The draft with what the schema, and for an empty read the data, tell is mistaken put right.

    What does not stand after its repair is the model's own text again.
    """
    from sqlagent.core.repair import repaired  # with sqlglot's scopes, which only a draft needs

    found = repaired(sql, schema)
    if found.corrections and not stands(found.sql, database):
        return Mended(sql)
    text, said = _filled(found.sql, schema, look)
    corrections = (*found.corrections, *said)
    return Mended(text, sql, corrections, has_values=bool(said)) if corrections else Mended(sql)


def stands(sql: str, database: Database) -> bool:
    """Whether the database would prepare it."""
    try:
        heard(sql, database)
    except SqlagentError:
        return False
    return True


def _filled(sql: str, schema: Schema, look: Looking) -> tuple[str, tuple[str, ...]]:
    from sqlagent.pipeline.proposing.empty_reads import with_stored_words

    return with_stored_words(sql, schema, look) if look.is_empty(sql) else (sql, ())
