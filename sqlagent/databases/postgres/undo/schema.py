"""Sets a schema back: drops what a run made, alters back what it altered, and makes again what it dropped.

What cannot be written so is refused.  What is written is not trusted: whoever asks for it compares every object with
how it was, so that a statement missing here is an undo refused, and never one that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import psycopg

from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.postgres.connection.rows import Session
from sqlagent.databases.postgres.effect.schema_changes import Key, Object, Objects, SchemaChange, compared, objects

_SEPARATOR = "\x1f"
"""Between the parts of a column's definition."""
_GO_FIRST = (
    "policy", "trigger", "rule", "constraint", "view", "materialized view", "table", "index", "column", "sequence",
    "function", "procedure", "aggregate", "domain", "type", "schema",
)  # fmt: skip
_COME_FIRST = ("schema", "type", "sequence", "table", "function", "procedure")
_COME_LAST = ("constraint", "index", "view", "materialized view", "rule", "trigger")


def key(o: Object) -> Key:
    """What an object is found by among all others."""
    return o.kind, o.name, o.part


def check_as_left(present: Objects, change: SchemaChange) -> None:
    """Raises Refused where an object is not as the run left it."""
    before, after = ({key(o): o for o in side} for side in (change.before, change.after))
    for each in before.keys() | after.keys():
        now, left = present.get(each), after.get(each)
        if (now and (now.text, now.extra)) != (left and (left.text, left.extra)):
            kind, name, part = each
            raise Refused(f"{kind} {f'{part} of {name}' if part else name} was changed since")


class SetBack:
    """Sets a schema back in two halves: the rows of its tables are put back between them."""

    def __init__(self, writer: Session, change: SchemaChange) -> None:
        self._writer = writer
        self._change = change

    def first(self) -> None:
        """Set back names, columns and tables."""
        self._rename()
        change = self._left()
        gone = self._only(change.after, change.before)
        whole = {o.name for o in gone if not o.part}
        for kind in _GO_FIRST:
            for o in gone:
                if o.kind == kind and not (o.part and o.name in whole):
                    self._run(_dropped(o))
        self._alter()
        come = self._only(change.before, change.after)
        for kind in _COME_FIRST:
            for o in come:
                if o.kind == kind and not _comes_with_identity(o, come):
                    for sql in _made(o, [each for each in come if each.kind == "column" and each.name == o.name]):
                        self._run(sql)
        made = {o.name for o in come if not o.part}
        for o in come:
            if o.kind == "column" and o.name not in made:
                raise Refused(f"the values of column {o.part} of {o.name} are not kept")

    def second(self) -> None:
        """Set back what hangs on tables, after their rows: keys, indexes, views, triggers; then comments."""
        left = [o for o in self._left().before if o.kind in _COME_LAST and not self._is_there(o)]
        left.sort(key=lambda o: (_COME_LAST.index(o.kind), "FOREIGN KEY" in o.text))
        self._until_nothing_fails([(o, sql) for o in left for sql in _made(o, [])])
        for o in self._left().before:
            self._run(_comment(o))

    def _rename(self) -> None:
        before = {(o.oid, o.kind): o for o in self._change.before if not o.part and o.kind != "schema"}
        for o in self._change.after:
            was = before.get((o.oid, o.kind))
            if not o.part and was is not None and was.name != o.name:
                if was.name.rpartition(".")[0] != o.name.rpartition(".")[0]:
                    raise Refused(f"{o.kind} {was.name} was moved to another schema")
                self._run(f"ALTER {o.kind.upper()} {o.name} RENAME TO {was.name.rpartition('.')[2]}")
        columns = {(o.oid, o.number): o for o in self._change.before if o.kind == "column"}
        for o in self._change.after:
            old = columns.get((o.oid, o.number)) if o.kind == "column" else None
            if old is not None and old.part != o.part:
                self._run(f"ALTER TABLE {old.name} RENAME COLUMN {o.part} TO {old.part}")

    def _left(self) -> SchemaChange:
        """What still differs from how it was."""
        keys = {key(o) for o in (*self._change.before, *self._change.after)}
        before = {key(o): o for o in self._change.before}
        now = {each: o for each, o in objects(self._writer).items() if each in keys}
        return compared(before, now)

    @staticmethod
    def _only(these: Iterable[Object], others: Iterable[Object]) -> list[Object]:
        known = {key(o) for o in others}
        return [o for o in these if key(o) not in known]

    def _alter(self) -> None:
        change = self._left()
        now = {key(o): o for o in change.after}
        for was in change.before:
            o = now.get(key(was))
            if o is not None and (o.text, o.extra) != (was.text, was.extra):
                for sql in _altered(o, was):
                    self._run(sql)

    def _is_there(self, o: Object) -> bool:
        return key(o) in objects(self._writer)

    def _until_nothing_fails(self, listed: Sequence[tuple[Object, str]]) -> None:
        """A view may need another one that comes later."""
        left = list(listed)
        while left:
            failed = [(o, sql) for o, sql in left if not self._is_there(o) and not self._may_run(sql)]
            if len(failed) == len(left):
                o, sql = failed[0]
                self._run(sql)
                raise Refused(f"{o.kind} {o.part or o.name} cannot be made again")
            left = failed

    def _may_run(self, sql: str) -> bool:
        self._writer.execute("SAVEPOINT making")
        try:
            self._run(sql)
        except psycopg.Error:
            self._writer.execute("ROLLBACK TO SAVEPOINT making")
            return False
        self._writer.execute("RELEASE SAVEPOINT making")
        return True

    def _run(self, sql: str) -> None:
        self._writer.execute(sql.encode())


