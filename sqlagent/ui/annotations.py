"""What `sqlagent check` says to other programs: workflow annotations, and SARIF 2.1.0 for code scanners."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from sqlagent.core.nouns.analysis import Finding, Severity, Statement
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


def github(file: str, line: int, finding: Finding) -> str:
    """One workflow command, such as `::warning file=a.sql,line=3,title=no-where::...`."""
    command = _COMMANDS[finding.severity]
    where = f"file={_property(file)},line={line},title={_property(finding.rule)}"
    return f"::{command} {where}::{_data(visible(finding.message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")


def sarif(findings: Iterable[tuple[str, int, Finding]], *, version: str, pages: Mapping[str, str]) -> Iterator[str]:
    """A SARIF 2.1.0 document, in pieces, from (file, line, finding); `pages` are the rules' manual pages by id."""
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
    for place, (file, line, finding) in enumerate(findings):
        yield (", " if place else "") + escaped(json.dumps(_result(file, line, finding)))
    yield "]}]}\n"


def _result(file: str, line: int, finding: Finding) -> dict[str, object]:
    location = {"artifactLocation": {"uri": file}, "region": {"startLine": max(line, 1)}}
    return {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location}],
    }
