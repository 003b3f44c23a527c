"""Copies a state folder's journal into a team's store, with the same record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from sqlagent.core.errors import Altered, StoreError
from sqlagent.store.journal import Journal
from sqlagent.store.reader import Reader
from sqlagent.store.shared.connection import connect, guarded, require_version, shown

TABLES = (
    "threads", "turns", "proposals", "decisions", "clarifications", "notices", "examples", "runs", "changes", "audit",
)  # fmt: skip
"""Each after those that it refers to."""
_MORE = {
    "proposals": {"proposed_by": "(SELECT requested_by FROM sqlagent.threads t WHERE t.id = thread)"},
    "runs": {"run_on": "'a state folder'", "attempt": "''"},
}
"""What the store keeps beside, and the folder did not need."""


def move(path: Path, url: str) -> str:
    """Copy everything but checkpoints, all or nothing; answers the record's head.

    Paused threads wait there as before, rebuilt from the journal.  Refused where the folder's record is not intact,
    or the store has one.
    """
    if not path.exists():
        raise StoreError(f"there is no journal at {path}", hint="name its folder: --state-dir DIR")
    journal = Journal(path)
    if problem := journal.verified().problem:
        raise Altered(
            f"the record of {path} is not intact: {problem}", hint="nothing was copied; sqlagent audit verify"
        )
    with guarded(url), connect(url) as db, db.transaction():
        require_version(db, url)
        db.execute(b"SET LOCAL ROLE sqlagent_owner")
        head: Any = db.execute(b"SELECT number FROM sqlagent.head FOR UPDATE").fetchone()
        if head[0]:
            raise StoreError(
                f"the store {shown(url)} has a record of its own",
                hint="copy into an empty one: two records make no chain",
            )
        with journal.reading() as source:
            for name in TABLES:
                _table(source, db, name)
        last = journal.head()
        if last is not None:
            db.execute(b"UPDATE sqlagent.head SET number = $1, hash = $2", (last.number, last.hash))
        db.execute(
            b"SELECT setval(pg_get_serial_sequence('sqlagent.examples', 'id'), coalesce(max(id), 0) + 1, false)"
            b" FROM sqlagent.examples"
        )
    journal.close()
    return str(last) if last else "nothing"


def _table(source: Reader, db: psycopg.Connection[Any], name: str) -> None:
    columns = [row[1] for row in source.execute(f"PRAGMA table_info({name})")]
    order = "rowid" if name not in ("audit",) else "number"
    wanted = ", ".join(columns)
    rows = source.execute(f"SELECT {wanted} FROM {name} ORDER BY {order}").fetchall()  # noqa: S608 - names of ours
    more = _MORE.get(name, {})
    values = [f"${n}" for n in range(1, len(columns) + 1)]
    if "proposed_by" in more:
        more = {"proposed_by": more["proposed_by"].replace("= thread", f"= ${columns.index('thread') + 1}")}
    insert = sql.SQL("INSERT INTO sqlagent.{} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
        sql.Identifier(name),
        sql.SQL(", ").join(map(sql.Identifier, [*columns, *more])),
        sql.SQL(", ".join([*values, *more.values()])),
    )
    with db.cursor() as cursor:
        cursor.executemany(insert, rows)
