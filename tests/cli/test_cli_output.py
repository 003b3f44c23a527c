"""Rows on stdout and nothing else there; every format, exactly; every command's JSON is one document."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from cli_shop import Asked, Shop

ODD = "SELECT value FROM odd ORDER BY id"


@pytest.fixture(autouse=True)
def _reads_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")


def test_stdout_has_the_rows_and_stderr_all_else(shop: Shop, model: Asked) -> None:
    model.answers("SELECT id, name FROM customers ORDER BY id LIMIT 2")
    ran = shop.run("ask", "the first two")
    assert ran.text == " id | name\n----+------\n  1 | Ana\n  2 | Ben\n"
    asking, sql, words, reads, empty, rows, following = ran.err.splitlines()
    assert asking.startswith("  asking gpt-5-mini about 3 tables ... ")
    assert sql == "  1 SELECT id, name FROM customers ORDER BY id LIMIT 2"
    assert words == "  in words: id and name of customers; at most 2 rows, smallest first by id"
    assert reads == "  reads customers; allowed by policy  [reads]"
    assert empty == ""
    assert rows.startswith("(2 rows in ")
    assert following == f'next: sqlagent ask --thread {ran.thread} "a question that follows"'


EXACT = {
    "csv": 'value\n\n00ff27\n9223372036854775807\n0.1\n"naïve, ""quoted"""\n""\n',
    "jsonl": '{"value": null}\n{"value": {"$blob": "00ff27"}}\n{"value": 9223372036854775807}\n{"value": 0.1}\n'
    '{"value": "naïve, \\"quoted\\""}\n{"value": ""}\n',
}


def test_values_are_exact_in_csv(shop: Shop) -> None:
    ran = shop.run("run", "--sql", ODD, "--csv")
    values = [row[0] if row else "" for row in csv.reader(io.StringIO(ran.text))][1:]
    assert values[2:5] == ["9223372036854775807", "0.1", 'naïve, "quoted"']
    assert "00ff27" in values[1].lower()


def test_values_are_exact_in_json_lines(shop: Shop) -> None:
    ran = shop.run("run", "--sql", ODD, "--format", "jsonl")
    assert [json.loads(line)["value"] for line in ran.text.splitlines()] == [
        None,
        {"$blob": "00ff27"},
        9223372036854775807,
        0.1,
        'naïve, "quoted"',
        "",
    ]


@pytest.mark.parametrize("format_", ["table", "csv", "json", "jsonl", "markdown", "vertical", "none"])
def test_every_format_says_the_same_rows(shop: Shop, format_: str) -> None:
    ran = shop.run("run", "--sql", "SELECT name FROM customers ORDER BY id", "--format", format_)
    assert ran.code == 0
    found = [name for name in ("Ana", "Ben", "Zoë") if name in ran.text]
    assert found == ([] if format_ == "none" else ["Ana", "Ben", "Zoë"])
    assert "(3 rows in " in ran.err


def test_a_format_may_come_from_the_environment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_FORMAT", "csv")
    assert shop.run("run", "--sql", "SELECT 1 AS one").text == "one\n1\n"


def test_rows_go_to_a_file_that_appears_whole(shop: Shop) -> None:
    ran = shop.run("run", "--sql", "SELECT id FROM customers", "-o", "out.csv", "--csv")
    assert (ran.code, ran.out) == (0, b"")
    assert (shop.folder / "out.csv").read_text() == "id\n1\n2\n3\n"
    assert sorted(p.name for p in shop.folder.iterdir()) == ["out.csv", "shop.db"]


def test_a_failed_statement_leaves_the_old_file(shop: Shop) -> None:
    (shop.folder / "out.csv").write_text("old")
    assert shop.run("run", "--sql", "SELECT nothing", "-o", "out.csv", "--force").code == 1
    assert (shop.folder / "out.csv").read_text() == "old"


def test_the_limit_is_announced(shop: Shop) -> None:
    ran = shop.run("run", "--sql", "SELECT id FROM orders", "--limit", "2", "--csv")
    assert ran.text == "id\n1\n2\n"
    assert "first 2 rows; --limit -1 shows all" in ran.err


MANY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n"


@pytest.mark.parametrize("format_", ["csv", "tsv", "jsonl", "markdown", "table", "auto"])
def test_a_pipe_gets_every_row_unless_a_limit_is_said(shop: Shop, format_: str) -> None:
    ran = shop.run("run", "--sql", MANY, "--format", format_)
    assert ran.text.rstrip().endswith(("1000", '{"i": 1000}', "| 1000 |"))
    assert "--limit -1 for all" not in ran.err
    cut = shop.run("run", "--sql", MANY, "--format", format_, "-n", "200")
    assert cut.text.rstrip().endswith(("200", '{"i": 200}', "| 200 |"))
    assert "first 200 rows; --limit -1 shows all" in cut.err


def test_a_document_has_every_row_unless_a_limit_is_said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    document = shop.run("run", "--sql", MANY, "--json").document
    assert (len(document["results"][0]["rows"]), document["outcome"]["results"][0]["truncated"]) == (1000, False)
    monkeypatch.setenv("SQLAGENT_LIMIT", "7")
    document = shop.run("run", "--sql", MANY, "--json").document
    assert (len(document["results"][0]["rows"]), document["outcome"]["results"][0]["truncated"]) == (7, True)


