"""Real SQLite files for the tests of the adapter, and what to compare them by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw

from sqlagent.core.nouns.analysis import EngineOpinion
from sqlagent.core.nouns.session import Outcome
from sqlagent.databases.base import Database, Limits, Mark
from sqlagent.databases.open import open_database

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT, api_token TEXT);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  status TEXT CHECK (status <> ''), total NUMERIC, twice NUMERIC GENERATED ALWAYS AS (total * 2));
CREATE TABLE shipments (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders ON DELETE SET NULL);
CREATE TABLE audit_log (id INTEGER PRIMARY KEY, what TEXT);
CREATE VIEW german AS SELECT * FROM customers WHERE country = 'Germany';
CREATE TRIGGER german_edit INSTEAD OF UPDATE ON german
  BEGIN UPDATE customers SET name = NEW.name WHERE id = OLD.id; END;
CREATE TRIGGER trg_cancel AFTER UPDATE OF status ON orders WHEN NEW.status = 'cancelled'
  BEGIN DELETE FROM shipments WHERE order_id = NEW.id; INSERT INTO audit_log (what) VALUES ('cancelled'); END;
INSERT INTO customers VALUES (1, 'Ana', 'Germany', 't0k3n'), (2, 'Ben', 'France', NULL), (3, 'Eva', 'Germany', NULL);
INSERT INTO orders (id, customer_id, status, total)
  VALUES (1, 1, 'pending', 10), (2, 1, 'paid', 20), (3, 2, 'pending', 5);
INSERT INTO shipments VALUES (1, 1), (2, 2), (3, 3);
"""
LIMITS = Limits()
MARK = Mark("k7f3.1", "2026-03-30T10:04:00.000+00:00", "d1")
"""In the database itself."""


def make(path: Path, script: str = SHOP) -> Path:
    db = apsw.Connection(str(path))
    db.pragma("synchronous", 0)
    db.execute(script).fetchall()
    db.close()
    return path


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query, on a connection of the test's own."""
    db = apsw.Connection(str(path))
    try:
        return list(db.execute(sql).fetchall())
    finally:
        db.close()


def dump(path: Path) -> dict[str, Any]:
    names = [name for (name,) in ask(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    schema = ask(path, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2")
    return {"": schema, **{name: ask(path, f'SELECT * FROM "{name}"') for name in names}}


def folder(path: Path) -> dict[str, str]:
    """Every file below it, by the hash of its bytes."""
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(path.rglob("*")) if f.is_file()}


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.columns: list[tuple[str, ...]] = []
        self.rows: list[tuple[Any, ...]] = []

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        before = len(self.rows)
        self.columns.append(tuple(columns))
        self.rows.extend(rows)
        return len(self.rows) - before


def read(db: Database, sql: str, *, limits: Limits = LIMITS) -> list[tuple[Any, ...]]:
    sink = Kept()
    db.read(sql, sink=sink, limits=limits)
    return sink.rows


def nothing(*_: object) -> None:
    """For `verify` and `reached`, where a test does not care."""


def run(
    db: Database,
    *statements: str,
    sink: Kept | None = None,
    limits: Limits = LIMITS,
    mark: Mark | None = None,
) -> Outcome:
    return db.apply(statements, sink=sink or Kept(), limits=limits, mark=mark, verify=nothing, reached=nothing)


def opinion(path: Path, sql: str, *, foreign_keys: bool = True) -> EngineOpinion:
    db = open_database(str(path), name="test", foreign_keys=foreign_keys)
    try:
        return db.inspect([sql])[0]
    finally:
        db.close()


def beside(folder: Path) -> Mark:
    """The same in a file of its own."""
    return replace(MARK, beside=folder / "mark.db")


def says(mark: Mark) -> str:
    """What the file of a mark says: `begun`, `done`, or nothing where there is none."""
    if mark.beside is None or not mark.beside.exists():
        return ""
    return {"": "begun", mark.at: "done"}[ask(mark.beside, "SELECT at FROM sqlagent_runs")[0][0]]
