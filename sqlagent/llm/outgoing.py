"""Everything that leaves for a model, built by one function: a model that is not ours gets no value of the database.

Names, types, keys, the question and SQL go to any model.  Values go to the embedded one, and to others where
`send_examples` says so.  Where they do not, a literal stays in a text only if the model wrote that text itself, or if
the person used its words in this conversation; every other one is a `?`, which no database runs unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from sqlagent.core.nouns.draft import Attempt, Clarification, Column, Example, Schema, Table, Turn
from sqlagent.core.text import lexer
from sqlagent.llm import prompt
from sqlagent.llm.narrowing import Room
from sqlagent.llm.two_readings import ASKED_BY


class Values(Enum):
    """Whether values of the database may be in what a model is told."""

    SENT = "sent"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that one draft is asked with."""

    question: str
    schema: Schema
    history: tuple[Turn, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    examples: tuple[Example, ...] = ()
    clarified: tuple[Clarification, ...] = ()
    asked_by: str = ""
    """The model that asked what `clarified` answers."""


def messages(
    told: Told, *, model: str, values: Values, asking: prompt.Asking, budget: Room = prompt.BUDGET
) -> list[prompt.Message]:
    """The conversation as it is sent to `model`, the name that the record calls it."""
    said = told if values is Values.SENT else without_values(told, model)
    return prompt.messages(
        said.question, said.schema, history=said.history, attempts=said.attempts, examples=said.examples,
        clarified=said.clarified, asking=asking, budget=budget,
    )  # fmt: skip


def without_values(told: Told, model: str) -> Told:
    """What may be told to a model of this name that is to see no values."""
    schema = Schema(told.schema.dialect, told.schema.version, tuple(map(_bare, told.schema.tables)))
    clarified = tuple(_heard(told, model))
    withheld = _Withheld(schema.dialect, frozenset(_names(schema)) | frozenset(_said(told, clarified)))
    return Told(
        told.question, schema,
        history=tuple(t if t.author == model else replace(t, sql=withheld.sql(t.sql)) for t in told.history),
        attempts=tuple(withheld.attempt(a, model) for a in told.attempts),
        examples=tuple(withheld.example(e, model) for e in told.examples if e.asked_of == model),
        clarified=clarified, asked_by=told.asked_by,
    )  # fmt: skip


def _bare(table: Table) -> Table:
    """A table's names, types and keys: made anew, so that what is added to it some day is not sent unasked."""
    columns = tuple(
        Column(
            c.name, _LITERAL.sub("?", c.type), nullable=c.nullable, primary_key=c.primary_key,
            references=c.references, generated=c.generated,
        )
        for c in table.columns
    )  # fmt: skip
    return Table(table.name, columns, is_view=table.is_view)


def _heard(told: Told, model: str) -> Iterator[Clarification]:
    """What this model asked back; where another one asked, only what a person answered in own words."""
    for c in told.clarified:
        if told.asked_by in (model, ASKED_BY):
            yield c
        elif c.answer not in c.choices:
            yield Clarification("", (), c.answer)


def _said(told: Told, clarified: Iterable[Clarification]) -> Iterator[str]:
    """The words that the person used in this conversation."""
    texts = [told.question, *(t.question for t in told.history), *(c.answer for c in clarified)]
    texts += [a.error for a in told.attempts if a.rejected_by]
    return (word for text in texts for word in _words(text))


def _names(schema: Schema) -> Iterator[str]:
    for table in schema.tables:
        for name in (table.name, *(c.name for c in table.columns)):
            yield from _words(name)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


@dataclass(frozen=True, slots=True)
class _Withheld:
    """Takes the values out of texts."""

    dialect: str
    known: frozenset[str]
    """Names of the schema, and words of the person."""

    def attempt(self, attempt: Attempt, model: str) -> Attempt:
        sql = attempt.sql if attempt.author == model else self.sql(attempt.sql)
        return replace(attempt, sql=sql, error=attempt.error if attempt.rejected_by else self.error(attempt.error, sql))

    def example(self, example: Example, model: str) -> Example:
        """An example without values; of the SQL that a person edited, only where this model may know it."""
        return example if example.author == model else replace(example, sql=self.sql(example.sql, example.question))

    def sql(self, text: str, question: str = "") -> str:
        """SQL with `?` for its values and no comments; nothing of one that cannot be cut into words."""
        known = self.known | frozenset(_words(question))
        kept: list[str] = []
        end, before = 0, ""
        for token in lexer.scan(text, self.dialect):
            if token.kind == lexer.BROKEN:
                return "-- SQL that is not sent"
            kept += [text[end : token.start], self._spelled(token, before, known)]
            end, before = token.end, token.text.lower()
        return "".join([*kept, text[end:]]).strip()

    def _spelled(self, token: lexer.Token, before: str, known: frozenset[str]) -> str:
        if token.kind == lexer.COMMENT:
            return " "
        if token.kind not in (lexer.STRING, lexer.QUOTED, lexer.NUMBER):
            return token.text
        counts = token.kind == lexer.NUMBER and (len(token.text) == 1 or before in _COUNTED)
        form = token.kind == lexer.STRING and _FORM.fullmatch(token.text) is not None
        return token.text if counts or form or known.issuperset(_words(token.text)) else "?"

    def error(self, text: str, sql: str) -> str:
        """What the database or sqlagent said, without words that are neither names, nor in the SQL, nor the engine's.

        An engine quotes what it could not read, and a trigger may say anything.
        """
        known = self.known | _ENGINE_WORDS | frozenset(_words(sql))
        return _WORD.sub(lambda found: found[0] if found[0].casefold() in known else "?", text)


_WORD = re.compile(r"\w+")
_LITERAL = re.compile(r"'(?:[^']|'')*'?")
_COUNTED = frozenset({"limit", "offset", "top", "first", "next"})
"""What stands before a number of rows."""
_PLACES = r"[+-]?\d{1,3} (?:second|minute|hour|day|month|year)s?"
_FORM = re.compile(
    rf"'(?:|%+|(?:%[A-Za-z]|[-/:. T])+|now|localtime|utc|unixepoch|auto|start of (?:day|month|year)|{_PLACES})'"
)
"""Strings that say how a date is written or reckoned, or nothing at all."""
_ENGINE_WORDS = frozenset(
    "a aggregate aliases all already ambiguous an and answered answers any argument arguments as assumes at back be"
    " by cannot check clause column columns comment constraint could database default denied depth did does"
    " duplicate empty error exist exists expected failed few for foreign found from function gave group has have"
    " having in incomplete index input insert integer into invalid is it its key limit line many match message"
    " missing misuse more must near no nobody not nothing null number numeric of on only operator or order out"
    " parameter parse prepare primary read recognized references refused relation row rows say sql statement"
    " statements string such supplied syntax table tables terms text that the there this to token too trigger type"
    " types unique unknown unrecognized unsupported unterminated update use used value values view violates was were"
    " what where which with without words write wrong you".split()
)
"""Of which the messages of engines, and our own, are made."""
