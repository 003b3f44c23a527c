"""What the model is told: instructions, the schema, the conversation so far, and what went wrong.

The system message depends on the schema alone, so that a server which keeps its last prompt reads it once: everything
that differs from one question to the next comes after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from hashlib import sha256

from sqlagent.core.nouns.draft import Attempt, Clarification, Column, Example, Schema, Table, Turn
from sqlagent.core.text.spelled_names import spelled
from sqlagent.llm.date_note import date_note
from sqlagent.llm.narrowing import Room, narrowed

Message = tuple[str, str]
"""A role (`system`, `human` or `ai`) and its text."""

INSTRUCTIONS = """\
You write {dialect} SQL{version}.

Rules:
- Reply with SQL only: no explanation, no Markdown.
- Use only the tables and columns below. Join only the tables that are needed.
- LIMIT only when the question says how many.
- A value that the question does not give stays out of an INSERT.
{notes}
How to answer, shown on another database with book(id, title, genre, state, author_id) and author(id, name):
Q: how many books does each author have
A: SELECT a.name, COUNT(*) FROM book b JOIN author a ON a.id = b.author_id GROUP BY a.id
Q: number of books by genre, most first
A: SELECT genre, COUNT(*) FROM book GROUP BY genre ORDER BY COUNT(*) DESC
Q: archive the books of Ann Lee
A: UPDATE book SET state = 'archived' WHERE author_id = (SELECT id FROM author WHERE name = 'Ann Lee')
Q: add the novel Dune by Ann Lee
A: INSERT INTO book (title, genre, author_id) VALUES ('Dune', 'novel', (SELECT id FROM author WHERE name = 'Ann Lee'))
Q: how many people borrowed Dune
A: CANNOT: no table says who borrows books
Q: is it sunny in Paris
A: CANNOT: no table is about the weather{asking}

This is the database:

{schema}"""
"""The schema last: the rules before it are the same for every database, and are read once.

