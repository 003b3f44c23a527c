"""Writes to PostgreSQL measured, run and taken back, held against the plain truth: a diff of everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from sqlagent.core.nouns.effect import Measurement, Undoable
from sqlagent.databases.base import Limits, MeasureBudget, OnConflict, Verdict
from sqlagent.databases.changes.rows import RowChange, TableChange
from sqlagent.databases.postgres.connection.address import Address
from sqlagent.databases.postgres.connection.open import connect
from sqlagent.databases.postgres.connection.rows import Session
from sqlagent.databases.postgres.effect.measure import measure
from sqlagent.databases.postgres.effect.reading import Reader, State
from sqlagent.databases.postgres.effect.two_sessions import Pair
from sqlagent.databases.postgres.effect.undo_record import decoded
from sqlagent.databases.postgres.run.binding import Binding
from sqlagent.databases.postgres.run.in_doubt import committed
from sqlagent.databases.postgres.run.transaction import Run
from sqlagent.databases.postgres.undo import undo
from sqlagent.databases.postgres.undo.taking_back import tried

Row = tuple[Any, ...]
Diff = dict[str, Counter[tuple[Row | None, Row | None]]]


# ---- the plain truth ------------------------------------------------------------------------------------------------


def tables(db: psycopg.Connection[Any]) -> list[tuple[str, str, list[str], list[int]]]:
    """Name as sqlagent says it, in SQL, columns, places of the key; a partitioned table is one."""
    found = db.execute("""
