"""Tens of thousands of statements that engines labelled themselves: a long run, where that data lies nearby."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from typing import Any

import pytest
from checkout import ROOT

from sqlagent.core.analyze import parse
from sqlagent.core.functions import functions
from sqlagent.core.nouns.analysis import Risk

DATA = ROOT.parent / "shared" / "measure" / "dev"
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not DATA.exists(), reason="the labelled statements are third-party and not part of the project"),
]


def rows(name: str) -> list[dict[str, Any]]:
    with lzma.open(DATA / f"{name}.jsonl.xz", "rt") as lines:
        return [json.loads(line) for line in lines]


def called_read(row: dict[str, Any], dialect: str) -> bool:
    return max((o.risk for o in parse(row["sql"], dialect)), default=Risk.UNKNOWN) is Risk.READ


def called_read_if(row: dict[str, Any], dialect: str) -> bool:
    """READ, or READ*: a read that only a database can vouch for."""
    return all(o.word in ("READ", "READ*") for o in parse(row["sql"], dialect))


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_no_labelled_statement_that_mutates_is_called_a_read(dialect: str) -> None:
    assert [r["sql"] for r in rows(dialect) if r["mutates"] and called_read(r, dialect)] == []


def test_what_a_database_may_still_call_a_read_is_no_labelled_statement_that_mutates() -> None:
    assert [r["sql"] for r in rows("postgres") if r["mutates"] and called_read_if(r, "postgres")] == []


def test_no_labelled_attack_is_called_a_read() -> None:
    attacks = [r for r in rows("attacks") if r["expected"] != "read"]
    assert [r["sql"] for r in attacks if called_read(r, r["dialect"])] == []


def test_at_least_98_percent_of_sqlites_own_reads_are_called_reads() -> None:
    reads = Counter(called_read(r, "sqlite") for r in rows("sqlite") if r["label"] == "read")
    assert reads[True] >= 0.98 * reads.total()


def test_at_least_95_percent_of_postgres_reads_with_built_in_parts_wait_for_a_word_of_the_database_only() -> None:
    listed = functions("postgres")
    built_in = [r for r in rows("postgres") if r["label"] == "read" and _only(r["tree"]["functions"], listed)]
    own_types = [r for r in built_in if any("not built in" in o.why for o in parse(r["sql"], "postgres"))]
    reads = Counter(called_read_if(r, "postgres") for r in built_in if r not in own_types)
    assert reads[True] >= 0.95 * reads.total()


def _only(names: list[str], listed: Any) -> bool:
    return all(name.rsplit(".", 1)[-1].lower() in listed for name in names)


def test_tables_that_the_text_names_are_those_that_sqlite_compiles() -> None:
    written = Counter[str]()
    for row in (r for r in rows("sqlite") if r["label"] in ("insert", "update", "delete", "write")):
        opinions = parse(row["sql"], "sqlite")
        if len(opinions) == 1 and opinions[0].parsed:
            told = {_table(w) for w in opinions[0].writes}
            oracle = row["oracle"]
            seen = {_table(t) for verb in ("inserts", "updates", "deletes") for t in oracle[f"{verb}_direct"]}
            anything = {_table(t) for verb in ("inserts", "updates", "deletes") for t in oracle[verb]}
            written.update(right=len(told & seen), wrong=len(told - anything), all=len(told))
    assert written["wrong"] <= 0.005 * written["all"]
    assert written["right"] >= 0.995 * written["all"]


def _table(name: str) -> str:
    return name.rsplit(".", 1)[-1].lower()
