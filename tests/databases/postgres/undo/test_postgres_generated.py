"""Writes made at random over many schemas: measured as they are, run as they were measured, and taken back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from postgres_schemas import SCHEMAS, a_script
from postgres_server import Pg
from postgres_writes import Target, whole_way

_A_SCHEMA = 80  # in the long run, of each
_EVERY = 3  # in the short run


@pytest.mark.parametrize("name", list(SCHEMAS)[::_EVERY])
def test_an_effect_is_what_a_diff_of_everything_says_and_can_be_taken_back(
    pg_of: Callable[[str], Pg], name: str
) -> None:
    ddl, templates = SCHEMAS[name]
    whole_way(Target(pg_of(ddl).url), a_script(random.Random(f"one {name}"), templates))


@pytest.mark.long
@pytest.mark.parametrize("name", SCHEMAS)
def test_of_many_effects_none_is_wrong(pg_of: Callable[[str], Pg], name: str) -> None:
    ddl, templates = SCHEMAS[name]
    chance, found, target = random.Random(name), Counter[str](), Target(pg_of(ddl).url)
    for _ in range(_A_SCHEMA):
        said = whole_way(target, a_script(chance, templates))
        found[said] += 1
        if said.startswith("no undo"):  # the others leave all as it was
            target = Target(pg_of(ddl).url)
    print(f"{name}: {dict(found)}")
    assert found["exact"] > _A_SCHEMA / 4
