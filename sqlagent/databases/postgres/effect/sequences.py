"""Sequences that a script takes numbers from: neither a rollback nor an undo gives the numbers back."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlagent.core.nouns.effect import Moved
from sqlagent.databases.postgres.connection.rows import Session, raw

_TAKEN_FROM = """
SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
  AND l.granted AND l.mode = 'RowExclusiveLock' AND l.relation >= 16384"""
_POSITIONS = """
SELECT c.oid, CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN c.relname::text
    ELSE n.nspname || '.' || c.relname END,
  CASE WHEN pg_catalog.has_sequence_privilege(c.oid, 'USAGE, SELECT') THEN
    coalesce((pg_catalog.pg_sequence_last_value(c.oid) - s.seqstart) / s.seqincrement + 1, 0) END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND c.oid = ANY(%s::oid[]) ORDER BY 2"""


def taken_from(writer: Session) -> list[int]:
    """Oids of what its transaction writes, the sequences that it took a number from among them."""
    return [int(oid or 0) for (oid,) in raw(writer, _TAKEN_FROM)]


def positions(session: Session, oids: Collection[int]) -> dict[str, int | None]:
    """By name, how many numbers each of the sequences among them has given out; None where the role may not know.

    A sequence that the session cannot see yet, since another transaction makes it, is not among them.
    """
    return {
        str(name): None if at is None else int(at) for _, name, at in raw(session, _POSITIONS, sorted(oids))
    } if oids else {}  # fmt: skip


def moved(before: Mapping[str, int | None], after: Mapping[str, int | None]) -> tuple[Moved, ...]:
    """How far each of them went in between; others may take numbers at the same time."""
    return tuple(Moved(name, _by(at, after.get(name))) for name, at in before.items())


def _by(before: int | None, after: int | None) -> int | None:
    return after - before if before is not None and after is not None and after > before else None
