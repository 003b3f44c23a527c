"""Rows as PostgreSQL's own output functions write them, whatever a driver thinks that a type is."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

Raw = tuple[str | None, ...]
"""Values that read back as the same value."""
Session = Connection[Any]


def raw(session: Session, sql: str, *parameters: Any, **named: Any) -> list[Raw]:
    """Every row in text.  The SQL is ours, with `%s` or `%(name)s`; it goes unnamed, as a pooler wants it."""
    with session.cursor() as cursor:
        cursor.execute(sql.encode(), named or parameters or None, prepare=False, binary=False)
        result = cursor.pgresult
        if result is None or not result.nfields:
            return []
        return [
            tuple(_text(result.get_value(row, place)) for place in range(result.nfields))
            for row in range(result.ntuples)
        ]


def one(session: Session, sql: str, *parameters: Any) -> str | None:
    """The first value of the first row; None where there is no row, or it is NULL."""
    found = raw(session, sql, *parameters)
    return found[0][0] if found else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")
