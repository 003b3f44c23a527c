"""A script run in a writer's transaction, statement by statement, and each read out before the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors, generators
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from sqlagent.core.analyze import parse
from sqlagent.databases.changes.net_changes import since
from sqlagent.databases.changes.rows import RowChange, TableChange
from sqlagent.databases.postgres.connection.rows import Session, raw
from sqlagent.databases.postgres.effect.reading import Reader, State
from sqlagent.databases.postgres.effect.schema_changes import SchemaChange, compared
from sqlagent.databases.postgres.effect.tables import Table
from sqlagent.databases.postgres.effect.two_sessions import Pair, aside
from sqlagent.databases.postgres.opinion.rewritten import encoded

_WRITES = """
SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
  AND l.mode = 'RowExclusiveLock' AND l.relation >= 16384"""


LAST = "SET CONSTRAINTS ALL IMMEDIATE"
"""After the last statement: deferred triggers and keys belong to what it does."""


_CALLED = """
SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (n.nspname || '.' || c.relname = ANY(%s::text[])
  OR c.relname = ANY(%s::text[]) AND pg_catalog.pg_table_is_visible(c.oid))"""


_PLANNED_MS = 50
"""How long a plan waits for a lock: an earlier statement may have shut everybody out of the table."""


class EndsTransaction(Exception):
    """A statement ended the transaction that it ran in."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What the server says of a statement before it runs."""

    named: frozenset[int] = frozenset()
    """Oids of the tables and views that its own words write."""
    written: frozenset[int] = frozenset()
    """Of those that it writes after views and rules are taken apart."""
    rows: float = 0.0
    """An estimate of how many; only for the decision whether to measure."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one statement did, given those before it."""

    planned: Planned
    changes: tuple[TableChange[Table], ...]
    schema: SchemaChange
    state: State
    """What was changed up to here."""


@dataclass(slots=True)
class Script:
    """A script that is run statement by statement, and what was read out so far."""

    pair: Pair
    reader: Reader
    steps: list[Step] = field(default_factory=list)
    state: State = field(default_factory=State)

    def run(
        self, statements: Sequence[str], *, begin: Callable[[int], None] = lambda _: None,
        planned: Callable[[str, Planned], None] | None = None,
    ) -> None:  # fmt: skip
        """Run each statement as the very bytes that were approved; deferred triggers and keys count to the last one.

        `begin` is told the place of each from 1; `planned` what the server says that it would do, and may raise.
        """
        for index, sql in enumerate(statements, 1):
            begin(index)
            known = plan(self.pair.witness, sql) if planned is not None else Planned()
            if planned is not None:
                planned(sql, known)
            execute(self.pair.writer, sql)
            if index == len(statements):
                self.pair.writer.execute(LAST)
            self._read(known)

    def _read(self, known: Planned) -> None:
        earlier, self.state = self.state, self.reader.read(self.state)
        before = [_in_columns_of_now(change, self.state) for change in earlier.changes]
        changes = since(before, self.state.changes) if self.steps else self.state.changes
        self.steps.append(Step(known, changes, self._schema_since(earlier), self.state))

    def _schema_since(self, earlier: State) -> SchemaChange:
        before = earlier.objects if earlier.objects is not None else self.reader.schema_before
        if before is None or self.state.objects is None:
            return SchemaChange()
        return compared(before, self.state.objects)


def _in_columns_of_now(change: TableChange[Table], state: State) -> TableChange[Table]:
    """An earlier statement's changes, in the columns that a later one left."""
    was, now = change.table, state.tables.get(change.table.oid)
    if now is None or now.numbers == was.numbers:
        return change
    rows = (RowChange(now.row_from(was, row.before), now.row_from(was, row.after)) for row in change.rows)
    return TableChange(now, tuple(row for row in rows if row.before != row.after))


def execute(writer: Session, sql: str) -> PGresult:
    """The very bytes that were approved; answers what the server does.  Raises EndsTransaction."""
    # the extended protocol takes one statement alone, and unnamed it passes a pooler
    writer.pgconn.send_query_params(encoded(sql), None)
    answers: list[PGresult] = writer.wait(generators.execute(writer.pgconn))
    answer = answers[-1]
    if answer.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.EMPTY_QUERY):
        if answer.status == ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(answer)
        raise psycopg.NotSupportedError("COPY from or to the client is no statement of a script")
    if writer.info.transaction_status is not TransactionStatus.INTRANS:
        raise EndsTransaction("it would end the transaction")
    return answer


def plan(witness: Session, sql: str) -> Planned:
    """What the server says of a statement before it runs, asked of the witness, where it leaves no lock."""
    named = _named(witness, sql)
    with aside(witness):
        try:
            witness.execute(f"SET LOCAL lock_timeout = '{_PLANNED_MS}ms'")
            with witness.cursor() as cursor:
                cursor.execute(b"EXPLAIN (FORMAT JSON) " + encoded(sql), binary=True, prepare=False)
                plans = [each["Plan"] for (listed,) in cursor.fetchall() for each in listed]
            written = frozenset(int(oid or 0) for (oid,) in raw(witness, _WRITES))
        except psycopg.Error:  # there is no plan for a change of the schema, nor for what works on one
            return Planned(named)
    return Planned(named, written, _estimated(plans))


def _named(witness: Session, sql: str) -> frozenset[int]:
    names = sorted({name for opinion in parse(sql, "postgres") for name in opinion.writes})
    if not names:
        return frozenset()
    spelled = [*names, *(name.lower() for name in names)]
    return frozenset(int(oid or 0) for (oid,) in raw(witness, _CALLED, spelled, spelled))


def _estimated(plans: list[dict[str, Any]]) -> float:
    """Rows that the nodes which write are given."""
    total, left = 0.0, list(plans)
    while left:
        node = left.pop()
        children = node.get("Plans", [])
        if node.get("Node Type") == "ModifyTable":
            total += sum(float(c.get("Plan Rows", 0)) for c in children if c.get("Parent Relationship") == "Outer")
        left += children
    return total
