"""Statements that try to change, leak or escape while looking harmless, and harmless ones that must not be flagged."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from checkout import FIXTURES

from sqlagent.core.analyze import parse
from sqlagent.core.nouns.analysis import Risk

ATTACKS = FIXTURES / "attacks"
READS = ("READ", "READ*")


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ATTACKS / name).read_text("utf-8").splitlines()]


def _worst(sql: str, dialect: str) -> Risk:
    return max((o.risk for o in parse(sql, dialect)), default=Risk.UNKNOWN)


def _word(sql: str, dialect: str) -> str:
    return max(parse(sql, dialect), key=lambda o: o.risk).word


def _changed(row: dict[str, Any]) -> bool:
    return any(run.get("changed") for run in row["engine"].values() if isinstance(run, dict))


@pytest.mark.parametrize("row", _rows("more.jsonl"), ids=lambda r: r["id"])
def test_an_attack_is_no_read_and_its_look_alike_is_one(row: dict[str, Any]) -> None:
    assert (_word(row["sql"], row["dialect"]) in READS) == (row["expected"] == "read")


@pytest.mark.parametrize("row", [r for r in _rows("more.jsonl") if "denied" in r], ids=lambda r: r["id"])
def test_what_is_denied_is_denied_by_the_id_of_its_rule(row: dict[str, Any]) -> None:
    assert row["denied"] in {o.denied for o in parse(row["sql"], row["dialect"])}


@pytest.mark.parametrize(
    "row", [r for r in _rows("attacks.jsonl") if _changed(r)], ids=lambda r: f"{r['dialect']}-{r['id']}"
)
def test_nothing_that_changed_a_database_is_called_a_read(row: dict[str, Any]) -> None:
    assert _worst(row["sql"], row["dialect"]) is not Risk.READ


def test_there_are_enough_attacks_of_our_own_for_every_dialect() -> None:
    count = Counter(r["dialect"] for r in _rows("more.jsonl") if r["expected"] != "read")
    assert {d: n >= 40 for d, n in count.items()} == dict.fromkeys(("sqlite", "postgres", "mysql", "duckdb"), True)
    assert sum(count.values()) >= 150
