"""Which files become tables, what the tables are called, and that opening them leaves everything as it was."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from data_files import SALES, fill, workbook
from sqlite_files import Kept, folder, read

from sqlagent.core.errors import ConnectError
from sqlagent.databases.base import Database, Limits
from sqlagent.databases.open import open_database


def opened(place: Path) -> Database:
    return open_database(f"duckdb:{place}", name=place.name)


def tables(place: Path) -> dict[str, str]:
    """The tables of a place, and where each comes from."""
    return {table.name: table.comment for table in opened(place).schema(examples=0).tables}


def left_out(place: Path) -> str:
    return "\n".join(concern.what for concern in opened(place).concerns())


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.csv", "id,zip\n1,01234\n2,00001\n", [(1, "01234"), (2, "00001")]),
        ("a.csv", "id;name\n1;x\n2;\n", [(1, "x"), (2, None)]),
        ("a.CSV", "id\n1\n", [(1,)]),
        ("a.tsv", "id\tname\n1\ta, b\n", [(1, "a, b")]),
        ("a.json", '[{"id": 1, "b": {"c": [1]}}]', [(1, "{'c': [1]}")]),
        ("a.jsonl", '{"id": 1}\n{"id": 2}\n', [(1,), (2,)]),
        ("a.ndjson", '{"id": 9007199254740993}\n', [(9007199254740993,)]),
    ],
)
def test_a_file_is_a_table_of_typed_columns(tmp_path: Path, name: str, text: str, rows: list[tuple[object]]) -> None:
    fill(tmp_path, {name: text})
    assert read(opened(tmp_path / name), "SELECT * FROM a") == rows


def test_a_type_that_a_later_row_is_not_of_is_text(tmp_path: Path) -> None:
    fill(tmp_path, {"a.csv": "n\n" + "1\n" * 60_000 + "x\n"})
    assert read(opened(tmp_path / "a.csv"), "SELECT count(*), max(n) FROM a") == [(60_001, "x")]


def test_a_parquet_file_keeps_its_types(tmp_path: Path) -> None:
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    pq.write_table(pa.table({"n": [1, None], "t": ["", None]}), tmp_path / "a.parquet")
    assert read(opened(tmp_path / "a.parquet"), "SELECT * FROM a") == [(1, ""), (None, None)]


def test_a_workbook_is_a_table_a_sheet(tmp_path: Path) -> None:
    path = workbook(tmp_path / "sales.xlsx", SALES)

    assert tables(path) == {
        "sales_Q1_2024": "file sales.xlsx, sheet Q1 2024",
        "sales_Q2": "file sales.xlsx, sheet Q2",
    }
    assert left_out(path) == "sales.xlsx, sheet Empty is left out: it is empty"
    rows = [("north", 10.0, "2024-01-01", "007"), (None, 2.5, None, "8")]
    assert read(opened(path), "SELECT * FROM sales_Q1_2024") == rows


def test_a_workbook_of_one_sheet_is_one_table(tmp_path: Path) -> None:
    path = workbook(tmp_path / "my sales.xlsx", {"Sheet1": [["id", "id", None], [1, 2, 3]]})
    assert read(opened(path), "SELECT id, id_2, column_3 FROM my_sales") == [(1, 2, 3)]


@pytest.mark.parametrize(
    ("names", "made"),
    [
        (["my orders.csv", "my-orders2.csv"], ["my_orders", "my_orders2"]),
        (["a.csv", "a.json", "b.csv"], ["a_csv", "a_json", "b"]),
        (["a b.csv", "a-b.csv", "A_B.csv"], ["A_B_csv", "a_b_csv_2", "a_b_csv_3"]),
        (["2024.csv", "order.csv", "Ärger.csv", "!.csv"], ["data", "t_2024", "order_", "Ärger"]),
        (["a;DROP TABLE x--.csv", 'q"uote.csv'], ["a_DROP_TABLE_x", "q_uote"]),
    ],
)
def test_names_are_safe_and_told_apart(tmp_path: Path, names: list[str], made: list[str]) -> None:
    fill(tmp_path, {name: '[{"n": 1}]' if name.endswith("json") else "n\n1\n" for name in names})
    assert sorted(tables(tmp_path)) == sorted(made)
    for table in made:
        assert read(opened(tmp_path), f"SELECT n FROM {table}") == [(1,)]


def test_what_of_a_folder_is_no_table_is_said(tmp_path: Path) -> None:
    place = fill(tmp_path / "data", {"a.csv": "n\n1\n", "notes.txt": "x", "none.csv": "", "bad.parquet": "x"})
    fill(tmp_path, {"secret.csv": "s\n1\n"})
    fill(place, {".hidden.csv": "n\n1\n", "~$book.xlsx": "x"})
    fill(place / "inside", {"b.csv": "n\n1\n"})
    (place / "link.csv").symlink_to(tmp_path / "secret.csv")
    (place / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    (place / "same.csv").symlink_to(place / "a.csv")
    os.mkfifo(place / "pipe.csv")

    assert sorted(tables(place)) == ["a", "same"]
    said = left_out(place)
    for name in ("notes.txt", "none.csv", "bad.parquet", "inside", "link.csv", "gone.csv", "pipe.csv"):
        assert f"{name} is left out: " in said
    assert "hidden" not in said
    assert "/dev/fd" not in said


@pytest.mark.parametrize("name", ["[a]*.csv", "*.csv", "{a,b}.csv", "a?.csv", "year=2024.csv"])
def test_a_name_is_no_pattern(tmp_path: Path, name: str) -> None:
    fill(tmp_path, {name: "n\n1\n", "ab.csv": "n\n2\n", "a.csv": "n\n3\n"})
    (table,) = tables(tmp_path / name)
    assert read(opened(tmp_path / name), f"SELECT * FROM {table}") == [(1,)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none.csv", None), ("empty.csv", ""), ("bad.parquet", "x"), ("bad.json", "{"), ("bad.jsonl", "[1"),
        ("bad.xlsx", "x"), ("empty", None), ("n" * 300 + ".csv", None),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_two_lines(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        fill(tmp_path, {name: text})
    with pytest.raises(ConnectError) as refused:
        opened(tmp_path / name)
    assert name.partition(".")[0][:20] in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.hint


def test_a_folder_without_files_of_rows_says_which_it_takes(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="no file in it can be opened as a table") as refused:
        opened(fill(tmp_path, {"notes.txt": "x"}))
    assert ".parquet" in refused.value.hint


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlagent.databases.duckdb.connection.workbook.MOST_UNPACKED", 100_000)
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "0" * 200_000)
    with pytest.raises(ConnectError, match="unpacked it has"):
        opened(tmp_path / "bomb.xlsx")


def test_files_past_the_limit_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlagent.databases.duckdb.connection.files.MOST_BYTES", 10)
    with pytest.raises(ConnectError, match="is the most that is opened"):
        opened(fill(tmp_path))


def test_opening_and_reading_changes_no_file_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = fill(tmp_path / "data")
    workbook(place / "sales.xlsx", SALES)
    monkeypatch.chdir(tmp_path)
    before = folder(tmp_path)
    db = opened(place)
    read(db, "SELECT * FROM customers ORDER BY name")
    db.close()
    assert folder(tmp_path) == before


def test_rows_that_changed_are_read_anew(tmp_path: Path) -> None:
    db = opened(fill(tmp_path, {"a.csv": "n\n1\n"}))
    before = db.fingerprint()
    fill(tmp_path, {"a.csv": "n\n1\n2\n"})

    assert read(db, "SELECT count(*) FROM a") == [(2,)]
    assert db.fingerprint() == before
    fill(tmp_path, {"a.csv": "n,m\n1,x\n"})
    assert db.fingerprint() != before
    fill(tmp_path, {"b.csv": "n\n1\n"})
    assert read(db, "SELECT count(*) FROM b") == [(1,)]


def test_a_file_that_is_gone_is_said_by_the_next_look(tmp_path: Path) -> None:
    db = opened(fill(tmp_path, {"a.csv": "n\n1\n"}) / "a.csv")
    (tmp_path / "a.csv").unlink()
    with pytest.raises(ConnectError, match=r"there is no .*a\.csv"):
        read(db, "SELECT 1")


def test_values_that_python_has_not_are_in_the_engines_own_words(tmp_path: Path) -> None:
    db = opened(fill(tmp_path, {"a.csv": "n\n1\n"}))
    sql = "SELECT INTERVAL 14 MONTH, DATE 'infinity', TIMESTAMP_NS '2024-01-01 10:00:00.123456789', [1, NULL], 1.50, x"
    rows = read(db, f"{sql} FROM (SELECT 1 AS x) -- the end")
    assert [str(value) for value in rows[0]] == [
        "1 year 2 months", "infinity", "2024-01-01 10:00:00.123456789", "[1, NULL]", "1.50", "1",
    ]  # fmt: skip


def test_columns_of_one_name_keep_it(tmp_path: Path) -> None:
    db, sink = opened(fill(tmp_path)), Kept()
    db.read("SELECT 1 AS a, DATE '2024-01-01' AS a", sink=sink, limits=Limits())
    assert (sink.columns, sink.rows) == ([("a", "a")], [(1, "2024-01-01")])
