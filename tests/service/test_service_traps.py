"""SQL that runs and means something else than it seems to: each trap is named within the first screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT

from sqlagent import config
from sqlagent.core.nouns.session import Proposal
from sqlagent.core.text.titles import cut_at_word, title_of
from sqlagent.service import Agent
from sqlagent.ui.human import numbered, review
from sqlagent.ui.layout import Role

ROWS, COLUMNS = 24, 80


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Agent]:
    shutil.copy(ROOT / "sample.db", tmp_path / "shop.db")
    flags = {"database": str(tmp_path / "shop.db"), "state_dir": str(tmp_path / "state")}
    with Agent(config.load(flags, {}, tmp_path)) as agent:
        yield agent


def proposed(shop: Agent, sql: str) -> Proposal:
    proposal = shop.run(sql, title=title_of(sql, most=100)).proposal
    assert proposal is not None
    return proposal


TRAPS = {
    """SELECT * FROM orders WHERE "statu" = 'paid'""": "[no-such-column]",
    """DELETE FROM reviews WHERE rating = 1 AND "bdoy" = 'bad'""": "[no-such-column]",
    """SELECT name FROM customers WHERE country = "DE\"""": "[no-such-column]",
    "DELETE FROM reviews WHERE rating IN (SELECT rating FROM shipments)": "[outer-column]",
    "SELECT name FROM customers WHERE segment IN (SELECT segment FROM orders)": "[outer-column]",
    "SELECT name FROM products WHERE price > (SELECT price FROM order_items LIMIT 1)": "[outer-column]",
    "UPDATE orders SET note = r.method FROM payments r WHERE r.order_id < 9 AND orders.id < r.order_id + 3":
        "[several-matches]",
    "UPDATE orders SET note = p.name FROM order_items i JOIN products p ON p.id = i.product_id "
    "WHERE i.order_id = orders.id AND orders.id < 20": "[several-matches]",
    "SELECT count(*) FROM orders, customers WHERE total > 100": "[cartesian-join]",
    "UPDATE products SET stock = 0 FROM suppliers s WHERE products.id = 3": "[cartesian-join]",
    "DELETE FROM reviews WHERE body = NULL": "[equals-null]",
    "/* read-only */ UPDATE customers SET newsletter = 1 WHERE id < 5": "[comment-contradicted]",
    "UPDATE customers SET newsletter = 1 WHERE id < 5 -- touches one row": "[comment-contradicted]",
    "UPDATE products SET stock = 1 WHERE id = 3;\nDELETE FROM reviews WHERE id = 11;\n"
    "INSERT INTO suppliers (id, name, country)\nVALUES (1, 'x', 'NO')": "at statement 3, line 3: UNIQUE",
}  # fmt: skip


@pytest.mark.parametrize(("sql", "named"), TRAPS.items())
def test_a_trap_is_named_within_the_first_screen(shop: Agent, sql: str, named: str) -> None:
    screen = str(review(proposed(shop, sql), columns=COLUMNS)).split("\n")
    assert named in " ".join(" ".join(screen[:ROWS]).split())
    assert max(map(len, screen)) <= COLUMNS


HONEST = [
    "SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders)",
    "SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM orders WHERE customer_id = c.id)",
    "UPDATE orders SET note = s.carrier FROM shipments s WHERE s.order_id = orders.id AND s.id = 5",
    """SELECT "name" FROM customers WHERE "country" = 'DE'""",
    "-- updates 4 rows\nUPDATE customers SET newsletter = 1 WHERE id < 5",
    "DELETE FROM reviews WHERE rating = (SELECT min(rating) FROM reviews WHERE id < 4) AND id < 4",
]


@pytest.mark.parametrize("sql", HONEST)
def test_what_is_no_trap_is_not_named(shop: Agent, sql: str) -> None:
    found = {f.rule for s in proposed(shop, sql).analysis.statements for f in s.findings}
    assert not found & {mark.strip("[]") for mark in TRAPS.values()}


def test_a_comment_is_dimmed_and_in_no_title() -> None:
    sql = "/* safe: reads only */ DELETE FROM reviews -- all of them\n WHERE id = '--no comment'"
    assert title_of(sql, most=100) == "DELETE FROM reviews WHERE id = '--no comment'"
    faint = "".join(s.text for line in numbered(sql, columns=60) for s in line[1:] if s.role is Role.FAINT)
    assert faint == "/* safe: reads only */-- all of them"
    assert "".join(s.text for line in numbered(sql, columns=60) for s in line[1:]) == sql.replace("\n", "")


def test_a_title_ends_at_a_word() -> None:
    assert cut_at_word("UPDATE customers SET newsletter = 1", 24) == "UPDATE customers SET..."
    assert cut_at_word("UPDATE customers", 24) == "UPDATE customers"
    assert cut_at_word("x" * 40, 24) == "x" * 21 + "..."
