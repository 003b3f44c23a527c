"""Seals: each log entry carries a hash of the rows that it tells of, so that none can be changed behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlagent.store.audit import GENESIS, Entry, canonical, seal
from sqlagent.store.reader import Query, Reader, Rows, together

SEALED = {
    "threads": ("id", "database", "url", "target", "requested_by", "model", "created_at"),
    "turns": ("thread", "turn", "source", "question", "sql", "asked_by", "asked_at"),
    "proposals": (
        "id", "thread", "number", "turn", "digest", "risk", "stage", "stages", "sql", "document", "undo_of",
        "created_at",
    ),
    "decisions": (
        "proposal", "stage", "choice", "digest", "decided_by", "how", "sql", "reason", "retry", "keep", "signed",
        "decided_at",
    ),
    "runs": ("id", "state", "marked", "run_by", "started_at", "ended_at", "outcome", "error"),
    "changes": ("run", "changeset", "kept_at"),
}  # fmt: skip
"""The columns that an entry seals; what else a row has is worked out from these, or goes on changing."""
_KEYS = {"turns": 2, "decisions": 2}
"""How many of the first columns name a row, where it is not one."""
_OF_THREAD = {
    "threads": "id = ?1",
    "turns": "thread = ?1",
    "proposals": "thread = ?1",
    **dict.fromkeys(("runs",), "id IN (SELECT id FROM proposals WHERE thread = ?1)"),
    **dict.fromkeys(("decisions",), "proposal IN (SELECT id FROM proposals WHERE thread = ?1)"),
    **dict.fromkeys(("changes",), "run IN (SELECT id FROM proposals WHERE thread = ?1)"),
}
Row = tuple[str, *tuple[str | int, ...]]
"""A table, and the key of a row in it."""
Seals = dict[str, str]
"""The newest seal of each row by its name; empty where the row was taken back."""


def seals_in(db: Reader, rows: Iterable[Row]) -> Seals:
    """The seals of rows as they stand in the open transaction."""
    found: Seals = {}
    for table, *key in rows:
        wanted = " AND ".join(f"{column} = ?" for column in SEALED[table][: len(key)])
        row = db.execute(f"{_select(table)} WHERE {wanted}", tuple(key)).fetchone()
        found[_name(table, key)] = row_seal(row) if row is not None else ""
    return found


def row_seal(row: Iterable[Any]) -> str:
    """SHA-256, hex, of a row's values as canonical JSON, bytes as their own hash: any language can compute it."""
    values = (hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value for value in row)
    return hashlib.sha256(canonical(values)).hexdigest()


def problem_in_thread(db: Reader, thread: str) -> str:
    """What of a session is not as the log has it; empty where all is."""
    return problem_told(together(db, *told_of_thread(thread)))


def told_of_thread(thread: str) -> list[Query]:
    """What `problem_told` goes by: the session's entries, each with the hash before it, and its rows."""
    return [(_ENTRIES, (thread,)), *_row_queries(thread)]


def problem_told(answers: Sequence[Rows]) -> str:
    """What of a session is not as the log has it, by what the store answered."""
    told, *rows = answers
    entries = []
    for *columns, before in told:
        entries.append(entry := Entry(*columns))
        if entry.hash != _sealed_again(before or GENESIS, entry):
            return f"entry {entry.number} of the log was changed"
    return _first_problem(rows, seals_of(entries))


def problem(db: Reader, entries: Iterable[Entry]) -> str:
    """What in the whole record is not as the log says, where the log itself is intact; empty where all is."""
    known: dict[int, str] = {}
    newest: Seals = {}
    for entry in entries:
        known[entry.number] = entry.hash
        newest |= _seals(entry)
    for run, head in db.execute("SELECT id, audit_head FROM runs WHERE audit_head <> ''"):
        number, _, digest = str(head).partition(":")
        if known.get(int(number) if number.isdigit() else 0) != digest:
            return f"the end of the log was cut off: run {run} ended at entry {number}, and the log has another or none"
    return _first_problem(together(db, *_row_queries("")), newest) or _contradiction(db)


def seals_of(entries: Iterable[Entry]) -> Seals:
    """The newest seal of each row that the entries tell of."""
    newest: Seals = {}
    for entry in entries:
        newest |= _seals(entry)
    return newest


def _seals(entry: Entry) -> Seals:
    try:
        found = json.loads(entry.detail).get("seals", {})
    except (ValueError, AttributeError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _first_problem(answers: Sequence[Rows], newest: Seals) -> str:
    met: set[str] = set()
    for name, row, begun in _rows(answers):
        met.add(name)
        if begun and name.startswith("changes "):
            continue  # kept before the run's end, with which it is sealed; an earlier attempt was sealed as given back
        if name not in newest:
            return f"{name} is not in the log"
        if newest[name] != row:
            return f"{name} was changed behind the log"
    gone = (name for name, row in newest.items() if row and name not in met and not name.startswith("changes "))
    return next((f"{name} is gone" for name in gone), "")


def _row_queries(thread: str) -> list[Query]:
    """Runs that have not ended, and the rows of every table that the log seals; of one thread where it is named."""
    of_thread = {table: f" WHERE {_OF_THREAD[table]}" if thread else "" for table in SEALED}
    bound = (thread,) if thread else ()
    unended = f"SELECT id FROM runs{of_thread['runs'] or ' WHERE true'} AND state = 'started'"  # noqa: S608 - ours
    return [(unended, bound), *((_select(table) + where, bound) for table, where in of_thread.items())]


def _rows(answers: Sequence[Rows]) -> Iterator[tuple[str, str, bool]]:
    """Name and seal of every row, and whether it is of a run that has begun and not ended."""
    unended, *tables = answers
    started = {str(run) for (run,) in unended}
    for table, rows in zip(SEALED, tables, strict=True):
        for row in rows:
            yield _name(table, row[: _KEYS.get(table, 1)]), row_seal(row), str(row[0]) in started


def _contradiction(db: Reader) -> str:
    """A session whose status contradicts its run."""
    found: Any = db.execute(
        "SELECT t.id, t.status, coalesce(r.state, 'none') FROM threads t LEFT JOIN runs r ON r.id = t.proposal"
        " WHERE (t.status = 'executed') <> (r.state IN ('done', 'settled-applied'))"
        "   AND t.status NOT IN ('new', 'pending', 'unknown') OR t.status = 'executed' AND r.id IS NULL"
    ).fetchone()
    return f"threads {found[0]} says {found[1]}, and its run says {found[2]}" if found else ""


def _sealed_again(before: str, entry: Entry) -> str:
    return seal(
        before, number=entry.number, at=entry.at, who=entry.who, what=entry.what, thread=entry.thread,
        detail=entry.detail,
    )  # fmt: skip


def _select(table: str) -> str:
    return f"SELECT {', '.join(SEALED[table])} FROM {table}"  # noqa: S608 - all of it is ours


def _name(table: str, key: Iterable[Any]) -> str:
    return " ".join([table, *map(str, key)])


_ENTRIES = """
SELECT a.number, a.at, a.who, a.what, a.thread, a.detail, a.hash, link.hash
  FROM audit a LEFT JOIN audit AS link ON link.number = a.number - 1 WHERE a.thread = ?1 ORDER BY a.number
"""
