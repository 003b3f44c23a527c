"""What the text and SQLite together say: what only adds takes nothing away, and reads are the statement's own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sqlagent.core.analyze import judge, parse
from sqlagent.core.nouns.analysis import Risk, Size, Statement
from sqlagent.databases.open import open_database

SCHEMA = """
CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER REFERENCES parent (id) ON DELETE CASCADE);
CREATE TABLE pet (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES parent (id));
CREATE TABLE log (was TEXT);
CREATE TABLE gone (id INTEGER);
CREATE VIEW named AS SELECT id, name FROM parent;
CREATE INDEX by_parent ON child (parent);
CREATE TRIGGER noted AFTER DELETE ON child BEGIN INSERT INTO log SELECT name FROM gone JOIN parent; END;
INSERT INTO parent (name) VALUES ('a'); INSERT INTO child (parent) VALUES (1); ANALYZE;
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verdicts") / "keys.db"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    connection.close()
    return path


def verdict(path: Path, sql: str) -> Statement:
    database = open_database(str(path), name="keys")
    (syntax,), (engine,) = parse(sql, "sqlite"), database.inspect([sql])
    database.close()
    return judge(1, syntax, engine, Size())


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a REFERENCES parent (id))",
        "CREATE TABLE IF NOT EXISTS t (a)",
        "CREATE TABLE t AS SELECT * FROM named",
        "CREATE TEMP TABLE t (a)",
        "CREATE VIEW v AS SELECT name FROM named",
        "CREATE INDEX i ON parent (name)",
        "CREATE UNIQUE INDEX i ON parent (name) WHERE id > 1",
    ],
)
def test_what_is_only_added_is_a_write(path: Path, sql: str) -> None:
    found = verdict(path, sql)
    assert (found.risk, found.opinions) == (Risk.WRITE, {"syntax": "WRITE", "engine": "WRITE"})


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER g AFTER INSERT ON parent BEGIN DELETE FROM child; END",
        "CREATE TEMP TRIGGER g AFTER INSERT ON parent BEGIN DELETE FROM child; END",
        "CREATE VIRTUAL TABLE f USING fts5(a)",
        "ALTER TABLE parent ADD COLUMN born",
        "DROP VIEW named",
        "DROP INDEX by_parent",
        "DROP TABLE gone",
    ],
)
def test_what_changes_the_meaning_of_others_or_takes_away_is_severe(path: Path, sql: str) -> None:
    assert verdict(path, sql).risk is Risk.SEVERE


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("DELETE FROM parent WHERE id = 1", {"parent"}),
        ("DELETE FROM child WHERE id = 1", {"child"}),
        ("DELETE FROM child WHERE parent = 1", {"child"}),
        ("DELETE FROM pet WHERE owner IN (SELECT id FROM named)", {"pet", "named", "parent"}),
        ("DELETE FROM pet WHERE owner IN gone", {"pet", "gone"}),
        ("UPDATE parent SET id = 2 WHERE id = 1", {"parent"}),
        ("INSERT INTO child (parent) VALUES (1)", set()),
        ("INSERT INTO pet SELECT id, id FROM parent", {"parent"}),
        ("DROP TABLE parent", set()),
        ("DROP TABLE child", set()),
        ("DROP INDEX by_parent", set()),
        ("ALTER TABLE parent RENAME TO elders", set()),
        ("CREATE TABLE t AS SELECT * FROM named", {"named", "parent"}),
        ("SELECT name FROM named", {"named", "parent"}),
        ("SELECT name FROM sqlite_schema", {"sqlite_master"}),
    ],
)
def test_only_what_the_statement_and_its_views_read_is_shown(path: Path, sql: str, reads: set[str]) -> None:
    found = verdict(path, sql)
    assert {name.replace("sqlite_schema", "sqlite_master") for name in found.reads} == reads
    assert "opinions-differ" not in [f.rule for f in found.findings]


def test_what_triggers_and_keys_do_is_still_told_with_its_cause(path: Path) -> None:
    found = verdict(path, "DELETE FROM parent WHERE id = 1")
    assert {(o.target, o.via) for o in found.operations} == {
        ("parent", ""),
        ("child", "foreign key of parent"),
        ("log", "trigger noted"),
    }
