"""Rows that come for a while, and then an error: what was given stays whole, and says that it failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_process import Ran
from cli_shop import Shop

from sqlagent.ui.machine import JsonRows, write_document

FAILS = "SELECT abs(value) FROM steps"
"""At its 1,501st row: there is no such number."""


@pytest.fixture
def steps(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    monkeypatch.setenv("SQLAGENT_LIMIT", "-1")
    shop.write(
        "CREATE TABLE steps (value INTEGER);"
        "INSERT INTO steps WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1500)"
        "  SELECT x FROM n;"
        "INSERT INTO steps VALUES (-9223372036854775808), (1)"
    )
    return shop


def refused(done: Ran) -> Ran:
    assert done.code == 1
    assert done.error[0] == "the database refused the statement: integer overflow"
    return done


def test_a_document_stays_one_and_says_why(steps: Shop) -> None:
    document = steps.run("run", "--sql", FAILS, "--json").document
    assert (document["status"], document["message"]) == (
        "failed",
        "the database refused the statement: integer overflow",
    )
    assert "results" not in document


def test_results_before_the_one_that_failed_are_in_the_document(steps: Shop) -> None:
    document = steps.run("run", "--sql", f"SELECT 1 AS one; SELECT value FROM steps; {FAILS}", "--json").document
    assert document["status"] == "failed"
    one, all_ = document["results"]
    assert one == {"columns": ["one"], "rows": [[1]]}
    assert len(all_["rows"]) == 1502


def test_no_file_appears_and_one_that_is_there_stays(steps: Shop) -> None:
    refused(steps.run("run", "--sql", FAILS, "-o", "new.csv", "--format", "csv"))
    kept = Path("kept.json")
    kept.write_text("mine")
    refused(steps.run("run", "--sql", f"SELECT 1; {FAILS}", "-o", "kept.json", "--force"))
    assert kept.read_text() == "mine"
    assert sorted(p.name for p in steps.folder.iterdir() if p.suffix in (".csv", ".json", ".part")) == ["kept.json"]


@pytest.mark.parametrize("format_", ["json", "jsonl", "csv", "table", "markdown", "vertical"])
def test_in_a_pipe_it_is_told_from_whole_rows_by_the_exit_code(steps: Shop, format_: str) -> None:
    out = refused(steps.run("run", "--sql", FAILS, "--format", format_)).text
    assert "9223372036854775808" not in out
    if format_ == "json" and out:
        with pytest.raises(json.JSONDecodeError):
            json.loads(out)  # what was cut short must not look whole


def test_rows_kept_for_a_document_forget_what_failed_even_past_memory(tmp_path: Path) -> None:
    def failing() -> object:
        yield from (("x" * 1000,) for _ in range(3000))
        raise RuntimeError

    with JsonRows() as rows:
        rows.write(["a"], iter([(1,)]))
        with pytest.raises(RuntimeError):
            rows.write(["b"], failing())  # type: ignore[arg-type]  # a generator of rows
        rows.write(["c"], iter([(2,), (3,)]))
        with (tmp_path / "out").open("wb") as out:
            write_document({"format_version": 1}, out, rows=rows)
    document = json.loads((tmp_path / "out").read_text())
    assert [result["columns"] for result in document["results"]] == [["a"], ["c"]]
    assert [result["rows"] for result in document["results"]] == [[[1]], [[2], [3]]]
