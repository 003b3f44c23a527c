"""Takes a change back in the open transaction, measures that like any change, and compares it with what was wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import errors

from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.changes.rows import Row, RowChange, TableChange
from sqlagent.databases.postgres.connection.rows import Session, one, raw
from sqlagent.databases.postgres.effect.reading import Reader, State
from sqlagent.databases.postgres.effect.schema_changes import SchemaChange
from sqlagent.databases.postgres.effect.tables import Table, quoted, tables
from sqlagent.databases.postgres.effect.two_sessions import Pair, steady
from sqlagent.databases.postgres.effect.undo_record import too_large
from sqlagent.databases.postgres.undo.lost_columns import filled
from sqlagent.databases.postgres.undo.rows import Order, put_back
from sqlagent.databases.postgres.undo.schema import SetBack

Changes = Sequence[TableChange[Table]]
Balance = Counter[Row | None]
_PASS = (errors.LockNotAvailable, errors.QueryCanceled, errors.SerializationFailure, errors.DeadlockDetected)
"""What says nothing of whether it can be taken back."""
_NUMBERED = """
SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = %s::oid AND a.attnum > 0 AND NOT a.attisdropped
  AND pg_catalog.pg_get_serial_sequence(%s, a.attname) IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Back:
    """What is to be taken back: rows as they stand and as they are to be, and changes of the schema."""

    rows: Changes
    schema: SchemaChange = field(default_factory=SchemaChange)
    dropped: Changes = ()
    """Tables that the run dropped, with their rows."""
    lost: Changes = ()
    """What columns held that it dropped."""


def taken_back(pair: Pair, reader: Reader, back: Back, *, whole: bool) -> State:
    """Take it back; answers all changes of the transaction.  Raises Refused where that is not what was wanted.

    `whole` where the run itself is in this transaction, of which nothing is to be left then.
    """
    why = ""
    for order in Order:
        pair.writer.execute("SAVEPOINT taking_back")
        try:
            stilled, rows = _put_back(pair.writer, back, order)
            reader.tells_schema = bool(back.schema) or not stilled
            state = reader.read(State())
            more, differs = _more(state, () if whole else rows), _differs(state, back)
            if not more and not differs:
                pair.writer.execute("RELEASE SAVEPOINT taking_back")
                return state
            beyond = f"taking it back would change more: a trigger or a foreign key writes {more}"
            why = why or (beyond if more else f"the schema would not be quite as it was: {differs}")
        except Refused as e:
            why = why or str(e)
        except _PASS:
            raise
        except psycopg.Error as e:
            if e.sqlstate is None:
                raise
            why = why or f"the database would refuse it: {(e.diag.message_primary or str(e)).strip()}"
        pair.writer.execute("ROLLBACK TO SAVEPOINT taking_back")
    raise Refused(why)


def _put_back(writer: Session, back: Back, order: Order) -> tuple[bool, Changes]:
    """Whether triggers were turned off meanwhile, and the rows in the columns that their tables have then."""
    if not back.schema:
        return put_back(writer, back.rows, order), back.rows
    with steady(writer):
        setting = SetBack(writer, back.schema)
        setting.first()
    rows = tuple(_laid_out(writer, back.rows))
    queried = {o.name for o in back.schema.before if o.kind == "materialized view"}  # its rows come with its query
    made = tuple(_made_again(writer, [change for change in back.dropped if change.table.sql not in queried]))
    stilled = put_back(writer, (*rows, *made), order)
    filling = [filled(writer, change) for change in back.lost]
    with steady(writer):
        setting.second()
        for change in (*made, *filling):
            _number_on(writer, change.table)
    return stilled, together(rows, filling)


def together(rows: Changes, filling: Changes) -> Changes:
    """What both did to each row, in the columns that its table has in the end."""
    found = {change.table.oid: change for change in rows}
    for change in filling:
        earlier = found.get(change.table.oid)
        found[change.table.oid] = change if earlier is None else _joined(earlier, change)
    return tuple(change for change in found.values() if change.rows)


def _joined(earlier: TableChange[Table], later: TableChange[Table]) -> TableChange[Table]:
    """First one, then the other: what the first left is what the second found."""
    filled_in: dict[Row | None, list[Row | None]] = {}
    for change in later.rows:
        filled_in.setdefault(change.before, []).append(change.after)
    rows = []
    for change in earlier.rows:
        before, after = (later.table.row_from(earlier.table, row) for row in (change.before, change.after))
        further = filled_in.get(after)
        rows.append(RowChange(before, further.pop() if after is not None and further else after))
    rows += [RowChange(before, after) for before, afters in filled_in.items() for after in afters]
    return TableChange(later.table, tuple(rows))


def _laid_out(writer: Session, changes: Changes) -> Iterator[TableChange[Table]]:
    now = tables(writer, [change.table.oid for change in changes])
    for change in changes:
        table = now.get(change.table.oid)
        if table is None:
            raise Refused(f"{change.table.name} has other columns then")
        table = table.with_columns([p for p, number in enumerate(table.numbers) if number in change.table.numbers])
        places = [change.table.numbers.index(number) for number in table.numbers]
        picked = (RowChange(_picked(row.before, places), _picked(row.after, places)) for row in change.rows)
        rows = tuple(row for row in picked if row.before != row.after)
        if rows:
            yield TableChange(table, rows)


