"""What a model is told of a database, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table or view, as far as a model may know it."""

    name: str
    type: str
    nullable: bool = True
    primary_key: bool = False
    references: str = ""
    """`customers.id` where it is a foreign key."""
    generated: bool = False
    examples: tuple[str, ...] = ()
    """Up to three values found in the data; shown to local models only unless the user allows more."""
    collation: str = ""
    """By what its texts are compared where that is not byte for byte: `NOCASE`."""
    comment: str = ""
    """What the database itself says of it; may hold values, and goes where they go."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table or view."""

    name: str
    columns: tuple[Column, ...]
    is_view: bool = False
    rows: int | None = None
    checks: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    """Names of the triggers that fire on it."""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """Every table that a question may be about, and the SQL to write for them."""

    dialect: str
    version: str
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the same conversation, and the SQL that answered it."""

    question: str
    sql: str
    author: str = ""
    """Who wrote the SQL: a model's name, or a person's."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A draft that did not stand, and why: the database's error, or the person's reason for rejecting it."""

    sql: str
    error: str
    author: str = ""
    """Who wrote the SQL: a model's name, or a person's after an edit."""
    rejected_by: str = ""
    """The person whose words `error` has; empty where the database or sqlagent found fault with it."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question that was asked of this database before, and the SQL that a person approved for it."""

    question: str
    sql: str
    author: str = ""
    """Who wrote the SQL: a model's name, or a person's after an edit."""
    asked_of: str = ""
    """The model that was asked the question then."""


@dataclass(frozen=True, slots=True)
class Clarification:
    """What the model asked back, and what a person answered."""

    question: str
    choices: tuple[str, ...] = ()
    """Up to four readings to choose from; a person may answer in other words."""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model answered."""

    sql: str = ""
    """The exact text of its statements; empty when it gave none."""
    cannot: str = ""
    """Why the question cannot be answered from these tables, in the model's words."""
    asks: str = ""
    """What the model asks back, where the question reads two ways; there is then no SQL."""
    choices: tuple[str, ...] = ()
    """Up to four answers that it offers."""
    candidates: tuple[str, ...] = ()
    """SQL of every draft that was made, its own first, where more than one was."""
    logprob: float | None = None
    """Mean log probability of the tokens of its own draft, where the server tells."""
    note: str = ""
    """What the model says of its SQL; unchecked, shown only among the details."""
    model: str = ""
    prompt_sha256: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
