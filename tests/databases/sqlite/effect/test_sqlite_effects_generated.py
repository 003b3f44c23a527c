"""Writes made at random: what is measured is what happens, what is approved is what runs, and an undo puts it back."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from generated_writes import SCHEMAS, Writes, content_of, difference, run_bare, without_numbers
from sqlite_files import LIMITS, Kept, make, nothing

from sqlagent.core.nouns.effect import Measurement, Undoable
from sqlagent.databases.base import Database, MeasureBudget, OnConflict, Verdict
from sqlagent.databases.open import open_database

CANNOT_TELL = ("a row of it was changed twice", "is replaced by one that is equal to it")
BUDGETS = {"private copy": MeasureBudget(), "rolled back": MeasureBudget(copy_bytes=0)}


def filled(folder: Path, schema: str, seed: object) -> tuple[Path, Writes]:
    path = make(folder / "target.db", SCHEMAS[schema])
    writes = Writes(path, seed)
    for sql in writes.fill():
        run_bare(path, sql)
    return path, writes


def touched(measured: Measurement) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for effect in measured.effects:
        for t in effect.touched:
            found[t.table, t.verb.value] += t.rows
    return found


def check(path: Path, sql: str, how: str) -> bool:
    """One write from preview to the undo of its undo; whether it was one that changed something."""
    bare = path.with_name("bare.db")
    shutil.copy(path, bare)
    before, bytes_, stamp = content_of(path), path.read_bytes(), path.stat().st_mtime_ns
    complaint = run_bare(bare, sql)
    after = content_of(bare)
    db = open_database(str(path), name="target")
    try:
        measured = db.measure([sql], budget=BUDGETS[how], heard=None)
        assert (path.read_bytes(), path.stat().st_mtime_ns) == (bytes_, stamp)
        if complaint:
            assert "it would fail" in measured.how or "FOREIGN KEY" in complaint, (sql, complaint)
            return False
        if measured.how.endswith(CANNOT_TELL):
            assert not measured.is_exact
            assert run_bare(path, sql) == ""
            return False
        assert measured.how == how, (sql, measured.how)
        assert touched(measured) == difference(before, after), sql
        of = {t.table: t.of for effect in measured.effects for t in effect.touched}
        assert of == {table: len(before[table]) for table in of}, sql
        kept = run_as_approved(db, sql, measured)
        assert without_numbers(content_of(path)) == without_numbers(after), sql
        if kept and measured.undo is Undoable.EXACT:
            there_and_back(db, path, kept[0], before, after)
        elif kept:
            refused = db.preview_undo(kept[0], copy=None, budget=MeasureBudget(), heard=None).refused
            assert measured.undo_why == refused != ""
        assert kept or not difference(before, after)
        return bool(kept)
    finally:
        db.close()


def run_as_approved(db: Database, sql: str, measured: Measurement) -> list[bytes]:
    kept: list[bytes] = []

    def keep(changeset: bytes) -> None:
        assert db.decided(changeset) is not Verdict.APPLIED
        kept.append(changeset)

    db.apply(
        [sql], sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing, expected=measured, keep=keep
    )
    return kept


def there_and_back(db: Database, path: Path, kept: bytes, before: object, after: object) -> None:
    changes_rows = without_numbers(before) != without_numbers(after)  # type: ignore[arg-type]
    assert not changes_rows or db.decided(kept) is Verdict.APPLIED
    undone = undo(db, kept)
    assert without_numbers(content_of(path)) == without_numbers(before)  # type: ignore[arg-type]
    assert not changes_rows or db.decided(kept) is not Verdict.APPLIED  # AUTOINCREMENT remembers rows that it counted
    undo(db, undone)
    assert without_numbers(content_of(path)) == without_numbers(after)  # type: ignore[arg-type]


def undo(db: Database, kept: bytes) -> bytes:
    plan = db.preview_undo(kept, copy=None, budget=MeasureBudget(), heard=None)
    assert (plan.conflicts, plan.refused) == ((), "")
    again: list[bytes] = []
    db.apply_undo(
        kept, copy=None, on_conflict=OnConflict.REFUSE, limits=LIMITS, mark=None, verify=nothing, reached=nothing,
        expected=plan.measurement, keep=again.append,
    )  # fmt: skip
    return again[0]


def check_until(folder: Path, schema: str, seed: object, *, wanted: int) -> None:
    """So many writes that change something, one after the other, and those that fail among them."""
    path, writes = filled(folder, schema, seed)
    how = [*BUDGETS][len(f"{schema}{seed}") % 2]
    changed = 0
    for _ in range(100 * wanted):
        changed += check(path, writes.statement(), how)
        if changed == wanted:
            return
    raise AssertionError(f"only {changed} writes changed something")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_effect_is_the_difference_and_its_undo_the_way_back(tmp_path: Path, schema: str) -> None:
    check_until(tmp_path, schema, 0, wanted=5)


@pytest.mark.long
@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("seed", range(1, 5))
def test_the_effect_is_the_difference_in_a_long_run(tmp_path: Path, schema: str, seed: int) -> None:
    check_until(tmp_path, schema, seed, wanted=30)