@pytest.mark.parametrize(("flags", "rows"), [((), 200), (("--limit", "-1"), 1000), (("--csv",), 1000)])
def test_on_a_screen_two_hundred_rows_are_shown(shop: Shop, flags: tuple[str, ...], rows: int) -> None:
    with shop.terminal("run", "--sql", MANY, "--no-pager", *flags) as terminal:
        assert terminal.end() == 0
    numbers = [int(line) for line in terminal.seen.splitlines() if line.strip().isdecimal()]
    assert numbers == list(range(1, rows + 1))
    assert ("first 200 rows;" in terminal.seen) == (rows == 200)


def test_a_reader_that_has_seen_enough_is_no_error(shop: Shop) -> None:
    sql = MANY.replace("1000", "200000")
    program = (
        f'"{sys.executable}" -m sqlagent run --sql "{sql}" --csv --limit -1 | head -n 1; echo "${{PIPESTATUS[0]}}"'
    )
    done = subprocess.run(
        ["bash", "-c", program],
        cwd=shop.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "i\n0\n"
    assert "the pipe was closed by its reader: the rows after that were not written" in done.stderr
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr


def test_two_results_are_kept_apart(shop: Shop) -> None:
    ran = shop.run("run", "--sql", "SELECT 1 AS a; SELECT 2 AS b", "--csv")
    assert ran.text == "a\n1\n\nb\n2\n"
    assert ran.err.splitlines()[-4:-2] == ["(1 row)", "(1 row)"]


def test_an_empty_result_is_done(shop: Shop) -> None:
    ran = shop.run("run", "--sql", "SELECT id FROM customers WHERE id = 9")
    assert ran.code == 0
    assert "(0 rows in " in ran.err


def test_the_same_bytes_reach_a_pipe_of_another_encoding(shop: Shop) -> None:
    ran = shop.cold("run", "--sql", "SELECT name FROM customers WHERE id = 3", "--csv", prelude=_LATIN)
    assert ran.out == "name\nZoë\n".encode()


_LATIN = "import sys; sys.stdout.reconfigure(encoding='latin-1'); sys.stderr.reconfigure(encoding='latin-1')"


def test_json_carries_rows_and_facts_in_one_document(shop: Shop) -> None:
    document = shop.run("run", "--sql", ODD, "--json").document
    assert document["status"] == "executed"
    assert document["policy"] == "allow [reads]"
    assert document["outcome"]["results"] == [{"index": 1, "changed": None, "returned": 6, "truncated": False}]
    (result,) = document["results"]
    assert result["columns"] == ["value"]
    assert result["rows"][:3] == [[None], [{"$blob": "00ff27"}], [9223372036854775807]]


COMMANDS: dict[str, tuple[str, ...]] = {
    "pending": ("pending",),
    "sessions": ("sessions",),
    "schema": ("schema",),
    "schema of a table": ("schema", "customers"),
    "doctor": ("doctor",),
    "config show": ("config", "show"),
    "config check": ("config", "check"),
    "model list": ("model", "list"),
    "model status": ("model", "status"),
    "model stop": ("model", "stop"),
    "help": ("help",),
    "help topic": ("help", "exit-codes"),
    "run": ("run", "--sql", "SELECT 1"),
    "run, refused": ("run", "--sql", "ATTACH 'x' AS y"),
    "run, waiting": ("run", "--sql", "DELETE FROM odd"),
    "run, rejected": ("run", "--sql", "DELETE FROM odd", "--auto-reject"),
    "run, failed": ("run", "--sql", "SELECT nothing"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_one_document_and_the_rest_is_silence(shop: Shop, name: str) -> None:
    ran = shop.run(*COMMANDS[name], "--json")
    assert ran.document
    assert ran.err == ""


def test_an_error_in_json_is_one_object_on_stderr(shop: Shop) -> None:
    ran = shop.run("show", "zzzz", "--json")
    assert (ran.code, ran.out) == (2, b"")
    assert json.loads(ran.err) == {
        "error": {"code": "USAGE", "message": "no thread named zzzz", "hint": "sqlagent sessions lists them"}
    }


def test_the_screen_and_the_json_say_the_same(shop: Shop) -> None:
    screen = shop.run("run", "--sql", "DELETE FROM orders WHERE status = 'pending'")
    document = shop.run("show", screen.thread, "--json").document
    (statement,) = document["statements"]
    (operation,) = [o for o in statement["operations"] if o["verb"] == "delete"]
    assert f"{operation['rows']} of {operation['of']}" in screen.err
    assert f"digest {document['digest']}" in screen.err
    assert document["risk"] in screen.err


def test_the_sample_is_named_when_nobody_chose_a_database(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLAGENT_DB")
    Path("shop.db").rename("sample.db")
    ran = shop.run("run", "--sql", "SELECT 1")
    said = "  using ./sample.db: no --db, no SQLAGENT_DB and no database in a config file"
    assert ran.err.splitlines()[0] == said


@pytest.mark.parametrize("command", ["config show", "help environment", "schema", "--help"])
def test_a_closed_pipe_is_no_error(shop: Shop, command: str) -> None:
    """The reader is gone before a byte is written."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "sqlagent", *command.split()],
        cwd=shop.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
