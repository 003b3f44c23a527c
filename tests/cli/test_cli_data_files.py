"""`--db data.csv`: questions and proven reads on files of rows, from the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cli_shop import Asked, Shop
from data_files import SALES, fill, workbook

from sqlagent.ui.diagnostics import ExitCode


@pytest.fixture
def data(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files beside the shop's database, and reads that run alone."""
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    return fill(shop.folder / "data")


@pytest.mark.parametrize(
    ("named", "sql", "printed"),
    [
        ("data/customers.csv", "SELECT name FROM customers ORDER BY 1 LIMIT 1", b"name\nAna\n"),
        ("data", "SELECT name FROM customers JOIN orders ON customer_id = customers.id LIMIT 1", b"name\nAna\n"),
        ("./data/", "SELECT count(*) AS n FROM audit", b"n\n1\n"),
        ("duckdb:data/orders.tsv", "SELECT sum(total) AS t FROM orders", b"t\n35\n"),
    ],
)
def test_files_are_read_as_tables(shop: Shop, data: Path, named: str, sql: str, printed: bytes) -> None:
    ran = shop.run("run", "--db", named, "--sql", sql, "--csv")
    assert (ran.code, ran.out) == (0, printed), ran.err


def test_a_question_of_a_workbook_is_answered(shop: Shop, data: Path, model: Asked) -> None:
    workbook(data / "sales.xlsx", SALES)
    model.answers("SELECT sum(amount) AS total FROM sales_Q1_2024")
    ran = shop.run("ask", "--db", "data/sales.xlsx", "how much was sold", "--csv")

    assert (ran.code, ran.out) == (0, b"total\n12.5\n"), ran.err
    assert "sheet Empty is left out: it is empty" in ran.err
    assert "DuckDB" in model.last_prompt
    assert "sales_Q1_2024" in model.last_prompt


@pytest.mark.parametrize("sql", ["UPDATE customers SET name = 'x'", "DROP TABLE audit", "DELETE FROM orders"])
def test_a_write_is_refused_before_anybody_is_asked(shop: Shop, data: Path, sql: str) -> None:
    before = (data / "customers.csv").read_bytes()
    ran = shop.run("run", "--db", "data", "--sql", sql)

    assert ran.code == ExitCode.DENIED
    assert ran.err.splitlines()[-2:] == [
        "error: the policy denies this: files are only read, and this is not proven to be a read  [read-only]",
        "  hint: change the file itself, or put its rows in a database",
    ]
    assert (data / "customers.csv").read_bytes() == before


def test_a_read_of_another_file_is_refused(shop: Shop, data: Path) -> None:
    ran = shop.run("run", "--db", "data", "--sql", f"SELECT * FROM read_text('{shop.path}')")
    assert ran.code == ExitCode.DENIED
    assert "[outside-database]" in ran.err


def test_an_approved_read_of_a_file_whose_columns_changed_is_not_run(
    shop: Shop, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "ask")
    asked = shop.run("run", "--db", "data/customers.csv", "--sql", "SELECT * FROM customers", "--json").document
    fill(data, {"customers.csv": "id,secret\n1,x\n"})
    ran = shop.run("resume", str(asked["thread"]), "--approve", str(asked["digest"]), "--json")

    assert ran.code in (ExitCode.STALE, ExitCode.PENDING)
    assert "changed since it was approved" in json.dumps(ran.document)


def test_what_of_a_folder_is_left_out_is_said_before_the_answer(shop: Shop, data: Path) -> None:
    fill(data, {f"notes{n}.txt": "x" for n in range(6)})
    ran = shop.run("run", "--db", "data", "--sql", "SELECT 1 AS n", "--csv")
    assert "  notes0.txt is left out: .txt is none of the formats that are opened" in ran.err
    assert "  and 2 more: sqlagent doctor lists them" in ran.err


def test_schema_and_doctor_say_which_file_is_which_table(shop: Shop, data: Path) -> None:
    assert b"CREATE TABLE orders ( -- file orders.tsv\n" in shop.run("schema", "--db", "data").out
    assert b"data; duckdb 2" in shop.run("doctor", "--db", "data").out
    assert b"4 tables" in shop.run("doctor", "--db", "data").out


@pytest.mark.parametrize("output", ["data/customers.csv", "./data/../data/customers.csv"])
def test_rows_do_not_go_over_a_file_that_is_open(shop: Shop, data: Path, output: str) -> None:
    before = (data / "customers.csv").read_bytes()
    ran = shop.run("run", "--db", "data", "--sql", "SELECT 1", "-o", output, "--force")
    assert ran.code == ExitCode.USAGE
    assert "is one of the files of data: rows do not go over it" in ran.err
    assert (data / "customers.csv").read_bytes() == before


@pytest.mark.parametrize("missing", ["duckdb", "python_calamine"])
def test_without_the_extra_two_lines_say_what_to_install(
    shop: Shop, data: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    ran = shop.run("run", "--db", "data", "--sql", "SELECT 1")
    assert ran.code == ExitCode.CONNECTION
    assert ran.err.splitlines() == [
        "error: data is opened by DuckDB, which is not installed",
        '  hint: pip install "sqlagent[duckdb]"',
    ]


def test_help_says_what_is_opened_and_how(shop: Shop) -> None:
    page = shop.run("help", "databases").out.decode()
    assert "engine          files (DuckDB)\nsecond opinion  yes\npreview         no\n" in page
    assert "endings   .csv, .tsv, .parquet, .json, .jsonl, .ndjson, .xlsx\n" in page
    assert max(map(len, page.splitlines())) <= 80
