"""Drafts are repaired as fixtures/repair says, and what is not understood passes untouched."""

from __future__ import annotations

import re
import time
import tomllib
from typing import Any

import pytest
from checkout import FIXTURES
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.core.repair import KINDS, repaired
from sqlagent.core.repair.missing import missing

FOLDER = FIXTURES / "repair"
_COLUMN = re.compile(r"(?P<name>[^*>-]+?)(?P<key>\*)?(?: -> (?P<references>\S+))?")


def a_schema(text: str, dialect: str = "sqlite") -> Schema:
    tables = []
    for line in text.strip().splitlines():
        name, _, columns = line.partition(": ")
        found = [m for c in columns.split(", ") if (m := _COLUMN.fullmatch(c.strip()))]
        made = (Column(m["name"], "TEXT", primary_key=bool(m["key"]), references=m["references"] or "") for m in found)
        kind, _, bare = name.strip().rpartition(" ")
        tables.append(Table(bare, tuple(made), is_view=kind == "view"))
    return Schema(dialect, "", tuple(tables))


def _cases() -> list[Any]:
    cases = []
    for path in sorted(FOLDER.glob("*.toml")):
        file = tomllib.loads(path.read_text())
        if "data" in file:  # what has to be looked up is tested with a database
            continue
        for number, case in enumerate(file["case"], 1):
            schema = a_schema(case.get("schema", file["schema"]), case.get("dialect", "sqlite"))
            cases.append(pytest.param(schema, case, id=f"{path.stem}-{number}"))
    return cases


@pytest.mark.parametrize(("schema", "case"), _cases())
def test_a_draft_is_repaired_as_its_case_says(schema: Schema, case: dict[str, Any]) -> None:
    found = repaired(case["draft"], schema)
    assert found.sql == case.get("repaired", case["draft"]), case["why"]
    assert bool(found.corrections) == ("repaired" in case)
    assert set(found.kinds) <= set(KINDS)


@pytest.mark.parametrize(("schema", "case"), _cases())
def test_what_is_repaired_is_repaired_for_good(schema: Schema, case: dict[str, Any]) -> None:
    once = repaired(case["draft"], schema).sql
    assert repaired(once, schema).sql == once


def test_every_correction_is_said_in_words() -> None:
    schema = a_schema("band: id*, name\nmember: id*, band_id -> band.id, instrument")
    found = repaired("SELECT T1.instrument FROM band T1 JOIN members T2 ON T1.id = T2.id", schema)
    assert found.corrections == (
        "members to member", "T1.id = T2.id to T1.id = T2.band_id", "T1.instrument to T2.instrument",
    )  # fmt: skip


_SCHEMA = a_schema("a: id*, b_id -> b.id, name\nb: id*, c_id -> c.id, title\nc: id*, code, Odd Name")
_NAMES = st.sampled_from(["a", "b", "c", "x", "as", "id", "b_id", "name", "title", "Odd Name", "odd_name", "*"])


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.lists(_NAMES, min_size=4, max_size=4))
def test_whatever_it_is_given_it_answers(noise: str, names: list[str]) -> None:
    one, two, three, four = (f'"{n}"' if " " in n else n for n in names)
    for sql in (noise, f"SELECT {one}.{two}, {noise} FROM {three} {one} JOIN {four} ON {one}.{two} = {four}.{three}"):
        found = repaired(sql, _SCHEMA)
        assert bool(found.corrections) == (found.sql != sql)


def test_three_thousand_tables_take_no_longer_than_a_person_notices() -> None:
    schema = a_schema("\n".join(f"t{n}: id*, t{n}_id, name_{n}, note_code" for n in range(3_000)))
    began = time.process_time()
    assert repaired("SELECT t.nam_7 FROM t7 t", schema).sql == "SELECT t.name_7 FROM t7 t"
    assert missing("SELECT colour FROM t8", schema)[0].said == "no table has a column colour"
    assert time.process_time() - began < 3.0
