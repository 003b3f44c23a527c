"""NULL is no word: before a decision and in JSON it is told from the text, and what was not there has no key."""

from __future__ import annotations

from typing import Any

import pytest
from cli_shop import Shop

from sqlagent.store.journal import Journal
from sqlagent.ui.effects import sample_lines
from sqlagent.ui.layout import Block

TABLE = "CREATE TABLE mixed (id INTEGER PRIMARY KEY, v); INSERT INTO mixed VALUES "
VALUES: dict[str, tuple[Any, str]] = {
    "NULL": (None, "NULL"),
    "'NULL'": ("NULL", "'NULL'"),
    "''": ("", "''"),
    "x'00ff'": ({"$blob": "00ff"}, "x'00ff'"),
    "5": (5, "5"),
    "'5'": ("5", "'5'"),
    "0.5": (0.5, "0.5"),
    "9e999": ({"$number": "inf"}, "inf"),
    "'inf'": ("inf", "'inf'"),
    "9223372036854775807": (2**63 - 1, "9223372036854775807"),
}


def sample(shop: Shop, sql: str) -> tuple[dict[str, Any], str]:
    """The one sampled row of what a statement would do, as JSON, and as it is shown of the record."""
    asked = shop.run("run", "--sql", sql, "--json")
    (found,) = asked.document["measurement"]["effects"][0]["samples"]
    kept = Journal(shop.state / "journal.db").proposal(asked.document["proposal"]).measurement
    assert kept is not None
    return found, str(Block(tuple(sample_lines(kept, columns=80))))


@pytest.mark.parametrize("literal", VALUES)
def test_a_value_is_told_from_every_other_before_it_is_approved(shop: Shop, literal: str) -> None:
    value, words = VALUES[literal]
    shop.write(f"{TABLE} (1, {literal})")
    found, screen = sample(shop, "UPDATE mixed SET v = 'new' WHERE id = 1")
    assert found["key"] == [["id", 1]]
    assert found["cells"] == [{"column": "v", "before": value, "after": "new"}]
    assert f"v  {words} -> new" in screen


def test_what_is_not_there_has_no_key_and_null_is_a_value(shop: Shop) -> None:
    shop.write(f"{TABLE} (1, NULL)")
    deleted, gone = sample(shop, "DELETE FROM mixed WHERE id = 1")
    assert {"column": "v", "before": None} in deleted["cells"]
    assert "v NULL" in gone
    inserted, came = sample(shop, "INSERT INTO mixed VALUES (2, NULL)")
    assert {"column": "v", "after": None} in inserted["cells"]
    assert "v NULL" in came