SELECT c.oid, CASE WHEN n.nspname = 'public' THEN c.relname::text ELSE n.nspname || '.' || c.relname END,
  CASE WHEN c.relkind = 'r' THEN 'ONLY ' ELSE '' END || format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 2""").fetchall()
    listed = []
    for oid, name, sql in found:
        columns = [c for (c,) in db.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum > 0"
                   " AND NOT attisdropped ORDER BY attnum", (oid,))]  # fmt: skip
        key = [columns.index(c) for (c,) in db.execute("SELECT a.attname FROM pg_index i, unnest(i.indkey::int2[]) WITH"
               " ORDINALITY k (n, o), pg_attribute a WHERE i.indrelid = %s AND i.indisprimary AND i.indimmediate"
               " AND a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.o", (oid,))]  # fmt: skip
        listed.append((name, sql, columns, key))
    return listed


def dump(db: psycopg.Connection[Any]) -> dict[str, tuple[list[str], list[int], list[Row]]]:
    db.execute("SET TIME ZONE 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'")
    found = {}
    for name, sql, columns, key in tables(db):
        listed = ", ".join('"' + c.replace('"', '""') + '"::text' for c in columns)
        found[name] = columns, key, db.execute(f"SELECT {listed} FROM {sql}".encode()).fetchall()
    return found


def sorted_dump(db: psycopg.Connection[Any]) -> dict[str, list[str]]:
    return {name: sorted(map(repr, rows)) for name, (_, _, rows) in dump(db).items()}


def diff(before: dict[str, Any], after: dict[str, Any], volatile: Iterable[str]) -> Diff:
    found: Diff = {}
    hidden = set(volatile)
    for name in before:
        columns, key, old = before[name]
        new = after[name][2]
        masked = [place for place, c in enumerate(columns) if f"{name}.{c}" in hidden]
        changes: list[tuple[Row | None, Row | None]] = []
        if key:
            a, b = ({tuple(r[p] for p in key): r for r in rows} for rows in (old, new))
            changes = [(a.get(k), b.get(k)) for k in a.keys() | b.keys() if a.get(k) != b.get(k)]
        else:
            x, y = Counter(old), Counter(new)
            changes += [(r, None) for r in (x - y).elements()]
            changes += [(None, r) for r in (y - x).elements()]
        if changes:
            found[name] = Counter((o, _masked(n, masked)) for o, n in changes)
    return found


def _masked(row: Row | None, places: Sequence[int]) -> Row | None:
    return None if row is None else tuple("?" if p in places else v for p, v in enumerate(row))


def as_diff(changes: Iterable[TableChange[Any]], volatile: Iterable[str]) -> Diff:
    hidden = set(volatile)
    return {
        c.table.name: Counter(_pair(r, [p for p, n in enumerate(c.table.columns) if f"{c.table.name}.{n}" in hidden])
                              for r in c.rows)
        for c in changes
    }  # fmt: skip


def _pair(row: RowChange, places: Sequence[int]) -> tuple[Row | None, Row | None]:
    return row.before, _masked(row.after, places)


# ---- the whole way of one script ------------------------------------------------------------------------------------


class NoRows:
    def write(self, columns: Sequence[str], rows: Iterable[Row]) -> int:
        return len(list(rows))


@dataclass
class Target:
    """A database and all that can be done to it."""

    url: str
    kept: bytes = b""
    state: State | None = None
    around: str = ""
    """The URL of the server itself, where `url` is a pooler's: a test's own look at the rows goes there."""

    def connect(self) -> Session:
        return connect(Address.of(self.url))

    def plain(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.around or self.url, autocommit=True)

    def measure(self, statements: Sequence[str], budget: MeasureBudget | None = None) -> Measurement:
        def capturing(pair: Pair, reader: Reader, state: State) -> tuple[Undoable, str]:
            self.state = state
            return tried(pair, reader, state)

        budget = budget or MeasureBudget(seconds=60, lock_seconds=5)
        return measure(self.connect, statements, budget=budget, heard=None, tried=capturing)

    def apply(self, statements: Sequence[str], expected: Measurement | None, **how: Any) -> None:
        self._run(expected, **how).apply(statements, sink=NoRows())

    def _run(
        self, expected: Measurement | None, reached: Any = lambda _: None, mark: Any = None, keep: Any = None
    ) -> Run:
        def keeping(changes: bytes) -> None:
            self.kept = changes

        self.kept = b""
        binding = Binding(expected, keep or keeping)
        return Run(self.connect, Limits(seconds=60), reached, lambda: None, binding, mark)

    def told(self) -> Verdict:
        return committed(self.connect, decoded(self.kept)) if self.kept else Verdict.NOT_APPLIED

    def undo(self, kept: bytes) -> None:
        budget = MeasureBudget(seconds=60, lock_seconds=5)
        plan = undo.plan(self.connect, decoded(kept), budget=budget, heard=None)
        assert plan.measurement.is_exact, plan
        undo.apply(self._run(plan.measurement), decoded(kept), OnConflict.REFUSE)


def whole_way(target: Target, statements: Sequence[str]) -> str:
    """Measure, run and undo; raises AssertionError where anything is wrong, and answers what it came to."""
    with target.plain() as db:
        before, twin_error = dump(db), ""
        m = target.measure(statements)
        assert dump(db) == before, "a preview left a trace"
        try:
            with db.transaction(force_rollback=True):
                for sql in statements:
                    db.execute(sql.encode(), prepare=False, binary=True)
                db.execute("SET CONSTRAINTS ALL IMMEDIATE")
                twin = diff(before, dump(db), m.volatile)
        except psycopg.Error as e:
            twin_error = str(e)
        if not m.is_exact:
            assert bool(twin_error) == m.how.startswith("it would fail"), (m.how, twin_error)
            return f"not measured: {m.how[:40]}"
        assert not twin_error, twin_error
        assert target.state is not None
        measured = as_diff(target.state.changes, m.volatile)
        assert measured == twin, (measured, twin)
        _check_counts(m, target.state)
        target.apply(statements, m)
        assert diff(before, dump(db), m.volatile) == measured, "the run did something else"
        assert not measured or target.told() is Verdict.APPLIED
        if not measured:
            return "nothing"
        if m.undo is not Undoable.EXACT:
            return f"no undo: {m.undo_why}"
        target.undo(target.kept)
        assert {n: Counter(r) for n, (_, _, r) in dump(db).items()} == {
            n: Counter(r) for n, (_, _, r) in before.items()
        }
        triggers = db.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'O'").fetchall()
        assert not triggers
        return "exact"


def _check_counts(m: Measurement, state: State) -> None:
    """Of one statement the numbers shown are those of the rows; of several they may be taken back by one another."""
    if len(m.effects) > 1:
        return
    shown = Counter({(t.table, t.verb): 0 for t in m.effects[0].touched})
    for t in m.effects[0].touched:
        shown[t.table, t.verb] += t.rows
    assert shown == Counter((c.table.name, row.verb) for c in state.changes for row in c.rows)
