"""What `sqlagent check` says to other programs: workflow annotations, and SARIF 2.1.0 for code scanners."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from sqlagent.core.nouns.analysis import Finding, Place, Severity, Statement
from sqlagent.ui.visible import escaped, visible

_COMMANDS = {Severity.NOTE: "notice", Severity.WARNING: "warning", Severity.DANGER: "error"}
_LEVELS = {Severity.NOTE: "note", Severity.WARNING: "warning", Severity.DANGER: "error"}
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def remarks(statement: Statement, *, asked: bool) -> Iterator[Finding]:
    """The findings of a statement, and one more where it would be denied or asked without any of them saying so."""
    if statement.denied and not any(f.rule == statement.denied for f in statement.findings):
        yield Finding(statement.denied, f"{statement.kind} is denied by default", Severity.DANGER)
    elif asked and not any(f.severity is not Severity.NOTE for f in statement.findings):
        writes = f" of {', '.join(statement.writes)}" if statement.writes else ""
        yield Finding("needs-approval", f"{statement.word}: {statement.kind}{writes}", Severity.WARNING)
    yield from statement.findings


def group(name: str) -> str:
    """What opens a group of a workflow's log."""
    return f"::group::{_data(visible(name))}"


def github(file: str, place: Place, finding: Finding) -> str:
    """One workflow command, such as `::warning file=a.sql,line=3,endLine=4,title=no-where::...`.

    A column is said where the statement is on one line; the service takes none for several.
    """
    command = _COMMANDS[finding.severity]
    on_one = f",col={place.column},endColumn={place.end_column}" if place.line == place.end_line else ""
    where = f"file={_property(file)},line={place.line},endLine={place.end_line}{on_one}"
    where += f",title={_property(finding.rule)}"
    return f"::{command} {where}::{_data(visible(finding.message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")


_GRADES = {Severity.NOTE: "info", Severity.WARNING: "minor", Severity.DANGER: "critical"}


def code_quality(file: str, place: Place, finding: Finding, same: str) -> str:
    """One issue of GitLab's code quality report; `same` is what tells it from others when lines move."""
    return escaped(
        json.dumps(
            {
                "description": visible(finding.message),
                "check_name": finding.rule,
                "fingerprint": sha256(same.encode("utf-8", "surrogatepass")).hexdigest(),
                "severity": _GRADES[finding.severity],
                "location": {"path": file, "lines": {"begin": place.line, "end": place.end_line}},
            }
        )
    )


def sarif(findings: Iterable[tuple[str, Place, Finding]], *, version: str, pages: Mapping[str, str]) -> Iterator[str]:
    """A SARIF 2.1.0 document, in pieces, from (file, place, finding); `pages` are the rules' manual pages by id."""
    rules = [
        {
            "id": rule,
            "shortDescription": {"text": text.strip().splitlines()[0]},
            "fullDescription": {"text": text.strip()},
        }
        for rule, text in pages.items()
    ]
    driver = {"name": "sqlagent", "version": version, "rules": rules}
    yield f'{{"$schema": "{SARIF_SCHEMA}", "version": "2.1.0", "runs": [{{"tool": {{"driver": {json.dumps(driver)}}}, '
    yield '"columnKind": "unicodeCodePoints", "results": ['
    for number, (file, place, finding) in enumerate(findings):
        yield (", " if number else "") + escaped(json.dumps(_result(file, place, finding)))
    yield "]}]}\n"


def _result(file: str, place: Place, finding: Finding) -> dict[str, object]:
    region = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }
    location = {"artifactLocation": {"uri": file}, "region": region}
    return {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location}],
    }
