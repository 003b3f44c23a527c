"""A picture is chosen by the shape of a result, and says why; where none fits it says that."""

from __future__ import annotations

from typing import Any

import pytest
from ui_builders import HOSTILE, check_screen, untamed

from sqlagent.core.errors import UsageError
from sqlagent.ui.chart import MOST, Chart, Kind, NoShape, Seen, as_file, chosen, in_terminal

Row = tuple[Any, ...]
MONTHS: list[Row] = [(f"2024-{month:02}", month * month, 100 - month) for month in range(1, 13)]
COUNTRIES: list[Row] = [("DE", 120), ("FR", 80), ("a country with a very long name indeed", 30), (None, 7)]


class Nowhere:
    def write(self, _: Any, rows: Any) -> int:
        return sum(1 for _ in rows)


def seen(columns: list[str], rows: list[Row]) -> Seen:
    sink = Seen(Nowhere())
    assert sink.write(columns, iter(rows)) == len(rows)
    return sink


def chart(columns: list[str], rows: list[Row]) -> Chart:
    return chosen(seen(columns, rows))


@pytest.mark.parametrize(
    ("columns", "rows", "kind", "why"),
    [
        (["country", "n"], COUNTRIES, Kind.BARS, "bars, for country is a name and n a number"),
        (["n", "country"], [(b, a) for a, b in COUNTRIES], Kind.BARS, "bars, for country is a name and n a number"),
        (["month", "a", "b"], MONTHS, Kind.LINE, "a line, for month is a time and a, b a number"),
        (["year", "n"], [(2020, 1), (2021, 5), (2022, 3)], Kind.LINE, "a line, for year is a time and n a number"),
        (["at", "n"], [("2024-01-01 10:00:00", 1), ("2024-01-02T10:00", 2)], Kind.LINE, "a line, for at is a time"),
        (
            ["total"],
            [(i % 7,) for i in range(90)],
            Kind.HISTOGRAM,
            "a histogram, for total is the one column, of numbers",
        ),
        (["c", "n"], [("x", 1), ("y", None)], Kind.BARS, "1 row with NULL left out"),
    ],
)
def test_it_is_chosen_by_the_shape_with_the_reason(columns: list[str], rows: list[Row], kind: Kind, why: str) -> None:
    found = chart(columns, rows)
    assert found.kind is kind
    assert why in found.why


@pytest.mark.parametrize(
    ("columns", "rows", "why"),
    [
        (["a"], [], "no rows"),
        (["name"], [("x",), ("y",)], "no column of numbers"),
        (["a", "b"], [(1.5, 2), (1, 3)], "2 columns of numbers, and none of names or times"),
        (["c", "n"], [(f"c{i}", i) for i in range(400)], "400 rows are more bars than can be read"),
        (["n"], [(5,), (5,)], "one value of n alone"),
        (["c", "n"], [("x", "5")], "no column of numbers"),
        (["n"], [(i,) for i in range(MOST + 1)], "more than 5,000 rows"),
        (["n", "blob"], [(None, b"x")], "no column of numbers"),
    ],
)
def test_a_result_without_a_shape_says_why(columns: list[str], rows: list[Row], why: str) -> None:
    with pytest.raises(NoShape, match=why):
        chart(columns, rows)


def test_several_results_have_no_chart() -> None:
    sink = seen(["c", "n"], COUNTRIES)
    sink.write(["c", "n"], iter(COUNTRIES))
    with pytest.raises(NoShape, match="2 results"):
        chosen(sink)


def test_times_stand_in_their_order() -> None:
    found = chart(["at", "n"], [("2024-03", 3), ("2024-01", 1), ("2024-02", 2)])
    assert found.labels == ("2024-01", "2024-02", "2024-03")
    assert found.series == (("n", (1.0, 2.0, 3.0)),)


@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [
        ("bars", ["country", "orders"], COUNTRIES),
        ("line", ["month", "orders"], [row[:2] for row in MONTHS]),
        ("histogram", ["total"], [((i * i) % 97,) for i in range(300)]),
    ],
)
def test_in_a_terminal_it_is_as_it_was_drawn(name: str, columns: list[str], rows: list[Row]) -> None:
    drawn = in_terminal(chart(columns, rows), columns=80, rows=24)
    assert max(map(len, drawn.splitlines()[:-1])) <= 80
    check_screen(f"chart-{name}", drawn)


@pytest.mark.parametrize("values", [(120, 80, 30, 7), (7, 30, 80, 120), (5, 120, 1, 60), (0.5, 0.25, 3, 2)])
def test_bars_are_as_long_as_their_numbers(values: tuple[float, ...]) -> None:
    drawn = in_terminal(chart(["c", "n"], [(f"c{i}", v) for i, v in enumerate(values)]), columns=80, rows=24)
    lengths = [line[3:].rpartition(" ")[0].rstrip() for line in drawn.splitlines()[:-1]]
    most = max(map(len, lengths))
    for bar, value in zip(lengths, values, strict=True):
        assert abs(len(bar) / most - value / max(values)) < 0.03
    assert [float(line.split()[-1]) for line in drawn.splitlines()[:-1]] == list(values)


def test_a_bar_below_nothing_stands_on_the_other_side() -> None:
    drawn = in_terminal(chart(["c", "n"], [("up", 50), ("down", -50)]), columns=60, rows=24).splitlines()
    up, down = (line[5:-4] for line in drawn[:2])
    assert abs(len(up) - len(up.lstrip()) - len(down.rstrip())) <= 1


def test_drawing_twice_draws_the_second_alone() -> None:
    one, two = chart(["c", "n"], [("first", 1)]), chart(["c", "n"], [("second", 2)])
    in_terminal(one, columns=80, rows=24)
    assert "first" not in in_terminal(two, columns=80, rows=24)


def test_hostile_names_are_only_text() -> None:
    for text in HOSTILE:
        assert not untamed(in_terminal(chart([text, "n"], [(text, 3), ("x", 4)]), columns=80, rows=24))


@pytest.mark.parametrize(
    ("extension", "begins"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".html", b"<!doctype html>")]
)
@pytest.mark.parametrize(
    ("columns", "rows"), [(["c $x$", "n"], COUNTRIES), (["m", "a", "b"], MONTHS), (["t"], [(1,), (2,)])]
)
def test_a_file_is_a_picture(extension: str, begins: bytes, columns: list[str], rows: list[Row]) -> None:
    assert as_file(chart(columns, rows), extension).startswith(begins)


def test_in_a_page_a_name_is_no_markup() -> None:
    page = as_file(chart(["<script>alert(1)</script>", "n"], [("<b>", 3), ("x", 4)]), ".html")
    assert b"<script>" not in page


def test_a_library_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "plotext", None)
    with pytest.raises(UsageError, match="plotext, which is not installed"):
        in_terminal(chart(["n"], [(1,), (2,)]), columns=80, rows=24)
