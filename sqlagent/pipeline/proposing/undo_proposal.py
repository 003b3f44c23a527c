"""Taking a run back: a proposal like any other, with the inverse of what a run changed in the place of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from sqlagent.core.nouns.analysis import Analysis, Finding, Kind, Operation, Risk, Severity, Size, Statement
from sqlagent.core.nouns.effect import Measurement, ObjectChange, Touched, Undoable
from sqlagent.core.nouns.session import Outcome, Proposal, Result, Thread
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.core.text.counted import counted
from sqlagent.databases.base import Conflict, Database, OnConflict, RunTerms, UndoPlan
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.proposing.refusal import Refused
from sqlagent.store.journal import RunState


def spelled(run: str, on_conflict: OnConflict) -> str:
    """How a thread's row names what is to be undone, in the place of SQL."""
    return f"{run}\n{on_conflict.value}"


def meant(row: Thread) -> tuple[str, OnConflict]:
    """The run that a thread takes back, and what it does about rows that were changed since."""
    run, _, on_conflict = row.sql.partition("\n")
    return run, OnConflict(on_conflict)


def text(row: Thread) -> str:
    """What stands on the screen where other proposals have their SQL."""
    run, on_conflict = meant(row)
    rest = "are kept" if on_conflict is OnConflict.LEAVE_ALONE else "stop it"
    return f"-- undoes {run}; rows that were edited since {rest}"


def planned(row: Thread, database: Database, x: Context) -> tuple[Analysis, Measurement]:
    """What taking the run back would do now; raises Refused where nothing of it can be put back."""
    run, on_conflict = meant(row)
    try:
        plan = database.preview_undo(_changes(run, x), copy=copy_of(run, x), budget=x.budget, heard=x.so_far)
    finally:
        x.ended()
    thread = run.partition(".")[0]
    nothing = plan.measurement.changes_nothing
    if undone_by := x.journal.undone_by(run) if plan.refused or nothing else "":
        raise Refused(f"{run} was undone already, by {undone_by}", hint=f"sqlagent undo {undone_by} puts it back again")
    if plan.refused:
        raise Refused(f"{run} cannot be undone: {plan.refused}", hint=f"sqlagent show {thread}")
    if plan.conflicting and on_conflict is OnConflict.REFUSE:
        why = "; ".join(_conflicts(plan))
        raise Refused(f"{run} is not undone: {why}", hint=f"sqlagent undo {thread} leaves them alone")
    if nothing:
        why = "; ".join(_conflicts(plan)) or "everything is as it was before"
        raise Refused(f"nothing of {run} is left to undo: {why}", hint=f"sqlagent show {thread}")
    return Analysis((_statement(row, plan, _settled(run, x)),)), plan.measurement


def _settled(run: str, x: Context) -> list[str]:
    """A note where only a person's word says that the run was applied: the undo may then take back others' changes."""
    ran = x.journal.run(run)
    if ran is None or ran.state is not RunState.SETTLED_APPLIED:
        return []
    return [f"that {run} ran is {ran.error.removeprefix('settled by ')}'s word; its end was not seen"]


def take_back(proposal: Proposal, database: Database, x: Context, **terms: Unpack[RunTerms]) -> Outcome:
    """Carry an approved undo out.

    It is held to the effect that was measured, so the rows that were put back are those that were measured.
    """
    held: RunTerms = {
        **terms,
        "expected": proposal.measurement,
        "keep": lambda changes: x.journal.keep(proposal.id, changes),
    }
    outcome = database.apply_undo(
        _changes(proposal.undo_of, x),
        copy=copy_of(proposal.undo_of, x),
        on_conflict=OnConflict(proposal.on_conflict),
        **held,
    )
    if proposal.measurement is None or not proposal.measurement.is_exact:
        return outcome
    return replace(outcome, results=(Result(1, changed=proposal.measurement.changes),))


def copy_of(run: str, x: Context) -> Path | None:
    """The copy that a run made of what its DROP or ALTER lost, where there is one."""
    path = x.kept / f"{run}.db"
    return path if path.exists() else None


def _changes(run: str, x: Context) -> bytes:
    changes = x.journal.kept(run)
    if changes is None and copy_of(run, x) is None:
        raise Refused(f"what {run} changed is not kept", hint="sqlagent undo --list shows what is")
    return changes or b""


def _statement(row: Thread, plan: UndoPlan, doubts: Sequence[str]) -> Statement:
    touched = [t for effect in plan.measurement.effects for t in effect.touched]
    objects = [o for effect in plan.measurement.effects for o in effect.objects]
    operations = [Operation(t.verb, t.table, t.via, _size(t)) for t in touched]
    operations += [Operation(o.verb, o.name, "", _rows_of(o)) for o in objects]
    return Statement(
        index=1,
        sql=text(row),
        line=1,
        kind=Kind.UNDO,
        risk=_risk(operations, plan.measurement),
        writes=tuple(dict.fromkeys(o.target for o in operations)),
        operations=tuple(operations),
        findings=tuple(Finding("changed-since", what, Severity.WARNING) for what in (*doubts, *_conflicts(plan))),
        plan=tuple(f"leaves {c.table} {_key(c)} alone: {c.why}" for c in _in_order(plan.conflicts)),
    )


def _risk(operations: Sequence[Operation], measurement: Measurement) -> Risk:
    """As of any change: one of a shape, or one that could not be taken back in turn, is SEVERE."""
    shapes = any(o.verb in (Verb.ALTER, Verb.DROP) for o in operations)
    return Risk.SEVERE if shapes or measurement.undo is Undoable.NONE else Risk.WRITE


def _rows_of(changed: ObjectChange) -> Size:
    return Size() if changed.rows is None else Size(changed.rows, changed.rows, Basis.EXACT)


def _size(touched: Touched) -> Size:
    """Rows that come back have no base: the table has not got them now."""
    return Size(touched.rows, None if touched.verb is Verb.INSERT else touched.of, Basis.EXACT)


def _conflicts(plan: UndoPlan) -> list[str]:
    """The rows that are left alone, table by table and why by why: how many, and which the first are."""
    if plan.conflicting > len(plan.conflicts):
        tables = ", ".join(dict.fromkeys(c.table for c in plan.conflicts))
        return [f"{_rows(plan.conflicting)} changed since, of {tables} first, are left alone"]
    found: dict[tuple[str, str], list[Conflict]] = {}
    for conflict in _in_order(plan.conflicts):
        found.setdefault((conflict.table, conflict.why), []).append(conflict)
    return [_alone(table, why, conflicts) for (table, why), conflicts in found.items()]


def _in_order(conflicts: Sequence[Conflict]) -> list[Conflict]:
    """By table and key; a shorter value first, which puts numbers in their order."""
    return sorted(conflicts, key=lambda c: (c.table, [(len(value), value) for _, value in c.key]))


def _alone(table: str, why: str, conflicts: list[Conflict]) -> str:
    count = len(conflicts)
    named = ", ".join(map(_key, conflicts[:_NAMED])) + (", ..." if count > _NAMED else "")
    said = _WHY.get(why, f": {why}")
    is_ = ("it is" if count == 1 else "they are") + " left alone"
    return f"{_rows(count)} of {table}{said}; {is_} ({named})"


_NAMED = 5
_WHY = {"it was changed since": " changed since", "it was deleted since": " deleted since"}


def _key(conflict: Conflict) -> str:
    return " ".join(f"{column} {value}" for column, value in conflict.key)


def _rows(count: int) -> str:
    return counted(count, "row")
