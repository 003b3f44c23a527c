"""Changes of rows above the engines: added up, taken apart, hashed, masked and shown, without any database."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.core.errors import Stale
from sqlagent.core.nouns.effect import Effect, Measurement, Touched
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.databases.base import EffectDiffers, OnConflict
from sqlagent.databases.changes.budget import Budget
from sqlagent.databases.changes.causes import touched
from sqlagent.databases.changes.conflicts import CHANGED, Conflicts
from sqlagent.databases.changes.fingerprint import fingerprint
from sqlagent.databases.changes.held_to import check_counts
from sqlagent.databases.changes.net_changes import added_up, paired, since
from sqlagent.databases.changes.rows import Row, RowChange, TableChange
from sqlagent.databases.changes.samples import samples
from sqlagent.databases.changes.unmeasured import unknown
from sqlagent.databases.changes.volatile_columns import Unsteady, attempts, differing


@dataclass(frozen=True)
class Layout:
    name: str = "t"
    columns: tuple[str, ...] = ("id", "v")
    key: tuple[int, ...] = (0,)


KEYED, COUNTED = Layout(), Layout(key=())
Rows = dict[int, int]
_ROWS = st.dictionaries(st.integers(0, 5), st.integers(0, 3))


def rows(of: Rows) -> list[Row]:
    return list(of.items())


def change(layout: Layout, before: Rows, after: Rows) -> TableChange[Layout]:
    return TableChange(layout, paired(layout.key, rows(before), rows(after)))


@pytest.mark.parametrize("layout", [KEYED, COUNTED])
@given(one=_ROWS, two=_ROWS, three=_ROWS)
def test_what_a_statement_did_is_the_difference_of_two_readings(
    layout: Layout, one: Rows, two: Rows, three: Rows
) -> None:
    steps = since([change(layout, one, two)], [change(layout, one, three)])
    found = Counter((row.before, row.after) for step in steps for row in step.rows)

    assert found == Counter((row.before, row.after) for row in change(layout, two, three).rows)


@given(stages=st.lists(_ROWS, min_size=2, max_size=5))
def test_steps_that_are_added_up_lead_from_the_first_stage_to_the_last(stages: list[Rows]) -> None:
    steps = [row for one, two in pairwise(stages) for row in change(KEYED, one, two).rows]
    total = dict(added_up((step.row[0], step) for step in steps))

    assert total == {row.row[0]: row for row in change(KEYED, stages[0], stages[-1]).rows}


@pytest.mark.parametrize(("was", "now"), [(1, 1.0), (1, True), ("1", b"1"), (None, 0)])
def test_a_value_of_another_type_is_another_value(was: object, now: object) -> None:
    step = RowChange((7, was), (7, now))
    (shown,) = samples([TableChange(KEYED, (step,))])

    assert list(added_up([(7, step)])) == [(7, step)]
    assert [cell.column for cell in shown.cells] == ["v"]
    assert list(added_up([(7, step), (7, step.inverse)])) == []


def test_what_was_not_measured_says_why_for_each_statement_that_is_left() -> None:
    known = Effect(Basis.EXACT)
    found = unknown(3, "past 5 s", known=[known])

    assert [(e.basis, e.why) for e in found.effects] == [(Basis.EXACT, "")] + [(Basis.UNKNOWN, "past 5 s")] * 2
    assert (found.fingerprint, found.how, found.undo_why) == ("", "past 5 s", "it was not measured: past 5 s")


def test_what_chance_may_hide_is_tried_again_while_that_is_cheap() -> None:
    ticks = iter([0.0, 0.1, 0.2, 0.5, 0.6, *[0.7] * 9])
    meter = Budget(seconds=None, changes_bytes=1, heard=None, clock=lambda: next(ticks))

    assert list(attempts(meter, most=9)) == [0, 1]
    assert list(attempts(meter, most=1)) == [0]


def test_a_run_may_change_fewer_rows_than_were_counted_and_never_more() -> None:
    line = Touched("t", Verb.UPDATE, 3)
    expected = Measurement((Effect(Basis.COUNTED, (line,)), Effect(Basis.COUNTED, (line,)), Effect(Basis.UNKNOWN)))
    check_counts(expected, [3, 0, 99], lambda: ())

    with pytest.raises(EffectDiffers, match="it would now change 4 rows by statement 2; 3 were approved") as raised:
        check_counts(expected, [3, 4, 0], lambda: (line,))
    assert raised.value.touched == (line,)
    with pytest.raises(EffectDiffers, match="it would now change 4 rows; 3 were approved"):
        check_counts(Measurement(expected.effects[:1]), [4], lambda: ())


@given(before=_ROWS, after=_ROWS, seed=st.randoms())
def test_a_fingerprint_does_not_hear_the_order_and_hears_every_value(before: Rows, after: Rows, seed: object) -> None:
    made = change(KEYED, before, after)
    turned = TableChange(KEYED, tuple(reversed(made.rows)))
    other = TableChange(KEYED, (*made.rows, RowChange(None, (99, 1))))

    assert fingerprint([made], volatile=()) == fingerprint([turned], volatile=())
    assert fingerprint([made], volatile=()) != fingerprint([other], volatile=())


def test_a_masked_column_is_left_out_of_new_rows_only() -> None:
    one = TableChange(KEYED, (RowChange((1, "old"), (1, "12:00")),))
    later = TableChange(KEYED, (RowChange((1, "old"), (1, "12:01")),))
    other = TableChange(KEYED, (RowChange((1, "else"), (1, "12:00")),))

    assert differing([one], [later]) == {"t.v"}
    assert fingerprint([one], volatile={"t.v"}) == fingerprint([later], volatile={"t.v"})
    assert fingerprint([one], volatile={"t.v"}) != fingerprint([other], volatile={"t.v"})


def test_other_rows_the_second_time_are_chance_and_not_a_clock() -> None:
    one = TableChange(KEYED, (RowChange((1, "a"), None),))
    other = TableChange(KEYED, (RowChange((2, "a"), None),))

    with pytest.raises(Unsteady):
        differing([one], [other])


def test_values_that_change_places_are_not_taken_for_a_clock() -> None:
    """Each column has the same values both times; which go together does not."""
    wide = Layout(columns=("id", "v", "w"), key=())
    one = TableChange(wide, (RowChange(None, (1, "a", "x")), RowChange(None, (2, "b", "y"))))
    other = TableChange(wide, (RowChange(None, (1, "a", "y")), RowChange(None, (2, "b", "x"))))

    with pytest.raises(Unsteady):
        differing([one], [other])


def test_samples_are_the_first_by_key_with_the_columns_that_change() -> None:
    made = TableChange(KEYED, tuple(RowChange((str(n), "a"), (str(n), "b")) for n in (10, 9, 2, 1)))
    shown = samples([made])

    assert [sample.key for sample in shown] == [(("id", "1"),), (("id", "2"),), (("id", "9"),)]
    assert {cell.column for sample in shown for cell in sample.cells} == {"v"}


def test_what_the_sql_names_comes_before_what_it_sets_off() -> None:
    lines = touched(
        [TableChange(Layout("a"), (RowChange(None, (1, 1)),)), TableChange(Layout("b"), (RowChange((1, 1), None),))],
        via=lambda table, _: "" if table == "b" else "trigger t",
        before={"a": 7}.get,
    )

    assert [(t.table, t.verb, t.of, t.via) for t in lines] == [
        ("b", Verb.DELETE, None, ""),
        ("a", Verb.INSERT, 7, "trigger t"),
    ]


def test_a_conflict_stops_an_undo_only_where_it_is_to() -> None:
    conflicts = Conflicts()
    for number in range(150):
        conflicts.add("t", [("id", str(number))], CHANGED)
    conflicts.check(OnConflict.LEAVE_ALONE)

    with pytest.raises(Stale, match="150 rows cannot be put back; t id 0: it was changed since"):
        conflicts.check(OnConflict.REFUSE)
    assert (len(conflicts.listed), conflicts.count) == (100, 150)
