"""What the model is told: instructions, the schema, the conversation so far, and what went wrong.

The system message depends on the schema alone, so that a server which keeps its last prompt reads it once: everything
that differs from one question to the next comes after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from sqlagent.core.model import Attempt, Column, Schema, Table, Turn

Message = tuple[str, str]
"""A role (`system`, `human` or `ai`) and its text."""

INSTRUCTIONS = """\
You write {dialect} SQL{version} for the database below.

Rules:
- Answer with SQL only: no explanation, no Markdown.
- Use only the tables and columns below, spelled exactly as they are.
- Asked for data, write one SELECT. Asked to change data, write the INSERT, UPDATE or DELETE. Never change anything \
that was not asked for.
- Select the columns that answer the question, with the names of people and things rather than their ids.
- When the tables hold nothing that could answer, reply with one line: CANNOT: and the reason.
{notes}
Database:
{schema}"""

NOTES = {
    "sqlite": "- Dates are text such as '2024-05-31': compare them as text, use strftime('%Y', d) for parts and "
    "date('now', '-1 month') for today and before.\n",
}
"""Where a dialect differs from what models write by habit."""

_PRODUCT = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MySQL", "duckdb": "DuckDB", "tsql": "SQL Server"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMERIC = re.compile(r"INT|REAL|FLOA|DOUB|NUM|DEC|BOOL", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_RESERVED_WORDS = (
    "all and as between by case check column create default delete desc distinct drop else end except exists from "
    "group having in index insert into is join key left like limit not null on or order primary references right "
    "select set table then to transaction union unique update using values view when where with user"
)
_RESERVED = frozenset(re.findall(r"\w+", _RESERVED_WORDS))
EXAMPLE_LENGTH = 40
BUDGET = 200_000


def messages(
    question: str, schema: Schema, *, history: Sequence[Turn], attempts: Sequence[Attempt], budget: int = BUDGET
) -> list[Message]:
    """The whole conversation, oldest first.  `budget` is how many characters of schema the model can take."""
    talk = [("system", system(schema, budget=budget))]
    for turn in history:
        talk += [("human", turn.question), ("ai", turn.sql)]
    talk.append(("human", question))
    for attempt in attempts:
        talk += [("ai", attempt.sql or "-- no SQL"), ("human", _complaint(attempt, schema))]
    return talk


def prompt_sha256(talk: Sequence[Message]) -> str:
    """What the record keeps of a prompt: enough to show that two were the same."""
    return sha256(json.dumps(list(talk), ensure_ascii=False).encode()).hexdigest()


def system(schema: Schema, *, budget: int = BUDGET) -> str:
    """The system message: the same bytes for every question on the same schema."""
    version = f" (version {schema.version})" if schema.version else ""
    return INSTRUCTIONS.format(
        dialect=_PRODUCT.get(schema.dialect, schema.dialect),
        version=version,
        notes=NOTES.get(schema.dialect, ""),
        schema=schema_text(fitted(schema, budget)),
    )


def schema_text(schema: Schema, table: str | None = None) -> str:
    """The schema (or one table of it) exactly as the model reads it; empty where there is no such table."""
    quote = "`" if schema.dialect in ("mysql", "bigquery") else '"'
    wanted = [t for t in schema.tables if table is None or t.name.lower() == table.lower()]
    return "\n".join(_table(t, quote) for t in wanted)


def fitted(schema: Schema, budget: int) -> Schema:
    """The schema, cut down until its text fits: first the examples go, then checks, views, and the last tables."""
    if len(schema_text(schema)) <= budget:
        return schema
    bare = tuple(replace(t, columns=tuple(replace(c, examples=()) for c in t.columns)) for t in schema.tables)
    schema = replace(schema, tables=bare)
    if len(schema_text(schema)) <= budget:
        return schema
    bare = tuple(replace(t, checks=()) for t in sorted(bare, key=lambda t: t.is_view))
    lengths, kept = 0, []
    for each in bare:
        lengths += len(schema_text(replace(schema, tables=(each,)))) + 1
        if lengths > budget:
            break
        kept.append(each)
    return replace(schema, tables=tuple(kept))


def _table(table: Table, quote: str) -> str:
    keys = [c for c in table.columns if c.primary_key]
    lines = [_column(c, quote, alone=len(keys) == 1) for c in table.columns]
    if len(keys) > 1:
        lines.append((f"PRIMARY KEY ({', '.join(_name(c.name, quote) for c in keys)})", ""))
    lines += [(check if check.upper().startswith("CHECK") else f"CHECK ({check})", "") for check in table.checks]
    last = len(lines) - 1
    body = "\n".join(f"  {text}{',' if place < last else ''}{remark}" for place, (text, remark) in enumerate(lines))
    return f"CREATE {'VIEW' if table.is_view else 'TABLE'} {_name(table.name, quote)} (\n{body}\n);"


def _column(column: Column, quote: str, *, alone: bool) -> tuple[str, str]:
    """A column as CREATE TABLE writes it, and the remark behind it."""
    words = [_name(column.name, quote)]
    words += [column.type] if column.type else []
    if column.primary_key and alone:
        words.append("PRIMARY KEY")
    elif not column.nullable:
        words.append("NOT NULL")
    if column.references:
        table, _, name = column.references.rpartition(".")
        words.append(f"REFERENCES {_name(table, quote)}({_name(name, quote)})" if table else f"REFERENCES {name}")
    remarks = ["generated, never written"] if column.generated else []
    if column.examples and not column.primary_key and not column.references:
        remarks.append("e.g. " + ", ".join(_example(value, column.type) for value in column.examples[:3]))
    return " ".join(words), f" -- {'; '.join(remarks)}" if remarks else ""


def _name(name: str, quote: str) -> str:
    if _PLAIN.fullmatch(name) and name.lower() not in _RESERVED:
        return name
    return quote + name.replace(quote, quote * 2) + quote


def _example(value: str, declared: str) -> str:
    """A value of the data as SQL writes it, on one line: a line break would end the comment that it stands in."""
    value = " ".join(value.split())
    if _NUMERIC.search(declared) and _NUMBER.fullmatch(value):
        return value
    short = value if len(value) <= EXAMPLE_LENGTH else value[:EXAMPLE_LENGTH] + "..."
    return "'" + short.replace("'", "''") + "'"


def _complaint(attempt: Attempt, schema: Schema) -> str:
    advice = _whereabouts(attempt.error, schema)
    return f"That was not accepted: {attempt.error}\n{advice}Answer with the corrected SQL only."


def _whereabouts(error: str, schema: Schema) -> str:
    """Where a column that was looked for in the wrong table really is."""
    missing = re.search(r"no such column: \"?([\w.]+)|column \"?([\w.]+)\"? does not exist", error)
    if missing is None:
        return ""
    name = (missing[1] or missing[2]).rpartition(".")[2].lower()
    homes = [t.name for t in schema.tables if any(c.name.lower() == name for c in t.columns)]
    return f"{name} is a column of {', '.join(homes)}.\n" if homes else f"No table has a column {name}.\n"
