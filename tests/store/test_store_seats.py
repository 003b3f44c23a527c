"""The shared store's server judges seats, time and seals as the program itself does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from journal_builders import a_decision, a_proposal, a_thread
from shared_store import Everybody, Store

from sqlagent.core.approval.seats import NOBODY, POLICY, Decided, refusal, standing, unfilled
from sqlagent.core.errors import NotPermitted
from sqlagent.core.nouns.policy import Seat
from sqlagent.core.nouns.session import Choice, Outcome, Proposal, Status
from sqlagent.store.journal import Marked

SEATS: dict[str, tuple[Seat, ...]] = {
    "anyone": (Seat(),),
    "another": (Seat(not_requester=True),),
    "ben": (Seat("tech", "dba", ("ben",)),),
    "nobody": (Seat("tech", "dba", ()),),
    "two": (Seat(), Seat(not_requester=True)),
    "ben then cyd": (Seat("a", who=("ben",)), Seat("b", who=("cyd",), not_requester=True)),
    "by key": (Seat(via=("terminal",)),),
    "no door": (Seat(via=()),),
}
WORDS: list[tuple[Choice, str, str]] = [
    (choice, by, how)
    for choice in (Choice.APPROVE, Choice.PARTIAL, Choice.REJECT, Choice.ESCALATE)
    for by, how in (("ana", "key"), ("ben", "flag"), ("cyd", "graph"), (POLICY, POLICY), ("gpt", "key"))
]


@pytest.mark.parametrize("name", SEATS)
def test_the_server_judges_every_seat_as_the_program_does(store: Store, name: str) -> None:
    """37: two places that must agree are compared, over people, doors, choices and what was decided before."""
    everybody = store.everybody()
    for place, (choice, by, how) in enumerate(WORDS):
        thread = f"t{place}"
        everybody.admit(a_thread(id=thread))
        asked = everybody.propose(
            a_proposal(thread=thread, seats=SEATS[name], policy="allow" if place % 2 else "ask"), number=1, turn=1
        )
        first: list[Decided] = []
        if len(SEATS[name]) == 2 and place % 3:
            earlier = a_decision(asked, by="ben" if "ben" in name else "ana")
            everybody.decide(asked, earlier)
            first = [Decided(1, earlier, everybody.decided(asked.id)[0].at)]
        now = standing(asked, first)
        said = replace(a_decision(now, choice), by=by, how=how)
        ours = refusal(now, said)
        theirs = _server_says(everybody, now, said)
        assert theirs == ours, (choice, by, how)
        runs = everybody.claim(everybody.proposal(asked.id), by="ana", marked=Marked.TARGET) is None
        assert runs == (unfilled(asked, everybody.decided(asked.id)) == "")


def _server_says(everybody: Everybody, now: Proposal, said: Any) -> str:
    try:
        everybody.decide(now, said)
    except NotPermitted as e:
        return e.message
    return ""


def test_time_decides_on_the_server_s_clock(store: Store) -> None:
    ana = store.of("ana")
    ana.admit(a_thread())
    asked = ana.propose(a_proposal(expires_at="2026-03-31T00:00:00.000+00:00"), number=1, turn=1)
    counted = ana.decide(asked, a_decision(asked))
    assert (counted.choice, counted.by, counted.how) == (Choice.REJECT, NOBODY, "expired")
    ana.finish("k7f3", 1, Status.EXPIRED)


def test_a_clock_ahead_of_the_server_s_is_said(store: Store) -> None:
    ana = store.of("ana")
    with pytest.raises(Exception, match="clock is ahead of the store's") as failure:
        ana.admit(a_thread(created_at="2126-03-30T10:02:00.000+00:00"))
    assert "timedatectl" in getattr(failure.value, "hint", "")


def test_odd_text_is_sealed_as_the_local_store_seals_it(store: Store) -> None:
    ana = store.of("ana")
    odd = "ä\u2028\U0001f600 \"\\/ \b\f\t\x01\x1f\x7f <>&' 日本"
    ana.admit(a_thread(question=odd))
    ana.propose(a_proposal(question=odd, note="\x00 is kept in a document"), number=1, turn=1)
    ana.decide(ana.proposal("k7f3.1"), a_decision(ana.proposal("k7f3.1"), reason=odd))
    ana.claim(ana.proposal("k7f3.1"), by="ana", marked=Marked.TARGET)
    ana.keep("k7f3.1", b"\x00\xff")
    ana.done("k7f3.1", Outcome(unwritten=odd))
    assert ana.verified().problem == ""
    store.owner("ALTER TABLE sqlagent.decisions DISABLE TRIGGER ALL; UPDATE sqlagent.decisions SET decided_by = 'ben'")
    assert "decisions k7f3.1 1 was changed behind the log" in ana.verified().problem
