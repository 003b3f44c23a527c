"""Takes back a CREATE, ALTER or DROP: the objects as they were, and the rows of their tables out of the copy."""

from __future__ import annotations

from dataclasses import replace

import apsw

from sqlagent.core.nouns.analysis import Verb
from sqlagent.core.nouns.effect import ObjectChange, Touched
from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.changes.unmeasured import Unmeasurable
from sqlagent.databases.sqlite.connection.kept_statements import NotWhatItSays, create
from sqlagent.databases.sqlite.effect.invisible_rows import check_visible
from sqlagent.databases.sqlite.effect.lost_objects import Copier, Copy
from sqlagent.databases.sqlite.effect.recorder import Change
from sqlagent.databases.sqlite.effect.schema_changes import (
    Loss,
    Objects,
    about_bytes,
    content_digest,
    object_changes,
    objects,
)
from sqlagent.databases.sqlite.effect.state_before import Before
from sqlagent.databases.sqlite.effect.statistics import lost, moved, put_back, statistics
from sqlagent.databases.sqlite.effect.undo_record import KeptPart, by_name, changed, sql_of
from sqlagent.databases.sqlite.opinion.schema import quoted
from sqlagent.databases.sqlite.opinion.table_shapes import Tables

_DROPPED_FIRST = ("trigger", "view", "index", "table")
_MADE_FIRST = ("table", "index", "view", "trigger")


def restore(
    connection: apsw.Connection, part: KeptPart, copy: Copy | None, change: int, *, copier: Copier | None, number: int,
    digesting: bool, trying: bool,
) -> Change:  # fmt: skip
    """Set the schema back in the open transaction, foreign keys and triggers off; raises Refused.

    It is a change of the schema in turn: what it drops goes to the copier as its change `number`, and `digesting` tells
    the rows of what it makes apart.
    """
    before, after = changed(part)
    _check(connection, part, before, after, trying=trying)
    made = Change(reshapes=True, before=objects(connection))
    tables = Tables(connection)
    known = statistics(connection, tables)
    if copier is not None and copier.is_for_trial:
        made.stood = Before(tables.counters(), objects=made.before, statistics=known)
    if not trying:
        _lose(connection, made, part, [o.name for o in after.values() if o.kind == "table"], copier, number)
    for kind in _DROPPED_FIRST:
        for o in after.values():
            if o.kind == kind and (kind, o.name.lower()) in objects(connection):
                connection.execute(f"DROP {kind.upper()} main.{quoted(o.name)}").fetchall()
    replaced = {name for kind, name in before | after if kind in ("table", "view")}
    missing = {k: o for k, o in by_name(part.before).items() if k in before or o.table.lower() in replaced}
    for kind in _MADE_FIRST:
        for o in missing.values():
            if o.kind != kind or (kind, o.name.lower()) in objects(connection):
                continue
            try:
                create(connection, o.sql, kind=kind, name=o.name)
            except NotWhatItSays as e:
                raise Refused(f"what was kept of {kind} {o.name} is not its CREATE: {e}") from e
            if kind == "table":
                if trying and not (copy and copy.has(change, o.name)):
                    continue  # too large to be copied only to try
                if copy is None or not copy.has(change, o.name):
                    raise Refused(f"there is no copy of the rows of {o.name}")
                copy.put_back(connection, change, o.name)
    went, came = part.statistics
    put_back(connection, tables, [*lost(lost(known, statistics(connection, tables)), came), *went])
    made.statistics = moved(known, statistics(connection, tables))
    made.after = objects(connection)
    if digesting:
        made.contents = {name: content_digest(connection, name) for kind, name in before if kind == "table"}
    return made


def _lose(
    connection: apsw.Connection, change: Change, part: KeptPart, names: list[str], copier: Copier | None, number: int
) -> None:
    """Put down what goes with the tables that are dropped; their rows are those that the digests tell of."""
    tables = Tables(connection)
    change.losses = tuple(Loss(name, tables.rows(name), part.contents.get(name.lower(), "")) for name in names)
    for name in names:
        try:
            check_visible(connection, tables.shape(name))
        except Unmeasurable as e:
            change.uncopyable = str(e)
            continue
        size = about_bytes(connection, tables, name)
        change.copy_bytes += size
        if copier is not None and copier.has_room(size):
            copier.copy(connection, tables, number, name)
            if change.stood is not None:
                change.stood.digest(connection, tables, name)
        elif change.stood is not None:
            change.stood.unheld.add(name.lower())


def what_comes_and_goes(part: KeptPart, change: Change, tables: Tables) -> tuple[list[ObjectChange], list[Touched]]:
    """The objects that came and went in an undo, and the rows that came back with tables, counted as rows."""
    objects, rows = [], []
    for o in object_changes(*_renamed(by_name(part.after), by_name(part.before)), change.losses, tables):
        comes = o.verb is Verb.CREATE and o.kind == "table"
        if comes and o.rows:
            rows.append(Touched(o.name, Verb.INSERT, o.rows, 0))
        objects.append(replace(o, rows=None) if comes else o)
    return objects, rows


_SAME = -1  # a page that no file has


def _renamed(before: Objects, after: Objects) -> tuple[Objects, Objects]:
    """One statement that takes a table and gives one has renamed it, wherever its rows are kept since."""
    went = [key for key in before if key[0] == "table" and key not in after]
    came = [key for key in after if key[0] == "table" and key not in before]
    if len(went) != 1 or len(came) != 1:
        return before, after
    (old,), (new,) = went, came
    return before | {old: replace(before[old], root=_SAME)}, after | {new: replace(after[new], root=_SAME)}


def _check(connection: apsw.Connection, part: KeptPart, before: Objects, after: Objects, *, trying: bool) -> None:
    """Raises Refused where anything that would be overwritten is not as the run left it."""
    current, tables = objects(connection), Tables(connection)
    for key in before | after:
        kind, name = key
        if sql_of(current.get(key)) != sql_of(after.get(key)):
            raise Refused(f"{kind} {name} was changed since")
    left = by_name(part.after)
    replaced = {name for kind, name in after if kind in ("table", "view")}
    for key, o in current.items():
        if o.table.lower() in replaced and key not in left:
            raise Refused(f"{o.kind} {o.name} was made on {o.table} since")
    for name in (name for kind, name in after if kind == "table" and not trying):
        if tables.is_table(name) and content_digest(connection, name) != part.contents.get(name, ""):
            raise Refused(f"rows of {after['table', name].name} were changed since")
