"""What trying the undo adds to a preview: at most six tenths, or a few hundredths of a second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import pytest
from measure import say

from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases import sqlite
from sqlagent.databases.base import MeasureBudget
from sqlagent.databases.open import open_database
from sqlagent.databases.sqlite.connection.budget import Meter
from sqlagent.databases.sqlite.effect.measure import Tried
from sqlagent.databases.sqlite.effect.recorder import Change, Recorder
from sqlagent.databases.sqlite.undo.trial import Trial

ROWS = 100_000
MOST = 0.6
FEW = 0.08  # seconds: of a small database, and nobody sees them

pytestmark = pytest.mark.benchmark


class Untried:
    """Takes the place of a trial."""

    def __init__(self, connection: apsw.Connection, _keys: bool, _meter: Meter) -> None:
        self._connection = connection

    def recorder(self, check: Callable[[], object]) -> Recorder:
        return Recorder(self._connection, check=check)

    def outcome(self, _recorder: Recorder, _changes: Sequence[Change]) -> Tried:
        return Tried(Undoable.EXPECTED, "")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trial") / "shop.db"
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?)"
    with apsw.Connection(str(path)) as db:
        db.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT REFERENCES customers ON DELETE CASCADE,"
            " status TEXT, total REAL, note TEXT); CREATE INDEX by_customer ON orders (customer_id);"
            "CREATE VIRTUAL TABLE notes USING fts5(text); CREATE TABLE plain (a, b, c)"
        ).fetchall()
        db.execute(f"{numbers} INSERT INTO customers SELECT x, 'customer ' || x FROM n", (ROWS // 100,)).fetchall()
        orders = f"SELECT x, 1 + x % {ROWS // 100}, 'open', x / 4.0, 'a note' FROM n"
        db.execute(f"{numbers} INSERT INTO orders {orders}", (ROWS,)).fetchall()
        db.execute(f"{numbers} INSERT INTO notes SELECT 'some words about ' || x FROM n", (ROWS // 20,)).fetchall()
        db.execute(f"{numbers} INSERT INTO plain SELECT x, x, 'text' FROM n", (ROWS // 10,)).fetchall()
    return path


@pytest.mark.parametrize("copy_bytes", [0, 200_000_000], ids=["rolled back", "private copy"])
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE orders SET status = 'paid' WHERE id = 7",
        "DELETE FROM orders WHERE id < 1000",
        "UPDATE orders SET status = 'closed', total = total + 1",
        "DELETE FROM customers",
        "INSERT INTO orders SELECT id + 1000000, customer_id, status, total, note FROM orders",
        "UPDATE plain SET b = b + 1",
        "DELETE FROM notes WHERE rowid < 100",
        "ALTER TABLE customers ADD COLUMN seen",
        "DROP TABLE plain",
    ],
)
def test_trying_the_undo(shop: Path, sql: str, copy_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    db = open_database(str(shop), name="shop")
    budget = MeasureBudget(seconds=300, copy_bytes=copy_bytes)

    def preview(of: object) -> float:
        monkeypatch.setattr(sqlite, "Trial", of)
        began = time.process_time()
        measured = db.measure([sql], budget=budget, heard=None)
        assert of is not Trial or measured.undo is Undoable.EXACT, measured.undo_why
        return time.process_time() - began

    rounds = [(preview(Untried), preview(Trial)) for _ in range(7)]
    untried, tried = (statistics.median(r[place] for r in rounds) for place in (0, 1))
    say(f"{sql[:32]}", f"{untried * 1e3:7.1f} ms, tried {tried * 1e3:7.1f} ms  {tried / untried - 1:+.0%}")
    assert tried - untried < max(MOST * untried, FEW)
