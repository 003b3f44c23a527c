"""Processes, connections and servers of a shared store that fail at any point: each approval is run once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_store import Store
from store_scene import Scene
from store_strikes import DOINGS, Strike, Struck

SAMPLE = (
    Strike("ask", "kill", "journal: after the commit of a proposal#1"),
    Strike("ask", "terminate", "driver: before a step#1"),
    Strike("approve", "cut to client", "3000"),
    Strike("resume", "terminate", "execute: after the claim#1"),
    Strike("resume", "cut to server", "9000"),
    Strike("resume", "cut for good to client", "20000"),
    Strike("resume", "restart", "journal: before the commit of a run's end#1"),
)


@pytest.fixture
def struck(store: Store, tmp_path: Path) -> Iterator[Struck]:
    made = Struck(Scene(store, tmp_path))
    yield made
    made.proxy.close()


def told_once(struck: Struck) -> None:
    assert (struck.wrong, set(struck.ledger)) == ([], {"kept"})
    with struck.scene.agent("cyd") as cyd:
        assert cyd.journal.verified().problem == ""


def test_what_is_struck_in_the_middle_is_run_once_and_the_record_says_so(struck: Struck) -> None:
    for strike in SAMPLE:
        struck.strike(strike)
    told_once(struck)
    assert struck.ledger["kept"] == len(SAMPLE)


@pytest.mark.long
def test_struck_at_five_hundred_points_everything_is_run_once(struck: Struck) -> None:
    strikes = list(struck.strikes(random.Random(13)))
    kinds: Counter[str] = Counter()
    for strike in strikes:
        struck.strike(strike)
        kinds[strike.by.partition(" to ")[0]] += 1
    print(f"{len(strikes)} points, {dict(kinds)}: {dict(struck.ledger)}")
    told_once(struck)
    assert len(strikes) >= 500
    assert {s.doing for s in strikes} == set(DOINGS)
