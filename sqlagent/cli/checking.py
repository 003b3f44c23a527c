"""`sqlagent check`: the analysis alone, for editors and CI.  It never asks, never runs, and connects only to `--db`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Annotated

import typer

from sqlagent.cli.call import Call
from sqlagent.cli.check_files import Group, groups
from sqlagent.cli.check_formats import WRITERS, Tally, json_line, json_lines
from sqlagent.cli.options import DATABASE, RULED, takes
from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.analysis import Risk
from sqlagent.databases.base import Database
from sqlagent.service.checks import Checked, Script, an_empty_database, checked
from sqlagent.ui.diagnostics import ExitCode

FORMATS = ("text", "json", "github", "gitlab", "sarif")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line of `--input jsonl` that holds no SQL: it is answered all the same, since a program waits for it."""

    message: str
    named: Mapping[str, object] = field(default_factory=dict)


@takes(DATABASE, RULED)
def check(
    call: Call,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Files of SQL, folders, patterns, or - for standard input.", metavar="[FILE]..."),
    ] = None,
    sql: Annotated[str, typer.Option("--sql", help="The SQL itself.", metavar="TEXT")] = "",
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Leave out files of this pattern.", metavar="PATTERN")
    ] = None,
    dialect: Annotated[
        str, typer.Option("--dialect", help="sqlite, postgres, mysql, duckdb ... [default: sqlite]", metavar="NAME")
    ] = "",
    measure: Annotated[
        bool, typer.Option("--measure", help="Count and name the rows that would change, on a copy; needs --db.")
    ] = False,
    fail_on: Annotated[
        str, typer.Option("--fail-on", help="Exit 5 from this risk on: WRITE, SEVERE, UNKNOWN.", metavar="RISK")
    ] = "WRITE",
    format_: Annotated[
        str, typer.Option("--format", help="text, json, github, gitlab or sarif. [default: text]", metavar="FORMAT")
    ] = "text",
    input_: Annotated[
        str, typer.Option("--input", help='jsonl: one {"id", "sql"} a line on standard input.', metavar="FORMAT")
    ] = "sql",
    plan: Annotated[
        str, typer.Option("--plan", help="Check that this plan still fits --db; exit 7 if not.", metavar="FILE")
    ] = "",
) -> ExitCode:
    """Say what SQL would do, without running it.

    \b
    sqlagent check migrations/ --dialect postgres
    sqlagent check cleanup.sql --db prod --measure
    editor | sqlagent check --input jsonl --db prod
    sqlagent check --plan k7f3.plan.json --db prod
    """
    if plan:
        from sqlagent.cli.signing import still_fits  # a plan is looked at by other means than SQL

        if files or sql or not call.flag("database"):
            raise UsageError("--plan is looked at alone, on a database", hint="sqlagent check --plan FILE --db DB")
        return still_fits(call, plan)
    chosen = _one_of("--format", "json" if call.json else format_, FORMATS)
    tally = Tally(_threshold(fail_on))
    named = files or []
    if _one_of("--input", input_, ("sql", "jsonl")) == "jsonl":
        if named not in ([], ["-"]) or sql or chosen not in ("text", "json"):
            raise UsageError(
                "--input jsonl reads standard input and answers in JSON", hint="sqlagent check --input jsonl"
            )
        return _answer_lines(*_judges(call, dialect), tally)
    if bool(named) == bool(sql):
        raise UsageError("name one source of SQL", hint="FILES, - for standard input, or --sql TEXT")
    if measure and not call.flag("database"):
        raise UsageError("--measure needs a database to measure on", hint="sqlagent check FILE --measure --db DB")
    database, dialect = _judges(call, dialect)
    found = [] if sql else groups(named, exclude or [])
    tally.files = sum(len(group.names) for group in found) or 1
    with ExitStack() as opened:
        every = _checked(call, sql, found, database, dialect, measure, opened)
        for piece in WRITERS[chosen](tally.counted(every), tally):
            sys.stdout.write(piece)
    if tally.files > 1 and not call.json:
        sys.stdout.flush()
        call.screen.line(tally.summary())
    return tally.code


def _checked(
    call: Call, sql: str, found: Sequence[Group], database: Database | None, dialect: str, measure: bool,
    opened: ExitStack,
) -> Iterator[Checked]:  # fmt: skip
    """Every statement of what was named; a folder of SQLite migrations begins at an empty database, or at `--db`."""
    measured = (lambda text: call.agent.weigh(text).analysis) if measure else None
    if sql:
        yield from checked([Script("command line", sql)], dialect, database, measure=measured)
    for group in found:
        begins = database
        if begins is None and group.together and dialect == "sqlite":
            begins = opened.enter_context(an_empty_database())
        yield from checked(group.scripts(), dialect, begins, measure=measured, together=group.together)


def _judges(call: Call, dialect: str) -> tuple[Database | None, str]:
    """The database whose opinion is asked, if any, and the dialect to read in."""
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


# ---- lines of JSON -----------------------------------------------------------------------------------------------


def _answer_lines(database: Database | None, dialect: str, tally: Tally) -> ExitCode:
    """The answer to each line of standard input as it comes."""
    for answer in _lines(sys.stdin.buffer, dialect, database, tally):
        sys.stdout.write(answer)
        sys.stdout.flush()  # stdout is block-buffered in a pipe, and the caller waits for the answer
    return tally.code


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
            script = Script(f"line {number}", sql, named)
            answer = "".join(json_lines(tally.counted(checked([script], dialect, database)), tally))
            asked = Unreadable(f"line {number} has no statement", named)
        tally.unreadable += not answer
        yield answer or json_line({**asked.named, "error": _error(asked.message)})


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
