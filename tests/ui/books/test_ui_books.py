"""Parquet and XLSX hold the values that went in, of the types that they had, however late an odd one comes."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlagent.core.errors import QueryError, SqlagentError
from sqlagent.ui.books import open_book
from sqlagent.ui.export import Existing, open_rows
from sqlagent.ui.formats import Format

Rows = Iterable[tuple[Any, ...]]


def put(path: Path, rows: Rows, columns: tuple[str, ...] = ("a", "b")) -> None:
    format_ = Format(path.suffix[1:])
    with open_rows(str(path), format_=format_, stdout=io.BytesIO(), existing=Existing.REPLACE) as sink:
        sink.write(columns, iter(rows))


def parquet(tmp_path: Path, rows: Rows) -> pa.Table:
    put(tmp_path / "x.parquet", rows)
    return pq.read_table(tmp_path / "x.parquet")


def xlsx(tmp_path: Path, rows: Rows) -> list[tuple[Any, ...]]:
    put(tmp_path / "x.xlsx", rows)
    return [tuple(row) for row in openpyxl.load_workbook(tmp_path / "x.xlsx").active.values][1:]


@pytest.mark.parametrize(
    ("values", "type_", "read"),
    [
        ([1, None, 2**62], pa.int64(), None),
        ([1, 2.5], pa.float64(), None),
        ([2**53 + 1, 2.5], pa.string(), ["9007199254740993", "2.5"]),
        ([2**70], pa.string(), [str(2**70)]),
        ([True, None], pa.bool_(), None),
        ([b"\0\xff", b""], pa.binary(), None),
        (["NULL", None, "", "05"], pa.string(), None),
        ([1, "1", b"\x01"], pa.string(), ["1", "1", "x'01'"]),
        ([Decimal("1.50"), Decimal("-3")], pa.decimal128(38, 2), None),
        ([Decimal("NaN")], pa.string(), ["NaN"]),
        ([None, None], pa.null(), None),
        ([math.inf, -0.0], pa.float64(), None),
        ([], pa.null(), None),
    ],
)
@pytest.mark.parametrize("late", [0, 45_000])
def test_parquet_has_the_narrowest_type_that_is_exact(
    tmp_path: Path, values: list[Any], type_: pa.DataType, read: list[Any] | None, late: int
) -> None:
    """The same where the values come after two row groups of NULL."""
    table = parquet(tmp_path, [(None, None)] * late + [(value, 1) for value in values])
    assert table.schema.field("a").type == type_
    assert table.column("a").to_pylist()[late:] == (values if read is None else read)
    assert table.num_rows == late + len(values)


def test_a_type_that_has_to_be_widened_late_loses_no_row_that_is_written(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[Any, ...]]:
        for i in range(45_000):
            yield i, i
        yield 0.5, "x"
        for i in range(30_000):
            yield i, None

    table = parquet(tmp_path, rows())
    assert [str(field.type) for field in table.schema] == ["double", "string"]
    assert table.column("a").to_pylist() == [*map(float, range(45_000)), 0.5, *map(float, range(30_000))]
    assert table.column("b").to_pylist()[44_998:45_002] == ["44998", "44999", "x", None]
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_in_xlsx_numbers_are_numbers_and_all_else_is_text(tmp_path: Path) -> None:
    rows = [(1, 2.5), (None, ""), ("05", "=1+1"), (b"\0\xff", True), (10**15, math.inf), (Decimal("1.5"), "http://x")]
    read = [(1, 2.5), (None, ""), ("05", "=1+1"), ("x'00ff'", True), (str(10**15), "inf"), (1.5, "http://x")]
    assert xlsx(tmp_path, rows) == read
    book = openpyxl.load_workbook(tmp_path / "x.xlsx").active
    assert book["B4"].data_type == "s", "no formula"
    assert book["B7"].hyperlink is None


def test_in_xlsx_an_empty_text_is_a_cell_and_null_is_none(tmp_path: Path) -> None:
    import zipfile

    xlsx(tmp_path, [("", None)])
    with zipfile.ZipFile(tmp_path / "x.xlsx") as book:
        page = book.read("xl/worksheets/sheet1.xml").decode()
    assert 'r="A2"' in page
    assert 'r="B2"' not in page


def test_a_text_that_no_cell_holds_is_said_and_never_cut(tmp_path: Path) -> None:
    with pytest.raises(SqlagentError, match="row 2 has a text of 40,000 characters"):
        xlsx(tmp_path, [("x", 1), ("y" * 40_000, 1)])
    assert list(tmp_path.iterdir()) == []


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.binary(max_size=9),
    st.text(st.characters(codec="utf-8"), max_size=9), st.decimals(allow_nan=False, allow_infinity=False),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(VALUES), max_size=6))
def test_null_and_nothing_else_is_null_in_parquet(tmp_path: Path, rows: list[tuple[Any, ...]]) -> None:
    path = tmp_path / "h.parquet"
    put(path, rows, ("a",))
    read = pq.read_table(path).column("a").to_pylist()
    assert [value is None for value in read] == [value is None for (value,) in rows]


@pytest.mark.parametrize("extension", ["parquet", "xlsx"])
def test_what_breaks_off_leaves_nothing(tmp_path: Path, extension: str) -> None:
    def broken() -> Iterator[tuple[Any, ...]]:
        yield from ((i, "x") for i in range(30_000))
        raise QueryError("the database went away")

    with pytest.raises(QueryError):
        put(tmp_path / f"x.{extension}", broken())
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_that_is_full_goes_on_in_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlagent.ui.books.xlsx._MOST_ROWS", 4)
    put(tmp_path / "x.xlsx", [(i, i) for i in range(7)])
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    assert book.sheetnames == ["result 1", "result 1 (2)", "result 1 (3)"]
    assert [row[0] for page in book.worksheets for row in list(page.values)[1:]] == list(range(7))


@pytest.mark.parametrize("extension", [Format.PARQUET, Format.XLSX])
def test_a_library_that_is_not_there_is_said_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: Format
) -> None:
    import sys

    for name in [m for m in sys.modules if m.startswith(("sqlagent.ui.books.", "pyarrow", "xlsxwriter"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("pyarrow", "xlsxwriter"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SqlagentError, match="is not installed") as failure:
        open_book(extension, tmp_path / "x")
    assert failure.value.hint == 'pip install "sqlagent[export]"'
