"""What a preview on PostgreSQL costs beside its statement, and `ask` to its prompt beside SQLite on the same shop."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import psycopg
import pytest
from cli_shop import SHOP
from measure import measure as processes
from measure import say
from openai_server import OpenAIServer
from postgres_server import Pg

from sqlagent.core.nouns.effect import Undoable
from sqlagent.databases.base import MeasureBudget
from sqlagent.databases.postgres.connection.address import Address
from sqlagent.databases.postgres.connection.open import connect
from sqlagent.databases.postgres.effect.measure import Tried, measure
from sqlagent.databases.postgres.effect.reading import Reader, State
from sqlagent.databases.postgres.effect.two_sessions import Pair
from sqlagent.databases.postgres.undo.taking_back import tried

ROWS = 1_000_000
BUDGET = MeasureBudget(seconds=600, changes_bytes=4_000_000_000, rows=10 * ROWS, scan_bytes=10**12)
MANY = """
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, state text NOT NULL, total numeric(10,2));
INSERT INTO orders SELECT g, g % 1000, 'open', g FROM generate_series(1, 1000000) g;
"""
POSTGRES_SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, country text);
INSERT INTO customers VALUES (1, 'Ana', 'DE'), (2, 'Ben', 'FR'), (3, 'Zoë', NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers (id), status text, total numeric);
INSERT INTO orders SELECT g, g % 3 + 1, CASE WHEN g % 4 > 0 THEN 'paid' ELSE 'pending' END, g * 10
  FROM generate_series(1, 40) g;
CREATE TABLE odd (id int PRIMARY KEY, value text);
INSERT INTO odd VALUES (1, NULL), (2, 'x'), (3, '9223372036854775807'), (4, '0.1'), (5, 'naïve'), (6, '');
"""
"""The shop of the command line's tests."""

pytestmark = pytest.mark.benchmark


def untried(_pair: Pair, _reader: Reader, _state: State) -> tuple[Undoable, str]:
    """Takes the place of trying the undo."""
    return Undoable.EXPECTED, ""


@pytest.fixture(scope="module")
def many(pg_shared: Callable[[str], Pg]) -> Pg:
    made = pg_shared(MANY)
    made.run("VACUUM ANALYZE")
    return made


@pytest.mark.parametrize(("changed", "rounds"), [(1_000, 5), (100_000, 3), (1_000_000, 1)])
def test_a_preview_beside_its_bare_statement(many: Pg, changed: int, rounds: int) -> None:
    sql = f"UPDATE orders SET total = total + 1 WHERE id <= {changed}"
    address = Address.of(many.url)

    def bare() -> float:
        with psycopg.connect(many.url) as session:
            began = time.perf_counter()
            session.execute(sql.encode())
            session.rollback()
            return time.perf_counter() - began

    def preview(way: Tried) -> float:
        began = time.perf_counter()
        measured = measure(lambda: connect(address), [sql], budget=BUDGET, heard=None, tried=way)
        assert measured.changes == changed, measured.how
        return time.perf_counter() - began

    taken: list[Sequence[float]] = []
    for _ in range(rounds):
        taken.append((bare(), preview(untried), preview(tried)))
        many.run("VACUUM orders")
    once, without, with_undo = (statistics.median(column) for column in zip(*taken, strict=True))
    say(
        f"preview of {changed:,} of {ROWS:,} rows",
        f"bare {once:7.3f} s   preview {without / once:5.1f} x   with the undo tried {with_undo / once:5.1f} x"
        f"   load {os.getloadavg()[0]:.0f}",
    )


def test_from_ask_to_the_prompt_beside_sqlite(
    tmp_path: Path, pg_of: Callable[[str], Pg], openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop.db"
    with apsw.Connection(str(path)) as file:
        file.execute(SHOP)
    file.close()
    monkeypatch.chdir(tmp_path)
    openai_server.script.append("UPDATE orders SET status = 'paid' WHERE id = 4")
    figures = {}
    for engine, url in (("SQLite", str(path)), ("PostgreSQL", pg_of(POSTGRES_SHOP).url)):
        command = [sys.executable, "-m", "sqlagent", "ask", "order 4 is paid", "--db", url, "--json"]
        figures[engine] = processes(command, {**os.environ, **openai_server.env()}, code=8)
        say(f"ask, up to the prompt, {engine}", figures[engine])
    say("PostgreSQL beside SQLite", f"{figures['PostgreSQL'].wall / figures['SQLite'].wall:.2f} x in wall time")
