"""Writes made at random in files full of dirt: what was called exact came back, every byte of it."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from pathlib import Path

import apsw
import pytest
from dirty_schemas import SCHEMAS, everything, make, opened
from generated_writes import Writes, quoted
from sqlite_files import LIMITS, Kept, nothing

from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.effect import Measurement, Undoable
from sqlagent.databases.base import Database, MeasureBudget, OnConflict
from sqlagent.databases.open import open_database

BUDGETS = (MeasureBudget(), MeasureBudget(copy_bytes=0))
Counts = Counter[str]


def others(names: list[str], source: random.Random) -> str:
    """What people do besides rows of their tables."""
    name = quoted(source.choice(names))
    return source.choice(
        (f"DROP TABLE {name}", f"ALTER TABLE {name} ADD COLUMN extra", f"DELETE FROM {name}", "ANALYZE",
         "UPDATE sqlite_sequence SET seq = seq + 10", "DELETE FROM sqlite_sequence", "DELETE FROM sqlite_stat1",
         "UPDATE sqlite_stat1 SET stat = '7 7'", f"INSERT INTO {name} ({name}) VALUES ('optimize')",
         "INSERT INTO f (f) VALUES ('rebuild')", f"INSERT INTO {name} ({name}, rank) VALUES ('pgsz', 64)",
         f"UPDATE {name} SET x = x || 'x'", "DELETE FROM b WHERE a_id NOT IN (SELECT id FROM a)")
    )  # fmt: skip


class Files:
    """One dirty file, and what is tried in it."""

    def __init__(self, folder: Path, schema: str, seed: object) -> None:
        self.schema, self.path = schema, make(folder / "t.db", schema)
        self._source = random.Random(f"{seed} {schema}")
        self._writes = Writes(self.path, f"{seed} {schema}")
        db = opened(self.path)
        for sql in self._writes.fill():
            try:
                db.execute(sql).fetchall()
            except apsw.Error:
                continue
        db.close()
        self._names = sorted(n for n in everything(self.path) if n and not n.startswith("sqlite_") and "_" not in n)
        self.counts: Counts = Counter()

    def statement(self) -> str:
        rows = self._source.random() < 0.7 or not self._names
        return self._writes.statement() if rows else others(self._names, self._source)

    def check(self) -> bool:
        """One write, there and back; whether it was one that the database takes."""
        sql, budget = self.statement(), self._source.choice(BUDGETS)
        db = open_database(str(self.path), name="t", foreign_keys=self._source.random() < 0.7)
        before = everything(self.path)
        try:
            measured = db.measure([sql], budget=budget, heard=None)
            assert everything(self.path) == before, sql
            kept = self._ran(db, sql, measured)
            if kept is None:
                return False
            self.counts[measured.undo.value] += 1
            changed = everything(self.path) != before
            back = not changed or (bool(kept) and self._undone(db, kept[0], measured))
            same = everything(self.path) == before
        finally:
            db.close()
        if measured.undo is Undoable.EXACT:
            assert back, (sql, measured)
            assert same, (self.schema, sql, measured)
        elif changed and same:
            self.counts["could have been"] += 1
        return True

    def _ran(self, db: Database, sql: str, measured: Measurement) -> list[bytes] | None:
        kept: list[bytes] = []
        copy = self.path.with_suffix(".copy")
        copy.unlink(missing_ok=True)
        try:
            db.apply([sql], sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing, expected=measured,
                     keep=kept.append, copy_to=copy if measured.needs_copy else None)  # fmt: skip
        except SqlagentError:
            return None
        return kept

    def _undone(self, db: Database, kept: bytes, measured: Measurement) -> bool:
        copy = self.path.with_suffix(".copy") if measured.needs_copy else None
        plan = db.preview_undo(kept, copy=copy, budget=MeasureBudget(), heard=None)
        if plan.refused or plan.conflicts:
            return False
        try:
            db.apply_undo(kept, copy=copy, on_conflict=OnConflict.REFUSE, limits=LIMITS, mark=None, verify=nothing,
                          reached=nothing, expected=plan.measurement)  # fmt: skip
        except SqlagentError:
            return False
        return True


def tried(folder: Path, seed: object, *, wanted: int) -> Counts:
    """So many writes that ran, over all the schemas."""
    found: Counts = Counter()
    for number, schema in enumerate(SCHEMAS):
        (folder / str(number)).mkdir()
        files = Files(folder / str(number), schema, seed)
        ran = 0
        for _ in range(60 * wanted):
            ran += files.check()
            if ran == wanted:
                break
        found += files.counts
    return found


def test_there_is_dirt_in_every_kind_of_file(tmp_path: Path) -> None:
    """Or the run below would prove nothing."""
    assert len(SCHEMAS) == 60
    db = sqlite3.connect(make(tmp_path / "o.db", "orphans"))
    assert len(db.execute("PRAGMA foreign_key_check").fetchall()) == 2
    db.close()
    db = sqlite3.connect(make(tmp_path / "c.db", "broken checks"))
    assert db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
    db.close()


def test_what_is_called_exact_comes_back_from_dirt(tmp_path: Path) -> None:
    counts = tried(tmp_path, "short", wanted=1)
    assert counts["exact"] > 35, counts


@pytest.mark.long
def test_what_is_called_exact_comes_back_from_dirt_in_a_long_run(tmp_path: Path) -> None:
    counts = tried(tmp_path, "long", wanted=34)
    print(dict(counts))
    assert counts["exact"] + counts["none"] + counts["expected"] >= 1_900, counts
    assert counts["exact"] > 1_200, counts
