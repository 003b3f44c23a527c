"""The statements that drop an object, make it again from its definition, or alter it back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.postgres.effect.schema_changes import Object

_VALUE = re.compile(r"E?'(?:[^']|'')*'")
_SEPARATOR = "\x1f"
"""Between the parts of a definition."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table's definition says beside its columns."""

    is_plain: bool
    by: str = ""
    """`PARTITION BY RANGE (at)`."""
    whole: str = ""
    """The table that it is a partition of."""
    bound: str = ""
    """`FOR VALUES FROM ...`."""
    parents: tuple[str, ...] = ()
    """Those that it inherits from."""

    @classmethod
    def of(cls, o: Object) -> Shape:
        """As it is written in the text of a table."""
        kind, *parts = o.text.split(_SEPARATOR)
        by = next((part for part in parts if part.startswith("PARTITION BY ")), "")
        whole = next((part for part in parts if part.startswith("PARTITION OF ")), "").removeprefix("PARTITION OF ")
        inherits = next((part for part in parts if part.startswith("INHERITS ")), "").removeprefix("INHERITS ")
        bound = next((part for part in parts if part.startswith(("FOR VALUES", "DEFAULT"))), "")
        parents = tuple(inherits.split(", ")) if inherits else ()
        return cls(kind in ("r", "p"), by, whole, bound, parents)


def dropped(o: Object) -> str:
    """Nothing where it is gone already, with what it was a part of."""
    match o.kind:
        case "trigger" | "rule" | "policy":
            return f"DROP {o.kind.upper()} IF EXISTS {o.part} ON {o.name}"
        case "constraint":
            return f"ALTER TABLE {o.name} DROP CONSTRAINT IF EXISTS {o.part}"
        case "column":
            return f"ALTER TABLE {o.name} DROP COLUMN IF EXISTS {o.part}"
        case _:
            return f"DROP {o.kind.upper()} IF EXISTS {o.name}"


def made(o: Object, columns: Sequence[Object] = ()) -> Iterator[str]:
    """What makes it as it was, its owner, rights, settings and comment left out; raises Refused where nothing does."""
    match o.kind:
        case "schema":
            yield f"CREATE SCHEMA {o.name}"
        case "type" if o.text.startswith("'"):
            yield f"CREATE TYPE {o.name} AS ENUM ({o.text})"
        case "type" if o.text == "c":
            yield f"CREATE TYPE {o.name} AS ({', '.join(f'{c.part} {c.text}' for c in _in_order(columns))})"
        case "domain":
            yield f"CREATE DOMAIN {o.name} AS {o.text}"
        case "sequence":
            yield f"CREATE SEQUENCE {o.name} {_counting(o)}"
        case "table" if Shape.of(o).is_plain:
            yield from _table(o, columns)
        case "index":
            yield o.text.replace(" ON ONLY ", " ON ", 1)  # with those of the partitions
        case "function" | "procedure" | "rule" | "trigger":
            yield o.text
        case "view" | "materialized view":
            yield f"CREATE {o.kind.upper()} {o.name} AS {o.text}"
        case "constraint":
            yield f"ALTER TABLE {o.name} ADD CONSTRAINT {o.part} {o.text}"
        case "policy":
            yield f"CREATE POLICY {o.part} ON {o.name} {o.text}"
        case _:
            raise Refused(f"{o.kind} {o.part or o.name} cannot be made again")


def _counting(o: Object) -> str:
    type_, start, step, most, least, cycle = o.text.split()
    bounds = f"START {start} INCREMENT {step} MAXVALUE {most} MINVALUE {least}"
    return f"AS {type_} {bounds} {'CYCLE' if cycle == 't' else 'NO CYCLE'}"


def _in_order(columns: Sequence[Object]) -> list[Object]:
    return sorted((c for c in columns if not c.is_inherited), key=lambda each: each.number)


def _table(o: Object, columns: Sequence[Object]) -> Iterator[str]:
    shape = Shape.of(o)
    unlogged = "UNLOGGED " if o.facets.get("persistence") == "u" else ""
    listed = _in_order(columns)
    inner = ", ".join(f"{c.part} {c.text.replace(_SEPARATOR, ' ')}" for c in listed)
    if shape.whole:
        inner = ", ".join(f"{c.part} {' '.join(c.text.split(_SEPARATOR)[1:])}" for c in listed)
        head = f"PARTITION OF {shape.whole} {f'({inner}) ' if inner else ''}{shape.bound}"
    else:
        parents = f" INHERITS ({', '.join(shape.parents)})" if shape.parents else ""
        head = f"({inner}){parents}"
    yield f"CREATE {unlogged}TABLE {o.name} {head} {shape.by}"
    for column in listed:
        yield from owned(column)


