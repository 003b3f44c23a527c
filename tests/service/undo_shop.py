"""A shop of orders with triggers, cascades and a clock, for tests that change it and take the change back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sqlagent import config
from sqlagent.core.nouns.session import Report, Status
from sqlagent.service import Agent

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, total NUMERIC);
CREATE TABLE log (what TEXT);
CREATE VIEW rich AS SELECT customer FROM orders GROUP BY customer HAVING sum(total) > 20;
CREATE INDEX orders_by_total ON orders (total);
CREATE TRIGGER renamed AFTER UPDATE ON customers BEGIN INSERT INTO log VALUES (old.name); END;
CREATE TRIGGER sold AFTER INSERT ON orders BEGIN INSERT INTO log VALUES ('sold'); END;
INSERT INTO customers VALUES (1, 'Ana'), (2, 'Ben'), (3, 'Zoë');
INSERT INTO orders VALUES (1, 1, 10), (2, 1, 20.5), (3, 2, NULL);
"""
START = datetime(2026, 3, 30, 10, 0, tzinfo=UTC)


class Shop:
    """A database, an agent of its own, and a clock that stands where it is put."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.db"
        self.state = folder / "state"
        self.now = START
        self.execute(SHOP)
        self.agent = self.agent_with()

    def agent_with(self, **flags: Any) -> Agent:
        flags = {"database": str(self.path), "state_dir": str(self.state), **flags}
        return Agent(config.load(flags, {}, self.path.parent), now=lambda: self.now)

    def execute(self, script: str) -> None:
        connection = sqlite3.connect(self.path)
        connection.executescript(script)
        connection.close()

    def execute_sorting(self, script: str) -> None:
        """As a program does that has an order of its own."""
        connection = sqlite3.connect(self.path)
        connection.create_collation("LOCALIZED", lambda a, b: (a > b) - (a < b))
        connection.executescript(script)
        connection.close()

    def content(self) -> set[str]:
        """Every row and every object; SQLite lists objects in the order of their making, which is nothing to keep."""
        connection = sqlite3.connect(self.path)
        dump = set(connection.iterdump())
        connection.close()
        return dump

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path)
        found = connection.execute(sql).fetchall()
        connection.close()
        return found

    def ran(self, sql: str) -> Report:
        return self.approved(self.agent.run(sql))

    def undone(self, thread: str) -> Report:
        return self.approved(self.agent.undo(thread))

    def approved(self, asked: Report) -> Report:
        assert asked.status is Status.PENDING, asked.message
        assert asked.proposal is not None
        done = self.agent.approve(asked.thread, asked.proposal.digest)
        assert done.status is Status.EXECUTED, done.message
        return done


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    opened = Shop(tmp_path)
    yield opened
    opened.agent.close()


def findings(report: Report) -> list[str]:
    assert report.proposal is not None
    return [f.message for s in report.proposal.analysis.statements for f in s.findings]
