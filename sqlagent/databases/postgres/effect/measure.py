"""Measuring what a script would do: it is run in a transaction that is rolled back, and what it changed is read out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import errors

from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.effect import Effect, Measurement, Moved, Touched, Undoable
from sqlagent.core.nouns.verbs import Basis
from sqlagent.databases.base import MeasureBudget
from sqlagent.databases.changes.budget import Budget, PastBudget
from sqlagent.databases.changes.causes import ORDER, touched
from sqlagent.databases.changes.samples import samples
from sqlagent.databases.changes.unmeasured import Unmeasurable, unknown
from sqlagent.databases.changes.volatile_columns import Unsteady, attempts, differing
from sqlagent.databases.changes.would_fail import at_statement
from sqlagent.databases.postgres.connection.pooler import said_by_the_pooler
from sqlagent.databases.postgres.connection.rows import Session, one
from sqlagent.databases.postgres.effect import sequences
from sqlagent.databases.postgres.effect.causes import by_name, causes
from sqlagent.databases.postgres.effect.giving_way import NamelessHolder, giving_way
from sqlagent.databases.postgres.effect.outside import reaches_outside
from sqlagent.databases.postgres.effect.reading import Before, NotForeseen, Reader, State, rows_before
from sqlagent.databases.postgres.effect.row_versions import BrokenText, adding_up
from sqlagent.databases.postgres.effect.schema_changes import object_changes
from sqlagent.databases.postgres.effect.script import EndsTransaction, Planned, Script, Step
from sqlagent.databases.postgres.effect.sums import fingerprint, rows_changed, size_of
from sqlagent.databases.postgres.effect.two_sessions import Connect, IsStandby, Pair, Waits
from sqlagent.databases.postgres.opinion.rewritten import Refused

HOW = "rolled back"
_STANDBY = "a standby cannot measure; point `measure_url` at the primary"
_ATTEMPTS = 4  # each finds out more that has to be read before
_COUNTED_AT_MOST = 100_000_000  # bytes of a table whose rows are counted
_TRIES = 12
_MAY_DIFFER = re.compile(
    r"\(|current_|localtime|'now'|'today'|'tomorrow'|'yesterday'|tablesample|default", re.IGNORECASE
)
_CHANCE = re.compile(r"random|uuid|tablesample|shuffle|sample", re.IGNORECASE)

Tried = Callable[[Pair, Reader, State], tuple[Undoable, str]]
"""Takes what a script changed back, in its own transaction, and says whether that was exact."""


@dataclass(slots=True)
class _Measuring:
    """One measurement: what is asked, and what came of it."""

    connect: Connect
    statements: Sequence[str]
    budget: MeasureBudget
    meter: Budget
    tried: Tried
    before: Before = field(default_factory=Before)
    effects: list[Effect] = field(default_factory=list)
    looks_at_once: bool = False
    """Whether it is known that it will wait for somebody, who is to be named."""
    moved: tuple[Moved, ...] = ()
    at: int = 0
    """The statement that is being run, from 1."""

    def placed(self, why: str) -> str:
        return at_statement(why, self.at, of=len(self.statements))

    def measured(self) -> Measurement:
        with self._script() as script:
            self._run(script)
            found = self._first(script)
        changes = script.state.changes
        taken = found.taken
        volatile = self._volatile(script.state, taken) if changes and found.may_differ else frozenset()
        whole = fingerprint(script.state, volatile)
        effects = [
            replace(effect, fingerprint=whole if len(found.effects) == 1 else _own(step, volatile))
            for effect, step in zip(found.effects, script.steps, strict=True)
        ]
        return Measurement(
            tuple(effects), whole, tuple(sorted(volatile)), found.undo, found.undo_why,
            moved=self.moved or tuple(map(Moved, found.sequences)), changes=rows_changed(script.state),
            size=size_of(script.state), seconds=self.meter.spent, how=HOW,
        )  # fmt: skip

    # ---- running it -------------------------------------------------------------------------------------------------

    @contextmanager
    def _script(self) -> Iterator[Script]:
        """Begun, with what has to be read before it runs."""
        budget = self.budget
        waits = Waits(budget.lock_seconds, self.meter.left)
        with giving_way(self.connect, waits, at_once=self.looks_at_once) as pair:
            reader = Reader(pair, adding_up(self._check), self.before, budget.scan_bytes)
            reader.begin()
            yield Script(pair, reader)

    def _check(self, size: int) -> None:
        self.meter.check_size(size)
        self.meter.check()

    def _run(self, script: Script) -> None:
        """Once more from the beginning where it turns out that more has to be read before."""
        count = len(self.statements)

        def begin(index: int) -> None:
            self.at = index
            self.meter.doing = f"measuring statement {index} of {count}"
            self.meter.check()

        def planned(sql: str, known: Planned) -> None:
            if known.rows > self.budget.rows:
                raise Unmeasurable(
                    f"it would change about {known.rows:,.0f} rows (estimated; measure.rows {self.budget.rows:,})"
                )
            if why := reaches_outside(script.pair.witness, sql, known.named | known.written):
                raise Unmeasurable(why)

        script.run(self.statements, begin=begin, planned=planned)
        state = script.state
        if state.outside:
            raise Unmeasurable(f"it changes {', '.join(state.outside)}, which is not measured")

    # ---- what came of it --------------------------------------------------------------------------------------------

    def _first(self, script: Script) -> _Found:
        writer = script.pair.writer
        taken = sequences.taken_from(writer)
        known = [causes(writer, step) for step in script.steps]
        may_differ = any(_MAY_DIFFER.search(sql) for sql in self.statements) or _has_defaults(writer, script.state)
        self.meter.doing = "trying the undo"
        undo, why = self.tried(script.pair, script.reader, script.state)
        writer.execute("ROLLBACK")  # before the witness looks at what was locked from it
        effects = []
        for step, cause in zip(script.steps, known, strict=True):
            before = _rows_before(script.pair.witness, step, script.state)
            lines = tuple(touched(step.changes, via=by_name(cause, step), before=before))
            effects.append(_effect(step, lines, script))
        return _Found(effects, may_differ, undo, why, taken, tuple(sequences.positions(script.pair.witness, taken)))

    def _volatile(self, first: State, taken: Sequence[int]) -> frozenset[str]:
        """What differs when it is run again, more often where chance has a part in it."""
        self.meter.doing = "measuring once more"
        found = frozenset[str]()
        by_chance = any(_CHANCE.search(sql) for sql in self.statements)
        for _ in attempts(self.meter, most=_TRIES if by_chance else 1):
            with self._script() as again:
                # Of the writer itself: whoever asks has a lock of them until the end, which would be in its way.
                before = sequences.positions(again.pair.writer, taken)
                again.run(self.statements)
                self.moved = sequences.moved(before, sequences.positions(again.pair.writer, taken))
            try:
                found |= differing(first.changes, again.state.changes)
            except Unsteady as e:
                raise Unmeasurable(str(e)) from e
        return found


@dataclass(frozen=True, slots=True)
class _Found:
    effects: list[Effect]
    may_differ: bool
    undo: Undoable
    undo_why: str
    taken: Sequence[int]
    """Oids of what it wrote, the sequences that it took numbers from among them."""
    sequences: tuple[str, ...]
    """Their names."""


def measure(
    connect: Connect, statements: Sequence[str], *, budget: MeasureBudget, heard: Callable[[str], None] | None,
    tried: Tried,
) -> Measurement:  # fmt: skip
    """Never raises for what the statements do, for locks or for limits: those are effects that are UNKNOWN."""
    meter = Budget(seconds=budget.seconds, changes_bytes=budget.changes_bytes, heard=heard)
    before, looks_at_once = Before(), False
    for _ in range(_ATTEMPTS):
        measuring = _Measuring(connect, statements, budget, meter, tried, before, looks_at_once=looks_at_once)
        try:
            return measuring.measured()
        except NotForeseen as e:
            before |= e.needed
        except NamelessHolder as e:
            if looks_at_once:
                return unknown(len(statements), str(e), meter)
            looks_at_once = True
        except (Unmeasurable, PastBudget, BrokenText, Refused) as e:
            return unknown(len(statements), str(e), meter)
        except EndsTransaction as e:
            return unknown(len(statements), measuring.placed(f"it would fail: {e}"), meter)
        except IsStandby:
            return unknown(len(statements), _STANDBY, meter)
        except SqlagentError as e:  # it could not be opened
            return unknown(len(statements), e.message, meter)
        except psycopg.Error as e:
            return unknown(len(statements), measuring.placed(why_not(e, budget)), meter)
    return unknown(len(statements), "what it changes is another thing each time", meter)


def why_not(error: psycopg.Error, budget: MeasureBudget) -> str:
    """Why it was not measured, where the server said so."""
    if by_pooler := said_by_the_pooler(error):
        return by_pooler.message
    match error:
        case errors.DeadlockDetected():
            return "rows are locked by another session, which waits for rows of this one"
        case errors.QueryCanceled():
            return f"past {budget.seconds:g} s"
        case errors.SerializationFailure():
            return "somebody changed the same rows meanwhile"
        case errors.ReadOnlySqlTransaction():
            return _STANDBY
        case errors.ActiveSqlTransaction():
            return "it cannot be in a transaction, so it can be neither measured nor taken back"
        case errors.OperationalError() if error.sqlstate is None or error.sqlstate[:3] in ("57P", "080"):
            return "the connection was lost"
    return f"it would fail: {(error.diag.message_primary or str(error)).strip()}"


def _own(step: Step, volatile: frozenset[str]) -> str:
    return fingerprint(replace(step.state, images={}), volatile, step.changes, step.schema)


def _effect(step: Step, lines: tuple[Touched, ...], script: Script) -> Effect:
    state = step.state
    names = {oid: table.name for oid, table in state.tables.items()}
    rows = {change.table.oid: len(change.rows) for change in (*state.went, *state.came)}
    changes = tuple(object_changes(step.schema, names, rows)) if step.schema else ()
    counted = tuple(
        Touched(each.table, verb, count)
        for each in (state.unread if step is script.steps[-1] else ())
        for verb, count in zip(ORDER, each.counts, strict=True)
        if count
    )
    why = "; ".join(f"{each.table} was counted, and is not shown: {each.why}" for each in state.unread)
    return Effect(
        Basis.COUNTED if state.unread else Basis.EXACT, (*lines, *counted), samples(step.changes), changes, why=why
    )


def _rows_before(witness: Session, step: Step, state: State) -> Callable[[str], int | None]:
    """How many rows the tables of one step had before the script."""
    counts: dict[str, int | None] = {}
    tables = {change.table.name: change.table for change in step.changes}

    def before(name: str) -> int | None:
        if name not in counts:
            table = tables[name]
            is_new = table.oid in state.created
            counts[name] = None if is_new else rows_before(witness, table, bytes_at_most=_COUNTED_AT_MOST)
        return counts[name]

    return before


_DEFAULTS = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = ANY(%s::oid[]) AND NOT t.tgisinternal)
  OR EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
    WHERE a.attrelid = ANY(%s::oid[]) AND (a.atthasdef OR a.attidentity <> '' OR y.typdefault IS NOT NULL))
  OR EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_catalog.pg_backend_pid() AND c.relkind = 'v' AND c.oid >= 16384)
  OR EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = ANY(%s::oid[]) AND r.rulename <> '_RETURN')"""


def _has_defaults(writer: Session, state: State) -> bool:
    """Whether a default, an identity, a trigger, a rule or a view could bring in a clock or chance."""
    oids = list(state.tables)
    return one(writer, _DEFAULTS, oids, oids, oids) == "t"