def owned(column: Object) -> Iterator[str]:
    """A sequence that the column's default takes numbers from goes with it, as `serial` has it."""
    _, found, rest = column.text.partition("nextval('")
    if found:
        yield f"ALTER SEQUENCE {rest.partition(chr(39))[0]} OWNED BY {column.name}.{column.part}"


def come_back(column: Object) -> str:
    """A column alone: its default and its NOT NULL follow once its values are in it."""
    type_, *words = column.text.split(_SEPARATOR)
    computed = next((word for word in words if word.startswith("GENERATED ALWAYS AS (")), "")
    return f"ALTER TABLE {column.name} ADD COLUMN {column.part} {type_} {computed}"


def altered(o: Object, was: Object) -> Iterator[str]:
    """What gives it the definition that it had; raises Refused where nothing does."""
    match o.kind:
        case "column":
            yield from _column(o, was)
        case "table":
            yield from _reshaped(o, was)
        case "view":
            yield f"DROP VIEW {o.name}"
            yield f"CREATE VIEW {o.name} AS {was.text}"
        case "function" | "procedure":
            yield was.text
        case "sequence":
            yield f"ALTER SEQUENCE {o.name} {_counting(was)}"
        case "trigger" | "rule" | "constraint" | "index" | "policy":
            yield dropped(o)
            yield from made(was)
        case "type" if was.text.startswith("'"):
            yield from _values(o, was)
        case _:
            raise Refused(f"{o.kind} {o.part or o.name} cannot be altered back")


def _values(o: Object, was: Object) -> Iterator[str]:
    """An enum's values by other names; it can get more of them, and never fewer."""
    now, then = (_VALUE.findall(each.text) for each in (o, was))
    if len(now) != len(then):
        raise Refused(f"PostgreSQL cannot take a value of the enum {o.name} away again")
    for new, old in zip(now, then, strict=True):
        if new != old:
            yield f"ALTER TYPE {o.name} RENAME VALUE {new} TO {old}"


def _reshaped(o: Object, was: Object) -> Iterator[str]:
    now, then = Shape.of(o), Shape.of(was)
    if now.by != then.by or not now.is_plain:
        raise Refused(f"how {o.name} is kept cannot be altered back")
    if now.whole:
        yield f"ALTER TABLE {now.whole} DETACH PARTITION {o.name}"
    for parent in now.parents:
        if parent not in then.parents:
            yield f"ALTER TABLE {o.name} NO INHERIT {parent}"
    for parent in then.parents:
        if parent not in now.parents:
            yield f"ALTER TABLE {o.name} INHERIT {parent}"
    if then.whole:
        yield f"ALTER TABLE {then.whole} ATTACH PARTITION {o.name} {then.bound}"


def _column(o: Object, was: Object) -> Iterator[str]:
    alter = f"ALTER TABLE {o.name} ALTER COLUMN {o.part}"
    (old_type, *old), (new_type, *new) = was.text.split(_SEPARATOR), o.text.split(_SEPARATOR)
    if _starting(old, "GENERATED ALWAYS AS (") != _starting(new, "GENERATED ALWAYS AS ("):
        raise Refused(f"how column {o.part} of {o.name} is computed was changed")
    default, new_default = _starting(old, "DEFAULT "), _starting(new, "DEFAULT ")
    anew = default != new_default or old_type != new_type
    numbered, new_numbered = (next((w for w in words if w.endswith("AS IDENTITY")), "") for words in (old, new))
    if new_default and anew:
        yield f"{alter} DROP DEFAULT"
    if new_numbered and not numbered:
        yield f"{alter} DROP IDENTITY"
    if old_type != new_type:
        yield f"{alter} TYPE {old_type} USING {o.part}::{old_type.partition(' COLLATE ')[0]}"
    if default and anew:
        yield f"{alter} SET {default}"
        yield from owned(was)
    if ("NOT NULL" in old) != ("NOT NULL" in new):
        yield f"{alter} {'SET' if 'NOT NULL' in old else 'DROP'} NOT NULL"
    if numbered != new_numbered and numbered:
        yield f"{alter} {'SET' if new_numbered else 'ADD'} {_short(numbered) if new_numbered else numbered}"


def _starting(words: Sequence[str], start: str) -> str:
    return next((word for word in words if word.startswith(start)), "")


def _short(numbered: str) -> str:
    return numbered.removesuffix(" AS IDENTITY")


def comment(o: Object) -> str:
    """What it is said to be."""
    text = "NULL" if not o.comment else "'" + o.comment.replace("'", "''") + "'"
    named = f"{o.name}.{o.part}" if o.kind == "column" else f"{o.part} ON {o.name}" if o.part else o.name
    return f"COMMENT ON {o.kind.upper()} {named} IS {text}"
