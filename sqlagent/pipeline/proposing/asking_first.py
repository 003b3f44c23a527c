"""Asking a person before any model is asked, where the database shows that a question reads two ways."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from sqlagent.core.nouns.draft import Clarification, Example, Schema, Table
from sqlagent.core.text.spelled_names import spelled
from sqlagent.llm.two_readings import Decided, two_readings
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing.looking import looking
from sqlagent.pipeline.state import State

_NAME = re.compile(r"['\"“‘]([^'\"”’]{2,60})['\"”’]|(?<=[a-z,] )([A-Z][\w&.-]+(?: (?:&|[A-Z][\w&.-]+))*)")
_NAMED_SO = re.compile(r"(?:^|_)(?:name|title|label)$|Name$|Title$|^full_?name$", re.IGNORECASE)
_MOST_TABLES = 12
_SECONDS = 0.5


def ask_first(state: State, x: Context, schema: Schema, examples: Sequence[Example]) -> Clarification | None:
    """The one question that a person is asked; None where nothing is unclear, or something decides it."""
    if (
        not (x.ask_back and x.may_ask)
        or state.get("attempts")
        or x.journal.clarifications(state["thread"], state["turn"])
    ):
        return None
    history = x.journal.history(state["thread"])
    requested = x.journal.thread(state["thread"]).requested_by
    decided = Decided((*(turn.sql for turn in history), *(example.sql for example in examples)))
    found = two_readings(state["question"], schema, decided)
    return found or (None if history or examples else _of_two_tables(state["question"], x, schema, requested))


def _of_two_tables(question: str, x: Context, schema: Schema, requested_by: str) -> Clarification | None:
    """`what did Acme pay`, where a customer and a supplier have that name and the question says neither."""
    words = question.lower()
    tables = [(table, column) for table in schema.tables if (column := _name_of(table))]
    if not 2 <= len(tables) <= _MOST_TABLES:
        return None
    look = replace(looking(requested_by, x), deadline=monotonic() + _SECONDS)
    for name in dict.fromkeys(quoted or plain for quoted, plain in _NAME.findall(question)):
        found = []
        for table, column in tables:
            where = f"{spelled(column, schema.dialect)} = '{name.replace(chr(39), chr(39) * 2)}'"
            sql = f"SELECT 1 FROM {spelled(table.name, schema.dialect)} WHERE {where} LIMIT 1"  # noqa: S608 - both spelled
            if look.rows(sql, 1):
                found.append(table)
        if len(found) == 2 and not any(_is_said(table, words) for table in found):
            return Clarification(f"{name} is in two tables: which is meant?", tuple(table.name for table in found))
    return None


def _name_of(table: Table) -> str:
    """The column that holds what a row is called."""
    if table.is_view:
        return ""
    return next((c.name for c in table.columns if _NAMED_SO.search(c.name) and not c.references), "")


def _is_said(table: Table, words: str) -> bool:
    return any(piece[:5].lower().removesuffix("s") in words for piece in re.findall(r"[A-Za-z]{4,}", table.name))
