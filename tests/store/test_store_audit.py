"""Whoever changes the record is found out, or the record says what it cannot know."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sqlagent.core.nouns.session import Choice
from sqlagent.store.audit import GENESIS, Entry, Head, canonical, seal, verify


def a_log(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(1, length + 1):
        previous = entries[-1].hash if entries else GENESIS
        facts = {"at": f"2026-03-30T10:{number:02}", "who": "ana", "what": "asked", "thread": "k7f3", "detail": "{}"}
        entries.append(Entry(number, **facts, hash=seal(previous, number=number, **facts)))
    return entries


def forged(entries: list[Entry], start: int) -> list[Entry]:
    """Every hash from `start` on computed anew: what somebody does who knows the format."""
    again = list(entries[:start])
    for entry in entries[start:]:
        previous = again[-1].hash if again else GENESIS
        facts = {name: getattr(entry, name) for name in ("number", "at", "who", "what", "thread", "detail")}
        again.append(Entry(**facts, hash=seal(previous, **facts)))
    return again


def head_of(entries: list[Entry]) -> Head:
    return Head(entries[-1].number, entries[-1].hash)


def test_an_untouched_log_verifies_with_and_without_a_head() -> None:
    log = a_log(9)
    assert verify(log).problem == ""
    assert verify(log, head_of(log)).problem == ""
    assert verify(log, Head(4, log[3].hash[:8])).problem == ""
    assert verify([]).entries == 0


@pytest.mark.parametrize("field", ["at", "who", "what", "thread", "detail"])
def test_a_changed_entry_is_named(field: str) -> None:
    log = a_log(9)
    changes: dict[str, Any] = {field: "something else"}
    log[4] = replace(log[4], **changes)
    checked = verify(log)
    assert checked.problem == "entry 5 was changed after it was written (hash differs)"
    assert checked.entries == 4


def test_a_removed_entry_is_named() -> None:
    log = a_log(9)
    del log[4]
    assert verify(log).problem == "entry 5 is missing: 6 follows 4"


def test_swapped_entries_are_found() -> None:
    log = a_log(9)
    log[3], log[4] = log[4], log[3]
    assert verify(log).problem


def test_a_log_cut_at_its_end_is_found_with_a_head_and_only_then() -> None:
    log = a_log(9)
    assert verify(log[:6]).problem == ""
    assert verify(log[:6], head_of(log)).problem == "entry 9 is missing: the log ends at 6"


def test_a_log_computed_anew_is_found_with_a_head_and_only_then() -> None:
    log = a_log(9)
    fake = forged([*log[:4], replace(log[4], who="ben"), *log[5:]], 4)
    assert verify(fake).problem == ""
    assert "entry 9 is not the one you kept" in verify(fake, head_of(log)).problem


def test_a_wiped_log_is_found_with_a_head() -> None:
    assert verify([], head_of(a_log(3))).problem == "entry 3 is missing: the log ends at 0"


@given(st.integers(0, 2**32), st.sampled_from(["edit", "delete", "swap", "recompute", "truncate", "wipe"]))
def test_any_tampering_anywhere_is_found_by_whoever_kept_the_head(seed: int, attack: str) -> None:
    chance = random.Random(seed)
    log = a_log(chance.randint(2, 25))
    place = chance.randrange(len(log))
    tampered = list(log)
    match attack:
        case "edit":
            tampered[place] = replace(log[place], detail='{"x": 1}')
        case "delete":
            del tampered[place]
        case "swap":
            other = (place + 1) % len(log)
            tampered[place], tampered[other] = tampered[other], tampered[place]
        case "recompute":
            tampered[place] = replace(log[place], who="mallory")
            tampered = forged(tampered, place)
        case "truncate":
            tampered = log[:place]
        case _:
            tampered = []
    assert verify(tampered, head_of(log)).problem


VALUES = st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(st.characters()))


@given(VALUES)
@example(["\ud800", '\x7f\u2028"\\/', True, -0.0, 1e300, 10**30, Choice.APPROVE])
def test_what_is_sealed_is_spelled_as_any_language_s_json_spells_it(values: list[object]) -> None:
    assert canonical(values) == json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode("ascii")
