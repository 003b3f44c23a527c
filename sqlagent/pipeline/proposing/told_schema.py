"""Which part of the schema the model is shown for a question: all of it, or the tables that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlagent.core.nouns.draft import Example, Schema
from sqlagent.core.text.counted import counted
from sqlagent.llm import narrowing
from sqlagent.llm.client import Model
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.state import State, attempts_of


@dataclass(frozen=True, slots=True)
class ToldSchema:
    """The tables that are shown to a model, and all that there are."""

    shown: Schema
    whole: Schema

    @property
    def words(self) -> str:
        """`12 tables`, or `13 of 300 tables` where some are left out."""
        shown, every = len(self.shown.tables), len(self.whole.tables)
        return f"{shown:,} of {every:,} tables" if shown < every else counted(shown, "table")


def told_schema(state: State, x: Context, model: Model, examples: Sequence[Example]) -> ToldSchema:
    """Read the names of everything, and examples of values only of the tables that are told."""
    values = x.examples if model.is_local or x.send_examples else 0
    whole = x.database().outline()
    if x.tables:
        kept = narrowing.only(whole, x.tables)
    else:
        said = [turn.sql for turn in x.journal.history(state["thread"])] + [a.sql for a in attempts_of(state)]
        approved = [example.sql for example in examples]
        kept = narrowing.narrowed(whole, state["question"], model.room, sql=approved, kept=said)
    if len(kept.tables) == len(whole.tables):
        whole = x.database().schema(examples=values)
        return ToldSchema(whole, whole)
    names = frozenset(table.name for table in kept.tables)
    return ToldSchema(x.database().schema(examples=values, tables=names), whole)
