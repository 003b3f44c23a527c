"""`sqlagent check`: the analysis alone, for editors and CI.  It never asks, never runs, and connects only to `--db`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import typer

from sqlagent import __version__
from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, takes
from sqlagent.cli.sources import open_source
from sqlagent.core.analyze import judge, opinions
from sqlagent.core.errors import UsageError
from sqlagent.core.model import EngineOpinion, Risk, Size, Statement, SyntaxOpinion
from sqlagent.databases.base import Database
from sqlagent.ui.annotations import github, remarks, sarif
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.machine import FORMAT_VERSION, statement_json
from sqlagent.ui.safe import one_line

FORMATS = ("text", "json", "github", "sarif")


def register(app: typer.Typer) -> None:
    app.command("check")(check)


@dataclass(frozen=True, slots=True)
class Checked:
    """One statement of one script, judged."""

    statement: Statement
    id: Any = None
    """What the caller named the script, with `--input jsonl`."""


@dataclass(slots=True)
class Tally:
    """What the exit code will be."""

    threshold: Risk
    asked: int = 0
    denied: int = 0
    unreadable: int = 0

    def would_ask(self, statement: Statement) -> bool:
        return statement.risk >= self.threshold

    def count(self, statement: Statement) -> None:
        self.denied += bool(statement.denied)
        self.asked += self.would_ask(statement)

    @property
    def code(self) -> ExitCode:
        if self.denied:
            return ExitCode.DENIED
        if self.asked:
            return ExitCode.REJECTED
        return ExitCode.USAGE if self.unreadable else ExitCode.OK


@takes(DATABASE)
def check(
    call: Call,
    file: Annotated[str, typer.Argument(help="A file of SQL, or - for standard input.", metavar="[FILE]")] = "",
    sql: Annotated[str, typer.Option("--sql", help="The SQL itself.", metavar="TEXT")] = "",
    dialect: Annotated[
        str, typer.Option("--dialect", help="sqlite, postgres, mysql, duckdb ... [default: sqlite]", metavar="NAME")
    ] = "",
    fail_on: Annotated[
        str, typer.Option("--fail-on", help="Exit 5 from this risk on: WRITE, SEVERE, UNKNOWN.", metavar="RISK")
    ] = "WRITE",
    format_: Annotated[
        str, typer.Option("--format", help="text, json, github or sarif. [default: text]", metavar="FORMAT")
    ] = "text",
    input_: Annotated[
        str, typer.Option("--input", help='jsonl: one {"id", "sql"} a line on standard input.', metavar="FORMAT")
    ] = "sql",
) -> ExitCode:
    """Say what SQL would do, without running it.

    \b
    sqlagent check migration.sql --dialect postgres
    sqlagent check cleanup.sql --db prod --format github
    editor | sqlagent check --input jsonl --db prod
    """
    chosen = _one_of("--format", "json" if call.json else format_, FORMATS)
    tally = Tally(_threshold(fail_on))
    database, dialect = _judges(call, dialect)
    if _one_of("--input", input_, ("sql", "jsonl")) == "jsonl":
        checked, name = _lines(sys.stdin.buffer, dialect, database, tally), "standard input"
        chosen = "json"
    else:
        text, name = open_source(file, sql)
        name = "command line" if sql else name
        checked = (Checked(s) for s in _script(text, dialect, database))
    for piece in _WRITERS[chosen](_counted(checked, tally), name, tally):
        sys.stdout.write(piece)
        if input_ == "jsonl":
            sys.stdout.flush()
    return tally.code


def _judges(call: Call, dialect: str) -> tuple[Database | None, str]:
    """The database whose word is heard, if any, and the dialect to read in."""
    if not call.flag("database"):
        return None, _known(dialect or "sqlite")
    database = call.agent.database
    if dialect and _known(dialect) != database.dialect:
        raise UsageError(f"{database.name} speaks {database.dialect}, not {dialect}", hint="leave --dialect out")
    return database, database.dialect


def _known(dialect: str) -> str:
    from sqlglot.dialects.dialect import Dialect  # the whole command needs it; `--help` does not

    names = {"mariadb": "mysql", "postgresql": "postgres"}
    chosen = names.get(dialect.lower(), dialect.lower())
    return _one_of("--dialect", chosen, tuple(sorted(filter(None, Dialect.classes))))


def _one_of(flag: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"{flag} is not one of its values: {value}", hint=f"one of: {' '.join(known)}")
    return value


def _threshold(name: str) -> Risk:
    return Risk[_one_of("--fail-on", name.upper(), ("READ", "WRITE", "SEVERE", "UNKNOWN"))]


# ---- judging -----------------------------------------------------------------------------------------------------


def _script(text: str, dialect: str, database: Database | None) -> Iterator[Statement]:
    """Every statement judged, one by one; a database sees all of them first, for they may build on each other."""
    if database is None:
        for index, syntax in enumerate(opinions(text, dialect), 1):
            yield judge(index, syntax, None, Size())
        return
    read = tuple(opinions(text, dialect))
    heard = database.inspect([s.sql for s in read])
    for index, (syntax, engine) in enumerate(_paired(read, heard), 1):
        yield judge(index, syntax, engine, Size())


def _paired(
    read: tuple[SyntaxOpinion, ...], heard: tuple[EngineOpinion, ...]
) -> Iterator[tuple[SyntaxOpinion, EngineOpinion | None]]:
    if len(read) == len(heard):
        return zip(read, heard, strict=True)
    return ((syntax, None) for syntax in read)


def _lines(source: Iterable[bytes], dialect: str, database: Database | None, tally: Tally) -> Iterator[Checked]:
    """The answer to each line as it comes; one that cannot be read is said on stderr, and the next is read."""
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            asked = json.loads(line)
            text = str(asked["sql"])
        except (ValueError, KeyError, TypeError) as e:
            tally.unreadable += 1
            print_to_stderr(f"line {number} is not an object with `sql`: {e}")
            continue
        for statement in _script(text, dialect, database):
            yield Checked(statement, asked.get("id"))


def print_to_stderr(text: str) -> None:
    sys.stderr.write(f"error: {one_line(text)}\n")


def _counted(checked: Iterable[Checked], tally: Tally) -> Iterator[Checked]:
    for each in checked:
        tally.count(each.statement)
        yield each


# ---- saying ------------------------------------------------------------------------------------------------------


def _json(checked: Iterator[Checked], _name: str, _tally: Tally) -> Iterator[str]:
    for each in checked:
        facts: dict[str, Any] = {"format_version": FORMAT_VERSION} | statement_json(each.statement)
        if each.id is not None:
            facts["id"] = each.id
        facts["opinions"] = {"syntax": facts["opinions"].get("syntax"), "engine": facts["opinions"].get("engine")}
        yield json.dumps(facts) + "\n"  # ASCII: no control character reaches a terminal


def _text(checked: Iterator[Checked], name: str, _tally: Tally) -> Iterator[str]:
    for each in checked:
        s = each.statement
        objects = ", ".join(map(one_line, s.writes or s.reads))
        denied = f"  denied [{s.denied}]" if s.denied else ""
        yield f"{one_line(name)}:{s.line}: {s.risk.name:<8}{s.kind} {objects}{denied}".rstrip() + "\n"
        for finding in s.findings:
            yield f"    ! {one_line(finding.message)}  [{finding.rule}]\n"


def _github(checked: Iterator[Checked], name: str, tally: Tally) -> Iterator[str]:
    for each in checked:
        for finding in remarks(each.statement, asked=tally.would_ask(each.statement)):
            yield github(one_line(name), each.statement.line, finding) + "\n"


def _sarif(checked: Iterator[Checked], name: str, tally: Tally) -> Iterator[str]:
    from sqlagent.core.rules import catalogue

    found = (
        (quote(name), each.statement.line, finding)
        for each in checked
        for finding in remarks(each.statement, asked=tally.would_ask(each.statement))
    )
    return sarif(found, version=__version__, pages={rule.id: rule.text for rule in catalogue()})


_WRITERS: dict[str, Callable[[Iterator[Checked], str, Tally], Iterator[str]]] = {
    "text": _text, "json": _json, "github": _github, "sarif": _sarif,
}  # fmt: skip
