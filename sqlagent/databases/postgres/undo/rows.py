"""Rows put back as sets: what was inserted is deleted, what was updated is set back, what was deleted is inserted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum

from sqlagent.core.text.counted import counted
from sqlagent.databases.changes.conflicts import CHANGED, DELETED, TAKEN, Conflicts, Refused
from sqlagent.databases.changes.rows import Row, RowChange, TableChange, key_of
from sqlagent.databases.changes.samples import shown
from sqlagent.databases.postgres.connection.rows import Raw, Session, raw
from sqlagent.databases.postgres.effect.row_versions import copied
from sqlagent.databases.postgres.effect.tables import Table, quoted
from sqlagent.databases.postgres.effect.two_sessions import FORMATS, steady
from sqlagent.databases.postgres.run.in_doubt import rows_now
from sqlagent.databases.postgres.undo.triggers import Stilled

Changes = Sequence[TableChange[Table]]

_KEYS = """
SELECT conrelid, confrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conrelid <> confrelid
AND conrelid = ANY(%s::oid[]) AND confrelid = ANY(%s::oid[])"""


class Order(Enum):
    """Which of inserts, updates and deletes come first in an undo."""

    DELETE_FIRST = "delete first"
    INSERT_FIRST = "insert first"


# ---- what still is as the run left it -------------------------------------------------------------------------------


def still_as_left(writer: Session, changes: Changes, conflicts: Conflicts) -> tuple[TableChange[Table], ...]:
    """The inverse of the rows that are still as the run left them, now locked; the others become conflicts."""
    found = []
    for change in changes:
        inverse = change.inverse
        rows = _keyed(writer, inverse, conflicts) if change.table.key else _counted(writer, inverse, conflicts)
        found.append(TableChange(change.table, tuple(rows)))
    return tuple(change for change in found if change.rows)


def _keyed(writer: Session, inverse: TableChange[Table], conflicts: Conflicts) -> Iterator[RowChange]:
    table = inverse.table
    now = rows_now(writer, table, [row.row for row in inverse.rows], locking="FOR UPDATE OF t")
    for row in inverse.rows:
        stands = now.get(key_of(table, row.row))
        if stands == row.before:
            yield row
        elif stands != row.after:  # else it is as it was before the run already
            why = TAKEN if row.before is None else DELETED if stands is None else CHANGED
            conflicts.add(table.name, _key(table, row.row), why)


def _counted(writer: Session, inverse: TableChange[Table], conflicts: Conflicts) -> Iterator[RowChange]:
    table = inverse.table
    wanted = {row.before for row in inverse.rows if row.before is not None}
    stands = Counter(row for row in rows_of(writer, table) if row in wanted) if wanted else Counter[Row]()
    for row in inverse.rows:
        if row.before is None or stands[row.before] > 0:
            if row.before is not None:
                stands[row.before] -= 1
            yield row
        else:
            conflicts.add(table.name, [(table.columns[0], shown(row.before[0]))] if table.columns else [], DELETED)


def _key(table: Table, row: Row) -> Iterator[tuple[str, str]]:
    for place in table.key:
        yield table.columns[place], shown(row[place])


def rows_of(writer: Session, table: Table) -> list[Row]:
    """Every row of a table."""
    with steady(writer):
        select = f"SELECT {table.column_list} FROM {table.only}".replace("%", "%%")  # noqa: S608 - quoted names
        return list(copied(writer, select, lambda _: None))


# ---- putting back ---------------------------------------------------------------------------------------------------


def put_back(writer: Session, wanted: Changes, order: Order) -> bool:
    """Write the rows in the open transaction; answers whether triggers were off.  Raises Refused, or as the server."""
    with steady(writer, FORMATS):  # a trigger that fires finds its tables as ever
        stilled = Stilled.of(writer, [change.table.oid for change in wanted])
        writer.execute("SET CONSTRAINTS ALL DEFERRED")
        tables = list(parents_first(writer, wanted))
        if order is Order.DELETE_FIRST:
            _delete_all(writer, tables)
            for change in tables:
                _update_all(writer, change)
                _insert_all(writer, change)
        else:
            for put in (_insert_all, _update_all):
                for change in tables:
                    put(writer, change)
            _delete_all(writer, tables)
        writer.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
        stilled.end()
    return bool(stilled.off)


def _delete_all(writer: Session, tables: Changes) -> None:
    for change in reversed(tables):
        _delete(writer, change.table, [row.before for row in change.rows if row.before and row.after is None])


def _update_all(writer: Session, change: TableChange[Table]) -> None:
    _update(writer, change.table, [row for row in change.rows if row.before and row.after])


def _insert_all(writer: Session, change: TableChange[Table]) -> None:
    _insert(writer, change.table, [row.after for row in change.rows if row.after and row.before is None])


def parents_first(writer: Session, wanted: Changes) -> Iterator[TableChange[Table]]:
    """A table after those that it refers to, as far as they do not refer to each other."""
    oids = [change.table.oid for change in wanted]
    refers = {(int(child or 0), int(parent or 0)) for child, parent in raw(writer, _KEYS, oids, oids)}
    left = {change.table.oid: change for change in wanted}
    while left:
        free = [oid for oid in left if not any(child == oid and parent in left for child, parent in refers)]
        for oid in free or [next(iter(left))]:
            yield left.pop(oid)


def _unnested(table: Table, places: Sequence[int]) -> tuple[str, str]:
    """A source of rows out of arrays of text, and its columns as what they are."""
    arrays = ", ".join("%s::text[]" for _ in places)
    names = ", ".join(f"c{number}" for number in range(len(places)))
    values = ", ".join(f"u.c{number}::{table.types[place]}" for number, place in enumerate(places))
    return f"unnest({arrays}) WITH ORDINALITY u ({names}, place)", values.replace("%", "%%")


def _names(table: Table, places: Sequence[int], prefix: str = "") -> str:
    return ", ".join(prefix + quoted(table.columns[place]) for place in places).replace("%", "%%")


def _arrays(rows: Sequence[Row], places: Sequence[int]) -> list[list[str | None]]:
    return [[row[place] for row in rows] for place in places]


def _delete(writer: Session, table: Table, rows: Sequence[Row]) -> None:
    if not rows:
        return
    name = table.only.replace("%", "%%")
    if table.key:
        source, values = _unnested(table, table.key)
        sql = f"DELETE FROM {name} WHERE ({_names(table, table.key)}) IN (SELECT {values} FROM {source})"  # noqa: S608
        _exactly(writer, sql, _arrays(rows, table.key), len(rows))
        return
    left, found = Counter(rows), list[tuple[str, str]]()
    select = f"SELECT tableoid::oid, ctid, {_names(table, range(len(table.columns)))} FROM {name}"  # noqa: S608
    for oid, place, *values_now in copied(writer, select, lambda _: None):
        if left[tuple(values_now)] > 0:
            left[tuple(values_now)] -= 1
            found.append((oid, place))
    where = "(tableoid, ctid) IN (SELECT o::oid, p::tid FROM unnest(%s::text[], %s::text[]) u (o, p))"
    arrays = [[oid for oid, _ in found], [place for _, place in found]]
    _exactly(writer, f"DELETE FROM {name} WHERE {where}", arrays, len(rows))  # noqa: S608 - a quoted name


def _insert(writer: Session, table: Table, rows: Sequence[Row]) -> None:
    if not rows:
        return
    places = [place for place in range(len(table.columns)) if place not in table.generated]
    source, values = _unnested(table, places)
    into = f"{table.sql.replace('%', '%%')} ({_names(table, places)}) OVERRIDING SYSTEM VALUE"
    sql = f"INSERT INTO {into} SELECT {values} FROM {source} ORDER BY place"  # noqa: S608 - quoted names
    _exactly(writer, sql, _arrays(rows, places), len(rows))


def _update(writer: Session, table: Table, rows: Sequence[RowChange]) -> None:
    """Only the columns that some row changed."""
    pairs: list[tuple[Raw, Raw]] = [(row.before, row.after) for row in rows if row.before and row.after]
    moved = [
        place
        for place in range(len(table.columns))
        if place not in table.generated and any(before[place] != after[place] for before, after in pairs)
    ]
    if not moved:
        return
    if fixed := [table.columns[place] for place in moved if place in table.always]:
        raise Refused(f"{table.name}.{fixed[0]} is GENERATED ALWAYS, and cannot be set")
    places = [*table.key, *moved]
    source, values = _unnested(table, places)
    inner = [f"v{number}" for number in range(len(places))]
    sets = ", ".join(f"{_names(table, [p])} = v.{inner[len(table.key) + n]}" for n, p in enumerate(moved))
    where = " AND ".join(f"t.{_names(table, [p])} = v.{inner[n]}" for n, p in enumerate(table.key))
    sql = (
        f"UPDATE {table.only.replace('%', '%%')} t SET {sets}"  # noqa: S608 - quoted names
        f" FROM (SELECT {values} FROM {source}) v ({', '.join(inner)}) WHERE {where}"
    )
    _exactly(writer, sql, _arrays([after for _, after in pairs], places), len(pairs))


def _exactly(writer: Session, sql: str, arrays: Sequence[object], rows: int) -> None:
    with writer.cursor() as cursor:
        done = cursor.execute(sql.encode(), arrays, prepare=False).rowcount
    if done != rows:
        raise Refused(f"{done:,} of {counted(rows, 'row')} could be put back")
