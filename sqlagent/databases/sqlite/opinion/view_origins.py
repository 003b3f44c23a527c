"""Where the columns of views come from, as SQLite tells it of a prepared SELECT; nothing is run."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import apsw

from sqlagent.databases.view_keys import Place


def view_origins(connection: apsw.Connection, views: Iterable[str]) -> dict[Place, Place]:
    """Of each column that a view passes on as it is: the table's; none for a view over what is gone."""
    found: dict[Place, Place] = {}
    for view in views:
        cursor = connection.cursor()

        def stop(prepared: apsw.Cursor, _sql: str, _values: object, view: str = view) -> bool:
            for column, _, _, table, there in prepared.description_full:
                if table and there:
                    found[view, str(column)] = (str(table), str(there))
            return False

        cursor.exec_trace = stop
        quoted = view.replace('"', '""')
        with suppress(apsw.Error):  # it was stopped before its first row
            cursor.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - a quoted name
    return found
