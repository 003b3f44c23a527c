"""The disk fails at the k-th operation, for every k: the change is in or out, and everybody agrees which."""

from __future__ import annotations

from pathlib import Path

import pytest
from aftermath import How, Tally, Told, answered, approves, judge, kept_shop, read_answer
from broken_disk import Disk, Fault
from shops import Shop, in_child, in_this_process

from sqlagent.core.nouns.session import Report

EVERY = [7, pytest.param(1, marks=pytest.mark.long)]


def failing_at(shop: Shop, asked: Report, prefix: Path, fault: Fault, at: int) -> Told:
    """Approve in a process whose disk fails there; what it was told, how many operations it made, what failed."""
    answer = shop.folder.with_name("told")

    def work() -> None:
        disk = Disk(prefix, fault, at)
        with in_this_process():
            answered(answer, lambda: approves(shop, asked), lambda: (disk.passed, disk.met))

    assert in_child(work) == 0
    return read_answer(answer)


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("how", How, ids=lambda how: how.value)
def test_wherever_the_disk_of_the_target_fails_it_is_in_or_out_and_the_journal_agrees(
    how: How, fault: Fault, every: int
) -> None:
    _wherever_it_fails("shop.db", fault, how, every=every, at_least=4 if fault is Fault.FULL else 15)


def test_a_commit_in_wal_that_could_not_be_synced_is_decided_by_its_rows() -> None:
    _wherever_it_fails("shop.db", Fault.ERROR, How.WAL, every=1, at_least=15)


@pytest.mark.long
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("how", How, ids=lambda how: how.value)
def test_wherever_the_disk_of_the_journal_fails_it_is_in_or_out_and_the_journal_agrees(how: How, fault: Fault) -> None:
    _wherever_it_fails("state/journal.db", fault, how, every=1, at_least=5)


def _wherever_it_fails(file: str, fault: Fault, how: How, *, every: int, at_least: int) -> None:
    tally = Tally()
    with kept_shop(how) as (shop, asked, kept):
        at = 1
        while True:
            shop.restore(kept)
            told = failing_at(shop, asked, shop.folder / file, fault, at)
            operations, met = told.seen
            if not met:
                break
            judge(shop, asked, f"{fault.value}, operation {at}: {met[0]}", tally, told)
            at += every
        judge(shop, asked, "no fault", tally, told)
    print(f"\n{file} {how.value} {fault.value}, {operations} operations: {tally}")
    assert operations >= at_least
    assert not tally.bad, f"{tally}\n" + "\n".join(tally.bad)
