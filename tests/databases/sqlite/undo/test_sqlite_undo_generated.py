"""Scripts of rows and shapes made at random: an undo is the way back, and an undo of that the way there again."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import apsw
import pytest
from generated_writes import SCHEMAS, Writes, content_of, quoted, run_bare, without_numbers
from sqlite_files import LIMITS, Kept, ask, make, nothing

from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases.base import Database, MeasureBudget, OnConflict
from sqlagent.databases.open import open_database

BUDGET = MeasureBudget()
_LISTED = """
SELECT name FROM pragma_table_list
 WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"""


def shaping(path: Path, source: random.Random) -> str:
    """A statement that changes what there is; some of them fail."""
    table = source.choice([str(name) for (name,) in ask(path, _LISTED)])
    columns = [str(name) for (name,) in ask(path, f"SELECT name FROM pragma_table_info({quoted(table)})")]
    t, c = quoted(table), quoted(source.choice(columns))
    return source.choice(
        (f"DROP TABLE {t}", f"ALTER TABLE {t} ADD COLUMN extra DEFAULT 3", f"ALTER TABLE {t} DROP COLUMN {c}",
         f"ALTER TABLE {t} RENAME COLUMN {c} TO other", f"ALTER TABLE {t} RENAME TO renamed",
         f"CREATE INDEX made_index ON {t} ({c})", f"CREATE TABLE copied AS SELECT * FROM {t}",
         "CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, x)", f"CREATE VIEW made_view AS SELECT * FROM {t}",
         f"CREATE TRIGGER made AFTER INSERT ON {t} BEGIN DELETE FROM {t} WHERE {c} = 1; END",
         "INSERT INTO auto (x) VALUES (1), (2)", "INSERT INTO copied SELECT * FROM copied")
    )  # fmt: skip


def state(path: Path) -> Any:
    """Every object and row that is somebody's; how a module keeps its own is not."""
    shadows = {name for (name,) in ask(path, "SELECT name FROM pragma_table_list WHERE type = 'shadow'")}
    objects = ask(path, "SELECT name, type, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    try:
        rows = without_numbers(content_of(path))
    except apsw.SQLError:  # an index of full text whose table is gone
        rows = {}
    return sorted(o for o in objects if o[0] not in shadows), rows


def there_and_back(folder: Path, seed: int) -> bool:
    """Whether the script of this seed could run, and changed something that can be undone."""
    source = random.Random(seed)
    path = make(folder / f"{seed}.db", SCHEMAS[source.choice([*SCHEMAS])])
    writes = Writes(path, seed)
    for sql in writes.fill():
        run_bare(path, sql)
    parts = [
        writes.statement() if source.random() < 0.4 else shaping(path, source) for _ in range(source.randint(1, 4))
    ]
    db = open_database(str(path), name="t", foreign_keys=source.random() < 0.6)
    try:
        return _there_and_back(db, path, parts)
    finally:
        db.close()


def _there_and_back(db: Database, path: Path, script: list[str]) -> bool:
    before, measured = state(path), db.measure(script, budget=BUDGET, heard=None)
    if not measured.is_exact or measured.undo is not Undoable.EXACT:
        return False
    kept: list[bytes] = []
    copy = path.with_suffix(".copy0") if measured.needs_copy else None
    db.apply(script, sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing, expected=measured,
             keep=kept.append, copy_to=copy)  # fmt: skip
    after = state(path)
    for times in range(1, 4 if kept else 0):
        plan = db.preview_undo(kept[-1], copy=copy, budget=BUDGET, heard=None)
        assert (plan.refused, plan.conflicts, plan.measurement.undo) == ("", (), Undoable.EXACT), script
        new = path.with_suffix(f".copy{times}") if plan.measurement.needs_copy else None
        db.apply_undo(kept[-1], copy=copy, on_conflict=OnConflict.REFUSE, limits=LIMITS, mark=None, verify=nothing,
                      reached=nothing, expected=plan.measurement, keep=kept.append, copy_to=new)  # fmt: skip
        copy = new
        assert state(path) == (before if times % 2 else after), (script, times)
        assert ask(path, "PRAGMA integrity_check") == [("ok",)]
        assert len(kept) == times + 1, script
    return bool(kept)


def test_any_script_that_says_so_is_undone_and_that_too(tmp_path: Path) -> None:
    assert sum(there_and_back(tmp_path, seed) for seed in range(60)) > 15


@pytest.mark.long
def test_any_script_that_says_so_is_undone_in_a_long_run(tmp_path: Path) -> None:
    assert sum(there_and_back(tmp_path, seed) for seed in range(1000, 4000)) > 800
