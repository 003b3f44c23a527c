"""Taking a run back: a proposal like any other, with the inverse of what a run changed in the place of SQL."""

from __future__ import annotations

from pathlib import Path

from sqlagent.core.effect import Measurement
from sqlagent.core.model import Analysis, Finding, Kind, Operation, Risk, Severity, Size, Statement
from sqlagent.core.session import Outcome, Proposal, Thread
from sqlagent.core.verbs import Basis, Verb
from sqlagent.databases.base import Database, OnConflict, UndoPlan
from sqlagent.pipeline.context import Context
from sqlagent.pipeline.refusal import Refused


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
    rest = "are left alone" if on_conflict is OnConflict.LEAVE_ALONE else "stop it"
    return f"-- takes back what {run} changed; rows changed since {rest}"


def planned(row: Thread, database: Database, x: Context) -> tuple[Analysis, Measurement]:
    """What taking the run back would do now; raises Refused where nothing of it can be put back."""
    run, on_conflict = meant(row)
    plan = database.preview_undo(_changes(run, x), copy=copy_of(run, x), budget=x.budget, heard=x.note)
    if plan.refused or (plan.conflicting and on_conflict is OnConflict.REFUSE):
        why = plan.refused or f"{_rows(plan.conflicting)} changed since"
        raise Refused(f"{run} cannot be undone: {why}", hint=f"sqlagent show {run.partition('.')[0]}")
    return Analysis((_statement(row, plan),)), plan.measurement


def take_back(proposal: Proposal, database: Database, x: Context, **how: object) -> Outcome:
    """Carry an approved undo out; `how` are the arguments that it shares with `Database.apply`."""
    return database.apply_undo(
        _changes(proposal.undo_of, x),
        copy=copy_of(proposal.undo_of, x),
        on_conflict=OnConflict(proposal.on_conflict),
        expected=proposal.measurement,
        keep=lambda changes: x.journal.keep(proposal.id, changes),
        **how,  # type: ignore[arg-type]  # they are `apply`'s own
    )


def copy_of(run: str, x: Context) -> Path | None:
    """The copy of what a run's DROP or ALTER lost, where there is one."""
    path = x.kept / f"{run}.db"
    return path if path.exists() else None


def _changes(run: str, x: Context) -> bytes:
    changes = x.journal.kept(run)
    if changes is None and copy_of(run, x) is None:
        raise Refused(f"what {run} changed is not kept", hint="sqlagent undo --list shows what is")
    return changes or b""


def _statement(row: Thread, plan: UndoPlan) -> Statement:
    touched = [t for effect in plan.measurement.effects for t in effect.touched]
    objects = [o for effect in plan.measurement.effects for o in effect.objects]
    operations = [Operation(t.verb, t.table, t.via, Size(t.rows, t.of, Basis.EXACT)) for t in touched]
    operations += [Operation(o.verb, o.name, "", Size(o.rows, None, Basis.EXACT)) for o in objects]
    findings: tuple[Finding, ...] = ()
    if plan.conflicting:
        what = f"{_rows(plan.conflicting)} changed since and {'is' if plan.conflicting == 1 else 'are'} left alone"
        findings = (Finding("changed-since", what, Severity.WARNING),)
    return Statement(
        index=1,
        sql=text(row),
        line=1,
        kind=Kind.UNDO,
        risk=Risk.SEVERE if any(o.verb is Verb.DROP for o in operations) else Risk.WRITE,
        writes=tuple(dict.fromkeys(o.target for o in operations)),
        operations=tuple(operations),
        findings=findings,
    )


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"
