"""Twenty questions of our own to the embedded model, each answer held against the rows of a right one."""

from __future__ import annotations

import shutil
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest
from checkout import ROOT

from sqlagent import Agent, Report, Status

QUESTIONS: list[dict[str, Any]] = tomllib.loads((ROOT / "fixtures/questions.toml").read_text())["question"]

pytestmark = [pytest.mark.benchmark, pytest.mark.model]


def _rows(sql: str, folder: Path, *, ordered: bool) -> list[tuple[Any, ...]]:
    copy = folder / "judge.db"
    shutil.copy(ROOT / "sample.db", copy)
    with apsw.Connection(str(copy)) as db:
        found = [tuple(row) for row in db.execute(sql)]
    return found if ordered else sorted(found, key=repr)


def _left_behind(sql: str, folder: Path) -> list[tuple[Any, ...]]:
    """Every row of every table after the statement ran."""
    copy = folder / "judge.db"
    shutil.copy(ROOT / "sample.db", copy)
    db = apsw.Connection(str(copy))
    db.pragma("foreign_keys", True)
    db.execute(sql)
    tables = [str(t) for (t,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    tables.remove("audit_log")  # it holds the time of the run
    return [tuple(row) for table in tables for row in db.execute(f'SELECT * FROM "{table}"')]


def _within(wanted: Sequence[tuple[Any, ...]], got: Sequence[tuple[Any, ...]], *, ordered: bool) -> bool:
    """Whether every wanted column is among those that came; more of them are no mistake."""
    if len(wanted) != len(got):
        return False
    if not wanted:
        return True
    columns = [[row[i] for row in got] for i in range(len(got[0]))]
    for place in range(len(wanted[0])):
        values = [row[place] for row in wanted]
        found = columns if ordered else [sorted(c, key=repr) for c in columns]
        if (values if ordered else sorted(values, key=repr)) not in found:
            return False
    return True


def _judged(question: dict[str, Any], report: Report, folder: Path) -> str:
    sql = report.proposal.sql if report.proposal else ""
    cannot = "cannot answer" in report.message
    if question["kind"] == "unanswerable":
        return "right" if cannot else "wrong"
    if not sql:
        return "right" if cannot and question["kind"] == "ambiguous" else "nothing"
    ordered = bool(question.get("ordered"))
    try:
        for right in (question["sql"], *question.get("also", [])):
            if question["kind"] == "write":
                if _left_behind(right, folder) == _left_behind(sql, folder):
                    return "right"
            elif _within(_rows(right, folder, ordered=ordered), _rows(sql, folder, ordered=ordered), ordered=ordered):
                return "right"
    except apsw.Error as e:
        return f"fails: {e}"
    return "wrong"


def test_twenty_questions(weights_path: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "sample.db", tmp_path)
    right = 0
    settings = {"model": "local", "cache_dir": str(weights_path.parent.parent), "state_dir": str(tmp_path / "state")}
    with Agent.open(str(tmp_path / "sample.db"), **settings) as agent:
        for question in QUESTIONS:
            began = time.monotonic()
            report = agent.ask(question["ask"])
            verdict = _judged(question, report, tmp_path)
            right += verdict == "right"
            risk = report.proposal.analysis.risk.name if report.proposal else "-"
            tries = len(report.attempts or (report.proposal.attempts if report.proposal else ())) + 1
            said = report.proposal.sql if report.proposal else report.message
            facts = (question["id"], question["kind"], verdict, risk, tries, f"{time.monotonic() - began:.1f} s")
            print(f"| {' | '.join(map(str, facts))} | {' '.join(said.split())[:90]} |")
            assert report.status in (Status.PENDING, Status.FAILED, Status.DENIED)
        print(f"{right} of {len(QUESTIONS)} right")
    from sqlagent.llm import local

    local.stop(tmp_path / "state")
