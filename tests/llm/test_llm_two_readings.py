"""What is asked back without a model, and how often that would be on questions that were not made for it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import build_questions
import pytest
from checkout import FIXTURES

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.databases.open import open_database
from sqlagent.llm.two_readings import Decided, two_readings

CASES: list[dict[str, Any]] = tomllib.loads((FIXTURES / "two_readings" / "cases.toml").read_text())["case"]
ITEMS = Table(
    "items",
    (
        Column("id", "INTEGER", primary_key=True),
        Column("name", "TEXT"),
        Column("price", "REAL"),
        Column("unit_price", "REAL"),
        Column("created_at", "TEXT"),
        Column("shipped_at", "TEXT"),
        Column("updated_at", "TEXT"),
    ),
)
SHOP = Schema("sqlite", "", (ITEMS,))


@cache
def schema_of(name: str) -> Schema:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "asked.db"
        build_questions.build(name, path)
        database = open_database(f"sqlite:///{path}", name=name)
        try:
            return database.schema(examples=3)
        finally:
            database.close()


@pytest.mark.parametrize("case", CASES, ids=[f"{c['schema']}: {c['ask']}" for c in CASES])
def test_a_question_is_asked_back_where_it_reads_two_ways_and_only_there(case: dict[str, Any]) -> None:
    found = two_readings(case["ask"], schema_of(case["schema"]), Decided())
    assert (found is not None) == ("asks" in case)
    if found is not None:
        assert case["asks"] in found.question
        assert 2 <= len(found.choices) <= 4
        assert list(found.choices) == case.get("choices", list(found.choices))


def test_of_the_questions_with_an_answer_few_are_asked_back_and_those_are_ambiguous() -> None:
    asked, right, every = 0, 0, 0
    for name in sorted(path.stem for path in build_questions.FOLDER.glob("*.toml")):
        for question in tomllib.loads((build_questions.FOLDER / f"{name}.toml").read_text())["question"]:
            every += 1
            if two_readings(question["ask"], schema_of(name), Decided()):
                asked += 1
                right += question.get("kind") == "ambiguous"
    assert every >= 150
    assert 0 < asked <= 0.08 * every
    assert right >= 0.8 * asked


@pytest.mark.parametrize(
    ("question", "choices"),
    [
        ("items of last month", ("items.created_at", "items.shipped_at")),
        ("average price of the items", ("items.price", "items.unit_price")),
        ("ITEMS per month", ("items.created_at", "items.shipped_at")),
    ],
)
def test_two_columns_that_fit_the_same_word(question: str, choices: tuple[str, ...]) -> None:
    found = two_readings(question, SHOP, Decided())
    assert found is not None
    assert found.choices == choices


@pytest.mark.parametrize(
    "question",
    ["items shipped last month", "items created in 2024", "average unit price of the items", "all items", "last month",
     "the price", "names of the items", "items that were shipped this year"],
)  # fmt: skip
def test_a_word_that_decides_is_heard(question: str) -> None:
    assert two_readings(question, SHOP, Decided()) is None


@pytest.mark.parametrize(
    ("sql", "asked"),
    [
        ("SELECT count(*) FROM items WHERE created_at > '2024'", False),
        ("SELECT count(*) FROM items WHERE created_at > shipped_at", True),
        ("SELECT count(*) FROM items", True),
    ],
)
def test_what_was_asked_or_approved_before_decides(sql: str, asked: bool) -> None:
    assert (two_readings("items of last month", SHOP, Decided((sql,))) is not None) == asked


def test_one_column_is_no_choice() -> None:
    one = replace(ITEMS, columns=tuple(c for c in ITEMS.columns if c.name not in ("shipped_at", "unit_price")))
    schema = Schema("sqlite", "", (one,))
    assert two_readings("items of last month", schema, Decided()) is None
    assert two_readings("average price of the items", schema, Decided()) is None
