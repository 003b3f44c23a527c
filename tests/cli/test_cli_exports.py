"""`-o FILE`: the format of its name, every row, whole or not at all, and never over another file unasked."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from cli_shop import Shop

from sqlagent.core.errors import UsageError
from sqlagent.ui.export import open_rows
from sqlagent.ui.file_formats import EXTENSIONS
from sqlagent.ui.formats import Format

MANY = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2600) SELECT i, 'n' || i AS name FROM n"
)


@pytest.fixture(autouse=True)
def _reads_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")


def export(shop: Shop, *arguments: str, sql: str = MANY) -> Any:
    return shop.run("run", "--sql", sql, *arguments)


def sheet(path: Path) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in openpyxl.load_workbook(path, read_only=True).worksheets[0].values]


LAST: dict[str, Callable[[Path], Any]] = {
    ".csv": lambda path: list(csv.reader(path.open()))[2600],
    ".tsv": lambda path: list(csv.reader(path.open(), delimiter="\t"))[2600],
    ".json": lambda path: [str(v) for v in json.loads(path.read_text())[2599].values()],
    ".jsonl": lambda path: [str(v) for v in json.loads(path.read_text().splitlines()[2599]).values()],
    ".md": lambda path: path.read_text().splitlines()[2601].strip("| ").split(" | "),
    ".txt": lambda path: path.read_text().splitlines()[2601].strip().split(" | "),
    ".parquet": lambda path: [str(v) for v in pq.read_table(path).to_pylist()[2599].values()],
    ".xlsx": lambda path: [str(v) for v in sheet(path)[2600]],
}


@pytest.mark.parametrize("extension", [*EXTENSIONS, ".CSV", ".Parquet"])
def test_the_name_of_the_file_says_its_format_and_every_row_is_in_it(shop: Shop, extension: str) -> None:
    ran = export(shop, "-o", f"orders{extension}")
    assert (ran.code, ran.out) == (0, b""), ran.err
    path = shop.folder / f"orders{extension}"
    assert LAST[extension.lower()](path) == ["2600", "n2600"]
    size = path.stat().st_size
    assert f"wrote 2,600 rows to orders{extension} ({size / 1000:.0f} KB)\n" in ran.err


@pytest.mark.parametrize("name", ["orders.xls", "orders.db.bak", "orders", "orders.csv.gz", "orders."])
def test_a_name_that_says_no_format_is_an_error_that_lists_them(shop: Shop, name: str) -> None:
    ran = export(shop, "-o", name)
    assert ran.code == 2
    assert "there is .csv .tsv .json .jsonl .md .txt .parquet .xlsx" in ran.error[0]
    assert not (shop.folder / name).exists()
    assert not shop.state.exists(), "nothing was run"


@pytest.mark.parametrize(("name", "flags"), [("x.dat", ["--csv"]), ("x.json", ["--format", "csv"]), ("x", ["--csv"])])
def test_a_format_that_is_typed_overrides_the_name(shop: Shop, name: str, flags: list[str]) -> None:
    assert export(shop, "-o", name, *flags).code == 0
    assert (shop.folder / name).read_text().startswith("i,name\n1,n1\n")


def test_the_name_counts_for_more_than_a_format_of_the_environment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_FORMAT", "csv")
    assert export(shop, "-o", "x.jsonl").code == 0
    assert (shop.folder / "x.jsonl").read_text().startswith('{"i": 1,')


def test_a_limit_that_is_said_counts_for_a_file_too(shop: Shop) -> None:
    ran = export(shop, "-o", "x.csv", "--limit", "5")
    assert "wrote 5 rows to x.csv" in ran.err
    assert "first 5 rows; --limit -1 shows all" in ran.err


def test_a_file_that_is_there_stays_without_force(shop: Shop) -> None:
    (shop.folder / "x.csv").write_text("mine")
    ran = export(shop, "-o", "x.csv")
    assert (ran.code, ran.error[0]) == (2, "x.csv is there already")
    assert "--force" in ran.error[1]
    assert (shop.folder / "x.csv").read_text() == "mine"
    assert export(shop, "-o", "x.csv", "--force").code == 0
    assert (shop.folder / "x.csv").read_text().startswith("i,name\n")


@pytest.mark.parametrize(("answer", "replaced"), [("y", True), ("yes", True), ("n", False), ("", False), ("x", False)])
def test_before_a_person_it_is_asked(shop: Shop, answer: str, replaced: bool) -> None:
    (shop.folder / "x.csv").write_text("mine")
    with shop.terminal("run", "--sql", "SELECT 1 AS one", "-o", "x.csv") as terminal:
        code = terminal.answer("x.csv is there already (4 bytes). Replace it? [y/N] ", answer).end()
    assert code == (0 if replaced else 2)
    assert (shop.folder / "x.csv").read_text() == ("one\n1\n" if replaced else "mine")


def test_a_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"

    def rows() -> Iterator[tuple[int]]:
        yield (1,)
        path.write_text("mine")

    def export_them() -> None:
        with open_rows(str(path), format_=Format.CSV, stdout=io.BytesIO()) as sink:
            sink.write(["a"], rows())

    with pytest.raises(UsageError, match="is there already"):
        export_them()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("x.csv", "mine")]


def test_rows_for_a_file_are_not_in_the_document_too(shop: Shop) -> None:
    ran = export(shop, "-o", "x.csv", "--json")
    assert ran.document["outcome"]["results"][0]["returned"] == 2600
    assert "results" not in ran.document
    assert (shop.folder / "x.csv").read_text().count("\n") == 2601


@pytest.mark.parametrize("format_", ["parquet", "xlsx"])
def test_what_is_no_text_does_not_go_to_a_pipe(shop: Shop, format_: str) -> None:
    ran = export(shop, "--format", format_)
    assert (ran.code, ran.out) == (2, b"")
    assert f"-o FILE.{format_}" in ran.error[1]


FULL = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
BIG = MANY.replace("2600", "60000").replace("'n' || i", "hex(randomblob(60))")


@pytest.mark.parametrize("extension", [".csv", ".jsonl", ".txt", ".parquet", ".xlsx"])
def test_where_there_is_no_room_nothing_is_left_and_it_is_said(shop: Shop, extension: str) -> None:
    (shop.folder / f"x{extension}").write_text("mine")
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))"
    ran = shop.cold("run", "--sql", BIG, "-o", f"x{extension}", "--force", prelude=FULL + limit)
    assert ran.code == 1
    assert ran.error[0] == f"x{extension} cannot be written: file too large"
    assert sorted(p.name for p in shop.folder.iterdir()) == ["shop.db", f"x{extension}"]
    assert (shop.folder / f"x{extension}").read_text() == "mine"
    assert "wrote" not in ran.err


def test_two_results_are_two_sheets_and_no_parquet(shop: Shop) -> None:
    two = "SELECT 1 AS a; SELECT 'x' AS b"
    assert export(shop, "-o", "x.xlsx", sql=two).code == 0
    book = openpyxl.load_workbook(shop.folder / "x.xlsx")
    assert [list(page.values) for page in book.worksheets] == [[("a",), (1,)], [("b",), ("x",)]]
    ran = export(shop, "-o", "x.parquet", sql=two)
    assert ran.code == 1
    assert "a Parquet file holds one result" in ran.error[0]
    assert not (shop.folder / "x.parquet").exists()


# ---- charts ----------------------------------------------------------------------------------------------------------

BY_STATUS = "SELECT status, COUNT(*) AS n FROM orders GROUP BY status"


@pytest.mark.parametrize("flags", [("--chart", "--no-input"), ("--chart",)])
def test_a_chart_stands_in_place_of_the_rows(shop: Shop, flags: tuple[str, ...]) -> None:
    ran = export(shop, *flags, sql=BY_STATUS)
    assert ran.code == 0, ran.err
    assert "(bars, for status is a name and n a number)" in ran.text
    assert "pending" in ran.text
    assert "status | n" not in ran.text


def test_a_chart_may_be_a_file_beside_the_rows(shop: Shop) -> None:
    ran = export(shop, "--chart", "c.svg", "--csv", sql=BY_STATUS)
    assert ran.text == "status,n\npaid,30\npending,10\n"
    assert "wrote c.svg (" in ran.err
    assert (shop.folder / "c.svg").read_text().startswith("<?xml")
    assert export(shop, "--chart", "c.svg", sql=BY_STATUS).code == 2, "it is there already"


@pytest.mark.parametrize(("name", "code"), [("c.pdf", 2), ("shop.db", 2)])
def test_a_chart_goes_to_no_other_file(shop: Shop, name: str, code: int) -> None:
    assert export(shop, f"--chart={name}", sql=BY_STATUS).code == code


def test_a_result_without_a_shape_is_no_error(shop: Shop) -> None:
    ran = export(shop, "--chart", sql="SELECT name FROM customers")
    assert ran.code == 0
    assert "no chart: no column of numbers" in ran.err


BY_CUSTOMER = "SELECT id, total AS t, 'no ' || id AS name FROM orders LIMIT 8"


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads are put to a person."""
    monkeypatch.setenv("SQLAGENT_READS", "ask")


