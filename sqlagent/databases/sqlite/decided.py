"""Whether a run was committed, told by the rows that it kept: the old ones stand, or the new ones do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import apsw

from sqlagent.databases.base import Verdict
from sqlagent.databases.sqlite.kept import Kept, KeptPart, KeptRow
from sqlagent.databases.sqlite.schema import fingerprint, quoted
from sqlagent.databases.sqlite.tables import Tables
from sqlagent.databases.sqlite.unseen import Row, rowid_name, same

_MOST = 10_000  # rows that are asked


def decided(connection: apsw.Connection, kept: Kept) -> Verdict:
    """A schema that changed tells by itself; else every row that is as it was, or as it was to be, has a voice."""
    if kept.schema_before != kept.schema_after:
        current = fingerprint(connection)
        verdicts = {kept.schema_before: Verdict.NOT_APPLIED, kept.schema_after: Verdict.APPLIED}
        return verdicts.get(current, Verdict.CANNOT_TELL)
    tables = Tables(connection)
    voices = chain.from_iterable(_voices(connection, tables, part) for part in kept.parts)
    found = set(islice(voices, _MOST)) - {Verdict.CANNOT_TELL}
    return found.pop() if len(found) == 1 else Verdict.CANNOT_TELL


def _voices(connection: apsw.Connection, tables: Tables, part: KeptPart) -> Iterator[Verdict]:
    layouts = {table.name: table for table in part.tables}
    for change in apsw.Changeset.iter(part.changeset) if part.changeset else ():
        table = layouts.get(change.name)
        if table is None or not tables.is_table(change.name) or tables.is_shadow(change.name):
            continue
        if tables.shape(change.name).columns == table.columns:
            names = [table.columns[place] for place in table.key]
            known = change.old if change.old is not None else change.new or ()
            now = row_now(connection, change.name, table.columns, names, [known[place] for place in table.key])
            yield _voice(now, change.old, change.new)
    for row in part.rows:
        if tables.is_table(row.table):
            yield _voice(_numbered_row(connection, tables, row), row.old, row.new)


def _numbered_row(connection: apsw.Connection, tables: Tables, row: KeptRow) -> Row | None:
    number = rowid_name(connection, tables.shape(row.table))
    known = row.old if row.old is not None else row.new or ()
    found = row_now(connection, row.table, row.columns[1:], [number], [known[0]])
    return None if found is None else (known[0], *found)


def row_now(
    connection: apsw.Connection, table: str, columns: Sequence[str], key: Sequence[str], values: Sequence[Any]
) -> Row | None:
    """The values of one row as it stands, or None where there is none with that key."""
    wanted = ", ".join(map(quoted, columns))
    where = " AND ".join(f"{quoted(name)} IS ?" for name in key)
    sql = f"SELECT {wanted} FROM main.{quoted(table)} WHERE {where}"  # noqa: S608 - quoted names
    found: Row | None = connection.execute(sql, tuple(values)).fetchone()
    return found


def _voice(now: Row | None, old: Row | None, new: Row | None) -> Verdict:
    """`apsw.no_change` in an old or new row is a value that does not matter."""
    was, will_be = _stands(now, old, new), _stands(now, new, old)
    if was == will_be:
        return Verdict.CANNOT_TELL
    return Verdict.APPLIED if will_be else Verdict.NOT_APPLIED


def _stands(now: Row | None, wanted: Row | None, other: Row | None) -> bool:
    if wanted is None or now is None:
        return wanted is None and now is None
    matters = [
        place
        for place, value in enumerate(wanted)
        if value is not apsw.no_change and (other is None or other[place] is not apsw.no_change)
    ]
    return same(tuple(now[place] for place in matters), tuple(wanted[place] for place in matters))
