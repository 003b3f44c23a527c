"""What honest processes do to the journal, dying or beside each other, is never called an alteration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from journal_builders import a_decision, a_journal, a_proposal, a_thread

from sqlagent.core.errors import StoreError
from sqlagent.core.nouns.session import Outcome
from sqlagent.store.journal import Journal, Marked, RunState


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = a_journal(tmp_path)
    made.admit(a_thread())
    made.propose(a_proposal(), number=1, turn=1)
    made.decide(a_proposal(), a_decision(a_proposal()))
    return made


def attempted(journal: Journal, kept: bytes = b"1") -> None:
    """A run that came to its COMMIT, and whose end nobody recorded yet."""
    assert journal.claim(a_proposal(), by="ana", marked=Marked.BESIDE) is None
    journal.keep("k7f3.1", kept)


def intact(journal: Journal) -> None:
    journal.require_sealed("k7f3")
    assert journal.verified().problem == ""


def pruned(journal: Journal) -> None:
    journal.done("k7f3.1", Outcome())
    journal.prune(before="9999")


GIVEN_BACK: dict[str, Callable[[Journal], None]] = {
    "released": lambda journal: journal.release("k7f3.1", because="it was locked"),
    "stale": lambda journal: journal.stale("k7f3.1", because="the schema changed"),
    "forgotten": lambda journal: journal.forget("k7f3.1"),
}
ENDED: dict[str, Callable[[Journal], object]] = {
    "done": lambda journal: journal.done("k7f3.1", Outcome()),
    "failed": lambda journal: journal.failed("k7f3.1", "no such row"),
    "settled": lambda journal: journal.settle("k7f3.1", RunState.SETTLED_APPLIED, by="ben"),
    "pruned": pruned,
}


@pytest.mark.parametrize("given_back", GIVEN_BACK)
@pytest.mark.parametrize("ended", ENDED)
def test_a_second_attempt_that_keeps_other_rows_alters_nothing(journal: Journal, given_back: str, ended: str) -> None:
    attempted(journal)
    intact(journal)
    GIVEN_BACK[given_back](journal)
    intact(journal)
    if given_back == "forgotten":
        journal.keep("k7f3.1", b"2")
    else:
        attempted(journal, b"2")
    intact(journal)
    ENDED[ended](journal)
    intact(journal)


def test_what_another_process_writes_while_the_record_is_held_to_its_log_is_no_alteration(journal: Journal) -> None:
    """The log is read first and the rows after it: both as of one moment."""
    other = Journal(journal.path)
    with other._connected() as connection:
        connection.set_busy_timeout(0)
    wrote: list[str] = []

    def meanwhile(_cursor: object, sql: str, _bindings: object) -> bool:
        if "FROM turns" in sql and not wrote:
            wrote.append(sql)
            with pytest.raises(StoreError, match="locked"):
                other.propose(a_proposal(2), number=2, turn=1)
        return True

    with journal._connected() as connection:
        connection.exec_trace = meanwhile
    for check in (lambda: journal.require_sealed("k7f3"), journal.verified):
        wrote.clear()
        check()
        assert wrote
    assert journal.verified().problem == ""
