"""Words of an empty read are put as they are stored, as fixtures/repair/stored-words.toml says."""

from __future__ import annotations

import sqlite3
import time
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from checkout import FIXTURES

from sqlagent.databases.base import Database
from sqlagent.databases.open import open_database
from sqlagent.pipeline.proposing.draft_repair import mended
from sqlagent.pipeline.proposing.looking import Looking

FILE = tomllib.loads((FIXTURES / "repair" / "stored-words.toml").read_text())


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("words") / "flights.db"
    with sqlite3.connect(path) as db:
        db.executescript(FILE["data"])
    db.close()
    opened = open_database(str(path), name="flights")
    yield opened
    opened.close()


@pytest.mark.parametrize("case", FILE["case"], ids=lambda case: case["why"])
def test_a_word_is_put_as_its_case_says(database: Database, case: dict[str, Any]) -> None:
    look = Looking(database, lambda _analysis: True, time.monotonic() + 60)
    found = mended(case["draft"], database.schema(examples=0), database, look)
    assert found.sql == case.get("repaired", case["draft"])
    assert found.has_values == ("repaired" in case)


def test_no_time_to_look_changes_nothing(database: Database) -> None:
    draft = "SELECT flno FROM flight WHERE state = 'LATE'"
    look = Looking(database, lambda _analysis: True, time.monotonic())
    assert mended(draft, database.schema(examples=0), database, look).sql == draft
