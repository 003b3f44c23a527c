"""What dropped columns held, put back into them: by the key of each row, else by all else that is in it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.changes.rows import Row, RowChange, TableChange
from sqlagent.databases.postgres.connection.rows import Raw, Session, raw
from sqlagent.databases.postgres.effect.row_versions import copied
from sqlagent.databases.postgres.effect.tables import Table, quoted, tables
from sqlagent.databases.postgres.effect.two_sessions import FORMATS, steady
from sqlagent.databases.postgres.undo.triggers import Stilled

_IS_KEYED = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = %s::oid AND i.indisprimary)"""


def filled(writer: Session, lost: TableChange[Table]) -> TableChange[Table]:
    """Fill the columns, which are there again and empty, and say what that changed.

    Raises Refused where a row without a key was changed since, so that nobody can tell what it held.
    """
    narrow = lost.table
    found = tables(writer, [narrow.oid]).get(narrow.oid)
    if found is None or not set(narrow.columns) <= set(found.columns):
        raise Refused(f"{narrow.name} has other columns then")
    places = [found.columns.index(name) for name in narrow.columns]
    held = _held(narrow, lost)
    changes, wheres = [], list[Row]()
    with steady(writer, FORMATS):
        stilled = Stilled.of(writer, [narrow.oid])
        names = f"tableoid::oid, ctid, {found.column_list}".replace("%", "%%")
        for row in copied(writer, f"SELECT {names} FROM {found.only.replace('%', '%%')}", lambda _: None):  # noqa: S608
            values = row[2:]
            left = held.get(tuple(values[places[place]] for place in narrow.key))
            before, after = list(values), list(values)
            for place in places[len(narrow.key) :]:
                before[place] = found.missing[place]  # a domain's own default is in it already
            if left:
                given = left.pop()
                for place, value in zip(places[len(narrow.key) :], given, strict=True):
                    after[place] = value
                if tuple(after) != values:
                    wheres.append((*row[:2], *given))
            if after != before:
                changes.append(RowChange(tuple(before), tuple(after)))
        _written(writer, found, narrow, wheres)
        stilled.end()
    if any(held.values()) and not _is_keyed(writer, narrow):
        raise Refused(f"rows of {narrow.name} were changed since, and it has no key")
    return TableChange(found, tuple(changes))


def _held(narrow: Table, lost: TableChange[Table]) -> dict[Row, list[Row]]:
    held: dict[Row, list[Row]] = {}
    for change in lost.rows:
        row: Raw = change.row
        held.setdefault(row[: len(narrow.key)], []).append(row[len(narrow.key) :])
    return held


def _is_keyed(writer: Session, narrow: Table) -> bool:
    return raw(writer, _IS_KEYED, narrow.oid)[0][0] == "t"


def _written(writer: Session, found: Table, narrow: Table, wheres: Sequence[Row]) -> None:
    if not wheres:
        return
    gone = narrow.columns[len(narrow.key) :]
    types = [found.types[found.columns.index(name)] for name in gone]
    arrays = ", ".join("%s::text[]" for _ in range(2 + len(gone)))
    inner = ", ".join(["o", "p", *(f"c{n}" for n in range(len(gone)))])
    sets = ", ".join(f"{quoted(name)} = u.c{n}::{types[n]}" for n, name in enumerate(gone)).replace("%", "%%")
    sql = (
        f"UPDATE {found.only.replace('%', '%%')} t SET {sets} FROM unnest({arrays}) u ({inner})"  # noqa: S608 - quoted
        " WHERE t.tableoid = u.o::oid AND t.ctid = u.p::tid"
    )
    with writer.cursor() as cursor:
        done = cursor.execute(sql.encode(), [list(column) for column in zip(*wheres, strict=True)], prepare=False)
        if done.rowcount != len(wheres):
            raise Refused(f"{done.rowcount:,} of {len(wheres):,} values could be put back")
