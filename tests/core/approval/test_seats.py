"""Which person may fill which seat of a proposal, on which digest, by when; and when all of them are filled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.core.approval.digest import next_stage
from sqlagent.core.approval.seats import (
    Decided,
    cover,
    first_digest,
    later,
    refusal,
    standing,
    timed_out,
    unfilled,
    unfit,
)
from sqlagent.core.nouns.analysis import Analysis, Kind, Risk, Statement
from sqlagent.core.nouns.session import Choice, Decision, Proposal
from sqlagent.core.policy import OnTimeout, Seat, Stage
from sqlagent.core.policy.stages import merge

T0 = "2026-03-30T10:00:00.000+00:00"
ANYBODY, NOT_ASKER = Seat(), Seat(not_requester=True)
DBA = Seat("technical", "dba", ("ben", "eva"))
OWNER = Seat("business", "owner", ("eva", "max"), not_requester=True)
ALLOWED = "allow [small-writes, policy.toml:20]"


def a_proposal(*seats: Seat, **changes: object) -> Proposal:
    sql = "DELETE FROM t WHERE id = 1"
    analysis = Analysis((Statement(1, sql, 1, Kind.DELETE, Risk.WRITE, writes=("t",)),))
    first = Proposal(
        "k7f3.1", "k7f3", "why", sql, "shop", "sqlite:/shop.db", analysis, "ana", "gpt", T0, "d" * 64,
        stages=len(seats), seats=seats,
    )  # fmt: skip
    return replace(first, **changes)  # type: ignore[arg-type]


def yes(by: str, digest: str, **changes: object) -> Decision:
    return replace(Decision(Choice.APPROVE, digest, by, "key"), **changes)  # type: ignore[arg-type]


def approvals(first: Proposal, *people: str, at: str = T0) -> tuple[Decided, ...]:
    """Each says yes at the next stage, on the digest that is shown there."""
    said: list[Decided] = []
    for place, person in enumerate(people, 1):
        said.append(Decided(place, yes(person, standing(first, said).digest), at))
    return tuple(said)


# ---- the decision table: seat x who asks x who wrote it x who answers ------------------------------------------------

PEOPLE = ("ana", "ben", "eva", "max", "uid1007")


def table() -> Iterator[tuple[str, Seat, str, str, bool]]:
    """Every kind of seat, with somebody else as requester and as editor, before every person: may they?"""
    for (name, seat), asker, editor, person in product(
        {"anybody": ANYBODY, "not the asker": NOT_ASKER, "a dba": DBA, "an owner": OWNER}.items(),
        ("ana", "eva"), ("", "ben", "max"), PEOPLE,
    ):  # fmt: skip
        holds = seat.who is None or person in seat.who
        own = seat.not_requester and person in (asker, editor)
        yield (
            f"{name}, asked by {asker}, edited by {editor or 'nobody'}",
            seat,
            asker,
            person + "|" + editor,
            holds and not own,
        )


ROWS = [pytest.param(seat, asker, who, may, id=f"{name}: {who.partition('|')[0]}")
        for name, seat, asker, who, may in table()]  # fmt: skip


def test_the_table_has_what_was_promised() -> None:
    assert len(ROWS) >= 120
    assert {row.values[3] for row in ROWS} == {True, False}


@pytest.mark.parametrize(("seat", "asker", "who", "may"), ROWS)
def test_who_may_fill_a_seat(seat: Seat, asker: str, who: str, may: bool) -> None:
    person, _, editor = who.partition("|")
    first = a_proposal(seat, requested_by=asker, edited_by=editor, author=editor or "gpt")
    now = standing(first, ())
    assert (unfit(now, person) == "") is may
    recorded = (Decided(1, yes(person, now.digest), T0),)
    assert (unfilled(first, recorded) == "") is may


@pytest.mark.parametrize(
    ("people", "why"),
    [
        (("ben",), "stage 2 of 2 is not decided"),
        (("ben", "max"), ""),
        (("eva", "max"), ""),
        (("ben", "eva"), ""),
        (("eva", "eva"), "eva has approved stage 1 already"),
        (("max", "eva"), "max is not one of those who may"),
        (("ben", "ben"), "ben has approved stage 1 already"),
        (("ben", "ana"), "ana asked for it"),
        (("ben", "uid1007"), "uid1007 is not one of those who may"),
        ((), "stage 1 of 2 is not decided"),
    ],
)
def test_two_stages_want_two_people_in_their_order(people: tuple[str, ...], why: str) -> None:
    first = a_proposal(DBA, OWNER)
    assert unfilled(first, approvals(first, *people)).startswith(why)
    assert bool(unfilled(first, approvals(first, *people))) is bool(why)


@pytest.mark.parametrize(
    ("decision", "may"),
    [
        (Decision(Choice.REJECT, "", "ana", "key"), True),
        (Decision(Choice.EDIT, "", "ana", "key", sql="SELECT 1"), True),
        (Decision(Choice.PARTIAL, "", "ana", "key", keep=(1,)), False),
        (Decision(Choice.PARTIAL, "", "eva", "key", keep=(1,)), True),
        (Decision(Choice.APPROVE, "", "policy", "policy"), False),
        (Decision(Choice.APPROVE, "", "eva", "policy"), False),
        (Decision(Choice.APPROVE, "", "policy", "key"), False),
        (Decision(Choice.ESCALATE, "", "eva", "key"), False),
        (Decision(Choice.ESCALATE, "", "-", "expired"), False),
        (Decision(Choice.REJECT, "", "eva", "expired"), False),
        (Decision(Choice.LATER, "", "eva", "key"), False),
    ],
)
def test_anybody_may_reject_and_edit_and_nobody_is_the_policy(decision: Decision, may: bool) -> None:
    assert (refusal(standing(a_proposal(OWNER), ()), decision) == "") is may


@pytest.mark.parametrize(
    ("by", "how", "may"), [("policy", "policy", True), ("eva", "policy", False), ("eva", "key", True)]
)
def test_what_the_policy_allows_it_approves_itself(by: str, how: str, may: bool) -> None:
    now = standing(a_proposal(ANYBODY, policy=ALLOWED), ())
    assert (refusal(now, yes(by, now.digest, how=how)) == "") is may


# ---- digests ---------------------------------------------------------------------------------------------------------


def test_each_stage_has_a_digest_of_its_own_bound_to_who_filled_the_one_before() -> None:
    first = a_proposal(ANYBODY, ANYBODY, ANYBODY)
    after_ben, after_eva = (standing(first, approvals(first, who)) for who in ("ben", "eva"))
    assert len({first.digest, after_ben.digest, after_eva.digest}) == 3
    assert after_ben.digest == next_stage(first.digest, by="ben")
    assert [a.by for a in after_ben.approvals] == ["ben"]
    assert (after_ben.stage, after_ben.stages) == (2, 3)


@pytest.mark.parametrize("wrong", ["d" * 64, "0" * 64, ""])
def test_a_digest_of_another_stage_fills_no_seat(wrong: str) -> None:
    first = a_proposal(ANYBODY, ANYBODY)
    said = (*approvals(first, "ben"), Decided(2, yes("eva", wrong), T0))
    assert unfilled(first, said) == "stage 2 was decided on another digest"


def test_an_approval_that_is_slipped_in_behind_a_rejection_fills_nothing() -> None:
    first = a_proposal(ANYBODY, ANYBODY)
    no = Decided(1, replace(yes("ben", first.digest), choice=Choice.REJECT), T0)
    late = Decided(2, yes("eva", next_stage(first.digest, by="ben")), T0)
    assert unfilled(first, (no, late)) == "stage 1 was not approved"
    assert standing(first, (no, late)).stage == 1


# ---- time ------------------------------------------------------------------------------------------------------------

HOUR = 3600.0
PASSED_ON = Seat("technical", expires=HOUR, on_timeout=OnTimeout.ESCALATE)


@pytest.mark.parametrize(
    ("seats", "own", "after", "becomes"),
    [
        ((ANYBODY,), None, 10 * HOUR, None),
        ((Seat(expires=HOUR),), None, HOUR - 1, None),
        ((Seat(expires=HOUR),), None, HOUR, Choice.REJECT),
        ((ANYBODY,), HOUR, HOUR, Choice.REJECT),
        ((Seat(expires=HOUR),), 2 * HOUR, HOUR, Choice.REJECT),
        ((PASSED_ON, ANYBODY), None, HOUR, Choice.ESCALATE),
        ((PASSED_ON, ANYBODY), HOUR, HOUR, Choice.REJECT),
        ((PASSED_ON,), None, HOUR, Choice.REJECT),
        ((Seat(expires=HOUR), ANYBODY), None, HOUR, Choice.REJECT),
    ],
)
def test_what_time_decides(seats: tuple[Seat, ...], own: float | None, after: float, becomes: Choice | None) -> None:
    first = a_proposal(*seats, expires_at=later(T0, own) if own else "")
    timeout = timed_out(first, standing(first, ()), later(T0, after))
    assert (timeout.choice if timeout else None) is becomes


def test_a_stage_has_its_time_from_when_it_begins() -> None:
    first = a_proposal(Seat(expires=HOUR), Seat(expires=HOUR))
    begun = later(T0, HOUR - 60)
    now = standing(first, approvals(first, "ben", at=begun))
    assert now.expires_at == later(begun, HOUR)


def test_what_was_passed_on_still_wants_the_last_seat_filled_by_a_person() -> None:
    first = a_proposal(PASSED_ON, OWNER)
    passed = Decided(1, Decision(Choice.ESCALATE, first.digest, "-", "expired"), T0)
    assert unfilled(first, (passed,)) == "stage 2 of 2 is not decided"
    now = standing(first, (passed,))
    assert unfilled(first, (passed, Decided(2, yes("eva", now.digest), T0))) == ""
    assert now.approvals[0].escalated


@pytest.mark.parametrize("seats", [(ANYBODY, ANYBODY), (PASSED_ON,)])
def test_a_seat_that_may_not_be_passed_on_is_not(seats: tuple[Seat, ...]) -> None:
    first = a_proposal(*seats)
    passed = Decided(1, Decision(Choice.ESCALATE, first.digest, "-", "expired"), T0)
    rest = tuple(Decided(2, yes("eva", standing(first, (passed,)).digest), T0) for _ in seats[1:])
    assert "may not be passed on" in unfilled(first, (passed, *rest))


# ---- whatever people do ----------------------------------------------------------------------------------------------

seats = st.builds(
    Seat, st.just("s"), st.just(""), st.none() | st.lists(st.sampled_from(PEOPLE), max_size=3).map(tuple),
    st.booleans(), st.none() | st.just(HOUR), st.sampled_from(OnTimeout),
)  # fmt: skip
choices = st.sampled_from([*Choice])


@given(st.data())
def test_nothing_runs_unless_every_seat_was_filled_by_another_permitted_person_on_its_digest(
    data: st.DataObject,
) -> None:
    first = a_proposal(
        *data.draw(st.lists(seats, min_size=1, max_size=4)), edited_by=data.draw(st.sampled_from(["", *PEOPLE]))
    )
    said: list[Decided] = []
    for place in range(1, len(first.seats) + data.draw(st.integers(0, 1))):
        shown = standing(first, said).digest
        digest = data.draw(st.sampled_from([shown, shown, shown, first.digest, "0" * 64]))
        who = data.draw(st.sampled_from([*PEOPLE, "policy", "-"]))
        said.append(
            Decided(
                place,
                Decision(data.draw(choices), digest, who, data.draw(st.sampled_from(["key", "policy", "expired"]))),
                T0,
            )
        )
    if unfilled(first, said):
        return
    real = [d for d in said[: len(first.seats)] if d.decision.choice is not Choice.ESCALATE]
    people = [d.decision.by for d in real]
    assert len(set(people)) == len(people) >= 1
    assert real[-1].stage == len(first.seats)
    digest = first.digest
    for one in said[: len(first.seats)]:
        seat = first.seats[one.stage - 1]
        assert one.decision.digest == digest
        digest = next_stage(digest, by=one.decision.by)
        if one.decision.choice is Choice.ESCALATE:
            assert (one.decision.by, one.decision.how) == ("-", "expired")
            assert seat.on_timeout is OnTimeout.ESCALATE
            continue
        assert one.decision.choice is Choice.APPROVE
        assert seat.who is None or one.decision.by in seat.who
        assert not seat.not_requester or one.decision.by not in (first.requested_by, first.edited_by)


# ---- whether a policy's seats are covered by those that were filled --------------------------------------------------


@pytest.mark.parametrize(
    ("have", "want", "enough"),
    [
        ((ANYBODY,), (ANYBODY,), True),
        ((DBA,), (ANYBODY,), True),
        ((ANYBODY,), (DBA,), False),
        ((ANYBODY,), (NOT_ASKER,), False),
        ((NOT_ASKER,), (ANYBODY,), True),
        ((DBA, OWNER), (OWNER, DBA), True),
        ((DBA, ANYBODY), (ANYBODY, DBA), True),
        ((DBA,), (DBA, ANYBODY), False),
        ((Seat(who=("ben",)),), (DBA,), True),
        ((DBA,), (Seat(who=("ben",)),), False),
        ((), (ANYBODY,), False),
        ((PASSED_ON, ANYBODY), (ANYBODY, ANYBODY), False),
    ],
)
def test_what_was_filled_covers_what_is_wanted_now(
    have: tuple[Seat, ...], want: tuple[Seat, ...], enough: bool
) -> None:
    assert cover(have, want) is enough


@given(st.lists(seats, max_size=4), st.lists(seats, max_size=4))
def test_seats_that_cover_others_still_do_with_more_of_them(have: list[Seat], more: list[Seat]) -> None:
    assert cover(have, have)
    assert cover([*have, *more], have)


# ---- doors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "may"),
    [("enter", True), ("key", True), ("typed", True), ("flag", False), ("library", False), ("graph", False),
     ("langchain", False), ("mcp", False), ("", False), ("TYPED", False)],
)  # fmt: skip
def test_a_seat_for_a_terminal_takes_an_approval_through_no_other_door(how: str, may: bool) -> None:
    first = a_proposal(Seat(via=("terminal",)))
    assert (refusal(first, yes("ben", first.digest, how=how)) == "") is may
    assert refusal(first, yes("ben", first.digest, how=how, choice=Choice.REJECT)) == "", "anybody may say no"
    assert bool(unfilled(first, [Decided(1, yes("ben", first.digest, how=how), T0)])) is not may


def test_doors_are_part_of_what_is_approved() -> None:
    seats = [Seat(), Seat(via=("terminal",)), Seat(via=("terminal", "flag"))]
    assert len({first_digest(a_proposal(seat), target="t", schema="s") for seat in seats}) == 3


def test_rules_that_name_doors_are_all_kept_when_they_become_one() -> None:
    (stage,) = merge([(Stage(via=("terminal", "flag")),), (Stage(via=("flag", "library")),), (Stage(),)])
    assert stage.via == ("flag",)
    assert merge([(Stage(via=("terminal",)),), (Stage(via=("library",)),)])[0].via == (), "no door is left"


def test_filling_a_seat_for_fewer_doors_fills_one_for_more_and_not_the_reverse() -> None:
    terminal, two, any_ = Seat(via=("terminal",)), Seat(via=("terminal", "flag")), Seat()
    assert cover([terminal], [two])
    assert cover([terminal], [any_])
    assert not cover([two], [terminal])
    assert not cover([any_], [terminal])


# ---- seats that want a signature -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["enter", "key", "typed", "flag", "library", "graph", "part of k7f3.1", "signature"])
def test_a_signed_seat_takes_nothing_that_is_not_proven(how: str) -> None:
    """Not even what says that it is signed: without the file there is nothing to verify."""
    first = standing(a_proposal(replace(DBA, signed=True)), ())
    decision = yes("ben", first.digest, how=how)
    assert refusal(first, decision, check=lambda _signed, _at: "")
    assert unfilled(first, [Decided(1, decision, T0)], check=lambda _signed, _at: "")


def test_of_rules_that_agree_on_a_stage_one_signature_is_enough_to_want_it() -> None:
    plain, signed = Stage("t", "dba", ("ben", "eva")), Stage("t", "dba", ("ben", "eva"), signed=True)
    for order in ((plain, signed), (signed, plain)):
        (stage,) = merge([(s,) for s in order])
        assert stage.signed
    first, second = DBA, replace(DBA, signed=True)
    assert cover([second], [first])
    assert not cover([first], [second])


def test_whether_a_seat_wants_a_signature_is_in_the_digest() -> None:
    seats = (DBA, replace(DBA, signed=True))
    assert len({first_digest(a_proposal(seat), target="t", schema="s") for seat in seats}) == 2
