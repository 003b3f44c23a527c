"""`sqlagent policy`: checks the rules, explains what they say of one statement, and tests them against cases."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, RULED, group, takes
from sqlagent.cli.sources import script
from sqlagent.config import files
from sqlagent.config.cases import FACTS, CaseFile, given_of, open_cases
from sqlagent.config.files import PolicyFile
from sqlagent.config.kinds import Wrong, nearest
from sqlagent.config.policies import Book, gather, read
from sqlagent.core.errors import UsageError
from sqlagent.core.policy import Allow, Ask, Deny, Origin, Policy, Reads, Verdict, words
from sqlagent.core.policy.cases import Case, Given, ruled, sights_given
from sqlagent.core.policy.explanation import Explained, explain, explain_seen
from sqlagent.core.policy.seen import Sight, sights
from sqlagent.core.text.counted import counted
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.out import say
from sqlagent.ui.ruling import ruling, ruling_json, sight, verdict_json

rules = group("Rules: check, explain, test.")


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        say(line)


# ---- check -------------------------------------------------------------------------------------------------------


@rules.command("check")
@takes(RULED)
def policy_check(
    call: Call,
    named: Annotated[
        list[Path] | None, typer.Argument(help="Policy files; else those of the settings.", metavar="[FILE]...")
    ] = None,
) -> ExitCode:
    """Print every problem of policy files: file, line, key, and the nearest key.

    \b
    sqlagent policy check
    sqlagent policy check policy.toml
    """
    chosen = tuple(_named(path) for path in named) if named else call.settings.policy
    book = gather(chosen, Path.cwd())
    if call.json:
        call.print_json(_summary_json(book))
    elif book.problems:
        _say([f"{problem.sentence}\n  hint: {problem.hint}" for problem in book.problems])
    else:
        _say(_summary(book))
    return ExitCode.USAGE if book.problems else ExitCode.OK


def _named(path: Path) -> PolicyFile:
    label = files.shown(Path.cwd() / path, Path.cwd()).removeprefix("./")
    return PolicyFile(Path.cwd() / path.expanduser(), label, Origin.USER, "the command line")


def _summary(book: Book) -> list[str]:
    if not book.files:
        return ["no policy file: everything is asked", "  hint: sqlagent help policy"]
    kinds = {"deny": Deny, "ask": Ask, "allow": Allow}
    lines = []
    for file in book.files:
        own = [rule for rule in book.rules if rule.where.rpartition(":")[0] == file.label]
        counts = [f"{n} {word}" for word, kind in kinds.items() if (n := sum(isinstance(r.then, kind) for r in own))]
        project = ", a project's: it may only tighten" if file.origin is Origin.PROJECT else ""
        lines.append(f"{file.label}: {counted(len(own), 'rule')} ({', '.join(counts) or 'none'}){project}")
    lines += [f"role {role}: {', '.join(people)}" for role, people in book.roles.items()]
    return [*lines, f"timezone: {book.timezone}", *(f"note: {note}" for note in book.notes), "no problem found"]


def _summary_json(book: Book) -> dict[str, Any]:
    return {
        "files": [{"file": f.label, "origin": f.origin, "named_by": f.named_by} for f in book.files],
        "rules": [
            {"id": r.id, "where": r.where, "then": words(r.then).partition(" ")[0].rstrip(","), "origin": r.origin,
             "when": {name: condition.text for name, condition in r.when.items()}, "why": r.why}
            for r in book.rules
        ],
        "roles": {role: list(people) for role, people in book.roles.items()},
        "timezone": book.timezone,
        "notes": list(book.notes),
        "problems": [asdict(problem) for problem in book.problems],
    }  # fmt: skip


# ---- explain -----------------------------------------------------------------------------------------------------


@rules.command("explain")
@takes(DATABASE, RULED)
def policy_explain(
    call: Call,
    thread: Annotated[str, typer.Argument(help="The session's id, such as k7f3.", metavar="[THREAD]")] = "",
    sql: Annotated[str, typer.Option("--sql", help="SQL to try the rules on.", metavar="TEXT")] = "",
) -> ExitCode:
    """Say which rule decides, which do not, and because of what.

    \b
    sqlagent policy explain k7f3
    sqlagent policy explain --sql "DELETE FROM orders" --db prod
    """
    if bool(thread) == bool(sql):
        raise UsageError("name one thing to explain", hint="a THREAD, or --sql TEXT")
    weighed = call.agent.weigh(sql) if sql else call.agent.weigh_again(thread)
    explained = explain(weighed.analysis, weighed.policy, weighed.facts)
    verdict = ruled(sights(weighed.analysis, weighed.facts), weighed.policy)
    if call.json:
        call.print_json({**verdict_json(verdict), "statements": ruling_json(explained)})
        return ExitCode.OK
    for each in explained:
        _say([*ruling(each, rules=True), "     what the rules saw", *sight(each)])
    if len(explained) > 1:
        _say([f"all together: {words(verdict)}"])
    return ExitCode.OK


# ---- test --------------------------------------------------------------------------------------------------------


@rules.command("test")
@takes(DATABASE, RULED)
def policy_test(
    call: Call,
    file: Annotated[str, typer.Argument(help="A .toml file of cases, or a file of SQL.", metavar="CASES")],
    given: Annotated[
        list[str] | None, typer.Option("--given", help="A fact for a file of SQL: database=prod, rows=3.")
    ] = None,
) -> ExitCode:
    """Hold a policy against cases, or show what it says of each statement of a file.

    \b
    sqlagent policy test cases.toml
    sqlagent policy test migration.sql --given database=prod
    sqlagent policy test migration.sql --db prod
    """
    if file.endswith(".toml"):
        if given:
            raise UsageError("--given is for a file of SQL", hint="a case states its own facts, [given] those of all")
        return _cases(call, open_cases(Path.cwd() / file, Path.cwd()))
    return _statements(call, script(file)[0], given or [])


def _statements(call: Call, sql: str, facts: Sequence[str]) -> ExitCode:
    if call.flag("database"):
        if facts:
            raise UsageError("--given and --db exclude one another", hint="leave one out")
        weighed = call.agent.weigh(sql)
        seen, policy = sights(weighed.analysis, weighed.facts), weighed.policy
    else:
        policy = _policy(call, call.settings.rules)
        seen = _by_text(sql, _given(facts, policy.timezone), policy)
    explained, verdict = explain_seen(seen, policy), ruled(seen, policy)
    if call.json:
        call.print_json({**verdict_json(verdict), "statements": ruling_json(explained)})
    else:
        _say([line for each in explained for line in ruling(each, rules=False)])
        if len(explained) > 1:
            _say([f"all together: {words(verdict)}"])
    return ExitCode.OK


def _given(facts: Sequence[str], timezone: str) -> Given:
    """From `rows=3` and the like to the value: as TOML reads it, or else the text itself."""
    from zoneinfo import ZoneInfo

    table: dict[str, object] = {}
    for fact in facts:
        key, _, value = fact.partition("=")
        if key not in FACTS:
            guess = nearest(key, list(FACTS))
            raise UsageError(f"no fact named {key}", hint=f"did you mean {guess}?" if guess else ", ".join(FACTS))
        try:
            table[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            table[key] = value

    def refuse(key: str, wrong: Wrong) -> None:
        raise UsageError(f"--given {key} {wrong.message}", hint=wrong.hint)

    return given_of(table, ZoneInfo(timezone), refuse)


def _policy(call: Call, book: Book) -> Policy:
    s = call.settings
    return book.policy(Policy(reads=Reads(s.reads), relaxed=frozenset(s.relax)))


def _by_text(sql: str, given: Given, policy: Policy) -> tuple[Sight, ...]:
    """What can be seen without a database."""
    from sqlagent.core.analyze import parse  # sqlglot, which `policy check` need not wait for

    seen = sights_given(parse(sql, "sqlite"), given, policy)
    if not seen:
        raise UsageError("there is no SQL statement in it", hint="sqlagent policy test FILE.sql")
    return seen


def _cases(call: Call, opened: CaseFile) -> ExitCode:
    if opened.policies:
        typed = [f for f in call.settings.policy if f.named_by == "--policy"]
        policy = read([*opened.policies, *typed], Path.cwd()).policy(Policy())
    else:
        policy = _policy(call, call.settings.rules)
    results = [(case, *_tried(call, case, policy)) for case in opened.cases(policy.timezone)]
    failed = sum(not case.expected.met_by(verdict) for case, verdict, _ in results)
    if call.json:
        call.print_json({"cases": [_result_json(*result) for result in results], "failed": failed})
    else:
        for result in results:
            _say(_result(*result))
        _say([f"({counted(len(results), 'case')}, {failed} failed)"])
    return ExitCode.FAILED if failed else ExitCode.OK


def _tried(call: Call, case: Case, policy: Policy) -> tuple[Verdict, tuple[Explained, ...]]:
    """Hold one case against the rules; with --db, its SQL is analyzed and measured there."""
    if not call.flag("database"):
        seen = _by_text(case.sql, case.given, policy)
        return ruled(seen, policy), explain_seen(seen, policy)
    weighed = call.agent.weigh(case.sql)
    stated = {
        name: getattr(case.given, name)
        for name in ("database", "requester", "environment", "confidence")
        if name in case.stated
    }
    known_as = None if "database" in stated else weighed.facts.known_as
    facts = replace(weighed.facts, now=case.given.now, known_as=known_as, **stated)
    seen = sights(weighed.analysis, facts)
    there = replace(policy, writes=weighed.policy.writes)
    return ruled(seen, there), explain_seen(seen, there)


def _result(case: Case, verdict: Verdict, explained: tuple[Explained, ...]) -> list[str]:
    if case.expected.met_by(verdict):
        return [f"ok    {case.name}: {words(verdict)}"]
    lines = [f"FAIL  {case.name}  ({case.where})", f"      expected  {case.expected.words()}"]
    lines.append(f"      got       {words(verdict)}")
    for each in explained:
        lines.append(f"      {each.statement.index}: {words(each.verdict)}: {each.because}")
        lines += [f"         {c.rule} does not fire: {c.because}" for c in _missed(case, each)]
    return lines


def _missed(case: Case, explained: Explained) -> list[Any]:
    """The rules that were expected and did not fire."""
    return [c for c in explained.rules if c.rule in (case.expected.rules or ()) and not c.fires]


def _result_json(case: Case, verdict: Verdict, explained: tuple[Explained, ...]) -> dict[str, Any]:
    expected = case.expected
    return {
        "name": case.name,
        "where": case.where,
        "ok": expected.met_by(verdict),
        "expected": {
            "verdict": expected.verdict,
            "rules": None if expected.rules is None else sorted(expected.rules),
            "people": expected.people,
        },
        "got": verdict_json(verdict),
        "statements": ruling_json(explained),
    }
