"""A result as a picture: which one fits its shape, and why, drawn in the terminal or into a file."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

from sqlagent.core.errors import UsageError
from sqlagent.core.text.counted import counted
from sqlagent.ui.layout import pad, shorten
from sqlagent.ui.visible import cell, one_line, width

MOST = 5_000
"""Rows that a picture is made of."""
_MOST_BARS = 30
_MOST_LINES = 4
_LABEL = 24
_TIME = re.compile(
    r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?)?)?|\d{4}-[QW]\d{1,2}", re.ASCII
)
_YEARS = range(1800, 2201)
EXTENSIONS = (".svg", ".png", ".html")


class Kind(StrEnum):
    """The pictures that there are."""

    BARS = "bars"
    LINE = "line"
    HISTOGRAM = "histogram"


class NoShape(Exception):
    """The result has no shape that a picture could show; `str` of it says why."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture: its shape, why it was chosen, and what is in it."""

    kind: Kind
    why: str
    labels: tuple[str, ...]
    """Categories or times; of a histogram none."""
    series: tuple[tuple[str, tuple[float, ...]], ...]
    """Name and values."""


@dataclass(slots=True)
class Seen:
    """A sink that passes rows on, and keeps the first of them."""

    sink: Any
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    results: int = 0
    is_cut: bool = False

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Pass every row on, and keep the first of this result; answers how many there were."""
        self.columns, self.rows, self.is_cut = list(columns), [], False
        self.results += 1
        return int(self.sink.write(columns, self._kept(rows)))

    def _kept(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for row in islice(rows, MOST):
            self.rows.append(row)
            yield row
        for row in rows:
            self.is_cut = True
            yield row
            break
        yield from rows


def chosen(seen: Seen) -> Chart:
    """The picture for its shape; raises NoShape."""
    if seen.results != 1:
        raise NoShape(f"{seen.results} results, and a chart is of one")
    if not seen.rows:
        raise NoShape("no rows")
    if seen.is_cut:
        raise NoShape(f"more than {MOST:,} rows, and a chart shows at most so many: GROUP BY, or LIMIT")
    columns = [[row[place] for row in seen.rows] for place in range(len(seen.columns))]
    names = [one_line(name) for name in seen.columns]
    numbers = [place for place, values in enumerate(columns) if _all_numbers(values)]
    times = [place for place, values in enumerate(columns) if _all_times(values)]
    if times and (drawn := [place for place in numbers if place != times[0]]):
        return _line(names, columns, times[0], drawn)
    if not numbers:
        raise NoShape("no column of numbers")
    others = [place for place in range(len(columns)) if place not in numbers]
    if others:
        return _bars(names, columns, others[0], numbers[0])
    if len(numbers) == 1:
        return _histogram(names[numbers[0]], columns[numbers[0]])
    raise NoShape(f"{len(numbers)} columns of numbers, and none of names or times to set them against")


def _line(names: list[str], columns: list[list[Any]], time: int, numbers: list[int]) -> Chart:
    drawn = numbers[:_MOST_LINES]
    rows = [
        (cell(columns[time][row]), [float(columns[place][row]) for place in drawn])
        for row in range(len(columns[time]))
        if all(columns[place][row] is not None for place in (time, *drawn))
    ]
    rows.sort(key=lambda each: each[0])
    series = tuple((names[place], tuple(values[i] for _, values in rows)) for i, place in enumerate(drawn))
    shown = ", ".join(names[place] for place in drawn)
    more = f", the first {len(drawn)} of {len(numbers)} columns of numbers" if len(drawn) < len(numbers) else ""
    why = f"a line, for {names[time]} is a time and {shown} a number{more}{_left_out(len(columns[time]) - len(rows))}"
    return Chart(Kind.LINE, why, tuple(label for label, _ in rows), series)


def _bars(names: list[str], columns: list[list[Any]], category: int, number: int) -> Chart:
    rows = [(c, v) for c, v in zip(columns[category], columns[number], strict=True) if v is not None]
    if len(rows) > _MOST_BARS:
        raise NoShape(
            f"{len(rows):,} rows are more bars than can be read ({_MOST_BARS}): ORDER BY and LIMIT, or GROUP BY"
        )
    why = f"bars, for {names[category]} is a name and {names[number]} a number{_left_out(len(columns[0]) - len(rows))}"
    labels = tuple(shorten(cell(c, limit=100), _LABEL) for c, _ in rows)
    return Chart(Kind.BARS, why, labels, ((names[number], tuple(float(v) for _, v in rows)),))


def _histogram(name: str, values: list[Any]) -> Chart:
    known = tuple(float(value) for value in values if value is not None)
    if len(set(known)) < 2:
        raise NoShape(f"one value of {name} alone")
    why = f"a histogram, for {name} is the one column, of numbers{_left_out(len(values) - len(known))}"
    return Chart(Kind.HISTOGRAM, why, (), ((name, known),))


def _left_out(rows: int) -> str:
    return f"; {counted(rows, 'row')} with NULL left out" if rows else ""


def _all_numbers(values: list[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(_is_number(value) for value in known)


def _is_number(value: Any) -> bool:
    return hasattr(value, "as_integer_ratio") and not isinstance(value, bool) and abs(value) < 1e300


def _all_times(values: list[Any]) -> bool:
    """Texts that are dates, or numbers that are years, each another."""
    known = [value for value in values if value is not None]
    if len(set(known)) < 2:
        return False
    if all(isinstance(value, int) and value in _YEARS for value in known):
        return len(set(known)) == len(known)
    return all(isinstance(value, str) and _TIME.fullmatch(value) for value in known)


# ---- drawing -----------------------------------------------------------------------------------------------------


def in_terminal(chart: Chart, *, columns: int, rows: int) -> str:
    """Drawn in characters, without colour; the reason under it."""
    lines = _drawn_bars(chart, columns) if chart.kind is Kind.BARS else _drawn_plot(chart, columns, rows)
    return "\n".join([*lines, f"({chart.why})"])


def _drawn_bars(chart: Chart, columns: int) -> list[str]:
    """A line a bar, of eighths of a character, and its number behind it."""
    from rich.bar import Bar
    from rich.console import Console

    ((_, values),) = chart.series
    numbers = [f"{value:,.15g}" for value in values]
    names, ends = max(map(width, chart.labels)), max(map(len, numbers))
    lowest, highest = min(0.0, *values), max(0.0, *values)
    room = max(columns - names - ends - 4, 10)
    console = Console(width=room, color_system=None, force_terminal=False, legacy_windows=False)
    lines = []
    for label, value, number in zip(chart.labels, values, numbers, strict=True):
        bar = Bar(highest - lowest or 1.0, min(value, 0.0) - lowest, max(value, 0.0) - lowest, width=room)
        with console.capture() as drawn:
            console.print(bar)
        lines.append(f"{pad(label, names)} {pad(drawn.get().rstrip(), room)} {number:>{ends}}")
    return lines


def _drawn_plot(chart: Chart, columns: int, rows: int) -> list[str]:
    try:
        import plotext
    except ImportError as e:
        raise _not_installed(e) from e
    figure = plotext.figure
    figure.clear()
    figure.plot_size(columns, max(min(rows - 6, 20), 8))
    for _, values in chart.series:
        match chart.kind:
            case Kind.HISTOGRAM:
                figure.draw(figure.hist(list(values), bins=min(20, len(set(values)))))
            case Kind.LINE:
                figure.draw(figure.signal(list(range(len(values))), list(values)).lines())
    if chart.kind is Kind.LINE:
        _set_range(figure, chart)
    drawn = str(plotext.uncolorize(str(figure.build())))
    return [line.rstrip() for line in drawn.splitlines()]


def _set_range(figure: Any, chart: Chart) -> None:
    """Every value in sight, and times under the line."""
    values = [value for _, series in chart.series for value in series]
    if len(set(values)) > 1:
        figure.ruler("y").lim(min(values), max(values))
    places = list(range(0, len(chart.labels), max(len(chart.labels) // 4, 1)))
    figure.ruler("x").ticks(places, [chart.labels[place][:10] for place in places])


def as_file(chart: Chart, extension: str) -> bytes:
    """The bytes of a picture, or of a page with one in it."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as e:
        raise _not_installed(e) from e
    out = io.BytesIO()
    with mpl.rc_context({"text.parse_math": False, "svg.hashsalt": "sqlagent"}):
        figure = Figure(figsize=(9, max(4.5, 0.35 * len(chart.labels)) if chart.kind is Kind.BARS else 4.5))
        axes = figure.subplots()
        for name, values in chart.series:
            match chart.kind:
                case Kind.BARS:
                    axes.barh(range(len(values)), values)
                    axes.set_yticks(range(len(values)), labels=list(chart.labels))
                    axes.set_xlabel(name)
                case Kind.HISTOGRAM:
                    axes.hist(values, bins=min(20, len(set(values))))
                    axes.set_xlabel(name)
                case Kind.LINE:
                    axes.plot(range(len(values)), values, label=name)
        if chart.kind is Kind.BARS:
            axes.invert_yaxis()
        if chart.kind is Kind.LINE:
            ticks = range(0, len(chart.labels), max(len(chart.labels) // 8, 1))
            axes.set_xticks(list(ticks), labels=[chart.labels[tick] for tick in ticks], rotation=30)
            axes.legend()
        figure.savefig(out, format="png" if extension == ".png" else "svg", bbox_inches="tight", dpi=120)
    picture = out.getvalue()
    if extension != ".html":
        return picture
    svg = picture.decode("utf-8")
    head = "<!doctype html><meta charset=utf-8><title>sqlagent</title>"
    return f"{head}\n{svg[svg.index('<svg') :]}<p>{escape(chart.why)}</p>\n".encode()


def extension_of(path: Path) -> str:
    """Raises UsageError for a name that says no picture."""
    if path.suffix.lower() in EXTENSIONS:
        return path.suffix.lower()
    raise UsageError(
        f"--chart {path}: {path.suffix or 'no extension'} is no picture; there is {' '.join(EXTENSIONS)}",
        hint="--chart alone draws in the terminal",
    )


def _not_installed(missing: ImportError) -> UsageError:
    return UsageError(f"a chart needs {missing.name}, which is not installed", hint='pip install "sqlagent[chart]"')
