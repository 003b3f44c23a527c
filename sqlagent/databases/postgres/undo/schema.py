"""A schema set back: what came goes, what was altered is altered back, what went is made again from its definition.

What cannot be written so is refused.  What is written is not trusted: whoever asks for it compares every object with
how it was, so that a statement missing here is an undo refused, and never one that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import psycopg

from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.postgres.connection.rows import Session
from sqlagent.databases.postgres.effect.schema_changes import Key, Object, Objects, SchemaChange, compared, objects
from sqlagent.databases.postgres.undo import facets
from sqlagent.databases.postgres.undo.statements import Shape, altered, come_back, comment, dropped, made

_GO_FIRST = (
    "policy", "trigger", "rule", "constraint", "view", "materialized view", "table", "index", "column", "sequence",
    "function", "procedure", "aggregate", "domain", "type", "schema",
)  # fmt: skip
_COME_FIRST = ("schema", "type", "domain", "sequence", "table", "function", "procedure")
_COME_LAST = ("constraint", "index", "view", "materialized view", "rule", "trigger", "policy")
_SET_FIRST = ("schema", "type", "domain", "table")
"""Whose owner others follow."""


def key(o: Object) -> Key:
    """What tells it from all others."""
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
    """Sets back what a run changed of the schema, in two halves: the rows of its tables are put back between them."""

    def __init__(self, writer: Session, change: SchemaChange) -> None:
        self._writer = writer
        self._change = change
        self._emptied: list[Object] = []
        """Partitions that go once the rows of the whole are back."""
        self._views = {o.name for o in (*change.before, *change.after) if o.kind in ("view", "materialized view")}

    def first(self) -> None:
        """Names, columns and tables as they were."""
        self._rename()
        change = self._left()
        gone = [
            o for o in self._only(change.after, change.before)
            if not _comes_with_identity(o, change.after) and not (o.kind == "column" and o.name in self._views)
        ]  # fmt: skip
        whole = {o.name for o in gone if not o.part}
        self._emptied = [o for o in gone if o.kind == "table" and Shape.of(o).whole]
        for kind in _GO_FIRST:
            for o in gone:
                if o.kind == kind and not (o.part and o.name in whole) and o not in self._emptied:
                    self._run(dropped(o))
        self._alter(attach=False)
        for o in reversed(self._only(self._left().after, change.before)):
            if o.kind == "index":  # that came with being a partition, and stays when it is none any more
                self._run(dropped(o))
        come = self._only(change.before, change.after)
        columns = {o.name: [c for c in come if c.kind == "column" and c.name == o.name] for o in come if not o.part}
        first = [o for o in come if o.kind in _COME_FIRST and not _comes_with_identity(o, come)]
        first.sort(key=lambda o: _COME_FIRST.index(o.kind))
        self._until_nothing_fails([(o, list(made(o, columns[o.name]))) for o in first])
        for o in sorted(come, key=lambda o: o.number):
            if o.kind == "column" and o.name not in columns and o.name not in self._views:
                self._run(come_back(o))

    def second(self) -> None:
        """What hangs on tables, after their rows: keys, indexes, views, triggers; then whose they are, and comments."""
        for o in self._emptied:
            self._run(dropped(o))
        self._alter(attach=True)
        left = [o for o in self._only(self._left().before, self._left().after) if o.kind in _COME_LAST]
        left.sort(key=lambda o: (_COME_LAST.index(o.kind), "FOREIGN KEY" in o.text))
        self._until_nothing_fails([(o, list(made(o))) for o in left])
        for is_first in (True, False):
            for o, was in self._differing():
                if (o.kind in _SET_FIRST) is is_first:
                    self._run_all(facets.owner(o, was))
        for o, was in self._differing():
            self._run_all(facets.settings(o, was))
            if o.comment != was.comment:
                self._run(comment(was))

    def _rename(self) -> None:
        before = {(o.oid, o.kind): o for o in self._change.before if not o.part and o.kind != "schema"}
        for o in self._change.after:
            was = before.get((o.oid, o.kind))
            if not o.part and was is not None and was.name != o.name:
                (schema, name), (schema_now, _) = _called(was), _called(o)
                if schema != schema_now:
                    raise Refused(f"{o.kind} {was.name} was moved to another schema")
                self._run(f"ALTER {o.kind.upper()} {o.name} RENAME TO {name}")
        columns = {(o.oid, o.number): o for o in self._change.before if o.kind == "column"}
        for o in self._change.after:
            old = columns.get((o.oid, o.number)) if o.kind == "column" and not o.is_inherited else None
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
        """Those that come or go by themselves."""
        known = {key(o) for o in others}
        return [o for o in these if key(o) not in known and not o.is_inherited]

    def _differing(self) -> Iterator[tuple[Object, Object]]:
        """What is there again, and how it was; asked anew, since one may follow from another."""
        change = self._left()
        now = {key(o): o for o in change.after}
        yield from ((now[key(was)], was) for was in change.before if key(was) in now)

    def _alter(self, *, attach: bool) -> None:
        """A table becomes a partition again when its rows are in it."""
        for o, was in self._differing():
            if was.kind == "column" and was.name in self._views:
                continue
            waits = was.kind == "table" and bool(Shape.of(was).whole) and not attach
            if o.text == was.text or waits:
                continue
            if was.is_inherited:  # it follows from the whole, or was changed here alone
                self._may_run(list(altered(o, was)))
                continue
            # What others depend on can be written over, and not be dropped.
            if o.kind == "view" and self._may_run([f"CREATE OR REPLACE VIEW {o.name} AS {was.text}"]):
                continue
            self._run_all(altered(o, was))

    def _until_nothing_fails(self, listed: Sequence[tuple[Object, list[str]]]) -> None:
        """A view may need another one that comes later, and a table the one that it is a partition of."""
        left = list(listed)
        while left:
            present = objects(self._writer)
            failed = [(o, sql) for o, sql in left if key(o) not in present and not self._may_run(sql)]
            if len(failed) == len(left):
                o, sql = failed[0]
                self._run_all(sql)
                raise Refused(f"{o.kind} {o.part or o.name} cannot be made again")
            left = failed

    def _may_run(self, sql: Sequence[str]) -> bool:
        self._writer.execute("SAVEPOINT making")
        try:
            self._run_all(sql)
        except psycopg.Error:
            self._writer.execute("ROLLBACK TO SAVEPOINT making")
            return False
        self._writer.execute("RELEASE SAVEPOINT making")
        return True

    def _run_all(self, statements: Iterable[str]) -> None:
        for sql in statements:
            self._run(sql)

    def _run(self, sql: str) -> None:
        self._writer.execute(sql.encode())


def _called(o: Object) -> tuple[str, str]:
    """Its schema and its name; a function's without what it takes."""
    name = o.name.partition("(")[0] if o.kind in ("function", "procedure", "aggregate") else o.name
    return name.rpartition(".")[0], name.rpartition(".")[2]


def _comes_with_identity(o: Object, come: Sequence[Object]) -> bool:
    """A sequence that its table, or its column, makes by itself."""
    identities = (each.name for each in come if each.kind == "column" and "AS IDENTITY" in each.text)
    return o.kind == "sequence" and any(o.name.startswith(f"{table}_") for table in identities)