def _picked(row: Row | None, places: Sequence[int]) -> Row | None:
    return None if row is None else tuple(row[place] for place in places)


def _made_again(writer: Session, dropped: Changes) -> Iterator[TableChange[Table]]:
    """Their rows, for the tables of the same names that were made just now."""
    for change in dropped:
        oid = one(writer, "SELECT pg_catalog.to_regclass(%s)::oid", change.table.sql)
        found = tables(writer, [int(oid)]).get(int(oid)) if oid else None
        if found is None or found.columns != change.table.columns:
            raise Refused(f"{change.table.name} cannot be made again as it was")
        yield TableChange(found, tuple(RowChange(None, row.before) for row in change.rows))


def _number_on(writer: Session, table: Table) -> None:
    """A sequence that was made again goes on after the greatest number in the table."""
    for (column,) in raw(writer, _NUMBERED, table.oid, table.sql):
        name = quoted(str(column)).replace("%", "%%")
        greatest = f"(SELECT coalesce(max({name}), 0) + 1 FROM {table.sql.replace('%', '%%')})"  # noqa: S608 - quoted
        raw(writer, f"SELECT setval(pg_get_serial_sequence(%s, %s), {greatest}, false)", table.sql, column)


def _more(state: State, expected: Changes) -> str:
    """Tables in which more or else was changed; what the server computes of a row follows from the rest of it."""
    ours, theirs = ({c.table.name: _written(c) for c in changes} for changes in (state.changes, expected))
    nothing: Balance = Counter()
    names = {name for name in ours.keys() | theirs.keys() if ours.get(name, nothing) != theirs.get(name, nothing)}
    names |= {each.table for each in state.unread}
    return ", ".join(sorted(names))


def _written(change: TableChange[Table]) -> Balance:
    """How many more of each row there are: where there is no key, a row that was changed is one that went and one
    that came.
    """
    places = [place for place in range(len(change.table.columns)) if place not in change.table.generated]
    balance: Balance = Counter(_picked(row.after, places) for row in change.rows if row.after is not None)
    balance.subtract(Counter(_picked(row.before, places) for row in change.rows if row.before is not None))
    return Counter({row: count for row, count in balance.items() if count})


def _differs(state: State, back: Back) -> str:
    """Objects that are not as they were, and tables that were made again with other rows."""
    if not back.schema:
        return ""
    left, now = (
        {(o.kind, o.name, o.part): (o.text, o.wherever.extra, o.comment) for o in side}
        for side in (back.schema.before, state.schema.after)
    )
    names = {name for kind, name, part in now.keys() - left.keys()}
    names |= {key[1] for key in now.keys() & left.keys() if now[key] != left[key]}
    again = {change.table.sql: _counted(row.after for row in change.rows) for change in state.came}
    names |= {c.table.name for c in back.dropped if again.get(c.table.sql) != _counted(r.before for r in c.rows)}
    return ", ".join(sorted(names))


def _counted(rows: Iterable[Row | None]) -> Counter[Row | None]:
    return Counter(rows)


def _moved(left: SchemaChange) -> str:
    """Which columns stand in another place, where nothing else differs."""
    before, after = ({(o.kind, o.name, o.part): o.wherever for o in side} for side in (left.before, left.after))
    if {k: (o.text, o.extra, o.comment) for k, o in before.items()} != {
        k: (o.text, o.extra, o.comment) for k, o in after.items()
    }:
        return ""
    tables_moved = sorted({name for _, name, _ in before})
    return f"a column comes back with its values, as the last one of {', '.join(tables_moved)}"


def tried(pair: Pair, reader: Reader, state: State) -> tuple[Undoable, str]:
    """Try to take everything back in a preview, before it is rolled back, and look that nothing is left."""
    if state.unread:
        return Undoable.NONE, f"{state.unread[0].table}: {state.unread[0].why}"
    if not (state.changes or state.schema or state.came or state.went):
        return Undoable.EXACT, ""
    pair.writer.execute("SAVEPOINT trying")
    try:
        if state.too_large:
            return Undoable.NONE, too_large(state)
        back = Back([change.inverse for change in state.changes], state.schema, state.went, state.lost)
        left = taken_back(pair, reader, back, whole=True)
        if left.schema and (moved := _moved(left.schema)):
            return Undoable.PARTIAL, moved
        if left.schema:
            names = ", ".join(dict.fromkeys(o.part or o.name for o in (*left.schema.before, *left.schema.after)))
            return Undoable.NONE, f"the schema would not be quite as it was: {names}"
    except Refused as e:
        return Undoable.NONE, str(e)
    except errors.LockNotAvailable:
        return Undoable.NONE, "its triggers could not be turned off, since others write to the table"
    finally:
        pair.writer.execute("ROLLBACK TO SAVEPOINT trying")
    return Undoable.EXACT, ""
