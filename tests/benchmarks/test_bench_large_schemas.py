"""A schema of three thousand tables: how long until the prompt is ready, and how much of it the model reads."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import apsw
import pytest

from sqlagent.databases.open import open_database
from sqlagent.llm.narrowing import Room, narrowed
from sqlagent.llm.prompt import messages

pytestmark = pytest.mark.benchmark

AREAS = "sales stock staff fleet legal media clinic school bank press lab farm port rail club".split()
THINGS = "order invoice ticket visit customer supplier product payment contract vehicle".split()
QUESTIONS = ("unpaid press invoices", "which sales customer has the most orders", "vehicles of the rail fleet in 2024")


@pytest.mark.parametrize("count", [300, 3_000])
def test_the_prompt_of_a_large_schema(tmp_path: Path, count: int) -> None:
    path = tmp_path / "large.db"
    plain = ", ".join(f"column_{n} TEXT" for n in range(10))
    names = [f"{area}_{thing}_{n}" for n in range(count // 150 + 1) for area in AREAS for thing in THINGS][:count]
    with apsw.Connection(str(path)) as connection:
        for place, name in enumerate(names):
            parent = f"REFERENCES {names[place - 1]}(id)" if place % 3 else ""
            connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, parent_id INTEGER {parent}, {plain})")
    connection.close()
    database = open_database(f"sqlite:///{path}", name="large")
    try:
        for question in QUESTIONS:
            began = perf_counter()
            outline = database.outline()
            read = perf_counter()
            kept = narrowed(outline, question, Room(17_000, 3_600))
            chosen = perf_counter()
            shown = database.schema(examples=3, tables=frozenset(t.name for t in kept.tables))
            (_, system), *_ = messages(question, shown, budget=Room(17_000, 3_600))
            done = perf_counter()
            print(
                f"{count:,} tables: outline {read - began:.2f} s, choice {chosen - read:.2f} s, "
                f"prompt {done - chosen:.2f} s, all {done - began:.2f} s; {len(kept.tables)} tables, "
                f"{len(system):,} characters"
            )
    finally:
        database.close()
