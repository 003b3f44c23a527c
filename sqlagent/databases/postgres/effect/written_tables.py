"""Which tables a transaction wrote to, by the server's own counts and locks, before any row is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlagent.databases.postgres.connection.rows import one, raw
from sqlagent.databases.postgres.effect.tables import Leaf, leaves
from sqlagent.databases.postgres.effect.two_sessions import Counts, Pair, written

FIRST_OF_USERS = 16384
"""Oids below are the catalogs' own."""

_LOCKS = """
SELECT l.relation, pg_catalog.bool_or(l.mode = 'AccessExclusiveLock') FROM pg_catalog.pg_locks l
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted
  AND l.mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
    'AccessExclusiveLock')
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
GROUP BY l.relation ORDER BY l.relation"""

LOST_BYTES = 64_000_000
"""Of a table up to which the values of a column that is dropped are kept."""
_DROPPED = """
SELECT a.attrelid, a.attnum FROM pg_catalog.pg_attribute a
WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND a.attisdropped"""
_LARGE = "SELECT o FROM pg_catalog.unnest(%s::oid[]) o WHERE pg_catalog.pg_relation_size(o) > %s"
_HAD = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = %s::oid AND a.attnum = %s AND NOT a.attisdropped)"""
_IS_COUNTED = """
SELECT pg_catalog.current_setting('track_counts')::bool AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc p
  WHERE p.oid >= 16384 AND p.proconfig::text LIKE '%track_counts%')"""

_COVERED = """
pg_attrdef pg_attribute pg_class pg_constraint pg_depend pg_description pg_enum pg_extension pg_index pg_inherits
pg_init_privs pg_namespace pg_partitioned_table pg_policy pg_proc pg_range pg_rewrite pg_sequence pg_shdepend
pg_statistic pg_trigger pg_type""".split()
"""Catalogs of what a change of the schema is told by; what is written to another is not measured."""


@dataclass(frozen=True, slots=True)
class Written:
    """Which tables the writer's transaction wrote to so far."""

    leaves: dict[int, Leaf]
    """What was written or may have been, as the writer knows it now."""
    was: dict[int, Leaf]
    """The same as the witness knows it."""
    counts: dict[int, Counts]
    """Rows written in each, however often."""
    closed: frozenset[int]
    """Those that nobody else can read: TRUNCATE, DROP and most of ALTER lock them so."""
    lost: frozenset[int] = frozenset()
    """Those of which a column was dropped, and its values with it."""
    too_large: frozenset[int] = frozenset()
    """The same, where those values are too many to be read."""
    is_schema: bool = False
    """Catalogs were written."""
    outside: tuple[str, ...] = ()
    """What is not measured at all: `large objects`."""

    @property
    def created(self) -> set[int]:
        """Tables that the script made."""
        return self.leaves.keys() - self.was.keys()

    @property
    def dropped(self) -> set[int]:
        """Tables that the script dropped."""
        return self.was.keys() - self.leaves.keys()


@dataclass(slots=True)
class Looker:
    """Finds out which tables were written to, as often as needed."""

    pair: Pair
    _is_counted: bool | None = field(default=None)

    def look(self) -> Written:
        """What was written until now, by counts, locks and catalogs; no row is read."""
        writer = self.pair.writer
        locked = {int(oid or 0): closed == "t" for oid, closed in raw(writer, _LOCKS)}
        counts = self._counts()
        users = {oid for oid in {*locked, *counts} if oid >= FIRST_OF_USERS}
        now, was = leaves(writer, users), leaves(self.pair.witness, users)
        lost, too_large = self._lost([oid for oid in now.keys() & was.keys() if locked.get(oid)])
        wrote = self._wrote(now, was, counts, locked) | lost
        catalogs = [oid for oid in counts if oid < FIRST_OF_USERS]
        return Written(
            {oid: leaf for oid, leaf in now.items() if oid in wrote},
            {oid: leaf for oid, leaf in was.items() if oid in wrote},
            counts,
            frozenset(oid for oid in wrote & was.keys() if locked.get(oid)),
            frozenset(lost),
            frozenset(too_large),
            bool(catalogs),
            tuple(self._outside(catalogs, [leaf for leaf in now.values() if leaf.oid in locked])),
        )

    def _lost(self, shut: list[int]) -> tuple[set[int], set[int]]:
        """Those that lack a column which they had, and the same where they are too large to be read for it."""
        writer, witness = self.pair.writer, self.pair.witness
        gone = set(raw(writer, _DROPPED, shut)) if shut else set()
        if gone:
            gone -= set(raw(witness, _DROPPED, shut))
        had = {int(oid or 0) for oid, number in gone if one(witness, _HAD, oid, number) == "t"}
        large = {int(oid or 0) for (oid,) in raw(writer, _LARGE, list(had), LOST_BYTES)} if had else set()
        return had - large, had & large

    def _counts(self) -> dict[int, Counts]:
        found = {}
        for oid, counts in written(self.pair.writer):
            before = self.pair.counted.get(oid, (0, 0, 0))
            new = (counts[0] - before[0], counts[1] - before[1], counts[2] - before[2])
            if any(new):
                found[oid] = new
        return found

    def _wrote(
        self, now: dict[int, Leaf], was: dict[int, Leaf], counts: dict[int, Counts], locked: dict[int, bool]
    ) -> set[int]:
        """Those with rows written, another file, or gone; where the server does not count, all that are locked."""
        if self._is_counted is None:
            self._is_counted = one(self.pair.writer, _IS_COUNTED) == "t"
        other_file = {oid for oid in now.keys() & was.keys() if now[oid].file != was[oid].file}
        found = {oid for oid in {*now, *was} if oid in counts} | other_file | (was.keys() - now.keys())
        found |= now.keys() - was.keys()
        return found if self._is_counted else found | {oid for oid in locked if oid in now}

    def _outside(self, catalogs: list[int], locked: list[Leaf]) -> list[str]:
        names = raw(
            self.pair.writer,
            "SELECT c.relname FROM pg_catalog.pg_class c WHERE c.oid = ANY(%s::oid[]) AND c.relname <> ALL(%s::text[])"
            " AND c.relkind = 'r' ORDER BY 1",
            catalogs, _COVERED,
        ) if catalogs else []  # fmt: skip
        found = ["large objects" if str(name).startswith("pg_largeobject") else f"what is kept in {name}"
                 for (name,) in names]  # fmt: skip
        found += [f"the foreign table {leaf.sql}" for leaf in locked if leaf.kind == "f"]
        found += [f"the temporary table {leaf.sql.partition('.')[2]}" for leaf in locked if leaf.temporary]
        return list(dict.fromkeys(found))
