"""A change taken back in the open transaction, measured like any change, and compared with what was wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import psycopg
from psycopg import errors

from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases.changes.conflicts import Refused
from sqlagent.databases.changes.rows import TableChange
from sqlagent.databases.postgres.effect.reading import Reader, State
from sqlagent.databases.postgres.effect.tables import Table
from sqlagent.databases.postgres.effect.two_sessions import Pair
from sqlagent.databases.postgres.undo.rows import Order, put_back

Changes = Sequence[TableChange[Table]]
_PASS = (errors.LockNotAvailable, errors.QueryCanceled, errors.SerializationFailure, errors.DeadlockDetected)
"""What says nothing of whether it can be taken back."""


def taken_back(pair: Pair, reader: Reader, wanted: Changes, expected: Changes) -> State:
    """What was changed in the whole transaction afterwards, which is `expected`; raises Refused where it is not."""
    why = ""
    for order in Order:
        pair.writer.execute("SAVEPOINT taking_back")
        try:
            reader.tells_schema = not put_back(pair.writer, wanted, order)
            state = reader.read(State())
            more = _more(state, expected)
            if not more:
                pair.writer.execute("RELEASE SAVEPOINT taking_back")
                return state
            why = why or f"taking it back would change more: a trigger or a foreign key writes {more}"
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


def _more(state: State, expected: Changes) -> str:
    """Tables in which more or else was changed."""
    ours, theirs = (
        {change.table.name: Counter((row.before, row.after) for row in change.rows) for change in changes}
        for changes in (state.changes, expected)
    )
    names = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    names |= {each.table for each in state.unread}
    return ", ".join(sorted(names))


def tried(pair: Pair, reader: Reader, state: State) -> tuple[Undoable, str]:
    """In a preview, before it is rolled back: take it all back, and look that nothing is left."""
    if state.unread:
        return Undoable.NONE, f"{state.unread[0].table}: {state.unread[0].why}"
    if state.schema or state.came or state.went:
        return Undoable.NONE, "it changes the schema"
    if not state.changes:
        return Undoable.EXACT, ""
    pair.writer.execute("SAVEPOINT trying")
    try:
        taken_back(pair, reader, [change.inverse for change in state.changes], ())
    except Refused as e:
        return Undoable.NONE, str(e)
    except errors.LockNotAvailable:
        return Undoable.NONE, "its triggers could not be turned off, since others write to the table"
    finally:
        pair.writer.execute("ROLLBACK TO SAVEPOINT trying")
    return Undoable.EXACT, ""
