"""Values come out of every format as they went in, and none can act on a terminal."""

from __future__ import annotations

import csv
import io
import json
import math
import tracemalloc
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_builders import HOSTILE, check_screen, untamed

from sqlagent.ui.books import BOOKS
from sqlagent.ui.formats import Format, Spelling, json_names, write

COLUMNS = ["id", "name", "note", "total", "data"]
ROWS: list[tuple[Any, ...]] = [
    (1, "Acme GmbH", None, 91204.5, b"SQL"),
    (2**63 - 1, "", "NULL", 0.1 + 0.2, b""),
    (-3, 'say "hi", you', "two\nlines\tand a tab", float("inf"), None),
    (None, "Größe 漢字 🎉", "a|b *c* _d_ <e>", -0.0, b"\x00\xff"),
]
FOR_PEOPLE = [Format.AUTO, Format.TABLE, Format.MARKDOWN, Format.VERTICAL]
TEXTS = [format_ for format_ in Format if format_ not in BOOKS]
EVERY = [format_ for format_ in TEXTS if format_ is not Format.NONE]


def written(
    format_: Format,
    rows: list[tuple[Any, ...]],
    columns: list[str] | None = None,
    spelling: Spelling = Spelling.EXACT,
) -> str:
    out = io.BytesIO()
    assert write(out, format_, COLUMNS if columns is None else columns, iter(rows), spelling) == len(rows)
    return out.getvalue().decode("utf-8", "surrogatepass")


def from_json(value: Any) -> Any:
    """A value of ours read back from JSON."""
    match value:
        case {"$blob": text}:
            return bytes.fromhex(text)
        case {"$float": text}:
            return float(text)
        case _:
            return value


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return bool(type(left) is type(right) and left == right)


@pytest.mark.parametrize("format_", TEXTS)
def test_a_result_is_as_it_was_drawn(format_: Format) -> None:
    check_screen(f"rows-{format_}", written(format_, ROWS))


@pytest.mark.parametrize("format_", TEXTS)
def test_a_result_without_rows_is_as_it_was_drawn(format_: Format) -> None:
    check_screen(f"no-rows-{format_}", written(format_, []))


VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.binary(max_size=20),
    st.text(st.characters(), max_size=20),
)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=8))
def test_json_reads_back_exactly(rows: list[tuple[Any, ...]]) -> None:
    lines = written(Format.JSONL, rows, ["a", "b"]).splitlines()
    documents = [json.loads(line) for line in lines]
    assert json.loads(written(Format.JSON, rows, ["a", "b"])) == documents
    read = [(from_json(document["a"]), from_json(document["b"])) for document in documents]
    assert len(read) == len(rows)
    assert all(same(*pair) for row, back in zip(rows, read, strict=True) for pair in zip(row, back, strict=True))


@given(st.lists(st.tuples(VALUES, VALUES), max_size=8))
def test_csv_reads_back_as_the_same_text(rows: list[tuple[Any, ...]]) -> None:
    read = list(csv.reader(io.StringIO(written(Format.CSV, rows, ["a", "b"]), newline="")))
    assert read == [["a", "b"], *([as_csv(value) for value in row] for row in rows)]


def as_csv(value: Any) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([(None, "")], 'a,b\n,""\n'),
        ([(1, "")], 'a,b\n1,""\n'),
        ([("", 1)], 'a,b\n"",1\n'),
        ([(2, 3), ("", 1)], 'a,b\n2,3\n"",1\n'),
        ([("", None)], 'a,b\n"",\n'),
        ([("", "")] * 2 + [(1, None)], 'a,b\n"",""\n"",""\n1,\n'),
        ([("x\ry", 1)], 'a,b\n"x\ry",1\n'),
        ([(True, Decimal("1.50"))], "a,b\ntrue,1.50\n"),
        ([(date(2026, 3, 30), {"k": [1]})], 'a,b\n2026-03-30,"{""k"": [1]}"\n'),
        ([("NULL", "x'00'")], "a,b\nNULL,x'00'\n"),
    ],
)
def test_in_csv_nothing_is_null_and_quotes_are_an_empty_text(rows: list[tuple[Any, ...]], text: str) -> None:
    assert written(Format.CSV, rows, ["a", "b"]) == text


def test_in_csv_of_one_column_null_and_empty_text_differ_too() -> None:
    assert written(Format.CSV, [(None,), ("",), ("x",)], ["a"]) == 'a\n\n""\nx\n'
    assert written(Format.CSV, [("",), ("x",)], ["a"]) == 'a\n""\nx\n'


def test_a_value_of_a_later_chunk_is_as_exact_as_one_of_the_first() -> None:
    rows: list[tuple[Any, ...]] = [(i, "x") for i in range(2_500)]
    rows[2_400] = (b"\x00", "")
    lines = written(Format.CSV, rows, ["a", "b"]).splitlines()
    assert (lines[2_400], lines[2_401], lines[2_402]) == ("2399,x", "x'00',\"\"", "2401,x")


def test_integers_past_two_to_the_53_are_exact_in_json() -> None:
    assert '{"n": 9007199254740993}' in written(Format.JSONL, [(2**53 + 1,)], ["n"])


