"""Risk that means something: what asks for a table's name, over writes that people make every week."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from checkout import ROOT

from sqlagent import config
from sqlagent.cli.topics import topic
from sqlagent.core.analyze import pieces
from sqlagent.core.nouns.analysis import Analysis, Risk
from sqlagent.service import Agent

WRITES = [piece.sql for piece in pieces((ROOT / "fixtures" / "ordinary_writes.sql").read_text("utf-8"), "sqlite")]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Agent]:
    shutil.copy(ROOT / "sample.db", tmp_path / "shop.db")
    with agent_of(tmp_path) as agent:
        yield agent


def agent_of(folder: Path) -> Agent:
    return Agent(config.load({"database": str(folder / "shop.db"), "state_dir": str(folder / "state")}, {}, folder))


def rules_of(analysis: Analysis) -> list[str]:
    return [finding.rule for statement in analysis.statements for finding in statement.findings]


def test_of_thirty_ordinary_writes_those_ask_for_a_name_that_reach_other_tables(shop: Agent) -> None:
    risks = [shop.weigh(sql).analysis.risk for sql in WRITES]
    severe = [sql.partition(" WHERE")[0] for sql, risk in zip(WRITES, risks, strict=True) if risk >= Risk.SEVERE]
    assert len(WRITES) == 30
    assert severe == SEVERE
    told = re.search(r"of (\w+) ordinary writes.* (\d+) ask", " ".join(topic("risk").split()))
    assert told is not None
    assert int(told[2]) == len(severe)


SEVERE = [
    "UPDATE orders SET status = 'cancelled', cancelled_at = '2026-11-30'",
    "DELETE FROM addresses",
    "DELETE FROM orders",
]
"""Shipments go with a cancelled order; items, payments and shipments with a deleted one; orders lose an address."""


@pytest.mark.parametrize("sql", ["UPDATE products SET price = 12.5 WHERE id = 3", *WRITES[1:2]])
def test_a_price_that_is_logged_takes_one_key(shop: Agent, sql: str) -> None:
    weighed = shop.weigh(sql)
    assert weighed.analysis.risk is Risk.WRITE
    assert "audit-append" in rules_of(weighed.analysis)


LOGS_MUCH = """CREATE TRIGGER wide AFTER UPDATE OF cost ON products BEGIN
    INSERT INTO audit_log (action, table_name) SELECT 'seen', name FROM products; END"""
CLEARS = """CREATE TRIGGER clear AFTER UPDATE OF cost ON products BEGIN
    DELETE FROM audit_log WHERE id < 10; INSERT INTO audit_log (action, table_name) VALUES ('cleared', 'x'); END"""
PAYS = """CREATE TRIGGER pays AFTER UPDATE OF cost ON products BEGIN
    INSERT INTO payments (order_id, method, amount, paid_at) VALUES (1, 'card', 1, '2026-01-01'); END"""


@pytest.mark.parametrize("trigger", [LOGS_MUCH, CLEARS, PAYS])
def test_a_trigger_that_does_more_than_keep_a_record_asks_for_the_name(
    shop: Agent, tmp_path: Path, trigger: str
) -> None:
    connection = apsw.Connection(str(tmp_path / "shop.db"))
    connection.execute(trigger).fetchall()
    connection.close()
    weighed = shop.weigh("UPDATE products SET cost = 1 WHERE id = 3")
    assert weighed.analysis.risk is Risk.SEVERE
    assert "hidden-write" in rules_of(weighed.analysis)


MANY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO audit_log (action, table_name, detail) " + MANY.format(20) + "SELECT 'a', 'b', i FROM n",
        "UPDATE products SET cost = 1 WHERE id = 3",
        "DELETE FROM reviews WHERE id = 11",
    ],
)
def test_a_change_that_was_not_measured_is_severe_whatever_its_verb(
    shop: Agent, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlagent.databases.base import MeasureBudget
    from sqlagent.service import parts

    monkeypatch.setattr(parts, "MeasureBudget", lambda **_: MeasureBudget(changes_bytes=1))
    weighed = shop.weigh(sql)
    assert weighed.facts.measurement is not None
    assert not weighed.facts.measurement.is_exact
    assert weighed.analysis.risk is Risk.SEVERE
    assert "not-measured" in rules_of(weighed.analysis)


def test_what_would_fail_says_at_which_statement_and_shows_what_came_before(shop: Agent) -> None:
    script = """UPDATE products SET stock = 1 WHERE id = 3;
DELETE FROM reviews WHERE id = 11;

INSERT INTO suppliers (id, name, country)
VALUES (1, 'Twice', 'NO');
DELETE FROM reviews WHERE id = 12"""
    weighed = shop.weigh(script)
    assert weighed.facts.measurement is not None
    assert weighed.facts.measurement.how.startswith("it would fail at statement 3, line 4: UNIQUE constraint failed")
    assert [s.operations[0].size.rows for s in weighed.analysis.statements[:2]] == [1, 1]
    assert weighed.analysis.risk is Risk.WRITE


def test_one_statement_that_would_fail_needs_no_number(shop: Agent) -> None:
    measurement = shop.weigh("INSERT INTO suppliers (id, name, country) VALUES (1, 'Twice', 'NO')").facts.measurement
    assert measurement is not None
    assert measurement.how.startswith("it would fail: UNIQUE constraint failed")