# ---- statements -----------------------------------------------------------------------------------------------------


def _dropped(o: Object) -> str:
    match o.kind:
        case "trigger" | "rule" | "policy":
            return f"DROP {o.kind.upper()} IF EXISTS {o.part} ON {o.name}"
        case "constraint":
            return f"ALTER TABLE {o.name} DROP CONSTRAINT IF EXISTS {o.part}"
        case "column":
            return f"ALTER TABLE {o.name} DROP COLUMN IF EXISTS {o.part}"
        case _:
            return f"DROP {o.kind.upper()} IF EXISTS {o.name}"


def _made(o: Object, columns: Sequence[Object]) -> Iterator[str]:
    match o.kind:
        case "schema":
            yield f"CREATE SCHEMA {o.name}"
        case "type" if o.text.startswith("'"):
            yield f"CREATE TYPE {o.name} AS ENUM ({o.text})"
        case "sequence":
            type_, start, step, most, least, cycle = o.text.split()
            bounds = f"START {start} INCREMENT {step} MAXVALUE {most} MINVALUE {least}"
            yield f"CREATE SEQUENCE {o.name} AS {type_} {bounds} {'CYCLE' if cycle == 't' else 'NO CYCLE'}"
        case "table" if o.text == "r":
            unlogged = "UNLOGGED " if o.extra.startswith("u") else ""
            listed = sorted(columns, key=lambda each: each.number)
            inner = ", ".join(f"{c.part} {c.text.replace(_SEPARATOR, ' ')}" for c in listed)
            yield f"CREATE {unlogged}TABLE {o.name} ({inner})"
            for column in listed:
                yield from _owned(column)
        case "function" | "procedure" | "index" | "rule" | "trigger":
            yield o.text
        case "view" | "materialized view":
            yield f"CREATE {o.kind.upper()} {o.name} AS {o.text}"
        case "constraint":
            yield f"ALTER TABLE {o.name} ADD CONSTRAINT {o.part} {o.text}"
        case _:
            raise Refused(f"{o.kind} {o.part or o.name} cannot be made again")


def _comes_with_identity(o: Object, come: Sequence[Object]) -> bool:
    """A sequence that its table makes by itself."""
    identities = (each.name for each in come if each.kind == "column" and "AS IDENTITY" in each.text)
    return o.kind == "sequence" and any(o.name.startswith(f"{table}_") for table in identities)


def _owned(column: Object) -> Iterator[str]:
    """A sequence that the column's default takes numbers from goes with it, as `serial` has it."""
    _, found, rest = column.text.partition("nextval('")
    if found:
        yield f"ALTER SEQUENCE {rest.partition(chr(39))[0]} OWNED BY {column.name}.{column.part}"


def _altered(o: Object, was: Object) -> Iterator[str]:
    if o.extra != was.extra and (o.kind != "column" or o.text == was.text):
        raise Refused(f"owner, privileges or settings of {o.kind} {o.part or o.name} were changed")
    match o.kind:
        case "column":
            yield from _column(o, was)
        case "view":
            yield f"DROP VIEW {o.name}"
            yield f"CREATE VIEW {o.name} AS {was.text}"
        case "function" | "procedure":
            yield was.text
        case "trigger" | "rule" | "constraint" | "index":
            yield _dropped(o)
            yield from _made(was, [])
        case _:
            raise Refused(f"{o.kind} {o.part or o.name} cannot be altered back")


def _column(o: Object, was: Object) -> Iterator[str]:
    alter = f"ALTER TABLE {o.name} ALTER COLUMN {o.part}"
    (old_type, *old), (new_type, *new) = was.text.split(_SEPARATOR), o.text.split(_SEPARATOR)
    if any(word.startswith("GENERATED") for word in {*old} ^ {*new}):
        raise Refused(f"how column {o.part} of {o.name} is generated was changed")
    default: Callable[[Sequence[str]], str] = lambda words: next((w for w in words if w.startswith("DEFAULT ")), "")  # noqa: E731
    if default(new) and (default(new) != default(old) or old_type != new_type):
        yield f"{alter} DROP DEFAULT"
    if old_type != new_type:
        yield f"{alter} TYPE {old_type} USING {o.part}::{old_type}"
    if default(old) and (default(new) != default(old) or old_type != new_type):
        yield f"{alter} SET {default(old)}"
    if ("NOT NULL" in old) != ("NOT NULL" in new):
        yield f"{alter} {'SET' if 'NOT NULL' in old else 'DROP'} NOT NULL"


def _comment(o: Object) -> str:
    text = "NULL" if not o.comment else "'" + o.comment.replace("'", "''") + "'"
    named = f"{o.name}.{o.part}" if o.kind == "column" else f"{o.part} ON {o.name}" if o.part else o.name
    return f"COMMENT ON {o.kind.upper()} {named} IS {text}"
