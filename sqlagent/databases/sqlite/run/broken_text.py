"""Rows of a read with a text that is not UTF-8: its bytes are shown, `caf\\xe9`, and all other rows as they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress, count, islice
from typing import Any

import apsw

Row = tuple[Any, ...]

_CODECS = {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}


def readable_rows(connection: apsw.Connection, sql: str, width: int, cursor: apsw.Cursor) -> Iterator[Row]:
    """What the cursor gives, and from the first row that it cannot give on, the same of the bytes of every text.

    Raises UnicodeDecodeError where the statement cannot be asked for them: an EXPLAIN or a PRAGMA.
    """
    given = count(1)
    try:
        yield from compress(cursor, given)  # each row is counted, at no cost of a row in Python
    except UnicodeDecodeError as e:
        try:
            rows = connection.execute(_of_bytes(sql, width), can_cache=False)
        except apsw.SQLError:
            raise e from None
        codec = _CODECS.get(str(connection.pragma("encoding")), "utf-8")
        # the cursor that failed is still open, so this reads the database as that one did
        yield from (_decoded(row, codec) for row in islice(rows, next(given) - 1, None))


def _of_bytes(sql: str, width: int) -> str:
    names = [f"c{place}" for place in range(width)]
    values = ", ".join(f"typeof({c}), CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END" for c in names)
    return f"WITH q ({', '.join(names)}) AS (\n{sql}\n) SELECT {values} FROM q"  # noqa: S608 - the read itself, again


def _decoded(row: Row, codec: str) -> Row:
    pairs = zip(row[::2], row[1::2], strict=True)
    return tuple(value.decode(codec, "backslashreplace") if kind == "text" else value for kind, value in pairs)
