"""`sqlagent check`: the analysis alone, for editors and CI.  It never asks, never runs, and connects only to `--db`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote

import typer

from sqlagent import __version__
from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, takes
from sqlagent.cli.sources import open_source
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.analysis import EngineOpinion, Risk, Size, Statement, SyntaxOpinion
from sqlagent.databases.base import Database
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.machine import FORMAT_VERSION, statement_json
from sqlagent.ui.out import json_line
from sqlagent.ui.visible import one_line, printed

FORMATS = ("text", "json", "github", "sarif")


@dataclass(frozen=True, slots=True)
class Checked:
    """One statement of one script, judged."""

    statement: Statement
    named: Mapping[str, object] = field(default_factory=dict)
    """`{"id": ...}` where the caller named the script, with `--input jsonl`."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line of `--input jsonl` that holds no SQL: it is answered all the same, for somebody waits."""

    message: str
    named: Mapping[str, object] = field(default_factory=dict)


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
    lines = _one_of("--input", input_, ("sql", "jsonl")) == "jsonl"
    if lines and (file not in ("", "-") or sql or chosen not in ("text", "json")):
        raise UsageError("--input jsonl reads standard input and answers in JSON", hint="sqlagent check --input jsonl")
    database, dialect = _judges(call, dialect)
    if lines:
        for answer in _lines(sys.stdin.buffer, dialect, database, tally):
            sys.stdout.write(answer)
            sys.stdout.flush()  # stdout is block-buffered in a pipe, and the caller waits for the answer
        return tally.code
    text, name = open_source(file, sql)
    name = "command line" if sql else name if file == "-" else file
    checked = (Checked(s) for s in _script(text, dialect, database))
    for piece in _WRITERS[chosen](_counted(checked, tally), name, tally):
        sys.stdout.write(piece)
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
    from sqlagent.core.analyze import judge, opinions  # commands that only list should not wait for it

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


def _lines(source: Iterable[bytes], dialect: str, database: Database | None, tally: Tally) -> Iterator[str]:
    """The answer to each line as it comes; one that cannot be read is answered too, and the next is read."""
    for number, given in enumerate(source, 1):
        line = given.removeprefix(_ORDER_MARK) if number == 1 else given
        if not line.strip(_BLANK):
            continue
        asked = _asked(line, number)
        answer = ""
        if not isinstance(asked, Unreadable):
            sql, named = asked
            checked = (Checked(statement, named) for statement in _script(sql, dialect, database))
            answer = "".join(_json(_counted(checked, tally), "", tally))
            asked = Unreadable(f"line {number} has no statement", named)
        tally.unreadable += not answer
        yield answer or _json_line({**asked.named, "error": _error(asked.message)})


_ORDER_MARK, _BLANK = b"\xef\xbb\xbf", b" \t\r\n\x1a"
"""What tools of other systems put at the two ends of a file: a mark before it, Ctrl-Z behind it."""


def _asked(line: bytes, number: int) -> tuple[str, dict[str, object]] | Unreadable:
    """The SQL and the name of one line."""
    try:
        asked = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        return Unreadable(f"line {number} is not JSON: {e}")
    if not isinstance(asked, dict):
        return Unreadable(f"line {number} is not an object")
    named = {"id": asked["id"]} if "id" in asked else {}
    sql = asked.get("sql")
    if not isinstance(sql, str):
        return Unreadable(f"line {number} has no text named sql", named)
    return sql, named


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _error(message: str) -> dict[str, str]:
    return {"code": ExitCode.USAGE.name, "message": message, "hint": 'a line is {"id": 1, "sql": "SELECT 1"}'}


def _counted(checked: Iterable[Checked], tally: Tally) -> Iterator[Checked]:
    for each in checked:
        tally.count(each.statement)
        yield each


# ---- saying ------------------------------------------------------------------------------------------------------


def _json(checked: Iterator[Checked], _name: str, _tally: Tally) -> Iterator[str]:
    for each in checked:
        facts = statement_json(each.statement)
        told = {key: facts[key] for key in _TOLD}
        told["opinions"] = {source: told["opinions"].get(source) for source in ("syntax", "engine")}
        if each.statement.reads_if:
            told["reads_if"] = list(each.statement.reads_if)
        yield _json_line({**each.named, **told})


def _json_line(facts: dict[str, Any]) -> str:
    return json_line({"format_version": FORMAT_VERSION, **facts})


_TOLD = ("index", "sql", "line", "kind", "risk", "reads", "writes", "findings", "opinions", "denied")
"""What one line of JSON says of a statement; what only a measured one has is left out."""


def _text(checked: Iterator[Checked], name: str, _tally: Tally) -> Iterator[str]:
    for each in checked:
        s = each.statement
        objects = ", ".join(map(one_line, s.writes or s.reads))
        denied = f"  denied [{s.denied}]" if s.denied else ""
        yield printed(f"{one_line(name)}:{s.line}: {s.word:<8}{s.kind} {objects}{denied}".rstrip() + "\n")
        for finding in s.findings:
            yield f"    ! {one_line(finding.message)}  [{finding.rule}]\n"


def _github(checked: Iterator[Checked], name: str, tally: Tally) -> Iterator[str]:
    from sqlagent.ui.annotations import github, remarks  # only these two formats need it

    for each in checked:
        for finding in remarks(each.statement, asked=tally.would_ask(each.statement)):
            yield github(one_line(name), each.statement.line, finding) + "\n"


def _sarif(checked: Iterator[Checked], name: str, tally: Tally) -> Iterator[str]:
    from sqlagent.core.rules import catalogue
    from sqlagent.ui.annotations import remarks, sarif

    found = (
        (quote(name), each.statement.line, finding)
        for each in checked
        for finding in remarks(each.statement, asked=tally.would_ask(each.statement))
    )
    return sarif(found, version=__version__, pages={rule.id: rule.text for rule in catalogue()})


_WRITERS: dict[str, Callable[[Iterator[Checked], str, Tally], Iterator[str]]] = {
    "text": _text, "json": _json, "github": _github, "sarif": _sarif,
}  # fmt: skip
