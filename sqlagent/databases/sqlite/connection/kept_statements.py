"""Carrying out a CREATE that we did not write: out of the journal, or out of a schema that came with a file.

Such a text may have been altered by whoever can write there.  It is run as one statement, under the authorizer, and has
to do what it was kept for and nothing else.
"""

from __future__ import annotations

import apsw

from sqlagent.databases.sqlite.connection.authorizer import CREATES, ROWS, SHAPE, Event, Guard, Mode
from sqlagent.databases.sqlite.connection.prepare import Uncompilable, start

_SCHEMA_TABLES = frozenset({"sqlite_master", "sqlite_schema", "sqlite_sequence"})


class NotWhatItSays(Exception):
    """The text is not the one statement that makes this object; `str` of it says what it is."""


def create(connection: apsw.Connection, sql: str, *, kind: str, name: str) -> None:
    """Make one object of this kind and name; raises NotWhatItSays, and apsw.Error where SQLite would not."""
    guard = guard_of(connection)
    with guard.watching(Mode.STATEMENT):
        try:
            _, cursor = start(connection, sql, lambda _prepared: _refuse(guard.events, kind, name))
            cursor.fetchall()
        except Uncompilable as e:
            raise NotWhatItSays(str(e)) from e
        except apsw.AuthError as e:
            raise NotWhatItSays(f"it would {guard.refused or 'do what no statement may'}") from e


def guard_of(connection: apsw.Connection) -> Guard:
    """The authorizer that every connection of ours is opened with."""
    guard = connection.authorizer
    assert isinstance(guard, Guard)
    return guard


def _refuse(events: list[Event], kind: str, name: str) -> bool:
    """Raise NotWhatItSays unless the statement makes that object, and writes to nothing but the schema."""
    made = [(CREATES[e.code], (e.first or "").lower()) for e in events if e.code in CREATES]
    own = ("sqlite_autoindex_", "sqlite_sequence")  # which SQLite makes along with a table
    if [one for one in made if not one[1].startswith(own)] != [(kind, name.lower())]:
        raise NotWhatItSays(f"it does not make the {kind} {name}")
    for event in events:
        writes = event.code in ROWS and (event.first or "").lower() not in _SCHEMA_TABLES
        if writes or (event.code in SHAPE and event.code not in CREATES):
            raise NotWhatItSays(f"it would {event}")
    return True