Rules alone do not move a small model; examples do, each for a mistake it made without."""

ASKING = """
Q: who are the top authors
A: ASK: Top by what? | number of books | number of genres"""
"""How a question that reads two ways is answered, for a model that may ask back."""

ANSWER = "A: (SQL, or CANNOT: and why)"
ANSWER_OR_ASK = (
    "A: (SQL; or CANNOT: and why; or, where it reads two ways that give different rows, "
    "ASK: question? | choice | choice, with up to four choices from the tables and values above)"
)
ANSWER_AT_LAST = (
    "A: (SQL, or CANNOT: and why; do not ask: where it reads two ways take the likelier, and begin with a line "
    "-- assuming ...)"
)
"""What the question ends with: what may be answered, nearest to where the model begins to write."""
MOST_EXAMPLES = 3
LONGEST_PAST = 600
"""Characters of an approved answer; a longer one teaches less than it costs."""

NOTES = {
    "sqlite": "- A column said to be in mixed case is compared as lower(column) = 'word'.\n",
}
"""Where a dialect differs from what models write by habit."""

_PRODUCT = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MySQL", "duckdb": "DuckDB", "tsql": "SQL Server"}
_NUMERIC = re.compile(r"INT|REAL|FLOA|DOUB|NUM|DEC|BOOL", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?")
_CODE = re.compile(r"\d{5}")
EXAMPLE_LENGTH = 40
EXAMPLES_LENGTH = 32
"""Characters after which no second example of the column is shown."""
LONGEST_COMMENT = 80
BUDGET = Room()


class Asking(Enum):
    """Whether the model may ask back where a question reads two ways."""

    NEVER = "never"
    """It is not told how."""
    STILL = "still"
    NO_MORE = "no more"
    """It has asked often enough: it drafts, and says what it assumes."""


def messages(
    question: str,
    schema: Schema,
    *,
    history: Sequence[Turn] = (),
    attempts: Sequence[Attempt] = (),
    examples: Sequence[Example] = (),
    clarified: Sequence[Clarification] = (),
    asking: Asking = Asking.NEVER,
    budget: Room = BUDGET,
) -> list[Message]:
    """The whole conversation, oldest first.  `budget` is how much of a schema the model can take."""
    shown = fitted(schema, question, budget)
    talk = [("system", system(shown, asking))]
    for turn in history:
        talk += [("human", turn.question), ("ai", turn.sql)]
    talk.append(("human", asked(question, examples, clarified, asking, date_note(question, shown))))
    for attempt in attempts:
        talk += [("ai", attempt.sql or "-- no SQL"), ("human", _complaint(attempt, schema))]
    return talk


_ANSWERS = {Asking.NEVER: ANSWER, Asking.STILL: ANSWER_OR_ASK, Asking.NO_MORE: ANSWER_AT_LAST}


def asked(
    question: str, examples: Sequence[Example] = (), clarified: Sequence[Clarification] = (),
    asking: Asking = Asking.NEVER, note: str = "",
) -> str:  # fmt: skip
    """The question as the model reads it, under what people approved before, and over what they answered since."""
    told = [e for e in examples if len(e.question) + len(e.sql) <= LONGEST_PAST][:MOST_EXAMPLES]
    lines = ["Approved on this database before:"] if told else []
    for example in told:
        lines += [f"Q: {_flat(example.question)}", f"A: {example.sql if '--' in example.sql else _flat(example.sql)}"]
    lines += ["Asked now:"] if told else []
    lines.append(f"Q: {question}")
    lines += [f"{_asked_back(c)}I answer: {_flat(c.answer)}" for c in clarified]
    lines += [note] if note else []
    return "\n".join([*lines, _ANSWERS[asking]])


def _asked_back(clarified: Clarification) -> str:
    """What the model asked; nothing where another model did, whose words are not told."""
    return f"You asked: {_flat(clarified.question)} " if clarified.question else ""


def _flat(text: str) -> str:
    """On one line, and fewer tokens; a second line could pass for another question, or for its answer."""
    return " ".join(text.split())


def prompt_sha256(talk: Sequence[Message]) -> str:
    """What the record keeps of a prompt: enough to show that two were the same."""
    return sha256(json.dumps(list(talk), ensure_ascii=False).encode()).hexdigest()


def system(schema: Schema, asking: Asking = Asking.NEVER) -> str:
    """The system message: the same bytes for every question on the same schema, and however often was asked back."""
    return INSTRUCTIONS.format(
        dialect=_PRODUCT.get(schema.dialect, schema.dialect),
        version=f" (version {schema.version})" if schema.version else "",
        notes=NOTES.get(schema.dialect, ""),
        schema=schema_text(schema),
        asking="" if asking is Asking.NEVER else ASKING,
    )


def schema_text(schema: Schema, table: str | None = None) -> str:
    """The schema (or one table of it) exactly as the model reads it; empty where there is no such table."""
    wanted = [t for t in schema.tables if table is None or t.name.lower() == table.lower()]
    return "\n".join(_table(t, schema.dialect) for t in wanted)


def fitted(schema: Schema, question: str, budget: Room) -> Schema:
    """The schema, cut down until its text fits: first the examples, comments and checks go, which leaves one prompt
    for all questions, then the tables that the question is not about.
    """
    if len(schema_text(schema)) <= budget.whole:
        return schema
    bare = [_bare(table) for table in schema.tables]
    without = replace(schema, tables=tuple(bare))
    return without if len(schema_text(without)) <= budget.whole else narrowed(without, question, budget)


def _bare(table: Table) -> Table:
    columns = tuple(replace(column, examples=(), comment="") for column in table.columns)
    return replace(table, checks=(), comment="", columns=columns)


def _table(table: Table, dialect: str) -> str:
    keys = [c for c in table.columns if c.primary_key]
    lines = [_column(c, table, dialect, alone=len(keys) == 1) for c in table.columns]
    if len(keys) > 1:
        lines.append((f"PRIMARY KEY ({', '.join(spelled(c.name, dialect) for c in keys)})", ""))
    last = len(lines) - 1
    body = "\n".join(f" {text}{',' if place < last else ''}{remark}" for place, (text, remark) in enumerate(lines))
    comment = f" -- {_comment(table.comment)}" if table.comment else ""
    return f"CREATE {'VIEW' if table.is_view else 'TABLE'} {spelled(table.name, dialect)} ({comment}\n{body}\n);"


def _comment(text: str) -> str:
    """What the database says of itself, on one line and short."""
    return _flat(text)[:LONGEST_COMMENT]


def _column(column: Column, table: Table, dialect: str, *, alone: bool) -> tuple[str, str]:
    """A column as CREATE TABLE writes it, and the remark behind it."""
    words = [spelled(column.name, dialect)]
    words += [column.type] if column.type else []
    if column.primary_key and alone:
        words.append("PRIMARY KEY")
    elif not column.nullable:
        words.append("NOT NULL")
    if column.references:
        there, _, name = column.references.rpartition(".")
        words.append(
            f"REFERENCES {spelled(there, dialect)}({spelled(name, dialect)})" if there else f"REFERENCES {name}"
        )
    choice = _choice(column, table)
    words += [choice] if choice else []
    return " ".join(words), _remark(column, choice)


def _choice(column: Column, table: Table) -> str:
    """The CHECK that lists what the column may hold; other checks tell the model nothing that it asks for."""
    name = re.escape(column.name)
    listed = rf"(CHECK\s*\()?\s*(lower\(|upper\()?\W?{name}\W{{0,3}} IN \(.*"
    for check in table.checks:
        # Most columns are in no check, and to compile a pattern for each takes longer than all the rest of the prompt.
        if column.name.lower() in check.lower() and re.fullmatch(listed, check, re.IGNORECASE | re.DOTALL):
            text = " ".join(check.split())
            return text if text.upper().startswith("CHECK") else f"CHECK ({text})"
    return ""


def _remark(column: Column, choice: str) -> str:
    """What the data looks like, in few tokens: they are what the first question waits for on a small machine."""
    remarks = ["generated, never written"] if column.generated else []
    numbered = (column.primary_key or column.references) and _NUMERIC.search(column.type)
    examples = () if numbered else column.examples
    if "lower(" in choice.lower() or len({value.lower() for value in examples}) < len(examples):
        listed = re.search(r"'((?:[^']|'')+)'", choice)
        word = listed[1] if listed else _example(examples[0].lower())[1:-1]
        remarks.append(f"in mixed case: write lower({column.name}) = '{word}'")
    if not choice and (shown := _telling(examples, column.type)):
        remarks.append(shown)
    remarks += [_comment(column.comment)] if column.comment else []
    return f" -- {'; '.join(remarks)}" if remarks else ""


def _telling(examples: Sequence[str], declared: str) -> str:
    """The examples that say something: the form of dates and codes, the words of names, no amounts of money."""
    if examples and all(_DATE.fullmatch(value) for value in examples):
        return "'" + "YYYY-MM-DD HH:MM:SS"[: len(examples[0])] + "'"
    if _NUMERIC.search(declared):
        return ", ".join(examples) if all(_NUMBER.fullmatch(v) and len(v) <= 4 for v in examples) else ""
    shown: list[str] = []
    for value in examples[:3]:
        if shown and (sum(map(len, shown)) + len(value) > EXAMPLES_LENGTH or _CODE.search(value)):
            break
        shown.append(_example(value))
    return ", ".join(shown)


def _example(value: str) -> str:
    """A value of the data as SQL writes it, on one line: a line break would end the comment that it stands in."""
    value = " ".join(value.split())
    short = value if len(value) <= EXAMPLE_LENGTH else value[:EXAMPLE_LENGTH] + "..."
    return "'" + short.replace("'", "''") + "'"


def _complaint(attempt: Attempt, schema: Schema) -> str:
    where = _whereabouts(attempt, schema)
    wanted = "SQL, or CANNOT: and what is missing" if "CANNOT:" in where else "SQL only"
    return f"That was not accepted: {attempt.error}\n{where}Answer with the corrected {wanted}."


def _whereabouts(attempt: Attempt, schema: Schema) -> str:
    """What the error means here: what the named tables really have, and where a column or a table really is."""
    from sqlagent.core.repair.missing import whereabouts  # with sqlglot's scopes, which only another try needs

    lines = whereabouts(attempt.sql, schema) if attempt.sql else ()
    if not lines and "misuse of aggregate" in attempt.error:
        lines = ("A condition on COUNT, SUM or AVG belongs in HAVING, after GROUP BY.",)
    return "".join(f"{line}\n" for line in lines)
