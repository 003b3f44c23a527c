"""The audit log in the journal's file: written in the transaction of what it tells, read for people and exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import apsw

from sqlagent.store.audit import GENESIS, Entry, Head, seal
from sqlagent.store.reader import Reader

_COLUMNS = "SELECT number, at, who, what, thread, detail, hash FROM audit"


def head_in(db: Reader) -> Head | None:
    """The newest entry."""
    row: Any = db.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return Head(*row) if row else None


def append_in(db: apsw.Connection, *, at: str, who: str, what: str, thread: str, detail: dict[str, Any]) -> Head:
    """Add an entry to the open transaction, sealing the one before it."""
    last = head_in(db)
    number = last.number + 1 if last else 1
    text = json.dumps({name: value for name, value in detail.items() if value not in ("", None)}, sort_keys=True)
    sealed = seal(
        last.hash if last else GENESIS, number=number, at=at, who=who, what=what, thread=thread, detail=text
    )  # fmt: skip
    db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", (number, at, who, what, thread, text, sealed))
    return Head(number, sealed)


def entries_in(db: Reader, *, thread: str = "", since: str = "") -> Iterator[Entry]:
    """Entries in order; of one thread, or from a time on, where that is asked for."""
    if thread:
        found: Any = db.execute(f"{_COLUMNS} WHERE thread = ?1 AND at >= ?2 ORDER BY number", (thread, since))
    else:
        found = db.execute(f"{_COLUMNS} WHERE at >= ?1 ORDER BY number", (since,))
    return (Entry(*row) for row in found)
