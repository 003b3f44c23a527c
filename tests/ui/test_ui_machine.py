"""`--json` carries the facts of the screens, as one document that a terminal cannot be harmed by."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from typing import Any

import pytest
from test_ui_screens import NOW, a_report, a_thread, hostile_proposal
from ui_builders import HOSTILE, a_batch, a_proposal, untamed

from sqlagent.core.nouns.analysis import Statement
from sqlagent.core.nouns.session import Outcome, Proposal, Result, Status, Thread
from sqlagent.ui.listing import pending_table
from sqlagent.ui.machine import JsonRows, report_json, statement_json, threads_json, write_document


def read(document: dict[str, Any], rows: JsonRows | None = None) -> dict[str, Any]:
    """The document as a program gets it."""
    out = io.BytesIO()
    write_document(document, out, rows=rows)
    text = out.getvalue().decode()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert not untamed(text)
    return dict(json.loads(text))


def test_a_pending_thread_has_what_a_script_needs_to_decide() -> None:
    document = read(report_json(a_report(proposal=a_proposal())))
    assert document["format_version"] == 1
    assert document["thread"] == "k7f3"
    assert document["status"] == "pending"
    assert document["digest"] == a_proposal().digest
    assert document["risk"] == "SEVERE"
    assert document["sql"] == a_proposal().sql


@pytest.mark.parametrize("status", Status)
def test_every_answer_names_its_status(status: Status) -> None:
    assert read(report_json(a_report(status)))["status"] == status.value


def test_nothing_of_a_proposal_is_left_out() -> None:
    document = report_json(a_report(proposal=a_proposal()))
    named = {"id": "proposal", "analysis": "statements"}
    assert {named.get(field.name, field.name) for field in fields(Proposal)} <= document.keys()


def test_nothing_of_a_statement_is_left_out() -> None:
    document = statement_json(a_batch().analysis.statements[0])
    assert {field.name for field in fields(Statement)} - {"reads_if"} == document.keys(), "that is said where it is"
    assert document["operations"][1] == {
        "verb": "delete",
        "target": "shipments",
        "via": "trigger trg_cancel",
        "rows": 1187,
        "of": 61002,
        "basis": "counted",
    }
    assert document["findings"][0]["rule"] == "hidden-write"
    assert document["denied"] is None


def test_an_outcome_says_what_each_statement_did() -> None:
    outcome = Outcome((Result(1, 1204), Result(2, None, 200, truncated=True)), seconds=0.5, settled=True)
    document = read(report_json(a_report(Status.EXECUTED, outcome=outcome)))
    assert document["outcome"] == {
        "results": [
            {"index": 1, "changed": 1204, "returned": 0, "truncated": False},
            {"index": 2, "changed": None, "returned": 200, "truncated": True},
        ],
        "seconds": 0.5,
        "settled": True,
        "unwritten": "",
        "why_empty": [],
        "seen_later": False,
        "rows_changed": None,  # of a session that was not measured
    }
    assert {field.name for field in fields(Outcome)} | {"rows_changed"} == document["outcome"].keys()


def test_a_listing_has_a_name_for_each_column_of_the_table() -> None:
    document = read(threads_json((a_thread(),)))["threads"][0]
    left_out = {"id", "url", "sql"}
    assert {field.name for field in fields(Thread)} - left_out <= document.keys()
    assert document["thread"] in str(pending_table((a_thread(),), now=NOW))


def test_rows_are_results_of_the_same_document() -> None:
    with JsonRows() as rows:
        assert rows.write(["id", "id"], iter([(2**63 - 1, b"SQL"), (None, float("inf"))])) == 2
        assert rows.write(["n"], iter([])) == 0
        document = read(report_json(a_report(Status.EXECUTED)), rows)
    assert document["status"] == "executed"
    assert document["results"] == [
        {"columns": ["id", "id"], "rows": [[2**63 - 1, {"$blob": "53514c"}], [None, {"$float": "inf"}]]},
        {"columns": ["n"], "rows": []},
    ]


def test_rows_past_a_chunk_and_past_memory_are_all_there() -> None:
    with JsonRows() as rows:
        assert rows.write(["n"], ((f"{number:01000}",) for number in range(2_500))) == 2_500
        document = read({}, rows) if rows.results > 1 else read({"a": 1}, rows)
    assert [int(row[0]) for row in document["results"][0]["rows"]] == list(range(2_500))


def test_hostile_text_is_exact_and_harmless() -> None:
    for text in HOSTILE:
        with JsonRows() as rows:
            rows.write([text], iter([(text,)]))
            document = read(report_json(a_report(proposal=hostile_proposal(text), message=text)), rows)
        assert (document["message"], document["statements"][0]["sql"]) == (text, text)
        assert document["results"] == [{"columns": [text], "rows": [[text]]}]
