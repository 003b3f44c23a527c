"""What looking before costs: a preview of a million rows against the bare statement, and what a run held to it adds."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import apsw
import pytest
from measure import say

from sqlagent.databases.base import Limits, MeasureBudget
from sqlagent.databases.open import open_database

ROWS = 1_000_000
BUDGET = MeasureBudget(seconds=300, changes_bytes=1_000_000_000)
DELETE, UPDATE = "DELETE FROM customers", "UPDATE orders SET status = 'closed', total = total + 1"

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand customers with a thousand orders each."""
    path = tmp_path_factory.mktemp("effects") / "million.db"
    with apsw.Connection(str(path)) as db:
        db.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT REFERENCES customers ON DELETE CASCADE,"
            " status TEXT, total REAL, note TEXT); CREATE INDEX by_customer ON orders (customer_id)"
        ).fetchall()
        numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?)"
        db.execute(f"{numbers} INSERT INTO customers SELECT x, 'customer ' || x FROM n", (ROWS // 1000,)).fetchall()
        db.execute(
            f"{numbers} INSERT INTO orders SELECT x, 1 + x % {ROWS // 1000}, 'open', x / 4.0, 'a note' FROM n", (ROWS,)
        ).fetchall()
    return path


def in_a_child(work: Callable[[], object]) -> dict[str, float]:
    """What it answers, with the peak of memory that it added to a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        Path("/proc/self/clear_refs").write_text("5")  # the peak before the fork is forgotten
        before = _peak()
        began, cpu = time.monotonic(), time.process_time()
        answer = work()
        figures = {"wall": time.monotonic() - began, "cpu": time.process_time() - cpu, "peak": _peak() - before}
        os.write(writing, json.dumps(figures | (answer if isinstance(answer, dict) else {})).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        found: dict[str, float] = json.loads(answers.read())
    os.waitpid(child, 0)
    return found


def _peak() -> int:
    """Kilobytes that this process has held at most."""
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1])


def bare(path: Path, sql: str) -> Callable[[], None]:
    def work() -> None:
        db = apsw.Connection(str(path))
        db.pragma("foreign_keys", 1)
        db.execute(f"BEGIN; {sql}; ROLLBACK").fetchall()

    return work


def preview(path: Path, sql: str, budget: MeasureBudget) -> Callable[[], dict[str, float]]:
    def work() -> dict[str, float]:
        words: list[float] = []
        db = open_database(str(path), name="million")
        measured = db.measure([sql], budget=budget, heard=lambda _: words.append(time.monotonic()))
        assert measured.is_exact
        quiet = max(b - a for a, b in pairwise(words)) if len(words) > 1 else 0.0
        return {"changes": measured.changes, "size": measured.size, "quiet": quiet}

    return work


@pytest.mark.parametrize("sql", [DELETE, UPDATE])
@pytest.mark.parametrize("how", ["private copy", "rolled back"])
def test_a_preview_of_a_million_rows(million: Path, sql: str, how: str) -> None:
    budget = BUDGET if how == "private copy" else MeasureBudget(300, 1_000_000_000, copy_bytes=0)
    rounds = [(in_a_child(bare(million, sql)), in_a_child(preview(million, sql, budget))) for _ in range(3)]
    for figure in ("cpu", "wall"):
        plain, ours = (statistics.median(r[side][figure] for r in rounds) for side in (0, 1))
        say(f"{sql[:6]}, {how}, {figure}", f"bare {plain:6.3f} s  preview {ours:6.3f} s  ratio {ours / plain:.2f}")
    last = rounds[-1][1]
    size, peak = last["size"], last["peak"] * 1024 - (million.stat().st_size if how == "private copy" else 0)
    say(f"{sql[:6]}, {how}, changes", f"{last['changes']:,.0f} rows, {size / 1e6:.1f} MB")
    say(f"{sql[:6]}, {how}, peak beyond the copy", f"{peak / 1e6:.1f} MB  {peak / size:.2f} x the changes")
    say(f"{sql[:6]}, {how}, longest silence", f"{last['quiet']:.2f} s")
    assert last["changes"] >= ROWS


def test_a_run_of_one_row_held_to_its_preview(million: Path) -> None:
    db = open_database(str(million), name="million")
    statement = ["UPDATE orders SET status = status || 'x' WHERE id = 7"]
    kept: list[bytes] = []

    def run(*, bound: bool) -> float:
        expected = db.measure(statement, budget=BUDGET, heard=None) if bound else None
        began = time.monotonic()
        db.apply(
            statement, sink=sys.stdout, limits=Limits(), mark=None, verify=lambda: None, reached=lambda _: None,  # type: ignore[arg-type] # it returns no rows
            expected=expected, keep=kept.append if bound else None,
        )  # fmt: skip
        return time.monotonic() - began

    plain, bound = ([run(bound=b) for _ in range(9)] for b in (False, True))
    more = statistics.median(bound) - statistics.median(plain)
    say("one row, held to its preview, kept", f"{statistics.median(bound) * 1e3:.2f} ms, {more * 1e3:+.2f} ms")
    began = time.monotonic()
    db.measure(statement, budget=BUDGET, heard=None)
    say(f"preview of one row beside {ROWS:,}", f"{(time.monotonic() - began) * 1e3:.0f} ms")
    assert len(kept) == 9
