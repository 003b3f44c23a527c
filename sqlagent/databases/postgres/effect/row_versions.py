"""Rows before and after a change, read from the row versions that PostgreSQL keeps while a transaction is open.

Under one snapshot the writer sees what was committed before it and its own changes.  A version whose `xmin` is not
older than the writer's own transaction is new.  A version with an `xmax` not older than it may be gone, or was only
locked by it or by somebody else; the writer is asked which of those it still sees, and what it does not see is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from psycopg import ServerCursor
from psycopg.types.string import TextLoader

from sqlagent.databases.changes.rows import Row
from sqlagent.databases.postgres.connection.rows import Session, raw
from sqlagent.databases.postgres.effect.tables import Leaf, Table, quoted

_NEW = "pg_catalog.age(xmin) <= 0"
_MAYBE_GONE = (
    "xmax <> '0'::xid AND (pg_catalog.age(xmax) <= pg_catalog.age(%s::xid)"
    " OR pg_catalog.mxid_age(xmax) <= pg_catalog.mxid_age(%s::xid))"
)
_AT_ONCE = 5000  # rows

Watch = Callable[[int], None]
"""Told every so often how many bytes more were read; raises where that is enough."""


def adding_up(check: Watch) -> Watch:
    """A check that is told how many bytes came, and tells `check` the sum."""
    total = 0

    def watch(size: int) -> None:
        nonlocal total
        total += size
        check(total)

    return watch


class BrokenText(Exception):
    """A text among the rows is not valid UTF-8."""


def new_rows(writer: Session, table: Table, leaf: Leaf, watch: Watch) -> list[Row]:
    """Rows of one leaf that the writer inserted, and those it updated as they are now."""
    return list(copied(writer, _select(table.column_list, leaf, table, _NEW), watch))


def old_rows(
    writer: Session, witness: Session, table: Table, was: Table, leaf: Leaf, *, mine: str, multixact: str, watch: Watch
) -> list[Row]:  # fmt: skip
    """The rows of one leaf that the writer deleted or updated, as they were; `was` is the table as it was then."""
    sql = _select(", ".join(filter(None, ["ctid", columns_of(was, table)])), leaf, table, _MAYBE_GONE)
    found = list(copied(witness, sql, watch, mine, multixact))
    places = "{" + ",".join(f'"{row[0]}"' for row in found) + "}"
    still = _select("ctid", leaf, table, "ctid = ANY(%s::tid[])")
    standing = {place for (place,) in raw(writer, still, places)} if found else set()
    return [row[1:] for row in found if row[0] not in standing]


def all_rows(session: Session, table: Table, was: Table, leaf: Leaf, watch: Watch) -> list[Row]:
    """Every row of one leaf; the columns are those of `table`, as far as `was` has them."""
    return list(copied(session, _select(columns_of(was, table), leaf, table, "true"), watch))


def columns_of(was: Table, table: Table) -> str:
    """The columns of `table` by the names that they had before; one that there was not has what older rows have."""
    names = dict(zip(was.numbers, map(quoted, was.columns), strict=True))
    columns = zip(table.numbers, table.missing, strict=True)
    return ", ".join(names.get(number) or _literal(missing) for number, missing in columns)


def _literal(text: str | None) -> str:
    return "NULL::text" if text is None else "'" + text.replace("'", "''") + "'::text"


def _select(columns: str, leaf: Leaf, table: Table, where: str) -> str:
    """With `%` in names doubled, as what takes parameters wants it."""
    source = f"ONLY {leaf.sql} WHERE" if leaf.readable else f"{table.sql} WHERE tableoid = {leaf.oid} AND"
    return f"SELECT {columns} FROM {source} ".replace("%", "%%") + where  # noqa: S608 - quoted names


def copied(session: Session, select: str, watch: Watch, *parameters: str) -> Iterator[Row]:
    """Rows in text, some at a time: a large table is stopped before memory is.  A `%` of the SELECT's own is doubled.

    Through a cursor of the server, so that who stops early does not break the transaction.
    """
    sql = select if parameters else select.replace("%%", "%")
    with session.cursor(name="sqlagent_rows") as cursor:
        for known in session.adapters.types:
            cursor.adapters.register_loader(known.oid, TextLoader)
            cursor.adapters.register_loader(known.array_oid or known.oid, TextLoader)
        cursor.execute(sql.encode(), parameters or None, binary=False)
        while rows := _fetched(cursor):
            watch(sum(sum(map(len, filter(None, row))) for row in rows))
            yield from rows


def _fetched(cursor: ServerCursor[Row]) -> list[Row]:
    try:
        return cursor.fetchmany(_AT_ONCE)
    except UnicodeDecodeError as e:
        raise BrokenText("a text among the rows is not valid UTF-8") from e
