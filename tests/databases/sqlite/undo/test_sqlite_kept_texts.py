"""What the state folder keeps is read as if somebody had altered it: an undo runs what a run kept, and nothing else."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec
import pytest
from sqlite_files import LIMITS, Kept, make, nothing

from sqlagent.core.errors import StoreError
from sqlagent.databases.base import MeasureBudget, UndoPlan
from sqlagent.databases.open import open_database
from sqlagent.databases.sqlite.connection.kept_statements import NotWhatItSays, create
from sqlagent.databases.sqlite.connection.open import open_memory
from sqlagent.databases.sqlite.effect.schema_changes import Object
from sqlagent.databases.sqlite.effect.undo_record import _FORMAT, KeptPart
from sqlagent.databases.sqlite.effect.undo_record import Kept as KeptChange

TABLE = "CREATE TABLE t (a, b)"
OTHER = "CREATE TABLE other (x); INSERT INTO other VALUES (1)"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    make(folder / "mine.db", OTHER)
    return folder


def altered(sqls: list[str], outside: Path) -> list[str]:
    return [sql.replace("OUT", str(outside)) for sql in sqls]


NOT_ITS_CREATE = [
    "ATTACH 'OUT/mine.db' AS z",
    "CREATE TABLE t (a, b); ATTACH 'OUT/new.db' AS z",
    "CREATE TABLE t (a, b); DELETE FROM other",
    "DELETE FROM other",
    "VACUUM INTO 'OUT/copy.db'",
    "PRAGMA writable_schema = ON",
    "CREATE TABLE another (a, b)",
    "CREATE TABLE z.t (a, b)",
    "CREATE TEMP TABLE t (a, b)",
    "CREATE VIEW t AS SELECT 1",
    "CREATE TABLE t AS SELECT load_extension('OUT/evil.so') AS a",
    "COMMIT",
    "-- nothing",
]


@pytest.mark.parametrize("sql", NOT_ITS_CREATE)
def test_a_kept_create_that_was_altered_is_refused_and_runs_nothing(sql: str, tmp_path: Path, outside: Path) -> None:
    path = make(tmp_path / "shop.db", OTHER)
    (text,) = altered([sql], outside)
    part = KeptPart(b"", (), (), before=(Object("table", "t", "t", text, 2),), after=())
    kept = KeptChange(_FORMAT, (part,), "before", "after")
    before = {p.name: p.read_bytes() for p in outside.iterdir()}
    db = open_database(str(path), name="x")
    plan: UndoPlan = db.preview_undo(msgspec.msgpack.encode(kept), copy=None, budget=MeasureBudget(), heard=None)
    assert plan.refused
    assert {p.name: p.read_bytes() for p in outside.iterdir()} == before
    assert db.count("SELECT count(*) FROM other", seconds=5).rows == 1


def test_an_object_without_its_create_is_no_record(tmp_path: Path) -> None:
    part = KeptPart(b"", (), (), before=(Object("table", "t", "t", "", 2),), after=())
    kept = msgspec.msgpack.encode(KeptChange(_FORMAT, (part,), "before", "after"))
    db = open_database(str(make(tmp_path / "shop.db", OTHER)), name="x")
    with pytest.raises(StoreError, match="without its CREATE"):
        db.preview_undo(kept, copy=None, budget=MeasureBudget(), heard=None)


@pytest.mark.parametrize(
    ("kind", "name", "sql"),
    [
        ("table", "t", "CREATE TABLE t (a PRIMARY KEY, b UNIQUE)"),
        ("table", "t", 'CREATE TABLE "t" (a INTEGER PRIMARY KEY AUTOINCREMENT)'),
        ("table", "T", "CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID"),
        ("table", "f", "CREATE VIRTUAL TABLE f USING fts5(a)"),
        ("index", "i", "CREATE UNIQUE INDEX i ON other (x) WHERE x > 1"),
        ("view", "v", "CREATE VIEW v AS SELECT x, count(*) FROM other GROUP BY x"),
        ("trigger", "r", "CREATE TRIGGER r AFTER DELETE ON other BEGIN INSERT INTO other VALUES (2); END"),
    ],
)
def test_a_create_makes_its_object(kind: str, name: str, sql: str) -> None:
    connection, _ = open_memory(foreign_keys=True)
    connection.execute(OTHER)
    create(connection, sql, kind=kind, name=name)
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ? COLLATE NOCASE", (name,)).get
    assert found == 1


def test_a_private_copy_attaches_nothing(outside: Path) -> None:
    connection, _ = open_memory(foreign_keys=True)
    with pytest.raises(apsw.SQLError, match="too many attached databases"):
        connection.execute(f"ATTACH '{outside}/mine.db' AS z")
    with pytest.raises(NotWhatItSays):
        create(connection, f"ATTACH '{outside}/mine.db' AS z", kind="table", name="z")


ALTERED_COPIES = [
    "UPDATE catalog SET columns = columns || ') SELECT * FROM other --'",
    "UPDATE catalog SET stored = '(SELECT 1 AS a, 2 AS b, 3 AS c)'",
    "UPDATE catalog SET stored = 'other'",
    "DROP TABLE catalog; CREATE VIEW catalog AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) "
    "SELECT x, x, x, x, x FROM n",
    'ALTER TABLE "rows 1" RENAME TO old; CREATE VIEW "rows 1" AS SELECT * FROM old, old',
]


@pytest.mark.parametrize("script", ALTERED_COPIES)
def test_a_kept_copy_that_was_altered_is_not_put_back(script: str, tmp_path: Path) -> None:
    path = make(tmp_path / "shop.db", f"{TABLE}; INSERT INTO t VALUES (1, 2); {OTHER}")
    copy = tmp_path / "k7f3.1.db"
    db = open_database(str(path), name="x")
    kept: list[bytes] = []
    expected = db.measure(["DROP TABLE t"], budget=MeasureBudget(), heard=None)
    db.apply(
        ["DROP TABLE t"], sink=Kept(), limits=LIMITS, mark=None, verify=nothing, reached=nothing, expected=expected,
        keep=kept.append, copy_to=copy,
    )  # fmt: skip
    altering = apsw.Connection(str(copy))
    altering.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    altering.execute(script).fetchall()
    altering.close()
    with pytest.raises(StoreError, match="copy of what is lost"):
        db.preview_undo(kept[0], copy=copy, budget=MeasureBudget(), heard=None)
