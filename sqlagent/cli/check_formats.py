"""How `sqlagent check` says what it found: for people, as JSON lines, and as code reviews and code scanners read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sqlagent import __version__
from sqlagent.core.nouns.analysis import Risk
from sqlagent.core.text.counted import counted
from sqlagent.service.checks import Allowed, Checked
from sqlagent.ui import out
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.machine import FORMAT_VERSION, statement_json
from sqlagent.ui.visible import one_line, printed


@dataclass(slots=True)
class Tally:
    """What was checked so far, and what the exit code will be."""

    threshold: Risk
    files: int = 1
    asked: int = 0
    denied: int = 0
    unreadable: int = 0
    risks: dict[Risk, int] = field(default_factory=dict)
    allowed: int = 0

    def would_ask(self, checked: Checked) -> bool:
        """Whether a person would have to approve it: its risk is at the threshold or above, and nothing settled it."""
        return checked.statement.risk >= self.threshold and not checked.is_settled

    def counted(self, all_checked: Iterator[Checked]) -> Iterator[Checked]:
        """Pass the statements on, counting each."""
        for checked in all_checked:
            self.denied += bool(checked.statement.denied)
            self.asked += self.would_ask(checked)
            self.risks[checked.statement.risk] = self.risks.get(checked.statement.risk, 0) + 1
            self.allowed += len(checked.allowed)
            yield checked

    @property
    def code(self) -> ExitCode:
        """DENIED where anything is denied, else REJECTED where a person would be asked.

        A file that cannot be read, with nothing worse beside it, is USAGE.
        """
        if self.denied:
            return ExitCode.DENIED
        if self.asked:
            return ExitCode.REJECTED
        return ExitCode.USAGE if self.unreadable else ExitCode.OK

    def summary(self) -> str:
        """`checked 14 files, 31 statements: 2 SEVERE, 1 UNKNOWN`."""
        statements = sum(self.risks.values())
        worst = [f"{self.risks[r]:,} {r.name}" for r in (Risk.WRITE, Risk.SEVERE, Risk.UNKNOWN) if r in self.risks]
        worst += [f"{self.allowed:,} allowed in the text"] if self.allowed else []
        said = f"checked {counted(self.files, 'file')}, {counted(statements, 'statement')}"
        return f"{said}: {', '.join(worst) or 'nothing but reads'}"


Writer = Callable[[Iterator[Checked], Tally], Iterator[str]]


def json_lines(all_checked: Iterator[Checked], _tally: Tally) -> Iterator[str]:
    """`--format json`: a line of JSON for each statement, with where it stands and what it does."""
    for checked in all_checked:
        facts = statement_json(checked.statement)
        told = {key: facts[key] for key in _TOLD if key in facts}
        told["opinions"] = {source: told["opinions"].get(source) for source in ("syntax", "engine")}
        if checked.statement.reads_if:
            told["reads_if"] = list(checked.statement.reads_if)
        if checked.is_measured:
            told["operations"] = facts["operations"]
        place = checked.place
        where = {"line": place.line, "column": place.column, "end_line": place.end_line, "end_column": place.end_column}
        named = {"file": checked.script.name} if checked.script.named is None else checked.script.named
        yield json_line({**named, **told, **where, "allowed": [_allowed(a) for a in checked.allowed]})


def json_line(facts: dict[str, Any]) -> str:
    """One line of JSON that names the version of its format."""
    return out.json_line({"format_version": FORMAT_VERSION, **facts})


_TOLD = ("index", "sql", "line", "kind", "risk", "reads", "writes", "findings", "opinions", "denied")
"""What one line of JSON says of a statement; what only a measured one has is left out."""


def _allowed(allowed: Allowed) -> dict[str, object]:
    return {"rule": allowed.finding.rule, "reason": allowed.reason, "line": allowed.line}


def text(all_checked: Iterator[Checked], _tally: Tally) -> Iterator[str]:
    """`--format text`: a line for each statement, and its findings indented below it."""
    from sqlagent.ui.operations import operation_lines, shown_operations  # only what is measured has them

    for checked in all_checked:
        s = checked.statement
        objects = ", ".join(map(one_line, s.writes or s.reads))
        denied = f"  denied [{s.denied}]" if s.denied else ""
        name = one_line(checked.script.name)
        yield printed(f"{name}:{s.line}: {s.word:<8}{s.kind} {objects}{denied}".rstrip() + "\n")
        if checked.is_measured:
            for line in operation_lines(shown_operations(s), columns=100):
                yield "  " + "".join(span.text for span in line).rstrip() + "\n"
        for finding in s.findings:
            yield f"    ! {one_line(finding.message)}  [{finding.rule}]\n"
        for allowed in checked.allowed:
            yield f"    allowed on line {allowed.line}: {allowed.finding.rule}, because {one_line(allowed.reason)}\n"


def github(all_checked: Iterator[Checked], tally: Tally) -> Iterator[str]:
    """`--format github`: workflow commands; of several files, in a group for each."""
    from sqlagent.ui.annotations import github as command
    from sqlagent.ui.annotations import group, remarks

    opened = ""
    for checked in all_checked:
        if tally.files > 1 and checked.script.name != opened:
            yield ("::endgroup::\n" if opened else "") + group(one_line(checked.script.name)) + "\n"
            opened = checked.script.name
        for finding in remarks(checked.statement, asked=tally.would_ask(checked)):
            yield command(one_line(checked.script.name), checked.place, finding) + "\n"
    yield "::endgroup::\n" if opened else ""


def gitlab(all_checked: Iterator[Checked], tally: Tally) -> Iterator[str]:
    """`--format gitlab`: one code quality report, a JSON array, in pieces."""
    from sqlagent.ui.annotations import code_quality, remarks

    seen: dict[str, int] = {}
    yield "["
    for checked in all_checked:
        for finding in remarks(checked.statement, asked=tally.would_ask(checked)):
            same = f"{checked.script.name}\0{finding.rule}\0{checked.statement.sql}"
            seen[same] = seen.get(same, 0) + 1
            issue = code_quality(checked.script.name, checked.place, finding, f"{same}\0{seen[same]}")
            yield ("" if sum(seen.values()) == 1 else ",\n ") + issue
    yield "]\n"


def sarif(all_checked: Iterator[Checked], tally: Tally) -> Iterator[str]:
    """`--format sarif`: one SARIF 2.1.0 document, made when every statement was seen, with the rules' pages in it."""
    from sqlagent.core.rules import catalogue
    from sqlagent.ui.annotations import remarks
    from sqlagent.ui.annotations import sarif as document

    found = (
        (quote(checked.script.name), checked.place, finding)
        for checked in all_checked
        for finding in remarks(checked.statement, asked=tally.would_ask(checked))
    )
    return document(found, version=__version__, pages={rule.id: rule.text for rule in catalogue()})


WRITERS: dict[str, Writer] = {
    "text": text,
    "json": json_lines,
    "github": github,
    "gitlab": gitlab,
    "sarif": sarif,
}
