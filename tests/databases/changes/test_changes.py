"""Changes of rows above the engines: added up, taken apart, hashed, masked and shown, without any database."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlagent.core.errors import Stale
from sqlagent.core.nouns.verbs import Verb
from sqlagent.databases.base import OnConflict
from sqlagent.databases.changes.causes import touched
from sqlagent.databases.changes.conflicts import CHANGED, Conflicts
from sqlagent.databases.changes.fingerprint import fingerprint
from sqlagent.databases.changes.net_changes import paired, since
from sqlagent.databases.changes.rows import Row, RowChange, TableChange
from sqlagent.databases.changes.samples import samples
from sqlagent.databases.changes.volatile_columns import Unsteady, differing


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
