"""`sqlagent check` as other programs use it: line by line, as annotations and SARIF, over scripts of any length."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from check_lines import JUDGED, PLACED, SCRIPT, lines
from checkout import ROOT
from cli_shop import Shop
from jsonschema import Draft7Validator

from sqlagent.core.analysis import syntax_opinion
from sqlagent.core.nouns.analysis import SyntaxOpinion
from sqlagent.core.text.split import Piece

# ---- --input jsonl -----------------------------------------------------------------------------------------------


def test_each_line_is_answered_before_the_next_is_written(shop: Shop) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ('{"id": 7, "sql": "SELECT 1"}', {"id": 7, "risk": "READ"}),
        ('{"id": "a\\u001b", "sql": "DELETE FROM t"}', {"id": "a\x1b", "risk": "SEVERE"}),
        ('{"id": null, "sql": "SELECT 2"}', {"id": None, "risk": "READ"}),
        ('{"sql": "SELECT 3"}', {"risk": "READ"}),
    ]
    with _editor("--input", "jsonl") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line, expected in asked:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert b"\x1b" not in answer
            told = json.loads(answer)
            assert list(told) == ["format_version", *(["id"] if "id" in expected else []), *JUDGED, *PLACED]
            assert expected.items() <= told.items()
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(20) == 5


def _editor(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sqlagent", "check", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"SELECT 1", "line 1 is not JSON"),
        (b'{"id": 1, "sql": NaN}', "line 1 is not JSON"),
        (b'\xff{"sql": "SELECT 1"}', "line 1 is not JSON"),
        (b"[" * 100_000, "line 1 is not JSON"),
        (b"[1]", "line 1 is not an object"),
        (b'{"id": 5}', "line 1 has no text named sql"),
        (b'{"id": 5, "sql": null}', "line 1 has no text named sql"),
        (b'{"id": 5, "sql": " -- nothing"}', "line 1 has no statement"),
    ],
)
def test_a_line_that_cannot_be_read_is_said_and_the_next_is_answered(shop: Shop, line: bytes, message: str) -> None:
    with _editor("--input", "jsonl") as process:
        out, _ = process.communicate(line + b'\n\n{"id": 6, "sql": "SELECT 1"}\n')
    said, answered = map(json.loads, out.splitlines())
    assert said["error"]["code"] == "USAGE"
    assert said["error"]["message"].startswith(message)
    assert said.get("id") == (5 if b'"id": 5' in line else None)
    assert (answered["id"], answered["risk"]) == (6, "READ")
    assert process.returncode == 2


def test_a_database_is_asked_line_by_line_too(shop: Shop) -> None:
    ran = shop.cold(
        "check", "--input", "jsonl", "--db", "shop.db", stdin='{"id": 1, "sql": "SELECT * FROM odd; DROP TABLE odd"}\n'
    )
    assert [(t["id"], t["index"], t["opinions"]["engine"]) for t in lines(ran)] == [(1, 1, "READ"), (1, 2, "SEVERE")]
    assert ran.code == 5


# ---- other programs ----------------------------------------------------------------------------------------------


def test_workflow_annotations_are_escaped_and_name_the_file_as_it_was_given(shop: Shop) -> None:
    folder = shop.folder / "a,b:100%"
    folder.mkdir()
    (folder / "x.sql").write_text('SELECT 1;\nDELETE FROM "a%\r\n::error::b,c"')
    ran = shop.run("check", "a,b:100%/x.sql", "--format", "github")
    assert ran.text == (
        "::error file=a%2Cb%3A100%25/x.sql,line=2,endLine=3,title=no-where::"
        "no WHERE: it deletes every row of a%25%0D%0A::error::b,c\n"
    ).replace("%0D", "⟨U+000D⟩")
    assert ran.code == 5


def test_what_would_be_asked_without_a_finding_is_annotated_too(shop: Shop) -> None:
    ran = shop.run("check", "--sql", "UPDATE t SET a = 1 WHERE b = 2", "--format", "github")
    assert (
        ran.text
        == "::warning file=command line,line=1,endLine=1,col=1,endColumn=31,title=needs-approval::WRITE: update of t\n"
    )
    assert shop.run("check", "--sql", "SELECT 1", "--format", "github").text == ""


def test_sarif_is_what_the_standard_requires(shop: Shop) -> None:
    (shop.folder / "my file.sql").write_text(SCRIPT + "ATTACH 'x' AS y; SELECT '\x1b\u202e'")
    ran = shop.run("check", "my file.sql", "--format", "sarif")
    document = json.loads(ran.out)
    Draft7Validator(SARIF).validate(document)
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules)) > 20
    assert [(r["ruleId"], r["level"], _line(r)) for r in run["results"]] == [
        ("needs-approval", "warning", 3),
        ("no-where", "error", 4),
        ("outside-database", "error", 5),
        ("hidden-characters", "warning", 5),
        ("hidden-characters", "warning", 5),
    ]
    assert {r["ruleId"] for r in run["results"]} - {"needs-approval"} <= set(rules)
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "my%20file.sql"
    assert ran.code == 6


def test_sarif_of_nothing_is_a_document_too(shop: Shop) -> None:
    document = json.loads(shop.run("check", "--sql", "SELECT 1", "--format", "sarif").out)
    Draft7Validator(SARIF).validate(document)
    assert document["runs"][0]["results"] == []


def _line(result: dict[str, Any]) -> int:
    return int(result["locations"][0]["physicalLocation"]["region"]["startLine"])


_TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
}
_RULE = {
    "type": "object",
    "required": ["id", "shortDescription", "fullDescription"],
    "properties": {"id": {"type": "string"}, "shortDescription": _TEXT, "fullDescription": _TEXT},
    "additionalProperties": False,
}
_DRIVER = {
    "type": "object",
    "required": ["name", "version", "rules"],
    "properties": {
        "name": {"const": "sqlagent"},
        "version": {"type": "string"},
        "rules": {"type": "array", "uniqueItems": True, "items": _RULE},
    },
    "additionalProperties": False,
}
_PLACE = {
    "type": "object",
    "required": ["artifactLocation", "region"],
    "properties": {
        "artifactLocation": {
            "type": "object",
            "required": ["uri"],
            "properties": {"uri": {"type": "string", "pattern": r"^[!#-;=?-\[\]_a-z~%]+$"}},
            "additionalProperties": False,
        },
        "region": {
            "type": "object",
            "required": ["startLine"],
            "properties": {
                name: {"type": "integer", "minimum": 1} for name in ("startLine", "startColumn", "endLine", "endColumn")
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}
_RESULT = {
    "type": "object",
    "required": ["message", "ruleId", "level", "locations"],
    "properties": {
        "message": _TEXT,
        "ruleId": {"type": "string"},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "locations": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["physicalLocation"],
                "properties": {"physicalLocation": _PLACE},
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
SARIF = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {"driver": _DRIVER},
                        "additionalProperties": False,
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": _RESULT},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
"""What SARIF 2.1.0 (OASIS, sections 3.13 to 3.52) requires of the objects that we write, and nothing that it does not
know; the standard's own schema is somebody else's file and is not kept here."""


# ---- length ------------------------------------------------------------------------------------------------------


def test_a_long_script_is_answered_before_it_is_read_to_its_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements are judged one by one: the first line is out before the last statement is split off."""
    order: list[str] = []
    judged = syntax_opinion.opinion

    def opinion(piece: Piece, dialect: str, remarks_on: syntax_opinion.Remarks) -> SyntaxOpinion:
        order.append("judged")
        return judged(piece, dialect, remarks_on)

    monkeypatch.setattr(syntax_opinion, "opinion", opinion)
    monkeypatch.setattr(sys.stdout, "write", lambda _text: order.append("said"))
    (shop.folder / "a.sql").write_text("SELECT 1;\n" * 50)
    shop.run("check", "a.sql", "--json")
    assert order == ["judged", "said"] * 50


@pytest.mark.benchmark
@pytest.mark.parametrize("format_", ["json", "text", "sarif"])
def test_a_hundred_thousand_statements_take_time_in_proportion_and_no_memory(tmp_path: Path, format_: str) -> None:
    figures = {}
    for count in (10_000, 100_000):
        script = tmp_path / f"{count}.sql"
        script.write_text(
            "".join(f"UPDATE orders SET total = {n} WHERE id = {n} AND status = 'open';\n" for n in range(count))
        )
        figures[count] = _measured(script, format_)
        seconds, megabytes = figures[count]
        print(f"{format_}: {count:,} statements: {seconds:.1f} s, {count / seconds:,.0f} a second, {megabytes:.0f} MB")
    assert figures[100_000][1] < figures[10_000][1] + 60  # the script itself is 6 MB, held as text and as bytes


def _measured(script: Path, format_: str) -> tuple[float, float]:
    """Seconds, and the most megabytes that the process had."""
    program = (
        "import resource, sys; from sqlagent.cli import run; run(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "check", str(script), "--format", format_]
    begun = perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    return perf_counter() - begun, int(done.stderr) / 1024  # kilobytes, as Linux counts