def test_columns_of_one_name_stay_apart_in_json() -> None:
    assert json_names(["id", "id", "id_2", "id", ""]) == ["id", "id_2", "id_2_2", "id_3", ""]
    assert json.loads(written(Format.JSONL, [(1, 2)], ["id", "id"])) == {"id": 1, "id_2": 2}
    assert written(Format.CSV, [(1, 2)], ["id", "id"]) == "id,id\n1,2\n"


def test_a_table_keeps_a_later_row_whole_though_it_is_wider() -> None:
    rows: list[tuple[Any, ...]] = [(i, "x") for i in range(1_500)]
    rows[1_400] = (1400, "w" * 60)
    assert f" 1400 | {'w' * 60}\n" in written(Format.TABLE, rows, ["id", "name"])


def test_a_table_cuts_an_enormous_cell_and_csv_does_not() -> None:
    row = [("x" * 10_000,)]
    assert "xxx... (10,000 characters)\n" in written(Format.TABLE, row, ["a"])
    assert "x" * 10_000 in written(Format.CSV, row, ["a"])
    assert "x" * 10_000 in written(Format.VERTICAL, row, ["a"])


def test_a_value_of_several_lines_cannot_pass_for_another_row() -> None:
    shown = written(Format.VERTICAL, [("x\n-[ row 2 ]---\nid | 9",)], ["id"])
    assert shown.splitlines()[1:] == ["id | x", "   | -[ row 2 ]---", "   | id | 9"]


@pytest.mark.parametrize("format_", EVERY)
def test_hostile_cells_and_names_are_only_text_on_a_terminal(format_: Format) -> None:
    for text in HOSTILE:
        rows = [(text, text.encode("utf-8", "surrogatepass")), (1, None)]
        assert not untamed(written(format_, rows, [text, "b"], Spelling.VISIBLE).replace("\t", ""))


@pytest.mark.parametrize("format_", [*FOR_PEOPLE, Format.JSON, Format.JSONL])
def test_in_a_pipe_only_csv_carries_control_characters(format_: Format) -> None:
    for text in HOSTILE:
        assert not untamed(written(format_, [(text,)], [text]))


def test_in_a_pipe_csv_is_exact_and_json_reads_back_so() -> None:
    for text in HOSTILE:
        read = list(csv.reader(io.StringIO(written(Format.CSV, [(text, 1)], ["a", "b"]), newline="")))
        assert read[1][0] == text
        assert json.loads(written(Format.JSON, [(text, 1)], ["a", "b"]))[0]["a"] == text


@pytest.mark.parametrize("format_", TEXTS)
def test_memory_does_not_grow_with_rows(format_: Format) -> None:
    class Counts(io.RawIOBase):
        def write(self, data: Any) -> int:
            return len(data)

    def rows(count: int) -> Iterator[tuple[Any, ...]]:
        return ((i, "customer name", None, i * 1.5, "pending") for i in range(count))

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            assert write(Counts(), format_, COLUMNS, rows(count), Spelling.EXACT) == count  # type: ignore[arg-type]
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(4_000)  # what is made once, whatever is written first
    assert peak(20_000) < peak(4_000) * 1.2 + 50_000


ALIKE: list[Any] = [None, "NULL", "", "'NULL'", b"\x00", "x'00'", 5, "5", 5.0, "5.0", -1, "-1", 1e300, "1e+300"]
ALIKE += [True, "true", float("inf"), "inf"]


@pytest.mark.parametrize("format_", [Format.TABLE, Format.VERTICAL, Format.MARKDOWN, Format.JSONL])
def test_null_texts_numbers_and_blobs_are_told_apart(format_: Format) -> None:
    shown = [written(format_, [(value, "x")], ["value", "x"]) for value in ALIKE]
    assert len(set(shown)) == len(ALIKE)


def test_a_date_and_words_with_digits_stay_unquoted() -> None:
    for text in ("2026-11-30", "12 Main St", "0x10", "1,000", "+49 30 1", "1.2.3", "infinite", "v5"):
        assert f" {text}\n" in written(Format.TABLE, [(text,)], ["a"])


@pytest.mark.parametrize("mark", [",", "\t"])
@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(), st.floats() | st.none(), st.text(st.sampled_from('a,"\r\n\t é'), max_size=4),
            st.none() | st.sampled_from(["", "x", 'a,"b']), st.none() | st.binary(max_size=2) | st.booleans(),
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_columns_are_written_as_the_same_values_are_in_a_line(mark: str, rows: list[tuple[object, ...]]) -> None:
    """A chunk is written a column at a time, for speed: as `csv` reads it back, every value is where it was."""
    kind = Format.CSV if mark == "," else Format.TSV
    out = io.BytesIO()
    write(out, kind, ["a", "b", "c", "d", "e"], iter(rows), Spelling.EXACT)
    alone = io.BytesIO()
    for row in rows:
        write(alone, kind, ["a", "b", "c", "d", "e"], iter([row]), Spelling.EXACT)
    head = out.getvalue().split(b"\n", 1)[0] + b"\n"
    assert out.getvalue() == head + alone.getvalue().replace(head, b"")
    read = list(csv.reader(io.StringIO(out.getvalue().decode(), newline=""), delimiter=mark))[1:]
    assert [row[2] for row in read] == [row[2] for row in rows]