@pytest.mark.usefixtures("asks")
@pytest.mark.parametrize(("typed", "drawn"), [("c", True), ("", False), ("x", False)])
def test_a_person_who_approved_a_read_is_offered_its_chart(shop: Shop, typed: str, drawn: bool) -> None:
    with shop.terminal("run", "--sql", BY_CUSTOMER) as terminal:
        terminal.type("").see("(8 rows").see("[c] chart").type(typed)
        assert terminal.end() == 0
        assert ("█" in terminal.seen) == drawn


@pytest.mark.usefixtures("asks")
@pytest.mark.parametrize("key", ["c", "d"])
def test_leaving_the_offer_of_a_chart_is_no_error(shop: Shop, key: str) -> None:
    with shop.terminal("run", "--sql", BY_CUSTOMER) as terminal:
        terminal.type("").see("[c] chart").prompt().press(key)
        assert terminal.end() == 0


@pytest.mark.usefixtures("asks")
@pytest.mark.parametrize("sql", ["SELECT name FROM customers", "SELECT id FROM orders LIMIT 3"])
def test_no_chart_is_offered_of_what_has_no_shape_or_few_rows(shop: Shop, sql: str) -> None:
    with shop.terminal("run", "--sql", sql) as terminal:
        assert terminal.type("").see("rows in").end() == 0
        assert "[c]" not in terminal.seen


def test_a_result_that_is_longer_than_the_screen_goes_through_the_pager(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pager = shop.folder / "pager"
    pager.write_text("#!/bin/sh\necho PAGER BEGINS; cat; echo PAGER ENDS\n")
    pager.chmod(0o755)
    monkeypatch.setenv("PAGER", str(pager))
    with shop.terminal("run", "--sql", "SELECT a.id * 10 FROM orders a, customers") as terminal:
        terminal.see("PAGER BEGINS").see(" 400").see("PAGER ENDS").see("(120 rows")
        assert terminal.end() == 0
    with shop.terminal("run", "--sql", "SELECT a.id * 10 FROM orders a, customers", "--no-pager") as terminal:
        assert terminal.see("(120 rows").end() == 0
        assert "PAGER" not in terminal.seen
